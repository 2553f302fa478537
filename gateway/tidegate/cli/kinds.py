"""What options and arguments take: functions for `type=`, each with a refusal in one line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import click
from pydantic import TypeAdapter, ValidationError

from tidegate.core.errors import NotFound
from tidegate.core.ids import LogId
from tidegate.core.transfers import TransferStatus
from tidegate.core.users import check_user_name
from tidegate.settings.kinds import EndpointUrl, ServerId
from tidegate.settings.resources import RoleArn

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
# Records are searched day by day: further back it would only take long, and records expire before.
_FURTHEST = timedelta(days=3660)
_LONGEST_REASON = 1000
_LOG_ID = re.compile(r"[0-9a-z]{26}")
_ENDPOINT_URL: TypeAdapter[str] = TypeAdapter(EndpointUrl)
_ROLE: TypeAdapter[str] = TypeAdapter(RoleArn)
_SERVER_ID: TypeAdapter[str] = TypeAdapter(ServerId)


def moment(text: str) -> datetime:
    """Return a moment in UTC: ISO 8601 (UTC if it names no zone), or how long ago: 90s, 15m, 2h, 3d, 1w."""
    now = datetime.now(UTC)
    ago = re.fullmatch(r"(\d{1,9})([smhdw])", text, re.ASCII)
    try:
        found = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}) if ago else datetime.fromisoformat(text)
        found = (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(f"{text!r} is no time: write 2h, 3d or 2026-01-31T08:00:00Z") from None
    if found < now - _FURTHEST:
        raise click.BadParameter(f"{text!r} is more than ten years ago")
    return found


def endpoint_url(text: str) -> str:
    """Return the URL of an endpoint, as `aws.endpoint_url` takes it."""
    try:
        return _ENDPOINT_URL.validate_python(text)
    except ValidationError as error:
        raise click.BadParameter(error.errors()[0]["msg"]) from None


def server_id(text: str) -> str:
    """Return the id of a server, in Transfer Family's form."""
    try:
        return _SERVER_ID.validate_python(text)
    except ValidationError:
        raise click.BadParameter(f"{text!r} is no server id: s- and 17 hexadecimal digits") from None


def role_arn(text: str) -> str:
    """Return the ARN of a role, or nothing if it is empty."""
    try:
        return _ROLE.validate_python(text) if text else ""
    except ValidationError:
        raise click.BadParameter(f"{text!r} is no ARN of a role: arn:aws:iam::ACCOUNT:role/NAME") from None


def partner_name(text: str) -> str:
    """Return a name that a partner can have. Raises `InvalidName`."""
    return check_user_name(text)


def transfer_status(text: str) -> TransferStatus:
    """Return a state of transfers, written in any case."""
    try:
        return TransferStatus(text.upper())
    except ValueError:
        raise click.BadParameter(f"{text!r} is none of {', '.join(TransferStatus)}") from None


def reason(text: str) -> str:
    """Return why something is done, in words."""
    if not text.strip():
        raise click.BadParameter("say why, in words")
    # An item holds 400 KB, and a line of a table less.
    if len(text) > _LONGEST_REASON:
        raise click.BadParameter(f"more than {_LONGEST_REASON} characters")
    return text.strip()


def transfer_id(text: str) -> LogId:
    """Return the id of a transfer. Raises `NotFound` for what cannot be one."""
    if _LOG_ID.fullmatch(text) is None:
        raise NotFound(f"{text!r} is no LogID", hint="tidegate transfers list shows them; copy all of it")
    return LogId(text)
