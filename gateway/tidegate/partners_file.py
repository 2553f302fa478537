"""The `partners:` and the `server:` of a configuration as the users and the server it wants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tidegate.core.errors import InvalidKey, InvalidSettings
from tidegate.core.public_keys import parse_public_key
from tidegate.core.security_policies import POLICIES
from tidegate.services.users import WantedUser
from tidegate.settings.model import Settings
from tidegate.settings.partners import PartnerSettings

# Anything longer is no key; a whole disk must not be read to find out.
_MAX_BYTES = 64 * 1024


def wanted_users(settings: Settings, source: str) -> list[WantedUser]:
    """
    Return the users of the configuration, with every key read and checked.

    Raises:
        InvalidSettings: A key or key file cannot be used; names partner and place.
    """
    return [
        WantedUser(partner.name, settings.home_of(partner), _keys(partner, source), members=partner.members)
        for partner in settings.partners
    ]


def wanted_server(settings: Settings, source: str) -> dict[str, Any]:
    """
    Return the members that the configuration wants a server of ours to have, by name.

    Raises:
        InvalidSettings: It names a security policy that no gateway knows.
    """
    name = settings.server.security_policy
    if name is not None and name not in POLICIES:
        raise InvalidSettings(
            f"{source}: server.security_policy: there is no {name}", hint=f"known are {', '.join(POLICIES)}"
        )
    return settings.server.members


def _keys(partner: PartnerSettings, source: str) -> tuple[str, ...]:
    pasted = [(f"keys[{number}]", key) for number, key in enumerate(partner.keys)]
    try:
        pasted += [(str(file), _text(file)) for file in partner.key_files]
        for place, text in pasted:
            _check(place, text)
    except InvalidKey as error:
        raise InvalidSettings(f"{source}: partner {partner.name}: {error.detail}", hint=error.hint) from error
    return tuple(text for _, text in pasted)


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(_MAX_BYTES).decode("utf-8")
    except OSError as error:
        raise InvalidKey(f"key file {file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise InvalidKey(f"key file {file} is no text, so no public key", hint="name the .pub file") from None


def _check(place: str, text: str) -> None:
    try:
        parse_public_key(text)
    except InvalidKey as error:
        raise InvalidKey(f"{place}: {error.detail}", hint=error.hint) from error
