"""Requests held against the model, and what AWS says of those that do not fit."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tidegate.adapters.aws.service_model import transfer_model
from tidegate.core.shapes import Shape
from tidegate.faces.control.errors import ApiError
from tidegate.faces.control.validation import checked

OPERATIONS = transfer_model().operations
CREATE = OPERATIONS["CreateUser"].input
SERVER = "s-0123456789abcdef0"
ROLE = "arn:aws:iam::111122223333:role/sftp"
USER = {"ServerId": SERVER, "UserName": "acme", "Role": ROLE}
BROKEN = "failed to satisfy constraint: Member must"


def refusal(request: object, shape: Shape = CREATE) -> ApiError:
    with pytest.raises(ApiError) as refused:
        checked(shape, request)
    return refused.value


def said(**members: object) -> str:
    """Return what is said of a user with these members."""
    error = refusal(USER | members)
    assert error.name == "InvalidRequestException"
    return error.text


def test_what_fits_comes_back():
    """Members that the model does not know are passed over, and null is as good as absent."""
    mappings = [{"Entry": "/", "Target": "/landing/acme", "Type": None, "New": 1}]
    members = checked(CREATE, USER | {"Policy": None, "Later": {"x": 1}, "HomeDirectoryMappings": mappings})
    assert members == USER | {"HomeDirectoryMappings": [{"Entry": "/", "Target": "/landing/acme"}]}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (
            {"UserName": "a!cme"},
            rf"Value 'a!cme' at 'userName' {BROKEN} satisfy regular expression pattern: ",
        ),
        ({"ServerId": None}, f"Value null at 'serverId' {BROKEN} not be null"),
        (
            {"HomeDirectoryType": "path"},
            f"Value 'path' at 'homeDirectoryType' {BROKEN} satisfy enum value set: [PATH, LOGICAL]",
        ),
        ({"Policy": "x" * 2049}, f"Value at 'policy' {BROKEN} have length less than or equal to 2048"),
        ({"Tags": []}, f"Value at 'tags' {BROKEN} have length greater than or equal to 1"),
        (
            {"Tags": [{"Key": "a", "Value": "b"}, {"Key": "a" * 129, "Value": "b"}]},
            f"Value '{'a' * 129}' at 'tags.2.member.key' {BROKEN} have length less than or equal to 128",
        ),
        ({"Tags": [{"Key": "a"}]}, f"Value null at 'tags.1.member.value' {BROKEN} not be null"),
        (
            {"PosixProfile": {"Uid": -1, "Gid": 0}},
            f"Value '-1' at 'posixProfile.uid' {BROKEN} have value greater than or equal to 0",
        ),
        (
            {"PosixProfile": {"Uid": 0, "Gid": 2**32}},
            f"Value '4294967296' at 'posixProfile.gid' {BROKEN} have value less than or equal to 4294967295",
        ),
    ],
)
def test_one_constraint(members, text):
    """The member's place, its value, and what it must be, word for word."""
    assert said(**members).startswith(f"1 validation error detected: {text}")


def test_several_constraints_are_told_together():
    """Nobody mends one to learn of the next."""
    text = said(UserName="a!", Role="arn:aws:iam::1:user/some-user")
    assert text.startswith("3 validation errors detected: Value 'arn:aws:iam::1:user/some-user' at 'role'")
    assert text.count("; Value ") == 2


def test_values_that_are_not_repeated():
    """A secret, a long one, and what looks like a private key."""
    host_key = {"ServerId": SERVER, "HostKeyBody": "s3cret" * 1000}
    assert "s3cret" not in refusal(host_key, OPERATIONS["ImportHostKey"].input).text
    pasted = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz"
    assert said(SshPublicKeyBody=pasted).startswith(
        "1 validation error detected: Value at 'sshPublicKeyBody'"
    )
    assert "acme" * 300 not in said(UserName="acme" * 300)


@pytest.mark.parametrize(
    ("request_", "shape"),
    [
        ([], CREATE),
        ("text", CREATE),
        (None, CREATE),
        (USER | {"UserName": 7}, CREATE),
        (USER | {"UserName": ["acme"]}, CREATE),
        (USER | {"Tags": {"Key": "a", "Value": "b"}}, CREATE),
        (USER | {"Tags": [None]}, CREATE),
        (USER | {"PosixProfile": {"Uid": "0", "Gid": 0}}, CREATE),
        (USER | {"PosixProfile": {"Uid": True, "Gid": 0}}, CREATE),
        (USER | {"PosixProfile": {"Uid": 0.5, "Gid": 0}}, CREATE),
        (USER | {"PosixProfile": {"Uid": 2**63, "Gid": 0}}, CREATE),
        ({"MaxResults": "10"}, OPERATIONS["ListServers"].input),
        ({"MaxResults": 2**31}, OPERATIONS["ListServers"].input),
    ],
)
def test_values_of_another_type(request_, shape):
    """What cannot even be read is no validation error."""
    assert refusal(request_, shape).name == "SerializationException"


def test_moments_and_bytes():
    """A timestamp is seconds since 1970, a blob is base64."""
    when, what = Shape("When", "timestamp"), Shape("What", "blob", most=3)
    shape = Shape("Both", "structure", {"When": when, "What": what})
    assert checked(shape, {"When": 0.5, "What": "AAEC"}) == {
        "When": datetime(1970, 1, 1, 0, 0, 0, 500000, UTC),
        "What": b"\0\1\2",
    }
    for bad in ({"When": "now"}, {"When": 1e300}, {"When": True}, {"What": "*"}, {"What": 1}):
        assert refusal(bad, shape).name == "SerializationException"
    assert refusal({"What": "AAECAw=="}, shape).name == "InvalidRequestException"
