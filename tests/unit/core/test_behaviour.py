"""What the presets promise."""

from __future__ import annotations

from typing import get_args

import pytest

from tidegate.core.behaviour import POSIX_RENAME, PRESETS, Preset


def test_every_preset_is_described():
    """There is a behaviour for each name a preset can have."""
    assert set(PRESETS) == set(get_args(Preset))


@pytest.mark.parametrize("preset", PRESETS)
def test_posix_rename_is_offered_exactly_if_it_overwrites(preset):
    """A client that is told of posix-rename may rely on it."""
    behaviour = PRESETS[preset]
    assert (POSIX_RENAME in behaviour.extensions) == behaviour.rename_overwrite


def test_transfer_family():
    """As AWS: partial objects stay, SETSTAT is refused, no overwrite, many writers, no extensions."""
    behaviour = PRESETS["transfer-family"]
    assert (behaviour.dropped_upload, behaviour.setstat) == ("store_partial", "refuse")
    assert not behaviour.show_open_uploads
    assert (behaviour.rename_overwrite, behaviour.one_writer) == (False, False)
    assert not behaviour.one_kind
    assert not behaviour.announce_host_keys
    assert not behaviour.end_revoked
    assert behaviour.extensions == ()
    assert behaviour.security_policy == "TransferSecurityPolicy-2024-01"


def test_partner_safe():
    """Nothing half-sent is published, SETSTAT is accepted, renames overwrite, one writer at a time."""
    behaviour = PRESETS["partner-safe"]
    assert (behaviour.dropped_upload, behaviour.setstat) == ("keep", "accept")
    assert behaviour.resume
    assert behaviour.show_open_uploads
    assert (behaviour.rename_overwrite, behaviour.one_writer) == (True, True)
    assert behaviour.one_kind
    assert behaviour.announce_host_keys
    assert behaviour.end_revoked
    assert (behaviour.extensions[0], behaviour.extensions[-1]) == (b"limits@openssh.com", POSIX_RENAME)
