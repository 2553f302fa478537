"""Who is told of what happens in sessions: lines, events and metrics."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field

from tidegate.settings.kinds import Count, EventBusName, FilePath, Flag, LogGroupName
from tidegate.settings.sections import Section

_AWS_DOMAINS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")


class ActivitySettings(Section):
    """
    Who is told of logins, files and changes of names.

    A server can name log groups of its own, as in Transfer Family.
    """

    stdout: Flag = Field(default=False, description="Whether activities are written to standard output.")
    file: FilePath | None = Field(
        default=None, description="File that activities are appended to; null means none."
    )
    log_group: LogGroupName | None = Field(
        default=None,
        description="CloudWatch log group of servers that name none themselves; null means none.",
    )
    events: EventBusName | None = Field(
        default=None,
        description="EventBridge bus that events are sent to; null means none, and to `local` its own.",
    )
    metrics: Flag | None = Field(
        default=None,
        description="Whether CloudWatch is told bytes and files; null means no, and to `local` yes.",
    )
    aws_names: Flag | None = Field(
        default=None,
        description="Whether events and metrics have the names that AWS keeps to itself; null: where it is "
        "not AWS that they are sent to.",
    )
    queue: Count = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="How many activities may wait for one place that is slow.",
    )


def has_aws_names(activity: ActivitySettings, endpoint_url: str | None) -> bool:
    """Tell whether events and metrics have AWS's own names, which AWS itself takes from nobody."""
    if activity.aws_names is not None:
        return activity.aws_names
    host = urlsplit(endpoint_url or "").hostname
    return host is not None and not f".{host.rstrip('.')}".endswith(_AWS_DOMAINS)
