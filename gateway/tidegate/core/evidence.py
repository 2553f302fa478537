"""How well something about AWS Transfer Family is known here."""

from __future__ import annotations

from enum import StrEnum


class Evidence(StrEnum):
    """Where a statement about Transfer Family comes from, best first. None was checked against AWS itself."""

    GUIDE = "guide"
    API = "api"
    REPORTED = "reported"
    INFERRED = "inferred"
    MEMORY = "memory"
    UNKNOWN = "unknown"

    @property
    def meaning(self) -> str:
        """What the word stands for, as the pages explain it."""
        return _MEANINGS[self]


_MEANINGS = {
    Evidence.GUIDE: "AWS's user guide says so",
    Evidence.API: "AWS's API reference or the model in its SDKs says so",
    Evidence.REPORTED: "somebody published what the service answered",
    Evidence.INFERRED: "it follows from something AWS says",
    Evidence.MEMORY: "believed, with no source at hand",
    Evidence.UNKNOWN: "no source was found: what we do is our choice",
}
