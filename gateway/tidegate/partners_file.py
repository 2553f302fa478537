"""The `partners:` of a configuration as the users it wants."""

from __future__ import annotations

from tidegate.core.errors import InvalidKey, InvalidSettings
from tidegate.core.paths import home_from_target
from tidegate.core.public_keys import parse_public_key
from tidegate.services.users import WantedUser
from tidegate.settings.model import Settings
from tidegate.settings.sections import PartnerSettings


def wanted_users(settings: Settings, source: str) -> list[WantedUser]:
    """
    Return the users of the configuration, with every key read and checked.

    Raises:
        InvalidSettings: A key or key file cannot be used; names partner and place.
    """
    return [
        WantedUser(partner.name, home_from_target(settings.home_of(partner)), _keys(partner, source))
        for partner in settings.partners
    ]


def _keys(partner: PartnerSettings, source: str) -> tuple[str, ...]:
    pasted = [(f"keys[{number}]", key) for number, key in enumerate(partner.keys)]
    for file in partner.key_files:
        try:
            pasted.append((str(file), file.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidSettings(
                f"{source}: partner {partner.name}: key file {file} cannot be read: {error}"
            ) from error
    for place, text in pasted:
        try:
            parse_public_key(text)
        except InvalidKey as error:
            raise InvalidSettings(f"{source}: partner {partner.name}: {place}: {error}") from error
    return tuple(text for _, text in pasted)
