"""A preset's behaviour with what the settings say put over it."""

from __future__ import annotations

from typing import TypeVar

from tidegate.core.behaviour import POSIX_RENAME, PRESETS, Behaviour, Preset
from tidegate.core.errors import InvalidSettings
from tidegate.settings.model import Settings

_T = TypeVar("_T")


def behaviour_of(settings: Settings, preset: Preset) -> Behaviour:
    """
    Return the preset's behaviour, except where `behaviour` and `sftp.security_policy` say otherwise.

    Of the extensions posix-rename comes and goes with `rename_overwrite`; the others are the preset's.

    Raises:
        InvalidSettings: What is said, and what the preset says of the rest, do not go together.
    """
    base, said = PRESETS[preset], settings.behaviour
    overwrite = _either(said.rename_overwrite, base.rename_overwrite)
    others = tuple(name for name in base.extensions if name != POSIX_RENAME)
    behaviour = Behaviour(
        dropped_upload=_either(said.dropped_upload, base.dropped_upload),
        resume=_either(said.resume, base.resume),
        setstat=_either(said.setstat, base.setstat),
        show_open_uploads=_either(said.show_open_uploads, base.show_open_uploads),
        rename_overwrite=overwrite,
        rename_directories=_either(said.rename_directories, base.rename_directories),
        one_writer=_either(said.one_writer, base.one_writer),
        one_kind=_either(said.one_kind, base.one_kind),
        extensions=(*others, POSIX_RENAME) if overwrite else others,
        temporary_names=_either(said.temporary_names, base.temporary_names),
        security_policy=_either(settings.sftp.security_policy, base.security_policy),
        announce_host_keys=_either(said.announce_host_keys, base.announce_host_keys),
        end_revoked=_either(said.end_revoked, base.end_revoked),
    )
    _check(behaviour, preset)
    return behaviour


def _check(behaviour: Behaviour, preset: Preset) -> None:
    """Half a file must not take the place of one that is added to; and what is kept must be of use."""
    resume, dropped = behaviour.resume, behaviour.dropped_upload
    if resume == (dropped == "keep") or (resume and dropped == "discard"):
        return
    hint = "keep or discard" if resume else "store_partial or discard, or behaviour.resume: true"
    raise InvalidSettings(
        f"behaviour.resume is {str(resume).lower()} and behaviour.dropped_upload is {dropped}"
        f" (what is not set is that of {preset}): they do not go together",
        hint=f"set behaviour.dropped_upload: {hint}",
    )


def _either(said: _T | None, otherwise: _T) -> _T:
    return otherwise if said is None else said
