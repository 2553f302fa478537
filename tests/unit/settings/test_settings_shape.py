"""The settings as a tree of names."""

from __future__ import annotations

from tidegate.settings.shape import all_settings, field_at, is_file, is_secret, suggestion, words_of


def test_settings_are_named_from_the_top() -> None:
    """Settings are yielded with dotted names, lists also by what their items hold, sections not."""
    names = [setting.name for setting in all_settings()]
    assert names[:4] == ["version", "extends", "name_prefix", "preset"]
    assert {"deliveries.targets", "deliveries.targets[].bucket", "routes[].tags", "partners[].key_files"} <= {
        *names
    }
    assert "aws" not in names
    assert len(names) == len({*names})


def test_a_place_leads_to_its_field() -> None:
    """A place finds its field through sections and lists; an item of a plain list finds the list's."""
    for place, description in (
        (("sftp", "port"), "Port;"),
        (("deliveries", "targets", 3, "bucket"), "Bucket to copy to"),
        (("partners", 0, "keys", 1), "Public keys"),
    ):
        field = field_at(place)
        assert field is not None
        assert (field.description or "").startswith(description)
    for nowhere in ((), ("nope",), ("sftp", "nope"), ("sftp", "port", "nope"), ("version", "x", "y")):
        assert field_at(nowhere) is None


def test_only_keys_are_secret() -> None:
    """The settings that take `${NAME}` are exactly these."""
    names = [setting.name for setting in all_settings() if is_secret(setting.field)]
    assert names == [
        "aws.access_key_id",
        "aws.secret_access_key",
        "control.credentials[].secret_access_key",
        "control.credentials[].session_token",
    ]
    assert not is_secret(None)


def test_only_names_of_files_are_files() -> None:
    """The settings that start at the directory of their file are exactly these."""
    names = [setting.name for setting in all_settings() if is_file(setting.field)]
    assert names == [
        "sftp.host_key_files",
        "control.certificate_file",
        "control.key_file",
        "activity.file",
        "partners[].key_files",
    ]


def test_tags_are_values_and_no_sections() -> None:
    """What a partner's files are tagged with is no setting: nothing in it has a field."""
    assert field_at(("routes", 0, "tags")) is not None
    assert field_at(("routes", 0, "tags", "name")) is None


def test_words_are_found_under_optional_and_list() -> None:
    """Words belong to the kind, wherever the field's type holds it."""
    assert words_of(field_at(("landing", "kms_key"))).form.startswith("alias/")
    assert words_of(field_at(("sftp", "extra_algorithms", 0))).form == "one SSH algorithm name"
    assert words_of(field_at(("sftp", "port"))).form == ""
    assert words_of(None).form == ""


def test_suggestions_look_beside_then_everywhere() -> None:
    """A near name of the same section comes first, then the same name of another one."""
    assert suggestion(("sftp", "hots")) == "did you mean sftp.host?"
    assert suggestion(("sftp", "parallel_parts")) == "did you mean uploads.parallel_parts?"
    assert suggestion(("shutdown", "zzz")) == "known here: grace_seconds, notice_seconds"
