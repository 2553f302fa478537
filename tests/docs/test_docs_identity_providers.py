"""docs/identity-providers.md against what is asked, and what can be configured."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any, get_args

from docs_pages import blocks, first_column, sections, text_of

from tidegate.core.identity_providers import Question, user_of
from tidegate.core.paths import HomeTree
from tidegate.core.servers import IdentityProviderType, SftpAuthenticationMethods
from tidegate.settings import load

PAGE = "docs/identity-providers.md"


def test_the_page_knows_every_type_and_method() -> None:
    """Each has its row."""
    rows = set(first_column(sections(text_of(PAGE))["Which server asks whom"]))
    assert {*get_args(IdentityProviderType), *get_args(SftpAuthenticationMethods)} <= rows


def test_the_example_lets_in_whom_it_says() -> None:
    """By its key, by its password, and nobody else."""
    (example,) = blocks(text_of(PAGE), "python")
    namespace: dict[str, Any] = {}
    exec(example, namespace)
    for password in ("", "correct horse"):
        question = Question("acme", "s-0123456789abcdef0", "192.0.2.7", password)
        user = user_of(namespace["login"](question.event()), question, datetime.now(UTC)).user
        assert HomeTree(user.home, user.user_name)
        assert len(user.keys) == (0 if password else 1)
    for name, password in (("acme", "wrong"), ("bank", ""), ("bank", "correct horse")):
        assert namespace["login"]({"username": name, "password": password}) == {}


def test_the_configuration_on_the_page_loads() -> None:
    """All three kinds of what is asked in place of a function."""
    (block,) = blocks(text_of(PAGE), "yaml")
    settings = load("-", {}, io.StringIO(block)).settings
    stand_ins = [each.stand_in() for each in settings.identity_providers]
    assert [bool(each.callable) + 2 * bool(each.command) + 4 * bool(each.url) for each in stand_ins] == [
        1,
        2,
        4,
    ]


def test_the_page_says_what_the_gateways_role_needs() -> None:
    """The policies in docs/serve.md do not name functions and roles of servers."""
    text = text_of(PAGE)
    assert all(f"`{action}`" in text for action in ("lambda:InvokeFunction", "sts:AssumeRole"))
