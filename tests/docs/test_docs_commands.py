"""docs/commands.md against the command line: every verb and option, and calls in all other pages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from docs_pages import PAGES, blocks, first_column, indented, name_of, sections, text_of, ticked

from tidegate.cli.main import cli

TARGET_OPTIONS = {"--state-dir", "--endpoint-url", "--config"}
TRANSFER_OPTIONS = {"--transfer", "--server-id", "--profile", "--region"}


def commands(command: click.Command = cli, name: str = "tidegate") -> Iterator[tuple[str, click.Command]]:
    """Yield every command below `cli` by its full name, those of entry points included."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for verb in command.list_commands(context):
            found = command.get_command(context, verb)
            assert found is not None
            yield f"{name} {verb}", found
            yield from commands(found, f"{name} {verb}")


def options(command: click.Command) -> set[str]:
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def documented_commands() -> dict[str, str]:
    return {
        name: section
        for name, section in sections(text_of("docs/commands.md")).items()
        if name.startswith("tidegate")
    }


def test_every_command_has_a_section_and_no_section_is_of_none() -> None:
    """The headings of docs/commands.md are the commands, verbs of entry points included."""
    assert set(documented_commands()) == {name for name, _ in commands()}


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_option_is_in_the_section_of_its_command(name: str, command: click.Command) -> None:
    """A section's table has the command's options and no others; those that name a gateway by a link."""
    section = documented_commands()[name]
    has = options(command)
    documented = {option.split()[0] for option in first_column(section)}
    if has >= TARGET_OPTIONS:
        assert "(#which-gateway)" in section
        documented |= TARGET_OPTIONS
    if has >= TRANSFER_OPTIONS:
        assert "(#a-transfer-endpoint)" in section
        documented |= TRANSFER_OPTIONS
    assert documented == has


def test_the_options_that_name_a_gateway_are_explained_once() -> None:
    """The sections the others link to have all of them."""
    page = sections(text_of("docs/commands.md"))
    for heading, named in (("Which gateway", TARGET_OPTIONS), ("A Transfer endpoint", TRANSFER_OPTIONS)):
        assert {option.split()[0] for option in first_column(page[heading])} == named


def test_every_argument_is_shown() -> None:
    """A command that takes arguments shows a line with its name and each of them."""
    for name, command in commands():
        arguments = [each for each in command.params if isinstance(each, click.Argument)]
        shown = [line for line in ticked(documented_commands()[name]) if line.startswith(name)]
        for argument in arguments:
            assert argument.metavar or argument.name
            word = (argument.metavar or str(argument.name)).upper()
            assert any(word in line for line in shown), f"{name}: {word}"


def shell_lines(text: str) -> Iterator[str]:
    """Yield the lines of a page that call tidegate: indented blocks, and `$` in fenced ones."""
    for block in indented(text):
        yield from (line.strip() for line in block.splitlines())
    for block in blocks(text, ""):
        yield from (line[2:] for line in block.splitlines() if line.startswith("$ "))
    yield from (each for each in ticked(text) if each.startswith("tidegate "))


def called(text: str) -> Iterator[list[str]]:
    """Yield the words after `tidegate` of each call."""
    for line in shell_lines(text):
        found = re.match(r"(?:[\w./-]+/)?tidegate (.+)", line)
        if found:
            yield shlex.split(found[1].split("  ")[0].split(" | ")[0].replace("...", ""), comments=True)


def unknown(words: list[str]) -> list[str]:
    """Return what in a call names no verb or option of ours."""
    command: click.Command = cli
    rest = list(words)
    while rest and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest[0])
        if found is None:
            break
        command = found
        rest.pop(0)
    known = options(command) | {"--help", "-h", "--version"}
    wrong = [
        word for word in rest if word.startswith("-") and word != "-" and word.split("=")[0] not in known
    ]
    if isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        wrong.append(rest[0])
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_calls_in_pages_name_what_exists(page: Path) -> None:
    """Whoever pastes a line is not told that there is no such command or option."""
    calls = called(text_of(page))
    assert [words for words in calls if unknown(words)] == []


def test_the_readme_calls_something() -> None:
    """Were no call found, the rule above would hold for any page."""
    assert len(list(called(text_of("README.md")))) >= 3
    assert unknown(["partners", "ad", "x"]) == ["ad"]
    assert unknown(["local", "--no-such", "1"]) == ["--no-such"]


def test_verbs_of_make_exist() -> None:
    """`make local` and the like in the pages are targets of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", text_of("Makefile"), re.MULTILINE))
    for page in PAGES:
        text = text_of(page)
        lines = [*shell_lines(text), *ticked(text)]
        used = {match[1] for line in lines if (match := re.match(r"make ([a-z]+)\b", line))}
        assert used <= targets, page
