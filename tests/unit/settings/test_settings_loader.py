"""From a configuration to settings, or to lines that say what is wrong."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tidegate.core.errors import InvalidSettings
from tidegate.settings import LoadedSettings, Settings, load

SECRET = "wJalrXUtnFEMIK7MDENG"
ENVIRON = {"STORE_ID": "AKIDEXAMPLE", "STORE_SECRET": SECRET, "EMPTY": ""}
STORE = "aws:\n  endpoint_url: http://127.0.0.1:9000\n"
KEYS = STORE + "  access_key_id: ${STORE_ID}\n  secret_access_key: ${STORE_SECRET}\n"


def loaded(text: str) -> Settings:
    return load("-", ENVIRON, io.StringIO(text)).settings


def refusal_of(text: str) -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        load("-", ENVIRON, io.StringIO(text))
    lines = caught.value.detail.splitlines()
    assert all(line.startswith("standard input") for line in lines)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    return [line.removeprefix("standard input").lstrip(": ") for line in lines]


def test_nothing_said_gives_the_defaults() -> None:
    """No source, and an empty document, are the settings of the model itself."""
    assert load(None, {}, io.StringIO()) == LoadedSettings(Settings(), "defaults", Path.cwd())
    assert loaded("") == Settings()


def test_the_variable_holds_a_whole_configuration() -> None:
    """Without a path the YAML in TIDEGATE_CONFIG is used, and named in errors."""
    found = load(None, {"TIDEGATE_CONFIG": "sftp: {port: 0}"}, io.StringIO())
    assert (found.settings.sftp.port, found.source) == (0, "TIDEGATE_CONFIG")
    with pytest.raises(InvalidSettings, match=r"^TIDEGATE_CONFIG line 1: sftp\.prt: unknown setting"):
        load(None, {"TIDEGATE_CONFIG": "sftp: {prt: 0}"}, io.StringIO())


def test_a_file_is_named_with_line_and_setting(tmp_path: Path) -> None:
    """An error starts with the path as given, the line and the dotted name."""
    file = tmp_path / "config.yaml"
    file.write_text("version: 1\n\nsftp:\n  prot: 22\n")
    with pytest.raises(InvalidSettings) as caught:
        load(str(file), {}, io.StringIO())
    assert caught.value.detail == f"{file} line 4: sftp.prot: unknown setting; did you mean sftp.port?"


def test_all_problems_are_said_in_the_order_of_the_file() -> None:
    """Several problems of several kinds come together, sorted by line."""
    text = (
        "uploads:\n  part_size_bytes: 1024\nsftp:\n  prot: 1\n"
        "aws:\n  secret_access_key: ${NOT_SET}\nlanding:\n  bucket: ${STAGE}-landing\n"
    )
    assert [line.partition(": ")[0] for line in refusal_of(text)] == ["line 2", "line 4", "line 6", "line 8"]


def test_file_names_start_beside_the_file(tmp_path: Path) -> None:
    """Key files and host keys are relative to the configuration file; absolute ones stay."""
    file = tmp_path / "c.yaml"
    file.write_text(
        "sftp: {host_key_files: [host, /etc/host]}\npartners: [{name: acme, key_files: [keys/acme.pub]}]\n"
    )
    settings = load(str(file), {}, io.StringIO()).settings
    assert settings.sftp.host_key_files == (tmp_path / "host", Path("/etc/host"))
    assert settings.partners[0].key_files == (tmp_path / "keys" / "acme.pub",)


def test_secrets_come_from_the_environment_and_are_never_shown() -> None:
    """A secret is filled in, and neither repr nor str of anything shows it."""
    settings = loaded(KEYS)
    assert settings.aws.secret_access_key is not None
    assert settings.aws.secret_access_key.get_secret_value() == SECRET
    assert settings.aws.access_key_id is not None
    assert settings.aws.access_key_id.get_secret_value() == "AKIDEXAMPLE"
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in text


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (SECRET, "write ${NAME} and set that environment variable; never the value itself"),
        ("12345", "write ${NAME} and set that environment variable; never the value itself"),
        (f"[{SECRET}]", "write ${NAME} and set that environment variable; never the value itself"),
        (
            f"x${{STORE_ID}}{SECRET}",
            "write ${NAME} and set that environment variable; never the value itself",
        ),
        ('"${not a name}"', "write ${NAME} and set that environment variable; never the value itself"),
        ("${NOT_SET}", "the environment variable NOT_SET is not set"),
        ("${EMPTY}", "the environment variable EMPTY is empty"),
    ],
)
def test_a_secret_is_given_by_a_variable_that_is_set(value: str, said: str) -> None:
    """Secrets written out, and variables without a value, are refused without being quoted."""
    text = STORE + f"  access_key_id: ${{STORE_ID}}\n  secret_access_key: {value}\n"
    assert refusal_of(text) == [f"line 4: aws.secret_access_key: {said}"]


def test_a_null_secret_is_none() -> None:
    """null says the same as leaving the secret out."""
    assert loaded("aws: {access_key_id: null}").aws.access_key_id is None


def test_a_misspelt_secret_is_not_quoted() -> None:
    """An unknown name is told without its value, which may be the secret."""
    assert refusal_of(f"aws:\n  secret_acess_key: {SECRET}\n") == [
        "line 2: aws.secret_acess_key: unknown setting; did you mean aws.secret_access_key?"
    ]


@pytest.mark.parametrize("text", [f"aws: {SECRET}", f"aws: [{SECRET}]"])
def test_a_secret_in_place_of_a_section_is_not_quoted(text: str) -> None:
    """Where a mapping belongs, what stands there instead is described and not shown."""
    (line,) = refusal_of(text)
    assert line.startswith("line 1: aws: expected a mapping of settings, not ")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("landing: {bucket: 'a-${STAGE}'}", "landing.bucket"),
        ("partners: [{name: acme, keys: ['${KEY}']}]", "partners[0].keys[0]"),
        ("landing: {bucket: '${transfer:UserName}'}", "landing.bucket"),
        ("aws: {endpoint_url: 'http://${HOST}'}", "aws.endpoint_url"),
    ],
)
def test_variables_elsewhere_are_refused_once(text: str, name: str) -> None:
    """`${X}` outside the secrets is one error that says so, not also an invalid value."""
    (line,) = refusal_of(text)
    assert line.startswith(f"line 1: {name}: '${{")
    assert line.endswith("is not filled in here; only secrets of aws may be variables")


def test_the_user_name_variable_belongs_in_a_home_or_a_route() -> None:
    """`${transfer:UserName}` stands in a home and in a route's prefix, and no other variable does."""
    assert loaded("partners: [{name: acme, home: '/b-1/${transfer:UserName}'}]").partners[0].home
    routes = "routes: [{name: a, bucket: b-1, prefix: 'x/${transfer:UserName}/'}]"
    assert loaded(routes).routes[0].prefix == "x/${transfer:UserName}/"
    (line,) = refusal_of("partners: [{name: acme, home: '/b-1/${HOME}'}]")
    assert line == (
        "line 1: partners[0].home: '${HOME}' is not filled in here; "
        "only secrets of aws may be variables, and ${transfer:UserName} in a home or a route's prefix"
    )


@pytest.mark.parametrize(
    "text",
    [
        "routes: [{name: a, tags: {prefix: '${transfer:UserName}'}}]",
        "routes: [{name: a, tags: {home: '${transfer:UserName}'}}]",
        "deliveries: {targets: [{name: a, bucket: b-1, prefix: '${transfer:UserName}/'}]}",
    ],
)
def test_the_user_name_variable_belongs_nowhere_else(text: str) -> None:
    """Where it would not be filled in it is refused, whatever the place is called."""
    line, *_ = refusal_of(text)
    assert line.endswith("'${transfer:UserName}' is not filled in here; only secrets of aws may be variables")


def test_rules_between_settings_name_the_line_of_the_one_to_change() -> None:
    """A broken rule points at a setting in the file, or at its section if only that is there."""
    assert refusal_of("uploads:\n  buffer_budget_bytes: 1048576\n")[0].startswith(
        "line 2: uploads.buffer_budget_bytes: 1048576 is below 10485760"
    )
    assert refusal_of("uploads:\n  part_size_bytes: 2147483648\n")[0].startswith(
        "line 1: uploads.buffer_budget_bytes: 1073741824 is below"
    )


def test_a_rule_broken_by_defaults_has_no_line() -> None:
    """When what must change is not in the file at all, the source alone is named."""
    (line,) = refusal_of("landing: {bucket: tidegate-private}")
    assert line.startswith("deliveries.targets[0].bucket: tidegate-private is the landing bucket")


NAMES = ["sftp", "aws", "port", "partners", "name", "version", "access_key_id"]
VALUES = ["~", "0", "1.5", "yes", "2026-01-01", "${X}", "&a ", "*a", "!!int ", "\ud800", "\0"]
MARKS = ["<<", ": ", ", ", "\n", "\n  ", "- ", "[", "]", "{", "}", "'", '"', "|", ">", "#", "\\"]
WORDS = st.sampled_from(NAMES + VALUES + MARKS)


@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=25).map("".join)))
@example('sftp: {port: "\\ud800"}')
@example('"\\ud800": 1')
@example('landing: {bucket: "\\ud800"}')
@example('partners: [{name: abc, key_files: ["\\ud800", "\\0"]}]')
@example('partners: [{name: abc, home: "/bucket/\\ud800"}]')
@example('aws: {endpoint_url: "http://[::1"}')
@example("version: 0x" + "f" * 6000)
@example("version: " + "9" * 6000)
@example("sftp: {login_timeout_seconds: " + "9" * 4000 + "}")
@example("'a\nb': 1")
def test_no_text_at_all_gives_anything_but_settings_or_lines(text: str) -> None:
    """Whatever the text, the outcome is settings or `InvalidSettings` whose lines name the source."""
    try:
        loaded(text)
        lines = ["standard input"]
    except InvalidSettings as refused:
        lines = refused.detail.split("\n")
    assert all(line.startswith("standard input") for line in lines)
