"""
The pages as a whole: blocks taken from the code, links, named files, and the README's example.

Blocks between `<!-- generated: … -->` are written by diagrams.py beside this file.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import paramiko
import pytest
from diagrams import GENERATED, names_in, rewritten
from docs_pages import DOCS, PAGES, ROOT, blocks, links, name_of, sections, text_of, ticked

from tidegate.testing.gateway import LocalGateway

# --- generated blocks -----------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_generated_blocks_are_what_the_code_says(page: Path) -> None:
    """States, presets, parts and tables in the pages are those of the code."""
    text = text_of(page)
    assert text == rewritten(text), "run .venv/bin/python tests/docs/diagrams.py"


def test_every_generated_block_is_in_a_page() -> None:
    """A marker that was lost would leave its table unchecked."""
    found = [name for page in PAGES for name in names_in(text_of(page))]
    assert sorted(found) == sorted(GENERATED)


# --- links ----------------------------------------------------------------------------------


def linked_from(page: Path) -> set[Path]:
    return {(page.parent / target).resolve() for target, _ in links(page) if target}


def test_every_page_is_reachable() -> None:
    """From README.md or docs/index.md links lead to every page."""
    reached: set[Path] = set()
    waiting = {ROOT / "README.md", DOCS / "index.md"}
    while waiting:
        reached |= waiting
        linked = {link for page in waiting for link in linked_from(page)}
        waiting = {link for link in linked if link.suffix == ".md" and link.is_file()} - reached
    assert set(DOCS.rglob("*.md")) - reached == set()


def test_every_decision_is_listed() -> None:
    """docs/decisions/README.md links every decision."""
    folder = DOCS / "decisions"
    assert set(folder.glob("0*.md")) <= linked_from(folder / "README.md")


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = sections(text_of(page))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_headings_lead_to_one(page: Path) -> None:
    """An anchor in a link to one of our pages is a heading there."""
    for target, anchor in links(page):
        there = (page.parent / target).resolve() if target else page
        if anchor and there.suffix == ".md" and there.is_file():
            assert anchor in anchors(there), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_and_tests_named_in_pages_exist(page: Path) -> None:
    """A test that a page calls as witness is there: `tests/…py`, or `tests/…py::test_…`."""
    for named in ticked(text_of(page)):
        found = re.fullmatch(r"((?:tests|gateway|keys|scripts)/[\w./-]+)(?:::(\w+))?", named)
        if found is None:
            continue
        path = ROOT / found[1]
        assert path.exists(), named
        if found[2]:
            assert f"def {found[2]}(" in path.read_text(encoding="utf-8"), named


# --- the example ----------------------------------------------------------------------------


def send_report(host: str, port: int, user_name: str, private_key_path: Path) -> None:
    """What the README calls the code under test: an upload by a client that is not ours."""
    transport = paramiko.Transport((host, port))
    try:
        transport.connect(
            username=user_name, pkey=paramiko.Ed25519Key.from_private_key_file(private_key_path)
        )
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        client.putfo(io.BytesIO(b"a,b\n1,2\n"), "report.csv")
    finally:
        transport.close()


def test_the_example_of_the_readme_works(tidegate: LocalGateway) -> None:
    """Pasted into a test suite, it passes."""
    (example,) = blocks(text_of("README.md"), "python")
    namespace: dict[str, Any] = {"send_report": send_report}
    exec(example, namespace)
    namespace["test_the_report_arrives"](tidegate)
    found = tidegate.client("s3").get_object(Bucket=tidegate.private_bucket, Key="acme/report.csv")
    assert found["Body"].read() == b"a,b\n1,2\n"
