"""The kinds of values that users and servers of Transfer Family have."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from tidegate.core.errors import InvalidName
from tidegate.core.homes import home_from_target
from tidegate.core.limits import TRANSFER_POLICY_MAX_CHARS
from tidegate.core.tags import tagged
from tidegate.settings.kinds import Words, refused
from tidegate.settings.problems import shown

_TAG_KEY_CHARS, _TAG_VALUE_CHARS = 128, 256


def _any_home(home: str) -> str:
    # Of a home of type PATH alone; that of type LOGICAL is refused with what it would show.
    if home == "/":
        return home
    try:
        return home_from_target(home).target
    except InvalidName as error:
        raise refused(f"{error.detail}; {error.hint}" if error.hint else error.detail) from error


def _policy_text(value: Any) -> Any:
    if value is None:
        return value
    if isinstance(value, dict):
        text = json.dumps(_plain(value), ensure_ascii=False)
    elif isinstance(value, str):
        text = value
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise refused("expected a policy: a mapping, or the same as JSON text")
    else:
        raise refused(f"expected a policy, not {shown(value)}")
    if len(text) > TRANSFER_POLICY_MAX_CHARS:
        raise refused(f"as JSON it has {len(text)} characters, and can have {TRANSFER_POLICY_MAX_CHARS}")
    return text


def _plain(value: Any) -> Any:
    """Return a value of YAML as JSON has it: 2012-10-17 without quotes is a date there."""
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, date) else value


def _tags(tags: dict[str, str]) -> dict[str, str]:
    try:
        tagged((), tags.items())
    except InvalidName as error:
        raise refused(error.detail) from error
    for key, value in tags.items():
        if len(key) > _TAG_KEY_CHARS or len(value) > _TAG_VALUE_CHARS:
            raise refused(
                f"{shown(key)}: a key has {_TAG_KEY_CHARS} characters at most, a value {_TAG_VALUE_CHARS}"
            )
    return tags


AnyHomeDirectory: TypeAlias = Annotated[str, AfterValidator(_any_home)]
# Source: Transfer Family API, Role.
RoleArn: TypeAlias = Annotated[
    str,
    Field(pattern=r"^arn:.*role/\S+$", max_length=2048),
    Words(form="the ARN of an IAM role"),
]
SessionPolicy: TypeAlias = Annotated[
    str,
    BeforeValidator(_policy_text),
    WithJsonSchema({"anyOf": [{"type": "object"}, {"type": "string"}]}),
]
PosixId: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=4294967295)]
ResourceTags: TypeAlias = Annotated[dict[str, str], AfterValidator(_tags)]
# Source: Transfer Family API, PreAuthenticationLoginBanner.
Banner: TypeAlias = Annotated[
    str,
    Field(pattern=r"^[\x09-\x0D\x20-\x7E]*$", max_length=4096),
    Words(form="ASCII text"),
]
LogDestination: TypeAlias = Annotated[
    str, Field(pattern=r"^arn:\S+$", max_length=1600), Words(form="the ARN of a log group")
]
WorkflowId: TypeAlias = Annotated[
    str, Field(pattern=r"^w-[a-z0-9]{17}$"), Words(form="w- and 17 letters or digits")
]
FunctionArn: TypeAlias = Annotated[
    str,
    Field(pattern=r"^arn:[a-z-]+:lambda:.*$", max_length=170),
    Words(form="the ARN of a Lambda function"),
]
DirectoryId: TypeAlias = Annotated[
    str, Field(pattern=r"^d-[0-9a-f]{10}$"), Words(form="d- and 10 hexadecimal digits")
]
