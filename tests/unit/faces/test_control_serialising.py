"""Answers in the form of the model."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.adapters.aws.service_model import transfer_model
from tidegate.core.shapes import Shape
from tidegate.faces.control.serialising import serialised

KEY = Shape(
    "Key",
    "structure",
    {"At": Shape("At", "timestamp"), "Body": Shape("Body", "string"), "Raw": Shape("Raw", "blob")},
    required=("At",),
)
KEYS = Shape("Keys", "list", item=KEY)
AT = datetime(2026, 1, 31, 12, 0, 0, 250999, UTC)


def test_values_as_json_has_them():
    """A moment is seconds with milliseconds, bytes are base64, and what is None is left out."""
    given = [{"At": AT, "Body": None, "Raw": b"\0\1\2"}, {"At": AT, "Body": "b"}]
    seconds = 1769860800.251
    assert serialised(KEYS, given) == [{"At": seconds, "Raw": "AAEC"}, {"At": seconds, "Body": "b"}]


@pytest.mark.parametrize("members", [{}, {"At": None}, {"At": AT, "Other": 1}])
def test_an_answer_that_is_not_the_models(members):
    """A member that is missing, or of a name the model does not have, is a mistake of ours."""
    with pytest.raises(ValueError, match="Key: no members"):
        serialised(KEY, members)


def test_a_value_that_json_does_not_have():
    """It is a mistake of ours, and none that a client should meet."""
    with pytest.raises(TypeError, match="Body cannot be"):
        serialised(KEY, {"At": AT, "Body": object()})


def test_tuples_are_lists():
    """Our values are frozen."""
    names = transfer_model().operations["ListSecurityPolicies"].output
    assert names is not None
    assert serialised(names, {"SecurityPolicyNames": ("a", "b")}) == {"SecurityPolicyNames": ["a", "b"]}
