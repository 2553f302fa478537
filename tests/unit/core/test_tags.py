"""Tags of servers and users."""

from __future__ import annotations

import pytest

from tidegate.core.errors import InvalidName
from tidegate.core.tags import tagged, untagged

TAGS = (("team", "blue"), ("cost", "7"))


def test_a_key_that_is_there_gets_the_new_value_in_its_place():
    """New keys come behind; nothing else moves."""
    assert tagged(TAGS, [("new", ""), ("team", "red")]) == (("team", "red"), ("cost", "7"), ("new", ""))


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        ([("a", "1"), ("a", "2")], "named 2 times"),
        ([("aws:x", "1")], "aws:"),
        ([("AWS:x", "1")], "aws:"),
        ([(f"k{n}", "") for n in range(49)], "51 tags"),
    ],
)
def test_what_cannot_be_added(added, reason):
    """A key twice, one of AWS's own, or more than fifty in all."""
    with pytest.raises(InvalidName, match=reason):
        tagged(TAGS, added)


def test_as_many_as_there_can_be():
    """Fifty fit, and one of them can still be changed."""
    full = tagged(TAGS, [(f"k{n}", "") for n in range(48)])
    assert len(full) == 50
    assert tagged(full, [("team", "red")])[0] == ("team", "red")


def test_taking_away():
    """What is not there cannot be missed."""
    assert untagged(TAGS, ["team", "nothing"]) == (("cost", "7"),)
