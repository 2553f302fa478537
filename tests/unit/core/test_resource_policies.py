"""Policies of buckets, keys and roles: what is too open, what stops uploads, and merging."""

from __future__ import annotations

from typing import Any

import pytest

from tidegate.core.resource_policies import (
    is_tls_only,
    may_delete_records,
    open_faults,
    statements,
    tls_only_statement,
    upload_faults,
    wildcard_faults,
    with_statement,
)

KEY = "arn:aws:kms:eu-central-1:111122223333:key/ours"
SSE = "s3:x-amz-server-side-encryption"
SSE_KEY = f"{SSE}-aws-kms-key-id"
SIGNED = "s3:x-amz-content-sha256"


def document(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": statement}


def deny(**members: Any) -> dict[str, Any]:
    return document(
        **{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*", **members}
    )


def test_one_statement_needs_no_list() -> None:
    """IAM takes both forms."""
    assert statements(document(Sid="A")) == statements({"Statement": [{"Sid": "A"}]}) == [{"Sid": "A"}]


# --- TLS ------------------------------------------------------------------------------------


def test_our_statement_is_tls_only() -> None:
    """What we add is what we look for, in every partition."""
    for partition in ("aws", "aws-cn"):
        merged = with_statement(None, tls_only_statement("b-1", partition))
        assert is_tls_only(merged, "b-1", partition)
        assert not is_tls_only(merged, "b-2", partition)


def test_the_same_in_other_words_will_do() -> None:
    """Somebody may have written it before us."""
    theirs = deny(
        Principal={"AWS": ["*"]}, Action=["s3:*"], Condition={"Bool": {"AWS:securetransport": [False]}}
    )
    assert is_tls_only(theirs, "b", "aws")


@pytest.mark.parametrize(
    "change",
    [
        {"Effect": "Allow"},
        {"Principal": {"AWS": "arn:aws:iam::111122223333:root"}},
        {"Action": "s3:GetObject"},
        {"Resource": "arn:aws:s3:::b/*"},
        {"Condition": {"Bool": {"aws:SecureTransport": "true"}}},
        {"Condition": {"Bool": {"aws:SecureTransport": "false"}, "StringEquals": {"aws:UserId": "x"}}},
    ],
)
def test_half_of_it_will_not_do(change: dict[str, Any]) -> None:
    """Any narrower statement lets some request through without TLS."""
    statement = {**tls_only_statement("b", "aws"), **change}
    assert not is_tls_only({"Statement": [statement]}, "b", "aws")


def test_a_statement_is_added_once_and_nothing_is_lost() -> None:
    """Other statements and members stay; one of our Sid is replaced."""
    theirs = {"Version": "2008-10-17", "Id": "theirs", "Statement": [{"Sid": "A"}, {"Sid": "Ours", "x": 1}]}
    merged = with_statement(theirs, {"Sid": "Ours", "x": 2})
    assert merged == {
        "Version": "2008-10-17",
        "Id": "theirs",
        "Statement": [{"Sid": "A"}, {"Sid": "Ours", "x": 2}],
    }
    assert with_statement(merged, {"Sid": "Ours", "x": 2}) == merged


# --- too open -------------------------------------------------------------------------------


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"AWS": ["arn:aws:iam::1:root", "*"]}])
def test_everybody_is_a_fault(principal: Any) -> None:
    """In each way of writing it."""
    found = list(open_faults(document(Sid="All", Effect="Allow", Principal=principal, Action="s3:GetObject")))
    assert [(each.what, each.severity) for each in found] == [("public policy", "error")]
    assert found[0].problem == "statement All allows s3:GetObject to everybody"


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Deny", "Principal": "*"},
        {"Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}},
        {
            "Effect": "Allow",
            "Principal": "*",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-example"}},
        },
    ],
)
def test_what_is_narrowed_is_none(statement: dict[str, Any]) -> None:
    """A service, an organisation: somebody chose who."""
    assert list(open_faults(document(Action="s3:GetObject", **statement))) == []


@pytest.mark.parametrize("action", ["*", "s3:*", ["s3:GetObject", "kms:*"]])
def test_all_actions_of_a_service_are_a_fault(action: Any) -> None:
    """Lists of actions are not."""
    (found,) = wildcard_faults(document(Effect="Allow", Action=action, Resource="*"))
    assert (found.what, found.severity) == ("wildcard policy", "warning")
    assert list(wildcard_faults(document(Effect="Allow", Action=["s3:Get*"], Resource="*"))) == []
    assert list(wildcard_faults(document(Effect="Deny", Action="s3:*", Resource="*"))) == []


@pytest.mark.parametrize(
    ("action", "resource", "may"),
    [
        ("dynamodb:DeleteItem", "arn:aws:dynamodb:r:1:table/t", True),
        ("dynamodb:*", "*", True),
        ("*", "arn:aws:dynamodb:r:1:table/t*", True),
        ("dynamodb:DeleteItem", "arn:aws:dynamodb:r:1:table/other", False),
        ("dynamodb:PutItem", "*", False),
    ],
)
def test_who_may_delete_records_is_seen(action: str, resource: str, may: bool) -> None:
    """By name or by wildcard, of this table."""
    assert may_delete_records(document(Effect="Allow", Action=action, Resource=resource), "t") is may


# --- what stops uploads ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "key", "value", "what"),
    [
        ("StringEquals", SIGNED, "UNSIGNED-PAYLOAD", "unsigned payload"),
        ("StringNotEquals", SIGNED, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "unsigned payload"),
        ("StringNotEquals", SSE_KEY, "arn:aws:kms:eu-central-1:1:key/theirs", "key policy of uploads"),
        ("StringEquals", SSE_KEY, KEY, "key policy of uploads"),
        ("StringNotEqualsIfExists", SSE, "AES256", "encryption header"),
        ("StringEquals", SSE, "aws:kms", "encryption header"),
    ],
)
def test_what_would_refuse_our_uploads_is_a_fault(operator: str, key: str, value: str, what: str) -> None:
    """Each header the gateway sends, denied in one way or the other."""
    (found,) = upload_faults(deny(Sid="No", Condition={operator: {key: value}}), KEY, header_sent=True)
    assert (found.what, found.severity) == (what, "error")
    assert "statement No" in found.problem


@pytest.mark.parametrize(
    ("operator", "key", "value"),
    [
        ("StringNotEquals", SSE_KEY, KEY),
        ("StringNotLike", SSE_KEY, "arn:aws:kms:*:111122223333:key/*"),
        ("StringNotEquals", SSE, ["aws:kms", "AES256"]),
        ("Null", SSE, "true"),
        ("Bool", "aws:SecureTransport", "false"),
    ],
)
def test_what_our_uploads_pass_is_none(operator: str, key: str, value: Any) -> None:
    """The usual statements that insist on encryption, as AWS's own examples have them."""
    assert list(upload_faults(deny(Condition={operator: {key: value}}), KEY, header_sent=True)) == []


@pytest.mark.parametrize(("operator", "value"), [("Null", "true"), ("StringNotEquals", "aws:kms")])
def test_without_a_key_no_header_is_sent(operator: str, value: str) -> None:
    """Then statements that insist on one refuse every upload."""
    statement = deny(Condition={operator: {SSE: value}})
    (found,) = upload_faults(statement, None, header_sent=False)
    assert "the gateway sends none" in found.problem


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": {"AWS": "arn:aws:iam::111122223333:role/other"}},
        {
            "Condition": {
                "StringEquals": {SIGNED: "UNSIGNED-PAYLOAD"},
                "ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/tidegate-gateway"},
            }
        },
    ],
)
def test_exemptions_are_taken_to_be_ours(change: dict[str, Any]) -> None:
    """Whom a narrowed Deny is for is somebody's choice."""
    statement = deny(**{"Condition": {"StringEquals": {SIGNED: "UNSIGNED-PAYLOAD"}}, **change})
    assert list(upload_faults(statement, KEY, header_sent=True)) == []
