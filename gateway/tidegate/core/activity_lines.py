"""
Activities as Transfer Family writes them: one JSON object, or one line of text.

The order of members is that of AWS's published samples. Where there is no sample (DELETE, MKDIR, RMDIR,
SETSTAT, RENAME, ERROR, PARTIAL_CLOSE, EXIT_REASON), members and order are ours, after those that there are.
"""

from __future__ import annotations

import json
import re
from typing import TypeAlias

from tidegate.core.activities import (
    Activity,
    AuthFailure,
    Changed,
    Closed,
    Connected,
    Disconnected,
    Ended,
    Failed,
    KexFailure,
    Opened,
    stream_of,
)

Members: TypeAlias = dict[str, str]

# What turns text round, and halves of characters that no stream can write; JSON lets both through.
_ODD = re.compile(r"[\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\"\\]|" + _ODD.pattern)

_BYTES = {"in": "bytes-in", "out": "bytes-out"}
_WORDS = {
    "source-ip": "SourceIP",
    "home-dir": "HomeDir",
    "new-path": "NewPath",
    "bytes-in": "BytesIn",
    "bytes-out": "BytesOut",
    "proxy-protocol-v2-header": "ProxyProtocolV2Header",
}


def type_of(activity: Activity) -> str:
    """Return the `activity-type`."""
    if isinstance(activity, Closed):
        return "PARTIAL_CLOSE" if activity.is_partial else "CLOSE"
    return activity.operation if isinstance(activity, Changed) else _TYPES[type(activity)]


_TYPES: dict[type, str] = {
    Connected: "CONNECTED",
    Ended: "EXIT_REASON",
    Disconnected: "DISCONNECTED",
    AuthFailure: "AUTH_FAILURE",
    KexFailure: "KEX_FAILURE",
    Opened: "OPEN",
    Failed: "ERROR",
}


# --- structured -----------------------------------------------------------------------------


def structured(activity: Activity, server_arn: str) -> str:
    """Return the line of a structured log: JSON, without a time, as AWS writes it."""
    return as_json(structured_members(activity, server_arn))


def as_json(members: Members) -> str:
    """Return one line that is JSON, in which nothing turns the text round or ends the line."""
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    return _ODD.sub(lambda found: f"\\u{ord(found.group()):04x}", text)


def structured_members(activity: Activity, server_arn: str) -> Members:
    """Return the members in their order; those that say nothing are left out."""
    kind, arn = {"activity-type": type_of(activity)}, {"resource-arn": server_arn}
    if isinstance(activity, AuthFailure):
        who = {"message": activity.message, "user": activity.user_name}
        return {"method": activity.method, **kind, "source-ip": activity.client_ip, **arn, **who}
    if isinstance(activity, KexFailure):
        why = {"message": activity.message, "kex": activity.kex}
        return {**kind, "source-ip": activity.client_ip, **arn, **why}
    session = {"session-id": activity.visitor.session_id}
    if isinstance(activity, Connected):
        more = {"user-policy": activity.policy, **_proxy(activity)}
        return _said({**_connected(activity, kind, arn), **session, **more})
    if isinstance(activity, Disconnected):
        return {**kind, **arn, **session}
    return _said({**_subject(activity), **kind, **arn, **_size(activity), **session})


def _subject(activity: Ended | Opened | Closed | Changed | Failed) -> Members:
    match activity:
        case Ended():
            return {"message": activity.message}
        case Opened():
            return {"mode": activity.mode, "path": activity.path}
        case Closed():
            return {"path": activity.path}
        case Changed():
            return {"path": activity.path, "new-path": activity.new_path}
        case Failed():
            what = {"message": activity.message, "operation": activity.operation}
            return {**what, "path": activity.path, "new-path": activity.new_path}


def _connected(activity: Connected, kind: Members, arn: Members) -> Members:
    return {
        "role": activity.role,
        **kind,
        "ciphers": ",".join(activity.ciphers),
        "client": activity.client,
        "source-ip": activity.visitor.client_ip,
        **arn,
        "home-dir": "/" if activity.home_directory is None else activity.home_directory,
        "ssh-public-key": activity.key_body,
        "ssh-public-key-fingerprint": activity.key_fingerprint.rstrip("="),
        "ssh-public-key-type": activity.key_type,
        "user": activity.visitor.user_name,
        "kex": activity.kex,
    }


def _proxy(activity: Connected) -> Members:
    return {"proxy-protocol-v2-header": "applied"} if activity.proxied else {}


def _size(activity: Activity) -> Members:
    # Digits in a string, as AWS has it.
    if isinstance(activity, Closed | Failed) and activity.direction:
        return {_BYTES[activity.direction]: str(activity.size)}
    return {}


def _said(members: Members) -> Members:
    return {name: value for name, value in members.items() if value}


# --- text -----------------------------------------------------------------------------------


def text_line(activity: Activity) -> str:
    """Return the line of a text log, which begins with the name of its stream."""
    facts = " ".join(_fact(name, value) for name, value in _text_members(activity).items())
    return f"{stream_of(activity)} {type_of(activity)} {facts}".rstrip()


def _text_members(activity: Activity) -> Members:
    match activity:
        case Connected():
            who = {"source-ip": activity.visitor.client_ip, "user": activity.visitor.user_name}
            home = {"home-dir": "LOGICAL" if activity.home_directory is None else activity.home_directory}
            return _said(
                {**who, **home, "client": activity.client, "role": activity.role, **_proxy(activity)}
            )
        case AuthFailure():
            who = {"method": activity.method, "user": activity.user_name}
            return {**who, "message": activity.message, "source-ip": activity.client_ip}
        case KexFailure():
            return {"message": activity.message, "source-ip": activity.client_ip, "kex": activity.kex}
        case Opened():
            return {"path": activity.path, "mode": activity.mode}
        case Disconnected():
            return {}
    return _said({**_subject(activity), **_size(activity)})


def _fact(name: str, value: str) -> str:
    harmless = _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), value)
    # What AWS quotes, and no more.
    shown = f'"{harmless}"' if name == "message" else harmless
    return f"{_WORDS.get(name, name.capitalize())}={shown}"
