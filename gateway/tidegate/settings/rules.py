"""The rules that hold between settings, each one function that yields what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tidegate.core.homes import USER_NAME_VARIABLE
from tidegate.core.limits import DYNAMODB_MAX_TRANSACTION_ITEMS
from tidegate.settings.identity_providers import providers_are_whole
from tidegate.settings.partners import homes_can_be_used
from tidegate.settings.problems import Place, Problem, dotted
from tidegate.settings.server import server_holds_together

if TYPE_CHECKING:
    from tidegate.settings.model import Settings
    from tidegate.settings.routes import RouteSettings

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def _keys_come_in_pairs(settings: Settings) -> Iterator[Problem]:
    aws = settings.aws
    if (aws.access_key_id is None) == (aws.secret_access_key is None):
        return
    given, missing = "access_key_id", "secret_access_key"
    if aws.access_key_id is None:
        given, missing = missing, given
    yield Problem(("aws", given), f"aws.{missing} is missing; give both or neither")


def _keys_are_not_for_aws(settings: Settings) -> Iterator[Problem]:
    aws = settings.aws
    if aws.access_key_id is None and aws.secret_access_key is None:
        return
    host = urlsplit(aws.endpoint_url or "").hostname
    if host is None or f".{host.rstrip('.')}".endswith(_AWS_DOMAINS):
        given = "secret_access_key" if aws.access_key_id is None else "access_key_id"
        text = "only for an aws.endpoint_url that is not AWS's; with AWS use a role"
        yield Problem(("aws", given), text)


def _control_port_is_safe(settings: Settings) -> Iterator[Problem]:
    control = settings.control
    if (control.certificate_file is None) != (control.key_file is None):
        missing = "key_file" if control.key_file is None else "certificate_file"
        yield Problem(("control",), f"control.{missing} is missing; give both or neither")
    if control.port is None:
        return
    if not control.credentials:
        yield Problem(("control", "port"), "nobody could call it: name control.credentials")
    if control.certificate_file is None and control.host not in _LOOPBACK:
        # Bodies hold private host keys, and passwords that are tried.
        text = f"{control.host} can be reached from elsewhere: name a control.certificate_file"
        yield Problem(("control", "host"), text)


def _control_ports_are_free(settings: Settings) -> Iterator[Problem]:
    if settings.control.sftp_ports is None:
        return
    first, last = (int(each) for each in settings.control.sftp_ports.split("-"))
    others = {
        "sftp.port": settings.sftp.port,
        "control.port": settings.control.port,
        "health.port": settings.health.port,
    }
    for name, port in others.items():
        if port is not None and first <= port <= last:
            yield Problem(("control", "sftp_ports"), f"{name}, {port}, is one of them")


def _callers_are_told_apart(settings: Settings) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number, each in enumerate(settings.control.credentials):
        if first.setdefault(each.access_key_id, number) != number:
            # Which of the two may do more would be a guess.
            text = f"{each.access_key_id} is that of control.credentials[{first[each.access_key_id]}] already"
            yield Problem(("control", "credentials", number, "access_key_id"), text)


def _budget_holds_one_upload(settings: Settings) -> Iterator[Problem]:
    uploads = settings.uploads
    least = uploads.part_size_bytes + uploads.reorder_window_bytes
    if uploads.buffer_budget_bytes < least:
        text = (
            f"{uploads.buffer_budget_bytes} is below {least}, "
            "which is uploads.part_size_bytes + uploads.reorder_window_bytes: not one upload would fit"
        )
        yield Problem(("uploads", "buffer_budget_bytes"), text)


def _targets_fit_one_transaction(settings: Settings) -> Iterator[Problem]:
    # One item more is the record itself. With too many no upload could ever end.
    most = DYNAMODB_MAX_TRANSACTION_ITEMS - 1
    if len(settings.deliveries.targets) > most:
        text = f"{len(settings.deliveries.targets)} targets; a file can be owed to {most} at most"
        yield Problem(("deliveries", "targets"), text)


def _targets_are_no_sources(settings: Settings) -> Iterator[Problem]:
    for number, target in enumerate(settings.deliveries.targets):
        place = ("deliveries", "targets", number, "bucket")
        if target.bucket == settings.landing.bucket:
            text = "is the landing bucket; copies would land among the uploads and be copied again"
            yield Problem(place, f"{target.bucket} {text}")
            continue
        for source, whose in _sources(settings):
            if _overlap(f"/{target.bucket}/{target.prefix}", source.partition(USER_NAME_VARIABLE)[0]):
                text = "would land among the uploads and be copied again"
                yield Problem(place, f"copies overlap {source.rstrip('/')}, {whose}, and {text}")


def _sources(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yield each `/bucket/prefix/` that uploads may land in, and whose it is."""
    for partner in settings.partners:
        for target in settings.home_of(partner).targets:
            yield f"{target}/", f"the home of {partner.name}"
    for route in settings.routes:
        if route.bucket:
            yield f"/{route.bucket}/{route.prefix}", f"where the route {route.name} leads"


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _target_names_are_unique(settings: Settings) -> Iterator[Problem]:
    names = [target.name for target in settings.deliveries.targets]
    return _unique(names, ("deliveries", "targets"))


def _partner_names_are_unique(settings: Settings) -> Iterator[Problem]:
    return _unique([partner.name for partner in settings.partners], ("partners",))


def _route_names_are_unique(settings: Settings) -> Iterator[Problem]:
    return _unique([route.name for route in settings.routes], ("routes",))


def _routes_lead_somewhere(settings: Settings) -> Iterator[Problem]:
    for number, route in enumerate(settings.routes):
        if route.prefix and not route.bucket:
            place = ("routes", number)
            yield Problem((*place, "prefix"), f"needs a bucket: write {dotted((*place, 'bucket'))}, too")


def _routes_can_match(settings: Settings) -> Iterator[Problem]:
    for number, route in enumerate(settings.routes):
        for before in settings.routes[:number]:
            if _takes_all_of(before, route):
                text = f"never counts: {before.name} stands before it and takes all it would match"
                yield Problem(("routes", number), text)
                break


def _takes_all_of(before: RouteSettings, route: RouteSettings) -> bool:
    covers = before.path in ("/", route.path) or route.path.startswith(f"{before.path}/")
    return covers and ("*" in before.partners or {*route.partners} <= {*before.partners})


def _routes_name_known_targets(settings: Settings) -> Iterator[Problem]:
    known = [target.name for target in settings.deliveries.targets]
    for number, route in enumerate(settings.routes):
        for place, name in enumerate(route.deliver_to or ()):
            if name not in known:
                text = f"{name} is no target; known are {', '.join(known) or 'none'}"
                yield Problem(("routes", number, "deliver_to", place), text)


def _acceptances_make_sense(settings: Settings) -> Iterator[Problem]:
    for number, route in enumerate(settings.routes):
        yield from route.accept.problems(("routes", number, "accept"))


def _unique(names: list[str], place: Place) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if first.setdefault(name, number) != number:
            text = f"{name} is the name of {dotted((*place, first[name]))} already"
            yield Problem((*place, number, "name"), text)


RULES: tuple[Callable[[Settings], Iterator[Problem]], ...] = (
    _keys_come_in_pairs,
    _keys_are_not_for_aws,
    _control_port_is_safe,
    _control_ports_are_free,
    _callers_are_told_apart,
    _budget_holds_one_upload,
    _targets_fit_one_transaction,
    _targets_are_no_sources,
    _target_names_are_unique,
    _partner_names_are_unique,
    homes_can_be_used,
    server_holds_together,
    _route_names_are_unique,
    _routes_lead_somewhere,
    _routes_can_match,
    _routes_name_known_targets,
    _acceptances_make_sense,
    providers_are_whole,
)
