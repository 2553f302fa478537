"""
Activities to CloudWatch Logs: JSON to the groups a server names, text to the group of its logging role.

Streams are made when they are first written to. Groups of structured logs are somebody else's: one that is
not there is left alone for a few seconds. The group of text is made, as Transfer Family makes it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from botocore.exceptions import ClientError

from tidegate.adapters.aws.account_arns import AccountArns
from tidegate.adapters.aws.clients import AwsClients
from tidegate.core.activities import Activity, legacy_group_of, stream_of
from tidegate.core.activity_lines import structured, text_line
from tidegate.core.arns import Arns
from tidegate.core.errors import GatewayError, InvalidName, NotFound, StoreUnavailable
from tidegate.ports.activities import Written
from tidegate.ports.clock import Clock

# CloudWatch Logs API, PutLogEvents: of one call and of one event.
MAX_EVENTS = 10_000
MAX_BATCH_BYTES = 1_048_576
EVENT_OVERHEAD_BYTES = 26
MAX_EVENT_BYTES = 256 * 1024 - EVENT_OVERHEAD_BYTES
MAX_SPAN_MS = 24 * 3600 * 1000

LEFT_ALONE_SECONDS = 5.0
# Of sessions that may write again: more than a gateway has at once.
_MAX_STREAMS_KNOWN = 20_000

Place = tuple[str, str]  # group and stream


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line, and the activity that it tells of."""

    at_ms: int
    text: str
    activity: Activity = field(compare=False)

    @property
    def size(self) -> int:
        return len(self.text.encode()) + EVENT_OVERHEAD_BYTES


class LogGroups:
    """
    `ActivitySink` over CloudWatch Logs.

    Args:
        default_group: Of structured logs of servers that name no group.
    """

    name = "cloudwatch-logs"
    batch_size = 1000
    linger_seconds = 1.0

    def __init__(
        self, clients: AwsClients, account: AccountArns, clock: Clock, default_group: str | None = None
    ) -> None:
        self._clients = clients
        self._default_group = default_group
        self._account = account
        self._clock = clock
        self._streams: OrderedDict[Place, None] = OrderedDict()
        self._left: dict[str, tuple[float, str]] = {}  # group: until when it is left alone, and why

    def wants(self, activity: Activity) -> bool:
        server = activity.server
        return bool(self._default_group or server.log_destinations or server.logging_role)

    def forget(self) -> None:
        """Look anew for every group and stream: another hand has changed what there is."""
        self._streams.clear()
        self._left.clear()

    async def write(self, batch: Sequence[Activity]) -> Written:
        arns = await self._account.arns()
        again: dict[int, Activity] = {}
        lost, why = 0, ""
        for place, lines in self._by_place(batch, arns).items():
            for some in batches(lines):
                try:
                    await self._put(place, some)
                except StoreUnavailable as error:
                    # With two logs, what one of them has taken is sent to it again: twice is better than not.
                    again |= {id(line.activity): line.activity for line in some}
                    why = str(error)
                except GatewayError as error:
                    self._leave_alone(place[0], str(error))
                    lost, why = lost + len(some), str(error)
        return Written(tuple(each for each in batch if id(each) in again), lost, why)

    def _by_place(self, batch: Sequence[Activity], arns: Arns) -> dict[Place, list[LogLine]]:
        found: dict[Place, list[LogLine]] = {}
        for activity in batch:
            for group, text in self._lines(activity, arns):
                found.setdefault((group, stream_of(activity)), []).append(log_line(activity, text))
        return found

    def _lines(self, activity: Activity, arns: Arns) -> Iterator[tuple[str, str]]:
        """Yield each group that the activity belongs to, and its line there."""
        server = activity.server
        groups = [group_of(each, arns.region) or each for each in server.log_destinations]
        if self._default_group and not groups:
            groups = [self._default_group]
        if groups:
            text = structured(activity, arns.server(server.server_id))
            yield from ((group, text) for group in groups)
        if server.logging_role:
            yield legacy_group_of(server), text_line(activity)

    async def _put(self, place: Place, lines: Sequence[LogLine]) -> None:
        await self._ensure(place)
        try:
            await self._put_events(place, lines)
        except NotFound:
            # Removed since: whoever cleans up log groups need not tell us.
            self._streams.pop(place, None)
            await self._ensure(place)
            await self._put_events(place, lines)

    async def _put_events(self, place: Place, lines: Sequence[LogLine]) -> None:
        group, stream = place
        answer = await self._clients.run_telling(
            lambda: self._clients.logs.put_log_events(
                logGroupName=group,
                logStreamName=stream,
                logEvents=[{"timestamp": line.at_ms, "message": line.text} for line in lines],
            )
        )
        if refused := answer.get("rejectedLogEventsInfo"):
            raise NotFound(f"log group {group}: events were rejected: {refused}")

    async def _ensure(self, place: Place) -> None:
        """Make the stream, unless it was made. Raises `NotFound` if there is no such group."""
        group, stream = place
        if place in self._streams:
            return
        until, why = self._left.get(group, (0.0, ""))
        if self._clock.monotonic() < until:
            raise NotFound(why)
        if group.startswith("arn:"):
            raise InvalidName(f"{group} is no log group of this Region", hint="name another in the server")
        try:
            await self._make_stream(group, stream)
        except NotFound as error:
            raise NotFound(
                f"log group {group} does not exist", hint="create it, or name another in the server"
            ) from error
        self._left.pop(group, None)
        self._streams[place] = None
        if len(self._streams) > _MAX_STREAMS_KNOWN:
            self._streams.popitem(last=False)

    def _leave_alone(self, group: str, why: str) -> None:
        if self._clock.monotonic() >= self._left.get(group, (0.0, ""))[0]:
            self._left[group] = (self._clock.monotonic() + LEFT_ALONE_SECONDS, why)

    async def _make_stream(self, group: str, stream: str) -> None:
        def stream_there() -> None:
            self._clients.logs.create_log_stream(logGroupName=group, logStreamName=stream)

        try:
            await self._make(stream_there)
        except NotFound:
            if not group.startswith("/aws/transfer/"):
                raise
            await self._make(lambda: self._clients.logs.create_log_group(logGroupName=group))
            await self._make(stream_there)

    async def _make(self, call: Callable[[], object]) -> None:
        try:
            await self._clients.run_telling(call)
        except GatewayError as error:
            if _code(error) != "ResourceAlreadyExistsException":
                raise


def group_of(arn: str, region: str) -> str | None:
    """Return the name of the log group; None if it is no log group of this Region."""
    parts = arn.split(":", 6)
    if len(parts) < 7 or parts[2] != "logs" or parts[3] != region or parts[5] != "log-group":
        return None
    return parts[6].removesuffix(":*")


def batches(lines: Sequence[LogLine]) -> Iterator[list[LogLine]]:
    """Yield the lines in calls that CloudWatch Logs takes: few enough, small enough, in order of time."""
    some: list[LogLine] = []
    size = 0
    for line in sorted(lines, key=lambda each: each.at_ms):
        is_full = len(some) >= MAX_EVENTS or size + line.size > MAX_BATCH_BYTES
        if some and (is_full or line.at_ms - some[0].at_ms >= MAX_SPAN_MS):
            yield some
            some, size = [], 0
        some.append(line)
        size += line.size
    if some:
        yield some


def log_line(activity: Activity, text: str) -> LogLine:
    """Return the line of an activity, cut to what CloudWatch Logs takes."""
    data = text.encode()
    if len(data) > MAX_EVENT_BYTES:
        text = data[:MAX_EVENT_BYTES].decode(errors="ignore")
    return LogLine(int(activity.at.timestamp() * 1000), text, activity)


def _code(error: GatewayError) -> str:
    cause = error.__cause__
    return str(cause.response.get("Error", {}).get("Code")) if isinstance(cause, ClientError) else ""
