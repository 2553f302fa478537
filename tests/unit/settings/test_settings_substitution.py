"""`${NAME}` in secrets and nowhere else."""

from __future__ import annotations

from tidegate.settings.substitution import substitute


def test_only_secrets_change() -> None:
    """Secrets take the variable's value; all else comes back as it was, whatever its type."""
    values: dict[str, object] = {
        "aws": {"access_key_id": "${A}", "region": "a$b"},
        "partners": [{"keys": ["k"]}],
        "version": 1,
    }
    filled, problems = substitute(values, {"A": "${B}", "B": "never"})
    assert filled == {
        "aws": {"access_key_id": "${B}", "region": "a$b"},
        "partners": [{"keys": ["k"]}],
        "version": 1,
    }
    assert problems == []
    assert values["aws"] == {"access_key_id": "${A}", "region": "a$b"}


def test_a_problem_leaves_something_valid_behind() -> None:
    """A secret that cannot be had is a problem at its place, and text all the same."""
    filled, (problem,) = substitute({"aws": {"secret_access_key": "${A}"}}, {})
    assert filled == {"aws": {"secret_access_key": "?"}}
    assert problem.at == ("aws", "secret_access_key")
    assert problem.text == "the environment variable A is not set"


def test_variables_are_found_anywhere_in_a_text() -> None:
    """A reference inside longer text is found and named alone; a lone dollar or brace is none."""
    _, (problem,) = substitute({"landing": {"bucket": "my-${STAGE}-bucket"}}, {"STAGE": "x"})
    assert problem.text.startswith("'${STAGE}' is not filled in here")
    assert substitute({"landing": {"bucket": "$STAGE {x} $${"}}, {})[1] == []
