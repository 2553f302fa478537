"""The `partners:` of a configuration as the users it wants."""

from __future__ import annotations

from pathlib import Path

from tidegate.core.errors import InvalidKey, InvalidSettings
from tidegate.core.public_keys import parse_public_key
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
        WantedUser(partner.name, settings.home_of(partner), _keys(partner, source))
        for partner in settings.partners
    ]


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
