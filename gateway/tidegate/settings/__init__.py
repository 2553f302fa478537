"""Settings: frozen, loaded once, validated with the place named in every error."""

from tidegate.settings.loader import LoadedSettings, load
from tidegate.settings.model import Settings
from tidegate.settings.presets import behaviour_of
from tidegate.settings.schema import json_schema
from tidegate.settings.serving import check_for_serve

__all__ = [
    "LoadedSettings",
    "Settings",
    "behaviour_of",
    "check_for_serve",
    "json_schema",
    "load",
]
