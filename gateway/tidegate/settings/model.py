"""All settings as one frozen value, and the rules that hold between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tidegate.core.behaviour import Preset
from tidegate.core.paths import USER_NAME_VARIABLE
from tidegate.settings.kinds import OWN_WORDS, Count, ServerId, refused
from tidegate.settings.problems import Place, Problem, dotted
from tidegate.settings.sections import (
    AwsSettings,
    BehaviourSettings,
    DeliverySettings,
    DownloadSettings,
    LandingSettings,
    LoggingSettings,
    PartnerSettings,
    RecordSettings,
    Section,
    SftpSettings,
    ShutdownSettings,
    SweepSettings,
    TableSettings,
    UploadSettings,
)

FORMAT_VERSION = 1
_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


def _known_version(version: int) -> int:
    if version != FORMAT_VERSION:
        raise refused(f"{version} is not known here; this tidegate reads version {FORMAT_VERSION}")
    return version


class Settings(Section):
    """
    Everything a gateway is told. Frozen; every default is one that `local` runs with.

    What `serve` asks for beyond this is in `check_for_serve`.
    """

    version: Annotated[Count, AfterValidator(_known_version)] = Field(
        default=FORMAT_VERSION,
        description="Version of this format.",
        json_schema_extra={"const": FORMAT_VERSION},
    )
    preset: Preset | None = Field(
        default=None, description="Whose behaviour the server has; `serve` must be told."
    )
    server_id: ServerId | None = Field(
        default=None,
        description="Id of the server, in Transfer Family's form; null leaves it to the command.",
    )
    aws: AwsSettings = Field(default_factory=AwsSettings, description="How AWS is reached.")
    sftp: SftpSettings = Field(default_factory=SftpSettings, description="The SFTP server.")
    landing: LandingSettings = Field(default_factory=LandingSettings, description="Where uploads land.")
    tables: TableSettings = Field(default_factory=TableSettings, description="The DynamoDB tables.")
    deliveries: DeliverySettings = Field(
        default_factory=DeliverySettings, description="What finished uploads owe."
    )
    uploads: UploadSettings = Field(default_factory=UploadSettings, description="Buffers of uploads.")
    downloads: DownloadSettings = Field(default_factory=DownloadSettings, description="Buffers of downloads.")
    behaviour: BehaviourSettings = Field(
        default_factory=BehaviourSettings, description="Departures from the preset."
    )
    shutdown: ShutdownSettings = Field(default_factory=ShutdownSettings, description="How the gateway stops.")
    sweep: SweepSettings = Field(default_factory=SweepSettings, description="What dead gateways left.")
    records: RecordSettings = Field(default_factory=RecordSettings, description="How long records are kept.")
    logging: LoggingSettings = Field(default_factory=LoggingSettings, description="The log.")
    partners: tuple[PartnerSettings, ...] = Field(default=(), description="Partners of this server.")

    def home_of(self, partner: PartnerSettings) -> str:
        """Return the `/bucket/prefix` the partner sees as `/`, with `${transfer:UserName}` filled in."""
        home = partner.home or f"/{self.landing.bucket}/{partner.name}"
        return home.replace(USER_NAME_VARIABLE, partner.name)

    @model_validator(mode="after")
    def _hold_rules(self) -> Settings:
        problems = [problem for rule in _RULES for problem in rule(self)]
        if problems:
            # The text is for callers who build settings in Python; the loader places each problem.
            text = "; ".join(problem.text for problem in problems)
            raise PydanticCustomError(OWN_WORDS, "{text}", {"text": text, "problems": problems})
        return self


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


def _budget_holds_one_upload(settings: Settings) -> Iterator[Problem]:
    uploads = settings.uploads
    least = uploads.part_size_bytes + uploads.reorder_window_bytes
    if uploads.buffer_budget_bytes < least:
        text = (
            f"{uploads.buffer_budget_bytes} is below {least}, "
            "which is uploads.part_size_bytes + uploads.reorder_window_bytes: not one upload would fit"
        )
        yield Problem(("uploads", "buffer_budget_bytes"), text)


def _targets_are_no_sources(settings: Settings) -> Iterator[Problem]:
    for number, target in enumerate(settings.deliveries.targets):
        place = ("deliveries", "targets", number, "bucket")
        if target.bucket == settings.landing.bucket:
            text = "is the landing bucket; copies would land among the uploads and be copied again"
            yield Problem(place, f"{target.bucket} {text}")
            continue
        for partner in settings.partners:
            home = settings.home_of(partner)
            if _overlap(f"/{target.bucket}/{target.prefix}", f"{home}/"):
                text = "would land among the uploads and be copied again"
                yield Problem(place, f"copies overlap {home}, the home of {partner.name}, and {text}")


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _target_names_are_unique(settings: Settings) -> Iterator[Problem]:
    names = [target.name for target in settings.deliveries.targets]
    return _unique(names, ("deliveries", "targets"))


def _partner_names_are_unique(settings: Settings) -> Iterator[Problem]:
    return _unique([partner.name for partner in settings.partners], ("partners",))


def _unique(names: list[str], place: Place) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number, name in enumerate(names):
        if first.setdefault(name, number) != number:
            text = f"{name} is the name of {dotted((*place, first[name]))} already"
            yield Problem((*place, number, "name"), text)


_RULES: tuple[Callable[[Settings], Iterator[Problem]], ...] = (
    _keys_come_in_pairs,
    _keys_are_not_for_aws,
    _budget_holds_one_upload,
    _targets_are_no_sources,
    _target_names_are_unique,
    _partner_names_are_unique,
)
