"""
Conditions of statements: the operators and keys that are known here, and what they say of a request.

What is not known is not guessed: it comes back as a construct that the statement cannot be understood with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tidegate.core.iam.patterns import matches, matches_arn

# What is true of the request itself, and so can be told. Keys are compared in lower case, as IAM does.
S3_PREFIX = "s3:prefix"
S3_DELIMITER = "s3:delimiter"
S3_ENCRYPTION = "s3:x-amz-server-side-encryption"
S3_ENCRYPTION_KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"
S3_STORAGE_CLASS = "s3:x-amz-storage-class"
SECURE_TRANSPORT = "aws:securetransport"
SOURCE_ACCOUNT = "aws:sourceaccount"
SOURCE_ARN = "aws:sourcearn"
KNOWN_KEYS = frozenset(
    {S3_PREFIX, S3_DELIMITER, S3_ENCRYPTION, S3_ENCRYPTION_KEY, S3_STORAGE_CLASS, SECURE_TRANSPORT}
)
TRUST_KEYS = frozenset({SOURCE_ACCOUNT, SOURCE_ARN, SECURE_TRANSPORT})

_ANY_VALUE = "foranyvalue:"
_IF_EXISTS = "ifexists"
VARIABLE = "${"

Test = Callable[[str, str], bool]


def _equal(wanted: str, given: str) -> bool:
    return wanted == given


def _equal_in_any_case(wanted: str, given: str) -> bool:
    return wanted.lower() == given.lower()


def _like(wanted: str, given: str) -> bool:
    return matches(wanted, given)


# By the operator's name in lower case: how a value is compared, and whether none of them may agree.
_OPERATORS: Mapping[str, tuple[Test, bool]] = {
    "stringequals": (_equal, False),
    "stringnotequals": (_equal, True),
    "stringequalsignorecase": (_equal_in_any_case, False),
    "stringnotequalsignorecase": (_equal_in_any_case, True),
    "stringlike": (_like, False),
    "stringnotlike": (_like, True),
    "arnequals": (matches_arn, False),
    "arnlike": (matches_arn, False),
    "arnnotequals": (matches_arn, True),
    "arnnotlike": (matches_arn, True),
    "bool": (_equal_in_any_case, False),
}
_NULL = "null"
# Both say the same of a key that is there or not; what they would add makes no sense with it.
OPERATORS = (*_OPERATORS, _NULL)


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator with one key. All of a statement's conditions must be met, each by any of its values."""

    operator: str
    key: str
    values: tuple[str, ...]
    if_exists: bool = False
    any_value: bool = False

    def is_met(self, context: Mapping[str, str]) -> bool:
        """Tell whether it holds for a request with these facts."""
        given = context.get(self.key)
        if self.operator == _NULL:
            return any((value.lower() == "true") == (given is None) for value in self.values)
        test, negated = _OPERATORS[self.operator]
        if given is None:
            return self.if_exists or (negated and not self.any_value)
        return any(test(value, given) for value in self.values) is not negated


def conditions_of(
    block: object, known_keys: frozenset[str], *, has_variables: bool
) -> tuple[tuple[Condition, ...], tuple[str, ...]]:
    """
    Return the conditions that are understood, and the constructs that are not.

    Args:
        has_variables: Whether `${` begins a variable, as it does in documents of 2012.
    """
    if not isinstance(block, dict):
        return (), (f"Condition {block!r}",)
    found: list[Condition] = []
    strange: list[str] = []
    for name, pairs in block.items():
        for key, condition, problem in _each(name, pairs):
            if condition is None:
                strange.append(problem)
            elif condition.key not in known_keys:
                strange.append(f"the condition key {key}")
            elif has_variables and any(VARIABLE in value for value in condition.values):
                strange.append(f"a variable in the condition {name} {key}")
            else:
                found.append(condition)
    return tuple(found), tuple(strange)


def _each(name: str, pairs: object) -> Iterator[tuple[str, Condition | None, str]]:
    base = name.lower()
    any_value, if_exists = base.startswith(_ANY_VALUE), base.endswith(_IF_EXISTS)
    base = base.removeprefix(_ANY_VALUE).removesuffix(_IF_EXISTS)
    if base not in OPERATORS or not isinstance(pairs, dict) or (base == _NULL and (any_value or if_exists)):
        yield "", None, f"the condition operator {name}"
        return
    for key, value in pairs.items():
        values = _texts(value)
        if values is None:
            yield key, None, f"the values of the condition {name} {key}"
        else:
            yield key, Condition(base, key.lower(), values, if_exists, any_value), ""


def _texts(value: Any) -> tuple[str, ...] | None:
    """Return the values as texts; JSON's own true is IAM's "true"."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(each, str | bool | int) for each in values):
        return None
    return tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in values)
