"""A configuration written out again."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.settings import Settings, load
from tidegate.settings.layers import Layered
from tidegate.settings.loader import load_with_layers
from tidegate.settings.partners import PartnerSettings
from tidegate.settings.problems import Place
from tidegate.settings.shape import all_settings
from tidegate.settings.shown import MASK, as_yaml, origins_of, resolved, said

ENVIRON = {"ID": "AKIDEXAMPLE", "SECRET": "hunter2"}
BASE = """\
aws:
  endpoint_url: http://127.0.0.1:9000
  access_key_id: ${ID}
  secret_access_key: ${SECRET}
sftp: {host_key_files: [host]}
deliveries: {targets: [{name: private}]}
control:
  credentials: [{access_key_id: ops, secret_access_key: "${SECRET}"}]
identity_providers: [{function: "arn:aws:lambda:us-east-1:123456789012:function:idp", callable: "idp:ask"}]
partners:
  - name: acme
    home: /our-homes/${transfer:UserName}
    key_files: [acme.pub]
  - name: bank
    directory: /docs
    mappings:
      - {entry: /docs, target: "/our-homes/${transfer:UserName}"}
      - {entry: /readme.txt, target: /our-homes/readme.txt, type: FILE}
"""
PROD = """\
extends: common/base.yaml
name_prefix: acme-prod
sftp:
  port: 0
routes:
  - {name: a, path: /ü, tags: {"yes": "no", "x": ""}}
"""


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Settings, Layered]:
    monkeypatch.chdir(tmp_path)
    Path("common").mkdir()
    Path("common/base.yaml").write_text(BASE)
    Path("prod.yaml").write_text(PROD)
    settings, layers = load_with_layers("prod.yaml", ENVIRON, io.StringIO())
    return settings.settings, layers


def again(text: str) -> Settings:
    """Load what was printed, with the variables in place of the masks."""
    text = text.replace(f"access_key_id: '{MASK}'", "access_key_id: ${ID}", 1)
    text = text.replace(f"secret_access_key: '{MASK}'", "secret_access_key: ${SECRET}")
    return load("-", ENVIRON, io.StringIO(text)).settings


def test_what_the_layers_say_is_no_more_than_that(loaded: tuple[Settings, Layered]) -> None:
    """Without `extends`, in the order of the settings, and with nothing filled in."""
    values = said(loaded[1])
    assert list(values) == [
        *("name_prefix", "aws", "sftp", "deliveries", "routes", "control", "identity_providers", "partners")
    ]
    assert values["deliveries"] == {"targets": [{"name": "private"}]}


@pytest.mark.parametrize("is_resolved", [False, True])
def test_what_is_shown_loads_again(loaded: tuple[Settings, Layered], is_resolved: bool) -> None:
    """YAML, also with comments, gives the same settings once the masks are variables again."""
    settings, layers = loaded
    values = resolved(settings) if is_resolved else said(layers)
    assert again(as_yaml(values)) == settings
    assert again(as_yaml(values, origins_of(layers))) == settings


@pytest.mark.parametrize("is_resolved", [False, True])
def test_secrets_are_masked(loaded: tuple[Settings, Layered], is_resolved: bool) -> None:
    """Neither the secret nor how long it is can be seen."""
    settings, layers = loaded
    values: Any = resolved(settings) if is_resolved else said(layers)
    assert values["aws"]["secret_access_key"] == values["aws"]["access_key_id"] == MASK
    for secret in ENVIRON.values():
        assert secret not in as_yaml(values, origins_of(layers))


def test_a_secret_that_is_null_is_shown_as_such() -> None:
    """That there is none is no secret."""
    aws: Any = resolved(Settings())["aws"]
    assert aws["secret_access_key"] is None
    assert said(Layered({"aws": {"access_key_id": None}}, {})) == {"aws": {"access_key_id": None}}


def test_resolved_has_every_setting(loaded: tuple[Settings, Layered]) -> None:
    """Each setting of the reference page is there, defaults and names by prefix, too."""
    values: Any = resolved(loaded[0])
    held = ("server.", "workflows[].", *(f"partners[].{name}" for name in PartnerSettings.held_if_written))
    names = {each.name for each in all_settings() if not each.name.startswith(held)} - {"extends"}
    assert names <= {name for place in places(values) for name in [dotted_with_brackets(place)]}
    assert values["landing"]["bucket"] == "acme-prod-landing"
    assert values["uploads"]["part_size_bytes"] == 8 * 2**20


def test_resolved_leaves_out_what_only_counts_once_written(loaded: tuple[Settings, Layered]) -> None:
    """A role, a tag, the server: as a file again it must not take away what nobody spoke of."""
    partner = {"name": "acme", "policy": None, "tags": {}}
    values: Any = resolved(Settings.model_validate({"partners": [partner], "server": {"tags": {}}}))
    assert values["server"] == {"tags": {}}
    assert {"policy", "tags"} <= values["partners"][0].keys()
    assert not {"role", "posix_profile"} & values["partners"][0].keys()


def places(value: object, place: Place = ()) -> list[Place]:
    found: list[Place] = [place]
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*place, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            found += places(inner, (*place, number))
    return found


def dotted_with_brackets(place: Place) -> str:
    return ".".join("[]" if isinstance(step, int) else step for step in place).replace(".[]", "[]")


def test_resolved_files_are_absolute_and_variables_of_partners_stay(
    loaded: tuple[Settings, Layered], tmp_path: Path
) -> None:
    """What is the same wherever it is loaded; what differs by partner stays as it was written."""
    values: Any = resolved(loaded[0])
    assert values["sftp"]["host_key_files"] == [f"{tmp_path}/common/host"]
    assert values["partners"][0]["home"] == "/our-homes/${transfer:UserName}"


def test_seconds_are_shown_as_people_write_them() -> None:
    """Whole ones without a point, others with it."""
    values: Any = resolved(Settings.model_validate({"sweep": {"lease_seconds": 0.5}}))
    assert "lease_seconds: 0.5\n" in as_yaml(values)
    assert "grace_seconds: 30\n" in as_yaml(values)


def test_each_line_says_where_its_value_comes_from(loaded: tuple[Settings, Layered]) -> None:
    """A file and line, the prefix, or the default; lines that hold no value say nothing."""
    settings, layers = loaded
    lines = as_yaml(resolved(settings), origins_of(layers)).splitlines()
    for line in (
        "version: 1  # default",
        "name_prefix: acme-prod  # prod.yaml line 2",
        "sftp:",
        "  port: 0  # prod.yaml line 4",
        "  host: 127.0.0.1  # default",
        f"    - {settings.sftp.host_key_files[0]}  # common/base.yaml line 5",
        "  bucket: acme-prod-landing  # from name_prefix",
        "    - name: private  # common/base.yaml line 6",
        "      bucket: acme-prod-private  # from name_prefix",
        "      prefix: ''  # default",
        "      'yes': 'no'  # prod.yaml line 6",
        f"  secret_access_key: '{MASK}'  # common/base.yaml line 4",
        "    path: /ü  # prod.yaml line 6",
    ):
        assert line in lines
    assert all("  # " in line for line in lines if not line.endswith(":"))


def test_a_default_without_a_line_is_that_of_its_source() -> None:
    """What the prefix says of targets is told of all that they are made of."""
    _, layers = load_with_layers("-", {}, io.StringIO("name_prefix: acme\n"))
    origin_of = origins_of(layers)
    assert origin_of(("name_prefix",)) == "standard input line 1"
    assert origin_of(("deliveries", "targets", 0, "name")) == "from name_prefix"
    assert origin_of(("deliveries", "owner")) == "default"
    assert origin_of(("deliveries", "targets", 1, "name")) == "default"


def test_every_value_is_on_one_line() -> None:
    """Text with line ends, long text and text that looks like something else come back as they were."""
    texts = ["a\nb", "x " * 300, "true", "5", "- a", "# a", "a # b", "é\u2028\x85", "", " a ", "'", "key: x"]
    values: dict[str, object] = {"partners": [{"name": "acme", "keys": texts}]}
    text = as_yaml(values, lambda _: "c.yaml line 1")
    assert yaml.safe_load(text) == values
    assert text.count("\n") == len(texts) + 3


def test_an_odd_name_of_a_file_stays_in_its_comment() -> None:
    """A line end in a name does not end the comment."""
    values: dict[str, object] = {"preset": "partner-safe"}
    assert as_yaml(values, lambda _: "a\nb: 1") == "preset: partner-safe  # 'a\\nb: 1'\n"
