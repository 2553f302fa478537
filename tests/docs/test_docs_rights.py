"""The page about rights names what the evaluator knows, and nothing else."""

from __future__ import annotations

import json

from docs_pages import blocks, text_of, ticked

from tidegate.core.iam.conditions import KNOWN_KEYS, OPERATORS
from tidegate.core.iam.roles import statement_for_role

PAGE = text_of("docs/rights.md")
UNDERSTOOD = PAGE.partition("### What is understood")[2].partition("\n## ")[0]


def test_operators_and_keys_are_those_of_the_evaluator() -> None:
    """In the section that says what is understood."""
    named = {each.lower() for each in ticked(UNDERSTOOD)}
    assert {each for each in named if each.partition(":")[0] in ("aws", "s3")} == KNOWN_KEYS
    assert named >= set(OPERATORS)


def test_the_statement_of_trust_is_the_one_of_the_log() -> None:
    """Whoever reads the page and whoever reads the log add the same."""
    (statement,) = [json.loads(block) for block in blocks(PAGE, "json")]
    assert statement == json.loads(statement_for_role(statement["Principal"]["AWS"]))
