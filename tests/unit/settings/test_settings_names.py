"""Names that follow from `name_prefix`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.settings import Settings
from tidegate.settings.names import with_names
from tidegate.settings.sections import LandingSettings
from tidegate.settings.words import problems_in


def named(**settings: Any) -> Settings:
    return Settings.model_validate({"name_prefix": "acme-prod", **settings})


def problems_of(**settings: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(settings)
    return {".".join(map(str, problem.at)): problem.text for problem in problems_in(caught.value)}


def test_a_prefix_names_all_that_is_shared_with_others() -> None:
    """Buckets, tables and keys take the prefix; nothing keeps a name of `local`."""
    settings = named()
    assert settings.landing.bucket == "acme-prod-landing"
    assert settings.landing.kms_key == "alias/acme-prod-landing"
    assert settings.tables.transfers == "acme-prod-transfers"
    assert settings.tables.directory == "acme-prod-directory"
    assert settings.tables.kms_key == "alias/acme-prod-records"
    assert settings.sftp.host_key_kms_key == "alias/acme-prod-host-keys"
    (target,) = settings.deliveries.targets
    assert (target.name, target.bucket) == ("private", "acme-prod-private")
    assert target.kms_key == "alias/acme-prod-private"
    assert "tidegate" not in settings.model_dump_json()


def test_without_a_prefix_names_are_those_of_local() -> None:
    """null says the same as leaving it out."""
    assert Settings.model_validate({"name_prefix": None}) == Settings()


def test_what_is_said_keeps_its_name() -> None:
    """A name in the configuration wins, each by itself; null is said, too."""
    settings = named(
        landing={"bucket": "elsewhere", "kms_key": None},
        tables={"transfers": "log"},
        deliveries={"targets": [{"name": "out", "kms_key": None}, {"name": "far", "bucket": "far-away"}]},
    )
    assert (settings.landing.bucket, settings.landing.kms_key) == ("elsewhere", None)
    assert (settings.tables.transfers, settings.tables.directory) == ("log", "acme-prod-directory")
    assert [(target.bucket, target.kms_key) for target in settings.deliveries.targets] == [
        ("acme-prod-out", None),
        ("far-away", "alias/acme-prod-far"),
    ]


def test_other_settings_of_a_section_stay() -> None:
    """Naming adds names and takes nothing."""
    settings = named(sftp={"port": 0}, deliveries={"owner": "handlers"}, landing={"allow_unversioned": True})
    assert (settings.sftp.port, settings.deliveries.owner) == (0, "handlers")
    assert settings.landing.allow_unversioned


def test_no_targets_stay_none() -> None:
    """`targets: []` means nowhere, with a prefix, too."""
    assert named(deliveries={"targets": []}).deliveries.targets == ()


@pytest.mark.parametrize("section", ["landing", "tables", "sftp", "deliveries"])
def test_a_section_that_is_none_is_told_as_ever(section: str) -> None:
    """Naming does not make a section of nothing, or of something else."""
    for wrong in (None, "x", ["x"]):
        (said,) = problems_of(name_prefix="acme", **{section: wrong}).values()
        assert said.startswith("expected a mapping of settings, not ")


@pytest.mark.parametrize("targets", [None, "private", [None], ["private"], [{"bucket": "b-1"}]])
def test_targets_that_are_none_are_told_as_ever(targets: object) -> None:
    """Naming leaves them to the check, which says one thing about each."""
    assert len(problems_of(name_prefix="acme", deliveries={"targets": targets})) == 1


def test_a_wrong_prefix_is_one_problem() -> None:
    """The names that would follow from it are not said to be wrong one by one."""
    for wrong in ("Acme", "acme-", "-acme", "a" * 31, "a.b", "a{0}", "acme\n", 5):
        assert list(problems_of(name_prefix=wrong)) == ["name_prefix"], wrong


def test_the_longest_prefix_still_names_buckets() -> None:
    """30 characters leave room for what is put after them."""
    assert Settings(name_prefix="a" * 30).landing.bucket == "a" * 30 + "-landing"


def test_a_name_too_long_for_a_bucket_is_told_at_its_target() -> None:
    """A target whose name makes no bucket's name has to be given a bucket."""
    (place,) = problems_of(name_prefix="a" * 30, deliveries={"targets": [{"name": "b" * 40}]})
    assert place == "deliveries.targets.0.bucket"


def test_sections_built_in_python_are_left_alone() -> None:
    """Who builds a section has said all of it."""
    settings = Settings(name_prefix="acme", landing=LandingSettings(bucket="mine"))
    assert (settings.landing.bucket, settings.landing.kms_key) == ("mine", "alias/tidegate")
    assert settings.tables.transfers == "acme-transfers"


def test_naming_changes_nothing_in_place() -> None:
    """The values that were given stay as they were."""
    values = {"name_prefix": "acme", "landing": {}, "deliveries": {"targets": [{"name": "a"}]}}
    with_names(values)
    assert values == {"name_prefix": "acme", "landing": {}, "deliveries": {"targets": [{"name": "a"}]}}
    assert with_names("no mapping") == "no mapping"
