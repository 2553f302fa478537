"""Where a configuration is read from."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tidegate.core.errors import InvalidSettings
from tidegate.settings.document import MAX_DOCUMENT_BYTES
from tidegate.settings.sources import Text, read, read_file

INLINE = {"TIDEGATE_CONFIG": "version: 1"}


def test_a_path_is_read_and_its_directory_noted(tmp_path: Path) -> None:
    """A file is called by the path as given, and relative names start beside it."""
    file = tmp_path / "c.yaml"
    file.write_text("version: 1\n")
    assert read(str(file), INLINE, io.StringIO()) == Text("version: 1\n", str(file), tmp_path, file)


def test_a_relative_path_gives_an_absolute_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory is absolute, so that a later change of the working directory moves nothing."""
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "c.yaml").touch()
    monkeypatch.chdir(tmp_path)
    found = read("conf/c.yaml", {}, io.StringIO())
    assert (found.name, found.directory) == ("conf/c.yaml", tmp_path / "conf")


def test_a_file_may_be_called_by_another_name(tmp_path: Path) -> None:
    """A file that another extends is called as from where the other was named, also when it is not there."""
    (tmp_path / "c.yaml").touch()
    assert read_file(str(tmp_path / "c.yaml"), "conf/c.yaml").name == "conf/c.yaml"
    with pytest.raises(InvalidSettings, match=r"^conf/d\.yaml: no such file$"):
        read_file(str(tmp_path / "d.yaml"), "conf/d.yaml")


def test_a_dash_is_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads stdin, and relative names start at the working directory."""
    monkeypatch.chdir(tmp_path)
    assert read("-", INLINE, io.StringIO("version: 1")) == Text("version: 1", "standard input", tmp_path)


def test_nothing_given_is_the_variable_then_the_defaults() -> None:
    """Without a source the inline YAML is taken; an empty variable is the same as none."""
    assert read(None, INLINE, io.StringIO("x")) == Text("version: 1", "TIDEGATE_CONFIG", Path.cwd())
    assert read(None, {}, io.StringIO("x")) == Text("", "defaults", Path.cwd())
    assert read(None, {"TIDEGATE_CONFIG": ""}, io.StringIO("x")).name == "defaults"


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    """Files saved by Windows editors are read like any."""
    file = tmp_path / "c.yaml"
    file.write_bytes(b"\xef\xbb\xbfversion: 1")
    assert read(str(file), {}, io.StringIO()).text == "version: 1"


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """A missing file, a directory, a file behind a file and one that is not UTF-8 are each told plainly."""
    (tmp_path / "latin.yaml").write_bytes(b"a: 1\nb: \xe9\n")
    for name, said in (
        ("absent.yaml", ": no such file"),
        (".", ": is a directory, not a file"),
        ("latin.yaml/c.yaml", ": cannot be read: Not a directory"),
        ("latin.yaml", " line 2: not UTF-8 text"),
    ):
        source = str(tmp_path / name)
        with pytest.raises(InvalidSettings) as caught:
            read(source, {}, io.StringIO())
        assert caught.value.detail == source + said


class ForeignStdin(io.StringIO):
    """Standard input that is not UTF-8."""

    def read(self, size: int | None = -1, /) -> str:
        raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "invalid")


class BrokenStdin(io.StringIO):
    """Standard input that was closed by the system."""

    def read(self, size: int | None = -1, /) -> str:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize(
    ("stdin", "said"),
    [(ForeignStdin(), "not UTF-8 text"), (BrokenStdin(), "cannot be read: Input/output error")],
)
def test_stdin_that_cannot_be_read_is_one_line(stdin: io.StringIO, said: str) -> None:
    """Standard input fails as plainly as a file."""
    with pytest.raises(InvalidSettings, match=f"^standard input: {said}$"):
        read("-", {}, stdin)


def test_no_more_is_read_than_is_needed_to_refuse_it(tmp_path: Path) -> None:
    """Of a file that is too large one byte beyond the limit is read, also amid a character."""
    file = tmp_path / "large.yaml"
    file.write_bytes("é".encode() * MAX_DOCUMENT_BYTES)
    assert len(read(str(file), {}, io.StringIO()).text) == MAX_DOCUMENT_BYTES // 2 + 1
    large = io.StringIO("x" * (2 * MAX_DOCUMENT_BYTES))
    assert len(read("-", {}, large).text) == MAX_DOCUMENT_BYTES + 1
