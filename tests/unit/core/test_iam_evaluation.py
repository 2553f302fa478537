"""What policies say of requests: wildcards, conditions, layers, and what cannot be widened."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.iam.documents import policy_of
from tidegate.core.iam.evaluation import Entitlement, Layer, Request
from tidegate.core.iam.patterns import matches, matches_action, matches_arn
from tidegate.core.iam.variables import with_values

BUCKET, KEY = "arn:aws:s3:::acme", "arn:aws:s3:::acme/bob/in/report.csv"


def layer(*statements: dict[str, Any], name: str = "the role's policies") -> Layer:
    return Layer(name, (policy_of("p", {"Version": "2012-10-17", "Statement": list(statements)}),))


def statement(effect: str = "Allow", action: Any = "s3:GetObject", resource: Any = "*", **more: Any) -> Any:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def allows(made: Layer | Entitlement, action: str, resource: str = KEY, **context: str) -> bool:
    named = {key.replace("_", ":", 1).replace("_", "-"): value for key, value in context.items()}
    return made.refusal(Request(action, resource, named)) is None


# --- wildcards ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "text", "is_match"),
    [
        ("", "", True),
        ("*", "", True),
        ("*", "a/b:c", True),
        ("a*c", "abbc", True),
        ("a*c", "abbcd", False),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("**b", "aab", True),
        ("*a*a*b", "aaaa", False),
        ("a.c", "abc", False),
        ("[a]", "a", False),
        ("A", "a", False),
        ("a\nb*", "a\nbc", True),
    ],
)
def test_wildcards(pattern: str, text: str, is_match: bool) -> None:
    """A star is anything, a question mark one character, and everything else itself."""
    assert matches(pattern, text) is is_match


@given(st.text("ab*?/", max_size=8), st.text("ab/", max_size=8))
def test_wildcards_as_a_regular_expression_has_them(pattern: str, text: str) -> None:
    """They agree with the plainest translation of them."""
    plain = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    assert matches(pattern, text) is (re.fullmatch(plain, text, re.DOTALL) is not None)


def test_many_stars_take_no_time() -> None:
    """A partner may choose the key: no pattern makes a key of a kilobyte dear."""
    assert not matches("*a" * 50 + "b", "a" * 1024)


@pytest.mark.parametrize(
    ("pattern", "arn", "is_match"),
    [
        ("*", KEY, True),
        ("arn:aws:s3:::acme/*", KEY, True),
        ("arn:aws:s3:::*", KEY, True),
        ("arn:*:s3:::acme/bob/*", KEY, True),
        ("arn:aws:s3:::acme", KEY, False),
        ("arn:aws:s3:::acme/*", BUCKET, False),
        ("arn:aws:s3:::acme*", BUCKET, True),
        ("arn:aws:*:acme/bob/in/report.csv", KEY, False),
        ("arn:aws:s3:::acme/a:b", "arn:aws:s3:::acme/a:b", True),
        ("arn:aws:s3:::ACME/*", KEY, False),
    ],
)
def test_arns_part_by_part(pattern: str, arn: str, is_match: bool) -> None:
    """Only the last part may hold colons; case matters."""
    assert matches_arn(pattern, arn) is is_match


def test_actions_in_any_case() -> None:
    """`s3:getobject` is `s3:GetObject`."""
    for pattern in ("*", "s3:*", "S3:Get*", "s3:getobject", "s3:Get?bject"):
        assert matches_action(pattern, "s3:GetObject")
    for pattern in ("s3:Put*", "kms:*", "s3:GetObjec", "s3:GetObjectVersion"):
        assert not matches_action(pattern, "s3:GetObject")


# --- statements -----------------------------------------------------------------------------


def test_nothing_is_allowed_that_no_statement_allows() -> None:
    """The refusal says which policies were asked."""
    assert layer().refusal(Request("s3:GetObject", KEY)) == (
        f"s3:GetObject on {KEY} is allowed by no statement of the role's policies"
    )


def test_an_explicit_deny_wins() -> None:
    """Wherever it stands; the refusal names it."""
    allow, deny = statement(action="s3:*"), statement("Deny", resource=f"{BUCKET}/bob/*", Sid="NotBob")
    for made in (layer(allow, deny), layer(deny, allow)):
        refusal = made.refusal(Request("s3:GetObject", KEY))
        assert refusal is not None
        assert "(NotBob)" in refusal
        assert allows(made, "s3:GetObject", f"{BUCKET}/eve/x")


def test_all_but_some_actions_and_resources() -> None:
    """NotAction and NotResource name what is left out."""
    but_delete = {"Effect": "Allow", "NotAction": "s3:Delete*", "Resource": "*"}
    assert allows(layer(but_delete), "s3:PutObject")
    assert not allows(layer(but_delete), "s3:DeleteObject")
    only_bob = {"Effect": "Deny", "Action": "*", "NotResource": [f"{BUCKET}/bob/*", BUCKET]}
    made = layer(statement(action="*"), only_bob)
    assert allows(made, "s3:PutObject")
    assert not allows(made, "s3:PutObject", f"{BUCKET}/eve/x")


def test_a_statement_that_is_not_understood() -> None:
    """It allows nothing; one that denies does, whatever its resource and conditions may say."""
    strange = {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
    assert not allows(layer(statement(**strange)), "s3:GetObject")
    denies = layer(statement(action="*"), statement("Deny", "s3:Get*", **strange))
    refusal = denies.refusal(Request("s3:GetObject", KEY))
    assert refusal is not None
    assert "operator IpAddress" in refusal
    assert allows(denies, "s3:PutObject")
    somewhere = layer(statement(action="*"), statement("Deny", "s3:Get*", "arn:aws:s3:::${aws:username}/*"))
    assert not allows(somewhere, "s3:GetObject")
    # What of it is understood can say that it does not concern the request.
    half = {"Condition": {**strange["Condition"], "StringEquals": {"s3:prefix": "x"}}}
    assert allows(layer(statement(action="*"), statement("Deny", "*", **half)), "s3:GetObject")


# --- conditions -----------------------------------------------------------------------------

MET: list[tuple[str, Any, str | None, bool]] = [
    ("StringEquals", "a", "a", True),
    ("StringEquals", ["b", "a"], "a", True),
    ("StringEquals", "A", "a", False),
    ("StringEquals", "a*", "ab", False),
    ("StringEquals", "a", None, False),
    ("StringEqualsIfExists", "a", None, True),
    ("StringEqualsIfExists", "a", "b", False),
    ("StringEqualsIgnoreCase", "A", "a", True),
    ("StringNotEquals", "a", "b", True),
    ("StringNotEquals", ["a", "b"], "b", False),
    ("StringNotEquals", "a", None, True),
    ("StringNotEqualsIgnoreCase", "A", "a", False),
    ("StringLike", "bob/*", "bob/in/", True),
    ("StringLike", ["bob", "bob/*"], "bob", True),
    ("StringLike", "", "", True),
    ("StringLike", "bob/*", None, False),
    ("StringLikeIfExists", "bob/*", None, True),
    ("StringNotLike", "bob/*", "eve/", True),
    ("StringNotLike", "bob/*", "bob/", False),
    ("stringlike", "b?b/", "bob/", True),
    ("ForAnyValue:StringLike", "bob/*", "bob/", True),
    ("ForAnyValue:StringLike", "bob/*", None, False),
    ("ForAnyValue:StringNotEquals", "a", None, False),
    ("ArnLike", "arn:aws:kms:*:*:key/*", "arn:aws:kms:us-east-1:1:key/2", True),
    ("ArnEquals", "arn:aws:kms:*:*:key/*", "arn:aws:s3:us-east-1:1:key/2", False),
    ("ArnNotLike", "arn:aws:kms:*:*:key/*", "arn:aws:s3:us-east-1:1:key/2", True),
    ("Bool", "true", "true", True),
    ("Bool", True, "true", True),
    ("Bool", "false", "true", False),
    ("BoolIfExists", "false", None, True),
    ("Null", "true", None, True),
    ("Null", True, "a", False),
    ("Null", "false", "a", True),
    ("Null", "false", None, False),
]


@pytest.mark.parametrize(("operator", "values", "fact", "is_met"), MET)
def test_operators(operator: str, values: Any, fact: str | None, is_met: bool) -> None:
    """Any of the values will do, of a negated operator none may; keys in any case."""
    made = layer(statement(action="s3:ListBucket", Condition={operator: {"S3:Prefix": values}}))
    context = {} if fact is None else {"s3:prefix": fact}
    assert (made.refusal(Request("s3:ListBucket", BUCKET, context)) is None) is is_met


def test_all_conditions_must_be_met() -> None:
    """Of all operators and all keys."""
    both = {"StringLike": {"s3:prefix": "bob/*"}, "StringEquals": {"s3:delimiter": "/"}}
    made = layer(statement(action="s3:ListBucket", Condition=both))
    assert allows(made, "s3:ListBucket", BUCKET, s3_prefix="bob/", s3_delimiter="/")
    assert not allows(made, "s3:ListBucket", BUCKET, s3_prefix="bob/")
    assert not allows(made, "s3:ListBucket", BUCKET, s3_prefix="eve/", s3_delimiter="/")


# --- layers ---------------------------------------------------------------------------------


def test_the_session_policy_that_aws_shows() -> None:
    """Listing below the home by a condition on the prefix, and everything with objects in it."""
    home = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ListOwnFolder",
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": ["arn:aws:s3:::${transfer:HomeBucket}"],
                "Condition": {
                    "StringLike": {"s3:prefix": ["${transfer:HomeFolder}/*", "${transfer:HomeFolder}"]}
                },
            },
            {
                "Sid": "UseOwnFolder",
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:GetObject", "s3:GetObjectVersion", "s3:DeleteObject"],
                "Resource": ["arn:aws:s3:::${transfer:HomeDirectory}/*"],
            },
        ],
    }
    values = {"HomeBucket": "acme", "HomeFolder": "bob", "HomeDirectory": "acme/bob"}
    session = Layer("the session policy", (policy_of("the session policy", with_values(home, values)),))
    made = Entitlement((layer(statement(action="s3:*")), session))
    for action in ("s3:PutObject", "s3:GetObject", "s3:DeleteObject"):
        assert allows(made, action)
        assert not allows(made, action, f"{BUCKET}/eve/x")
        assert not allows(made, action, f"{BUCKET}/bobby")
    for prefix, may in (("bob/", True), ("bob/in/", True), ("bob", True), ("", False), ("eve/", False)):
        assert allows(made, "s3:ListBucket", BUCKET, s3_prefix=prefix) is may
    assert not allows(made, "s3:PutObjectTagging")


def test_layers_that_say_nothing_of_a_service() -> None:
    """They can be left out for it; one that allows everything speaks of it."""
    silent, speaks = layer(statement(action="s3:*")), layer(statement("Deny", "kms:Decrypt"))
    for made in (
        layer(statement(action="*")),
        layer({"Effect": "Allow", "NotAction": "a:b", "Resource": "*"}),
    ):
        assert made.speaks_of("kms")
    assert Entitlement((silent, speaks)).but_silent("kms") == Entitlement((speaks,))


ACTIONS = ["s3:GetObject", "s3:PutObject", "s3:ListBucket", "s3:*", "*", "kms:Decrypt"]
RESOURCES = ["*", "arn:aws:s3:::acme", "arn:aws:s3:::acme/*", "arn:aws:s3:::acme/bob/*", "arn:aws:s3:::${x}"]
CONDITIONS: list[Any] = [
    {},
    {"Condition": {"StringLike": {"s3:prefix": "bob/*"}}},
    {"Condition": {"Null": {"s3:prefix": "true"}}},
    {"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
]


@st.composite
def some_statement(draw: st.DrawFn, effect: str | None = None) -> Any:
    action, resource = (
        draw(st.sampled_from(["", "Not"])) + "Action",
        draw(st.sampled_from(["", "Not"])) + "Resource",
    )
    return {
        "Effect": effect or draw(st.sampled_from(["Allow", "Deny"])),
        action: draw(st.lists(st.sampled_from(ACTIONS), min_size=1, max_size=2)),
        resource: draw(st.lists(st.sampled_from(RESOURCES), min_size=1, max_size=2)),
        **draw(st.sampled_from(CONDITIONS)),
    }


statements = st.lists(some_statement(), max_size=4)
requests = st.builds(
    Request,
    st.sampled_from(["s3:GetObject", "s3:PutObject", "s3:ListBucket", "kms:Decrypt"]),
    st.sampled_from([BUCKET, KEY, f"{BUCKET}/eve/x", "arn:aws:kms:us-east-1:1:key/2"]),
    st.sampled_from([{}, {"s3:prefix": "bob/in/"}, {"s3:prefix": "eve/"}]),
)


@given(statements, some_statement(effect="Deny"), requests, st.integers(0, 4))
def test_a_deny_never_allows_more(before: list[Any], deny: Any, request: Request, at: int) -> None:
    """Wherever a Deny is added, nothing is allowed that was not."""
    after = [*before[:at], deny, *before[at:]]
    if layer(*after).refusal(request) is None:
        assert layer(*before).refusal(request) is None


@given(statements, statements, requests)
def test_two_layers_allow_what_both_do(one: list[Any], other: list[Any], request: Request) -> None:
    """No more than either, and no less."""
    both = Entitlement((layer(*one), layer(*other))).refusal(request) is None
    assert both is (layer(*one).refusal(request) is None and layer(*other).refusal(request) is None)


@given(statements, requests)
def test_what_is_not_understood_allows_nothing_more(made: list[Any], request: Request) -> None:
    """A construct that is added to a statement that allows, or taken for met in one that denies, narrows."""
    strange = {"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}}
    unknown = [each | strange if each["Effect"] == "Allow" else each for each in made]
    assert layer(*unknown).refusal(request) is not None


@pytest.mark.parametrize(
    ("effect", "member"), [("Allow", "Resource"), ("Deny", "Resource"), ("Allow", "NotResource")]
)
def test_a_star_beyond_its_part_takes_away_and_gives_nothing(effect: str, member: str) -> None:
    """AWS lets a star at the end of a part stand for more; what is gained by that is not allowed."""
    beyond = "arn:aws:s3:*:x:in/*"  # with five parts of this key's name taken for parts of the ARN
    request = Request("s3:GetObject", "arn:aws:s3:::landing/a:x:in/b")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    stated = [{"Effect": effect, "Action": "*", member: beyond}]
    statements = stated + ([everything] if effect == "Deny" else [])
    layer = Layer("these", (policy_of("p", {"Version": "2012-10-17", "Statement": statements}),))
    assert layer.refusal(request) is not None
