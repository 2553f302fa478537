"""A file over the files it extends."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tidegate.core.errors import InvalidSettings
from tidegate.settings import Settings, load
from tidegate.settings.layers import MOST_LAYERS, Layered, layered
from tidegate.settings.problems import Origin
from tidegate.settings.sources import Text, read_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(**files: str) -> None:
    """Write files into the working directory: `prod` is prod.yaml, `common__base` common/base.yaml."""
    for name, text in files.items():
        file = Path(f"{name.replace('__', '/')}.yaml")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def layers_of(name: str) -> Layered:
    return layered(read_file(name))


def loaded(name: str) -> Settings:
    return load(name, {"ID": "id", "SECRET": "hidden"}, io.StringIO()).settings


def refusal_of(name: str, stdin: str = "") -> list[str]:
    with pytest.raises(InvalidSettings) as caught:
        load(name, {}, io.StringIO(stdin))
    return caught.value.detail.splitlines()


# --- joining -------------------------------------------------------------------------------------


def test_a_file_that_extends_nothing_is_itself(folder: Path) -> None:
    """Without `extends`, and with null there, the values are those of the file."""
    write(alone="extends: null\nsftp: {port: 1}\n")
    assert layers_of("alone.yaml").values == {"sftp": {"port": 1}}


def test_mappings_are_joined_at_any_depth(folder: Path) -> None:
    """A key that only one says is kept; of a key that both say, the file's own value is."""
    write(
        base="preset: partner-safe\nsftp: {host: a, port: 1}\n",
        prod="extends: base.yaml\nsftp: {port: 2, advertised_host: b}\n",
    )
    assert layers_of("prod.yaml").values == {
        "preset": "partner-safe",
        "sftp": {"host": "a", "port": 2, "advertised_host": "b"},
    }


def test_lists_are_replaced_whole(folder: Path) -> None:
    """Nothing of a list below remains, not even of items that are called alike."""
    write(
        base="partners: [{name: acme, home: /old-one/acme}, {name: bolt}]\n",
        prod="extends: base.yaml\npartners: [{name: acme}]\n",
    )
    assert layers_of("prod.yaml").values == {"partners": [{"name": "acme"}]}
    (partner,) = loaded("prod.yaml").partners
    assert (partner.name, partner.home) == ("acme", None)


@pytest.mark.parametrize(
    ("below", "over"), [("{kms_key: alias/a}", "{kms_key: null}"), ("{kms_key: null}", "{kms_key: alias/a}")]
)
def test_null_is_said_like_any_value(folder: Path, below: str, over: str) -> None:
    """A null replaces, and is replaced."""
    write(base=f"landing: {below}\n", prod=f"extends: base.yaml\nlanding: {over}\n")
    assert loaded("prod.yaml").landing.kms_key == (None if "null" in over else "alias/a")


def test_an_empty_file_takes_all_from_its_base(folder: Path) -> None:
    """A file may say nothing but what it extends."""
    write(base="sftp: {port: 1}\n", prod="extends: base.yaml\n")
    assert loaded("prod.yaml") == loaded("base.yaml")


def test_an_empty_base_changes_nothing(folder: Path) -> None:
    """What is extended may be empty."""
    write(base="# nothing\n", prod="extends: base.yaml\nsftp: {port: 1}\n")
    assert loaded("prod.yaml").sftp.port == 1


def test_the_nearest_file_has_the_last_word(folder: Path) -> None:
    """In a chain each file is over the one it extends."""
    write(
        company="sftp: {host: c, port: 1}\nlogging: {level: error}\n",
        base="extends: company.yaml\nsftp: {port: 2}\n",
        prod="extends: base.yaml\nlogging: {level: debug}\n",
    )
    settings = loaded("prod.yaml")
    assert (settings.sftp.host, settings.sftp.port, settings.logging.level) == ("c", 2, "debug")


def test_secrets_may_stand_in_a_base(folder: Path) -> None:
    """A variable is filled in wherever it was written, and a secret written out is refused there."""
    keys = "aws: {endpoint_url: 'http://x', access_key_id: '${ID}', secret_access_key: %s}\n"
    write(base=keys % "'${SECRET}'", bad=keys % "hunter2", prod="extends: base.yaml\n")
    secret = loaded("prod.yaml").aws.secret_access_key
    assert secret is not None
    assert secret.get_secret_value() == "hidden"
    write(prod="extends: bad.yaml\naws: {region: eu-central-1}\n")
    said = refusal_of("prod.yaml")
    assert said[0] == "bad.yaml line 1: aws.access_key_id: the environment variable ID is not set"
    assert said[1].startswith("bad.yaml line 1: aws.secret_access_key: write ${NAME}")
    assert "hunter2" not in "".join(said)


# --- where things were written -------------------------------------------------------------------


def test_each_value_keeps_where_it_was_written(folder: Path) -> None:
    """A value has the file and line that say it, a section those of the file above."""
    write(base="sftp:\n  host: a\n  port: 1\n", prod="# x\nextends: base.yaml\nsftp:\n  port: 2\n")
    origins = layers_of("prod.yaml").origins
    assert origins[("sftp",)] == Origin("prod.yaml", 3)
    assert origins[("sftp", "host")] == Origin("base.yaml", 2)
    assert origins[("sftp", "port")] == Origin("prod.yaml", 4)


def test_what_is_replaced_lends_no_lines(folder: Path) -> None:
    """A problem in a list that replaced a longer one points at the new one."""
    write(
        base="partners:\n  - name: acme\n    home: /a-b/acme\n  - name: bolt\n",
        prod="extends: base.yaml\npartners:\n  - keys: []\n",
    )
    assert ("partners", 0, "home") not in layers_of("prod.yaml").origins
    assert ("partners", 1) not in layers_of("prod.yaml").origins
    assert refusal_of("prod.yaml") == ["prod.yaml line 3: partners[0].name: missing; it has no default"]


def test_many_replaced_keys_are_joined_quickly(folder: Path) -> None:
    """Two files of ten thousand keys each are no work of minutes."""
    many = "".join(f"k{number}: {number}\n" for number in range(10_000))
    write(base=many, prod=f"extends: base.yaml\n{many}")
    found = layers_of("prod.yaml")
    assert len(found.values) == 10_000
    assert found.origins[("k0",)] == Origin("prod.yaml", 2)


def test_errors_name_the_file_and_line_of_the_value(folder: Path) -> None:
    """Problems in a base are told with its name as seen from here, after those of the file itself."""
    write(conf__base="\nsftp:\n  prot: 1\n", conf__prod="extends: base.yaml\nlanding:\n  bucket: X\n")
    own, below = refusal_of("conf/prod.yaml")
    assert own.startswith("conf/prod.yaml line 3: landing.bucket: ")
    assert below == "conf/base.yaml line 3: sftp.prot: unknown setting; did you mean sftp.port?"


def test_a_rule_broken_by_two_files_names_the_setting_to_change(folder: Path) -> None:
    """A target in the base is where the problem is, though the landing bucket stands above."""
    write(
        base="deliveries:\n  targets:\n    - name: a\n      bucket: same\n",
        prod="extends: base.yaml\nlanding: {bucket: same}\n",
    )
    (line,) = refusal_of("prod.yaml")
    assert line.startswith("base.yaml line 4: deliveries.targets[0].bucket: same is the landing bucket")


def test_yaml_that_is_none_is_told_of_the_base(folder: Path) -> None:
    """A base that cannot be parsed is named itself."""
    write(base="a: b: c\n", prod="extends: base.yaml\n")
    (line,) = refusal_of("prod.yaml")
    assert line.startswith("base.yaml line 1: not valid YAML")


# --- which file ----------------------------------------------------------------------------------


def test_names_of_files_start_beside_the_file_that_says_them(folder: Path) -> None:
    """Key files of a base lie beside the base, those of the file above beside that; absolute ones stay."""
    write(
        common__base="sftp: {host_key_files: [host, /etc/host]}\n",
        prod="extends: common/base.yaml\npartners: [{name: acme, key_files: [acme.pub]}]\n",
    )
    settings = loaded("prod.yaml")
    assert settings.sftp.host_key_files == (folder / "common" / "host", Path("/etc/host"))
    assert settings.partners[0].key_files == (folder / "acme.pub",)


@pytest.mark.parametrize(
    ("name", "said"),
    [("''", "expected the name of a file"), ("~/h", "~ is not expanded; write the whole path")],
)
def test_what_is_no_name_of_a_file_is_told_of_a_base_too(folder: Path, name: str, said: str) -> None:
    """Beside another directory, '' and ~ do not become names of files."""
    write(common__base=f"sftp: {{host_key_files: [{name}]}}\n", prod="extends: common/base.yaml\n")
    assert refusal_of("prod.yaml") == [f"common/base.yaml line 1: sftp.host_key_files[0]: {said}"]


def test_a_base_names_its_own_base_from_its_own_place(folder: Path) -> None:
    """`extends` is relative to the file it stands in."""
    write(
        company="sftp: {port: 7}\n",
        common__base="extends: ../company.yaml\n",
        prod="extends: common/base.yaml\n",
    )
    assert loaded("prod.yaml").sftp.port == 7


def test_an_absolute_name_is_taken_as_it_is(folder: Path) -> None:
    """A base may lie anywhere, and is then called by its whole name."""
    write(common__base="sftp: {prot: 7}\n")
    write(prod=f"extends: {folder}/common/base.yaml\n")
    assert refusal_of("prod.yaml")[0].startswith(f"{folder}/common/base.yaml line 1: sftp.prot")


def test_standard_input_and_the_variable_extend_files_of_the_working_directory(folder: Path) -> None:
    """What is no file itself may extend one."""
    write(base="sftp: {port: 7}\n")
    assert load("-", {}, io.StringIO("extends: base.yaml\n")).settings.sftp.port == 7
    inline = {"TIDEGATE_CONFIG": "{extends: base.yaml}"}
    assert load(None, inline, io.StringIO()).settings.sftp.port == 7
    write(base="sftp: {prot: 7}\n")
    (line,) = refusal_of("-", "extends: base.yaml\n")
    assert line.startswith("base.yaml line 1: sftp.prot")


def test_a_link_is_followed_from_where_it_lies(folder: Path) -> None:
    """Beside a mounted link lie the links to its siblings, though the files themselves lie elsewhere."""
    write(data__prod="extends: base.yaml\n", data__base="sftp: {port: 7}\n")
    Path("data/base.yaml").rename("elsewhere.yaml")
    Path("base.yaml").symlink_to("elsewhere.yaml")
    Path("prod.yaml").symlink_to("data/prod.yaml")
    assert loaded("prod.yaml").sftp.port == 7


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("absent.yaml", "absent.yaml: no such file"),
        (".", "expected the name of a file"),
        ("..", "..: is a directory, not a file"),
        ("~/base.yaml", "~ is not expanded; write the whole path"),
        ("${STAGE}.yaml", "'${STAGE}' is not filled in here; name each environment's file"),
        ("'-'", "expected the name of a file, not '-'"),
        ("''", "expected the name of a file, not ''"),
        ("[a.yaml, b.yaml]", "expected the name of a file, not a list"),
        ("5", "expected the name of a file, not 5"),
        ("latin.yaml", "latin.yaml line 1: not UTF-8 text"),
    ],
)
def test_what_cannot_be_extended_is_told_with_the_line_that_says_so(
    folder: Path, name: str, said: str
) -> None:
    """Each has the file and line of `extends`, and what is wrong with the name."""
    Path("latin.yaml").write_bytes(b"a: \xe9\n")
    write(prod=f"# head\nextends: {name}\n")
    assert refusal_of("prod.yaml") == [f"prod.yaml line 2: extends: {said}"]


def test_circles_are_refused(folder: Path) -> None:
    """A file that extends itself, at once or by way of others, is told where the circle closes."""
    write(a="extends: a.yaml\n", b="extends: c.yaml\n", c="extends: link.yaml\n")
    Path("link.yaml").symlink_to("b.yaml")
    (line,) = refusal_of("a.yaml")
    assert line.startswith("a.yaml line 1: extends: a.yaml is this file, or one that extends it: a circle")
    (line,) = refusal_of("b.yaml")
    assert line.startswith("c.yaml line 1: extends: link.yaml is this file, or one that extends it")
    (line,) = refusal_of("-", "extends: a.yaml\n")
    assert line.startswith("a.yaml line 1: extends: a.yaml is this file")


def test_a_chain_has_an_end(folder: Path) -> None:
    """Eight files may extend each other; a ninth is told where it is named."""
    write(**{f"f{number}": f"extends: f{number + 1}.yaml\n" for number in range(1, MOST_LAYERS)})
    write(**{f"f{MOST_LAYERS}": "sftp: {port: 7}\n", "f0": "extends: f1.yaml\n"})
    assert loaded("f1.yaml").sftp.port == 7
    assert refusal_of("f0.yaml") == [
        f"f{MOST_LAYERS - 1}.yaml line 1: extends: more than {MOST_LAYERS} files extend each other"
    ]


def test_the_version_of_a_base_is_not_hidden_by_the_file_above(folder: Path) -> None:
    """Each file is of a version this tidegate reads, or says none."""
    write(base="sftp: {port: 1}\nversion: 2\n", prod="extends: base.yaml\nversion: 1\n")
    assert refusal_of("prod.yaml") == [
        "base.yaml line 2: version: 2 is not known here; this tidegate reads version 1"
    ]


def test_a_text_from_nowhere_extends_from_its_directory(tmp_path: Path) -> None:
    """The directory of the text counts, not the one this process happens to be in."""
    (tmp_path / "base.yaml").write_text("sftp: {port: 7}\n")
    assert layered(Text("extends: base.yaml", "standard input", tmp_path)).values == {"sftp": {"port": 7}}


def test_settings_built_in_python_extend_nothing() -> None:
    """What would be ignored there is refused."""
    with pytest.raises(ValueError, match="only `load` follows extends"):
        Settings.model_validate({"extends": "base.yaml"})
