"""How property tests run here: the machine's load decides nothing, and a run takes seconds."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unit", deadline=None, max_examples=40)
settings.load_profile("unit")
