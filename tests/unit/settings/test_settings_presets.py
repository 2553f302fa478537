"""Presets and what overrides them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import get_args

import pytest

from tidegate.core.behaviour import POSIX_RENAME, PRESETS, Behaviour, Preset
from tidegate.core.errors import InvalidSettings
from tidegate.settings import Settings, behaviour_of
from tidegate.settings.sections import BehaviourSettings, SftpSettings


def test_what_is_not_said_is_the_presets() -> None:
    """Settings that say nothing leave every choice to the preset."""
    for preset, behaviour in PRESETS.items():
        assert behaviour_of(Settings(), preset) == behaviour


def test_what_is_said_overrides_the_preset() -> None:
    """Each setting replaces its one choice, also when it says false."""
    transfer_family = PRESETS["transfer-family"]
    said = BehaviourSettings(
        dropped_upload=transfer_family.dropped_upload,
        resume=transfer_family.resume,
        setstat=transfer_family.setstat,
        show_open_uploads=transfer_family.show_open_uploads,
        rename_overwrite=transfer_family.rename_overwrite,
        rename_directories=transfer_family.rename_directories,
        one_writer=transfer_family.one_writer,
        temporary_names=transfer_family.temporary_names,
        one_kind=transfer_family.one_kind,
        announce_host_keys=transfer_family.announce_host_keys,
        end_revoked=transfer_family.end_revoked,
    )
    sftp = SftpSettings(security_policy=transfer_family.security_policy)
    behaviour = behaviour_of(Settings(behaviour=said, sftp=sftp), "partner-safe")
    assert replace(behaviour, extensions=()) == transfer_family


def test_every_choice_of_a_preset_is_a_setting() -> None:
    """What presets differ in can be set by name; only the extensions follow from the rest."""
    choices = {field.name for field in fields(Behaviour)}
    assert choices - {"extensions", "security_policy"} == BehaviourSettings.model_fields.keys()
    assert "security_policy" in SftpSettings.model_fields


@pytest.mark.parametrize("preset", get_args(Preset))
@pytest.mark.parametrize("overwrite", [None, True, False])
def test_posix_rename_is_offered_exactly_if_it_works(preset: Preset, overwrite: bool | None) -> None:
    """The extension is in the list once if renames overwrite, else not at all; the others stay."""
    settings = Settings(behaviour=BehaviourSettings(rename_overwrite=overwrite))
    behaviour = behaviour_of(settings, preset)
    assert behaviour.extensions.count(POSIX_RENAME) == int(behaviour.rename_overwrite)
    assert {*behaviour.extensions} - {POSIX_RENAME} == {*PRESETS[preset].extensions} - {POSIX_RENAME}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("dropped", ["store_partial", "discard", "keep"])
def test_what_is_kept_is_of_use(resume: bool, dropped: str) -> None:
    """Keeping without going on, and half files in place of those that are added to, are refused in words."""
    said = BehaviourSettings(resume=resume, dropped_upload=dropped)
    settings = Settings(behaviour=said)
    if (resume, dropped) in {(False, "keep"), (True, "store_partial")}:
        with pytest.raises(InvalidSettings, match="do not go together") as refused:
            behaviour_of(settings, "partner-safe")
        assert "behaviour.dropped_upload" in refused.value.hint
    else:
        assert behaviour_of(settings, "partner-safe").resume is resume
