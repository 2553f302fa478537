"""
Policies of buckets, keys and roles: what in them is too open, what would stop our uploads, and merging in
what must be there. Documents are the dicts of parsed JSON. No I/O.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tidegate.core.audit import Severity

TLS_ONLY_SID = "TidegateTlsOnly"

Document = dict[str, Any]

# Conditions that narrow "anybody" to callers somebody chose.
# Source: S3 User Guide, "Blocking public access", the meaning of "public".
_NARROWING = frozenset(
    {
        "aws:principalarn", "aws:principalaccount", "aws:principalorgid", "aws:principalorgpaths",
        "aws:sourcearn", "aws:sourceaccount", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce",
        "aws:sourceip", "aws:userid", "kms:calleraccount", "kms:viaservice", "s3:dataaccesspointaccount",
    }
)  # fmt: skip
_SIGNED = "s3:x-amz-content-sha256"
_SSE = "s3:x-amz-server-side-encryption"
_SSE_KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong with a statement: a word for it, what is wrong, what to do."""

    what: str
    problem: str
    mend: str
    severity: Severity = "error"


def parsed(text: str) -> Document:
    """Return the document of a policy's JSON."""
    document: Document = json.loads(text)
    return document


def statements(document: Document) -> list[Document]:
    """Return the statements; a policy may hold one without a list around it."""
    found = document.get("Statement", [])
    return [found] if isinstance(found, dict) else list(found)


# --- only over TLS --------------------------------------------------------------------------


def tls_only_statement(bucket: str, partition: str) -> Document:
    """Return the statement that refuses requests that are not encrypted on their way."""
    arn = f"arn:{partition}:s3:::{bucket}"
    return {
        "Sid": TLS_ONLY_SID,
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def is_tls_only(document: Document, bucket: str, partition: str) -> bool:
    """Tell whether everybody's every request without TLS is denied, by us or by somebody else's words."""
    arn = f"arn:{partition}:s3:::{bucket}"
    return any(
        each.get("Effect") == "Deny"
        and _is_anybody(each.get("Principal"))
        and not {"s3:*", "*"}.isdisjoint(_listed(each.get("Action")))
        and ({arn, f"{arn}/*"} <= set(_listed(each.get("Resource"))) or "*" in _listed(each.get("Resource")))
        and [(key, [str(value).lower() for value in values]) for _, key, values in _conditions(each)]
        == [("aws:securetransport", ["false"])]
        for each in statements(document)
    )


def with_statement(document: Document | None, statement: Document) -> Document:
    """Return the policy with our statement in it: in place of one of the same Sid, all others as they are."""
    if not document:
        return {"Version": "2012-10-17", "Statement": [statement]}
    others = [each for each in statements(document) if each.get("Sid") != statement["Sid"]]
    return {**document, "Statement": [*others, statement]}


# --- too open -------------------------------------------------------------------------------


def open_faults(document: Document) -> Iterator[Fault]:
    """Yield what lets too many do too much: `Principal: "*"`, and actions by wildcard."""
    for each in statements(document):
        if each.get("Effect") != "Allow":
            continue
        keys = {key for _, key, _ in _conditions(each)}
        if _is_anybody(each.get("Principal")) and keys.isdisjoint(_NARROWING):
            yield Fault(
                "public policy",
                f"{_called(each)} allows {_shown(each.get('Action'))} to everybody",
                "name the principals, or narrow the statement by a condition such as aws:PrincipalOrgID",
            )


def wildcard_faults(document: Document) -> Iterator[Fault]:
    """Yield statements that allow every action of a service, or all actions."""
    for each in statements(document):
        wide = [action for action in _listed(each.get("Action")) if action == "*" or action.endswith(":*")]
        if each.get("Effect") == "Allow" and ("NotAction" in each or wide):
            given = _shown(wide) if wide else "everything but " + _shown(each.get("NotAction"))
            yield Fault(
                "wildcard policy",
                f"{_called(each)} allows {given}",
                "list the actions that are needed; docs/setup.md names ours",
                "warning",
            )


def may_delete_records(document: Document, table: str) -> bool:
    """Tell whether a statement allows `dynamodb:DeleteItem` on the table."""
    return any(
        each.get("Effect") == "Allow"
        and any(_covers(action, "dynamodb:DeleteItem") for action in _listed(each.get("Action")))
        and any(
            resource == "*" or _covers(resource.rpartition("/")[2], table)
            for resource in _listed(each.get("Resource"))
        )
        for each in statements(document)
    )


# --- what would stop uploads ----------------------------------------------------------------


def upload_faults(document: Document, kms_key_arn: str | None, header_sent: bool) -> Iterator[Fault]:
    """
    Yield the Deny statements that would refuse what the gateway sends.

    Requests go out with `x-amz-content-sha256: UNSIGNED-PAYLOAD`: the parts carry checksums that S3
    verifies, and are not hashed once more for the signature. They name SSE-KMS and its key by headers
    where the configuration names one, and send neither header otherwise.

    Args:
        kms_key_arn: The key the gateway names; None if it is not known.
        header_sent: Whether the gateway names a key at all.
    """
    for each in statements(document):
        # A Deny for some, or for all but some: those some are somebody's choice, and may be us.
        if each.get("Effect") != "Deny" or not _is_anybody(each.get("Principal")) or _exempts(each):
            continue
        for operator, key, values in _conditions(each):
            if key == _SIGNED and _denies(operator, values, "UNSIGNED-PAYLOAD"):
                yield Fault(
                    "unsigned payload",
                    f"{_called(each)} denies unsigned payloads, which is what the gateway sends: "
                    "checksums protect them, and TLS",
                    "take the statement out, or exempt the gateway's role by aws:PrincipalArn",
                )
            elif key == _SSE_KEY and kms_key_arn and header_sent and _denies(operator, values, kms_key_arn):
                yield Fault(
                    "key policy of uploads",
                    f"{_called(each)} denies the key {kms_key_arn}, which the gateway names",
                    "add this ARN to the statement, or name its key in the configuration",
                )
            elif key == _SSE and header_sent and _denies(operator, values, "aws:kms"):
                yield Fault(
                    "encryption header",
                    f"{_called(each)} denies SSE-KMS, which the gateway asks for",
                    "allow aws:kms in the statement",
                )
            elif key in (_SSE, _SSE_KEY) and not header_sent and _denies_absence(operator, values):
                yield Fault(
                    "encryption header",
                    f"{_called(each)} asks for an encryption header, and the gateway sends none: "
                    "the configuration names no key",
                    "name the bucket's key in the configuration, or take the statement out",
                )


def _exempts(statement: Document) -> bool:
    return any(key in _NARROWING and "not" in operator for operator, key, _ in _conditions(statement))


def _denies(operator: str, values: list[str], sent: str) -> bool:
    """Tell whether a Deny with this condition applies to a request that sends the value."""
    matches = any(_covers(value, sent) for value in values)
    if operator == "null":
        return [value.lower() for value in values] == ["false"]
    negated = operator.startswith(("stringnot", "arnnot"))
    return not matches if negated else matches


def _denies_absence(operator: str, values: list[str]) -> bool:
    # A negated operator holds where the header is missing.
    if operator == "null":
        return [value.lower() for value in values] == ["true"]
    return operator.startswith(("stringnot", "arnnot"))


# --- reading statements ---------------------------------------------------------------------


def _conditions(statement: Document) -> Iterator[tuple[str, str, list[str]]]:
    """Yield operator and key, both in lower case, and the values of each condition."""
    for operator, members in statement.get("Condition", {}).items():
        plain = operator.lower().rpartition(":")[2].removesuffix("ifexists")
        for key, values in members.items():
            yield plain, key.lower(), [str(value) for value in _listed(values)]


def _is_anybody(principal: Any) -> bool:
    if isinstance(principal, dict):
        return "*" in _listed(principal.get("AWS"))
    return bool(principal == "*")


def _covers(pattern: str, text: str) -> bool:
    """Tell whether a value of a policy, with * and ?, stands for the text; case does not count in actions."""
    return fnmatchcase(text.lower(), pattern.lower().replace("[", "[[]"))


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def _shown(value: Any) -> str:
    return ", ".join(map(str, _listed(value)))


def _called(statement: Document) -> str:
    return f"statement {statement['Sid']}" if statement.get("Sid") else "a statement without Sid"
