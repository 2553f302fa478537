"""Policy documents: what IAM takes, what it would not, and what is not understood here."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tidegate.core.errors import InvalidName
from tidegate.core.iam.documents import InvalidPolicy, parsed_json, policy_of
from tidegate.core.iam.roles import RoleDocuments, account_of, name_of, statement_for_service
from tidegate.core.iam.session_policies import check_session_policy, session_document, session_text
from tidegate.core.iam.variables import values_for, with_values
from tidegate.core.users import Home, HomeDirectoryType, User

AT = datetime(2026, 3, 9, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/partners/sftp"
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def document(*statements: dict[str, Any], version: str = "2012-10-17") -> dict[str, Any]:
    return {"Version": version, "Statement": list(statements)}


def path_user(directory: str, policy: str = "") -> User:
    return User("s-0123456789abcdef0", "bob", Home(HomeDirectoryType.PATH, directory), AT, policy=policy)


# --- what IAM would not take ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ([], "no JSON object"),
        ({}, "no Statement"),
        ({"Statement": "all"}, "no Statement"),
        ({"Statement": ["all"]}, "no Statement"),
        ({"Version": "2020-01-01", "Statement": []}, "Version '2020-01-01'"),
        (document({**ALLOW, "Effect": "allow"}), "neither Allow nor Deny"),
        (document({"Action": "s3:*", "Resource": "*"}), "neither Allow nor Deny"),
        (document({"Effect": "Allow", "Resource": "*"}), "either Action or NotAction"),
        (document({**ALLOW, "NotAction": "s3:PutObject"}), "either Action or NotAction"),
        (document({**ALLOW, "NotResource": "*"}), "either Resource or NotResource"),
        (document({**ALLOW, "Action": []}), "neither a text nor a list"),
        (document({**ALLOW, "Action": [1]}), "neither a text nor a list"),
        (document({**ALLOW, "Resource": ""}), "neither a text nor a list"),
        (document({**ALLOW, "Principal": "*"}), "has a Principal"),
        (document({**ALLOW, "NotPrincipal": "*"}), "NotPrincipal is no member"),
        (document({**ALLOW, "effect": "Deny"}), "effect is no member"),
    ],
)
def test_what_iam_would_not_take(what: Any, words: str) -> None:
    """It is refused as a whole: what it was to say is not guessed."""
    with pytest.raises(InvalidPolicy, match=words):
        policy_of("the policy", what)


def test_one_statement_needs_no_list() -> None:
    """As IAM has it; so have its texts and lists of one."""
    (statement,) = policy_of("p", {"Statement": {**ALLOW, "Sid": "Read"}}).statements
    assert statement.label == "statement 1 (Read) of p"
    assert (statement.actions, statement.resources, statement.strange) == (("s3:GetObject",), ("*",), ())


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "null", '"x"', '{"a": 1, "a": 2}', "[" * 100_000])
def test_text_that_is_no_object(text: str) -> None:
    """Not even a member that is named twice, of which either might be meant."""
    with pytest.raises(InvalidPolicy):
        parsed_json(text)


def test_a_policy_that_a_request_gives() -> None:
    """Empty takes it away; an object is kept as it is written; anything else is refused."""
    assert check_session_policy("") == ""
    assert check_session_policy(' {"a": 1}') == ' {"a": 1}'
    with pytest.raises(InvalidName):
        check_session_policy("[]")


# --- what is not understood -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "construct"),
    [
        ({"Resource": "arn:aws:s3:::b/${aws:username}/*"}, "a variable in the resource"),
        ({"Resource": "arn:aws:s3:::b/${transfer:HomeFolder}/*"}, "a variable in the resource"),
        ({"Resource": "arn:aws:s3"}, "the resource arn:aws:s3"),
        ({"Condition": []}, "Condition"),
        ({"Condition": {"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}}, "operator DateLessThan"),
        ({"Condition": {"NumericLessThan": {"s3:max-keys": 10}}}, "operator NumericLessThan"),
        ({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}, "operator IpAddress"),
        ({"Condition": {"ForAllValues:StringLike": {"s3:prefix": "a"}}}, "operator ForAllValues:StringLike"),
        ({"Condition": {"NullIfExists": {"s3:prefix": "true"}}}, "operator NullIfExists"),
        ({"Condition": {"StringLike": "s3:prefix"}}, "operator StringLike"),
        ({"Condition": {"StringLike": {"aws:PrincipalTag/team": "a"}}}, "key aws:PrincipalTag/team"),
        ({"Condition": {"StringEquals": {"s3:ExistingObjectTag/a": "b"}}}, "key s3:ExistingObjectTag/a"),
        ({"Condition": {"StringLike": {"s3:prefix": "${aws:username}/*"}}}, "a variable in the condition"),
        ({"Condition": {"StringLike": {"s3:prefix": []}}}, "values of the condition"),
        ({"Condition": {"StringLike": {"s3:prefix": [{}]}}}, "values of the condition"),
    ],
)
def test_constructs_that_are_not_understood(members: dict[str, Any], construct: str) -> None:
    """Each is named, for the log."""
    (statement,) = policy_of("p", document({**ALLOW, **members})).statements
    (found,) = statement.strange
    assert construct in found


def test_documents_of_2008_have_no_variables() -> None:
    """There `${` stands for itself."""
    resource = {"Resource": "arn:aws:s3:::b/${aws:username}/*"}
    for version in ("2008-10-17", None):
        made = document({**ALLOW, **resource}) | {"Version": version}
        if version is None:
            del made["Version"]
        (statement,) = policy_of("p", made).statements
        assert not statement.strange


# --- variables ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("directory", "bucket", "folder", "whole"),
    [
        ("/acme-bkt/bob/in/", "acme-bkt", "bob/in/", "acme-bkt/bob/in/"),
        ("/acme-bkt/bob", "acme-bkt", "bob", "acme-bkt/bob"),
        ("/acme-bkt", "acme-bkt", "", "acme-bkt"),
        ("/acme-bkt/${transfer:UserName}", "acme-bkt", "bob", "acme-bkt/bob"),
        ("", "", "", ""),
    ],
)
def test_values_of_a_path_home(directory: str, bucket: str, folder: str, whole: str) -> None:
    """The bucket, what is behind it, and both together, without the slash at the start."""
    values = {"UserName": "bob", "HomeBucket": bucket, "HomeFolder": folder, "HomeDirectory": whole}
    assert values_for(path_user(directory)) == values


def test_a_logical_home_has_only_the_users_name() -> None:
    """The others stay as they are, and no statement with them is understood."""
    user = User("s-0123456789abcdef0", "bob", Home.chroot("/landing/bob"), AT)
    assert values_for(user) == {"UserName": "bob"}
    texts = ["${transfer:UserName}/${transfer:HomeFolder}"]
    assert with_values(texts, values_for(user)) == ["bob/${transfer:HomeFolder}"]


def test_values_are_put_in_once_and_anywhere() -> None:
    """In texts and names of members; what a value holds is not looked at again, nor is another case meant."""
    values = {"UserName": "{transfer:HomeBucket}", "HomeBucket": "b"}
    given = {"a-${transfer:HomeBucket}": ["${transfer:UserName}", 1, None, True, "${transfer:username}"]}
    assert with_values(given, values) == {
        "a-b": ["{transfer:HomeBucket}", 1, None, True, "${transfer:username}"]
    }


@pytest.mark.parametrize("folder", ["a*", "a?b", "${x}"])
def test_a_home_that_would_be_a_pattern(folder: str) -> None:
    """It would allow more than the home; where its name is not used it does no harm."""
    user = path_user(f"/acme-bkt/{folder}")
    with pytest.raises(InvalidPolicy, match="pattern"):
        with_values("arn:aws:s3:::${transfer:HomeDirectory}/*", values_for(user))
    assert with_values("${transfer:HomeBucket}", values_for(user)) == "acme-bkt"


def test_a_quote_in_a_home_ends_no_text() -> None:
    """Values go into parsed texts, not into JSON."""
    user = path_user('/acme-bkt/a"b', json.dumps({"R": "${transfer:HomeFolder}"}))
    assert session_document(user) == {"R": 'a"b'}


def test_the_text_that_sts_takes() -> None:
    """Without blanks; of at most 2,048 characters once the variables are replaced."""
    assert session_text(path_user("/acme-bkt")) is None
    assert session_text(path_user("/acme-bkt", '{ "a": "${transfer:UserName}" }')) == '{"a":"bob"}'
    at_most = json.dumps({"a": "x" * (2048 - len('{"a":""}'))}, separators=(",", ":"))
    assert session_text(path_user("/acme-bkt", at_most)) == at_most
    with pytest.raises(InvalidPolicy, match="2049 characters"):
        session_text(path_user("/acme-bkt", at_most.replace("x", "xx", 1)))


# --- roles ----------------------------------------------------------------------------------

SERVICE = "transfer.amazonaws.com"
FACTS = {
    "aws:sourceaccount": "123456789012",
    "aws:sourcearn": "arn:aws:transfer:us-east-1:123456789012:user/s-0123456789abcdef0/bob",
}
TRUST: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": SERVICE}, "Action": "sts:AssumeRole"}


@pytest.mark.parametrize(
    ("changes", "trusts"),
    [
        ({}, True),
        ({"Principal": {"Service": ["ec2.amazonaws.com", SERVICE]}}, True),
        ({"Principal": "*"}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Action": "sts:*"}, True),
        ({"Action": ["sts:TagSession", "sts:AssumeRole"]}, True),
        ({"Principal": {"Service": "ec2.amazonaws.com"}}, False),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Action": "sts:TagSession"}, False),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}}, True),
        ({"Condition": {"StringEquals": {"aws:SourceAccount": "999999999999"}}}, False),
        (
            {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:transfer:us-east-1:123456789012:user/*"}}},
            True,
        ),
        (
            {"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:transfer:*:*:user/s-ffffffffffffffff0/*"}}},
            False,
        ),
        ({"Condition": {"StringEquals": {"sts:ExternalId": "x"}}}, False),
    ],
)
def test_who_may_assume_a_role(changes: dict[str, Any], trusts: bool) -> None:
    """By its trust policy, with what Transfer Family says of itself."""
    role = RoleDocuments(ROLE, document(TRUST | changes), ())
    assert role.trusts(SERVICE, FACTS) is trusts


def test_a_trust_policy_that_denies() -> None:
    """An explicit Deny wins, also one with conditions that are not understood."""
    for more in ({}, {"Condition": {"StringEquals": {"sts:ExternalId": "x"}}}):
        role = RoleDocuments(ROLE, document(TRUST, TRUST | {"Effect": "Deny"} | more), ())
        assert not role.trusts(SERVICE, FACTS)


def test_the_parts_of_a_roles_arn() -> None:
    """A path is no part of its name; what is no role's ARN has neither part."""
    assert (account_of(ROLE), name_of(ROLE)) == ("123456789012", "sftp")
    for other in ("", "sftp", "arn:aws:iam::123456789012:user/sftp", "arn:aws:iam::12:role/sftp"):
        assert (account_of(other), name_of(other)) == ("", "")
    assert json.loads(statement_for_service(SERVICE)) == TRUST


def test_a_session_policy_that_is_too_deep() -> None:
    """What can be parsed and not be walked is refused, as what cannot be parsed is."""
    depths = [path_user("/acme-bkt", '{"R":' + "[" * n + "]" * n + "}") for n in range(300, 1000, 50)]
    with pytest.raises(InvalidPolicy):
        list(map(session_document, depths))
