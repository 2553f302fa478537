"""Reading our pages: sections, tables, code blocks and links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])

_FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:\A|\n)\n((?: {4}.*\n)+)")
_LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]*))?\)")


def name_of(page: Path) -> str:
    """Return how a test report names the page."""
    return page.relative_to(ROOT).as_posix()


def text_of(page: str | Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def sections(text: str) -> dict[str, str]:
    """Return the text under each heading of any level, up to the next one, by the heading."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    parts = re.split(r"^#+ (.+)$", prose, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def ticked(text: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


def first_column(section: str) -> list[str]:
    """Return what stands in backticks in the first cell of each row of the tables."""
    return [name for row in re.findall(r"^\| *(`[^|]*)\|", section, re.MULTILINE) for name in ticked(row)]


def blocks(text: str, kind: str) -> list[str]:
    """Return the fenced blocks of a kind, such as `json`; `""` is one without a name."""
    return [block for found, block in _FENCED.findall(text) if found == kind]


def indented(text: str) -> list[str]:
    """Return the blocks that are set off by four blanks."""
    return _INDENTED.findall(text)


def links(page: Path) -> list[tuple[str, str]]:
    """Return target and anchor of every link; either may be empty."""
    return _LINK.findall(text_of(page))
