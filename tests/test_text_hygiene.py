"""
What no file of the repository may hold: traces of one machine, unfinished marks, links that lead nowhere.

The forbidden words are put together from pieces here, so that this file does not accuse itself.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Never looked into where there is no git to say what belongs to the repository.
LEAVINGS = {".git", ".venv", ".tidegate", "__pycache__", "dist", "build"}

_OUTSIDE_A_PATH = r"(?<![\w.$}/-])"  # an absolute path begins here: `s3://bucket/root/x` is none
MACHINE_PATHS = re.compile(_OUTSIDE_A_PATH + r"/(?:work|root|Users|(?:tmp|var/folders)/[\w.-]+)/")

# Where a package came from is the business of whoever installs it: mirrors differ.
REGISTRIES = re.compile(
    "|".join(
        re.escape(name + "." + domain)
        for name, domain in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("npmjs", "org"),
            ("crates", "io"),
            ("golang", "org"),
            ("jfrog", "io"),
            ("docker", "io"),
        )
    )
    + "|--(?:extra-)?index"
    + "-url"
)

UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX")) + r")\b")

_FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)", re.MULTILINE)
_ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#|//")


def files_of_repository(root: Path) -> list[Path]:
    """Return what git tracks or would track; where there is no git, all but leavings."""
    listed = _ask_git(root) if (root / ".git").exists() else None
    if listed is None:
        listed = [path for path in root.rglob("*") if _belongs(path.relative_to(root))]
    return sorted(path for path in listed if path.is_file() and not path.is_symlink())


def _ask_git(root: Path) -> list[Path] | None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        asked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git here, or it distrusts the owner of the checkout
        return None
    return [root / name for name in asked.stdout.split("\0") if name]


def _belongs(path: Path) -> bool:
    return LEAVINGS.isdisjoint(path.parts) and not any(
        part.endswith(("_cache", "-info")) for part in path.parts
    )


def hits(pattern: re.Pattern[str], path: Path) -> list[str]:
    """Return `file:line: text` of each line where the pattern is found. Files that are no text hold none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []
    return [
        f"{path}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if pattern.search(line)
    ]


def links(markdown: str) -> Iterator[str]:
    """Yield the targets of relative links, without their anchors. Code holds no links."""
    prose = _INLINE_CODE.sub("", _FENCED.sub("", markdown))
    for match in _LINK.finditer(prose):
        target = match[1] or match[2]
        if not _ELSEWHERE.match(target):
            yield target.split("#")[0]


def broken_links(page: Path) -> list[str]:
    """Return `page: target` of each relative link that leads to nothing."""
    targets = links(page.read_text(encoding="utf-8"))
    return [f"{page}: {target}" for target in targets if not (page.parent / target).exists()]


# --- the repository -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Every file that belongs to the repository."""
    return files_of_repository(ROOT)


def found(pattern: re.Pattern[str], files: list[Path]) -> str:
    """Return all hits, one a line, as a failing test shows them; empty if there are none."""
    return "\n".join(hit for path in files for hit in hits(pattern, path))


def test_the_repository_is_seen(files: list[Path]) -> None:
    """Were the list empty, every rule below would hold."""
    assert {ROOT / "pyproject.toml", ROOT / "gateway" / "tidegate" / "__init__.py", Path(__file__)} <= set(
        files
    )


def test_no_file_names_a_path_of_one_machine(files: list[Path]) -> None:
    """What works only where it was written is wrong everywhere else."""
    breaches = found(MACHINE_PATHS, files)
    assert not breaches, f"paths of one machine:\n{breaches}"


def test_no_file_names_a_registry(files: list[Path]) -> None:
    """Lock file and scripts install from whatever mirror the machine is set up for."""
    breaches = found(REGISTRIES, files)
    assert not breaches, f"registry addresses:\n{breaches}"


def test_no_code_is_marked_unfinished(files: list[Path]) -> None:
    """What is left to do is an issue, not a comment."""
    breaches = found(UNFINISHED, [path for path in files if path.suffix != ".md"])
    assert not breaches, f"unfinished marks:\n{breaches}"


def test_relative_links_lead_somewhere(files: list[Path]) -> None:
    """A page that names a file of ours names one that exists."""
    breaches = [link for page in files if page.suffix == ".md" for link in broken_links(page)]
    assert not breaches, "links that lead nowhere:\n" + "\n".join(breaches)


# --- the rules can fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE_PATHS, 'open("/' + 'work/main/x")'),
        (MACHINE_PATHS, "cd /" + "root/.ssh"),
        (MACHINE_PATHS, "see:/" + "Users/someone/x"),
        (MACHINE_PATHS, "--state-dir=/" + "tmp/mine/state"),
        (REGISTRIES, "https://files.python" + "hosted.org/packages"),
        (REGISTRIES, "pip install --extra-index" + "-url https://example.com"),
        (UNFINISHED, "# " + "TO" + "DO: later"),
        (UNFINISHED, "# " + "X" + "XX"),
    ],
)
def test_a_planted_breach_is_found(tmp_path: Path, pattern: re.Pattern[str], line: str) -> None:
    """Each rule names the line that breaks it."""
    planted = tmp_path / "planted"
    planted.write_text(f"first\n{line}\n")
    assert hits(pattern, planted) == [f"{planted}:2: {line}"]


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (MACHINE_PATHS, "s3://bucket/root/report.csv, ./root/x, $HOME/root/x, open-root/x, /tmp/state"),
        (UNFINISHED, "mktemp -t tidegate.XXXXXX"),
        (REGISTRIES, "uv pip compile --no-emit-index-url"),
    ],
)
def test_what_only_looks_alike_passes(tmp_path: Path, pattern: re.Pattern[str], line: str) -> None:
    """A rule that cries wolf is soon switched off."""
    harmless = tmp_path / "harmless"
    harmless.write_text(line)
    assert hits(pattern, harmless) == []


def test_a_file_that_is_no_text_is_passed_over(tmp_path: Path) -> None:
    """Images and archives hold no lines to judge."""
    (tmp_path / "image").write_bytes(b"\xff\xfe\n/" + b"work/")
    assert hits(MACHINE_PATHS, tmp_path / "image") == []


def test_broken_links_are_found_in_prose_alone(tmp_path: Path) -> None:
    """Anchors, addresses and code are no links to files; both forms of a link are followed."""
    page = tmp_path / "page.md"
    page.write_text(
        "[here](page.md#top) [up](#top) [far](https://example.com) `[code](gone.md)` ![i](gone.png)\n"
        "\n[ref]: gone/ref.md\n\n```\n[fenced](gone.md)\n```\n"
    )
    assert broken_links(page) == [f"{page}: gone.png", f"{page}: gone/ref.md"]


def test_without_git_the_tree_is_walked(tmp_path: Path) -> None:
    """An unpacked archive is judged too, without what tools left in it."""
    for name in ("a.py", "docs/b.md", ".venv/c.py", "x/__pycache__/d.pyc", ".mypy_cache/e"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert files_of_repository(tmp_path) == [tmp_path / "a.py", tmp_path / "docs" / "b.md"]
