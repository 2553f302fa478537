"""What a provider is asked, and what its answers make of a user."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.core.identity_providers import LoginRefused, ProvidedUser, Question, config_url, user_of
from tidegate.core.paths import HomeTree
from tidegate.core.users import Home, HomeDirectoryType, Mapping, MappingType, PosixProfile, User

NOW = datetime(2026, 3, 9, tzinfo=UTC)
SERVER = "s-0123456789abcdef0"
ROLE = "arn:aws:iam::111122223333:role/sftp"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJc9K9q1j9x0pJZ1Yt8p9wq9v0v3w2J8cJm3kq2m7Y0F"
BY_KEY = Question("acme", SERVER, "192.0.2.7")
BY_PASSWORD = Question("acme", SERVER, "192.0.2.7", "hunter2")
DETAILS = '[{"Entry": "/", "Target": "/landing/${transfer:UserName}"}]'
LOGICAL: dict[str, Any] = {"Role": ROLE, "HomeDirectoryType": "LOGICAL", "HomeDirectoryDetails": DETAILS}


def test_what_is_asked():
    """AWS's five members; with a key the password is empty."""
    assert BY_PASSWORD.event() == {
        "username": "acme",
        "password": "hunter2",
        "protocol": "SFTP",
        "serverId": SERVER,
        "sourceIp": "192.0.2.7",
    }
    assert BY_KEY.event()["password"] == ""


def test_a_question_does_not_show_its_password():
    """Whatever is logged of it."""
    assert "hunter2" not in repr(BY_PASSWORD)


def test_where_an_api_is_asked():
    """The path that AWS has, with a name that leads nowhere else."""
    question = Question("an@b.c", SERVER, "192.0.2.7")
    assert config_url("https://x/prod/", question) == f"https://x/prod/servers/{SERVER}/users/an%40b.c/config"


def test_a_whole_answer():
    """Every member becomes what the directory would have, ready for a home."""
    answer = {
        **LOGICAL,
        "HomeDirectoryDetails": json.dumps(
            [{"Entry": "/in", "Target": "/landing/in"}, {"Entry": "/x", "Target": "/b-1/x", "Type": "FILE"}]
        ),
        "HomeDirectory": "/in",
        "Policy": "{}",
        "PublicKeys": [f"{KEY} ana@pc\n"],
        "PosixProfile": {"Uid": 0, "Gid": 7, "SecondaryGids": [8]},
        "Anything": [1],
    }
    user = user_of(answer, BY_KEY, NOW).user
    home = Home(
        HomeDirectoryType.LOGICAL,
        "/in",
        (Mapping("/in", "/landing/in"), Mapping("/x", "/b-1/x", MappingType.FILE)),
    )
    key = user.keys[0]
    assert user == User(SERVER, "acme", home, NOW, (key,), ROLE, "{}", PosixProfile(0, 7, (8,)))
    assert (key.body, key.comment, key.fingerprint[:7]) == (KEY, "ana@pc", "SHA256:")
    assert HomeTree(user.home, user.user_name)


def test_the_least_answer():
    """A Role alone is a PATH home that leads nowhere, as at AWS; null counts as absent."""
    for answer in ({"Role": ROLE}, {"Role": ROLE, "PublicKeys": None, "HomeDirectory": None, "Policy": None}):
        found = user_of(answer, BY_PASSWORD, NOW)
        assert found == ProvidedUser(User(SERVER, "acme", Home(HomeDirectoryType.PATH, ""), NOW, role=ROLE))


def test_keys_that_cannot_be_used_take_no_other_with_them():
    """They are told with the reason."""
    found = user_of({**LOGICAL, "PublicKeys": ["nonsense", KEY]}, BY_KEY, NOW)
    assert [key.body for key in found.user.keys] == [KEY]
    assert len(found.unusable_keys) == 1


@pytest.mark.parametrize(
    ("answer", "question", "said"),
    [
        ({}, BY_KEY, "the identity provider refused: its answer has no Role"),
        ({**LOGICAL, "Role": ""}, BY_KEY, "has no Role"),
        ({**LOGICAL, "Role": None}, BY_KEY, "has no Role"),
        (None, BY_KEY, "no JSON object"),
        ([LOGICAL], BY_KEY, "no JSON object"),
        ({**LOGICAL, "Role": 7}, BY_KEY, "Role is no text"),
        ({**LOGICAL, "Role": "sftp"}, BY_KEY, "Role is no ARN"),
        ({**LOGICAL, "Policy": {}}, BY_KEY, "Policy is no text"),
        ({**LOGICAL, "Policy": "\ud800"}, BY_KEY, "half a character"),
        ({**LOGICAL, "PublicKeys": KEY}, BY_KEY, "PublicKeys is no list of texts"),
        ({**LOGICAL, "PublicKeys": [7]}, BY_KEY, "PublicKeys is no list of texts"),
        ({**LOGICAL, "PublicKeys": [KEY] * 51}, BY_KEY, "51 keys"),
        ({**LOGICAL, "PublicKeys": [KEY]}, BY_PASSWORD, "when a password is checked"),
        ({**LOGICAL, "PublicKeys": []}, BY_PASSWORD, "when a password is checked"),
        ({**LOGICAL, "HomeDirectoryType": "ROOT"}, BY_KEY, "neither PATH nor LOGICAL"),
        ({**LOGICAL, "HomeDirectoryDetails": json.loads(DETAILS)}, BY_KEY, "is a list, and must be a text"),
        ({**LOGICAL, "HomeDirectoryDetails": "[{"}, BY_KEY, "holds no JSON"),
        ({**LOGICAL, "HomeDirectoryDetails": "[" * 100_000}, BY_KEY, "holds no JSON"),
        ({**LOGICAL, "HomeDirectoryDetails": "{}"}, BY_KEY, "holds no list"),
        ({**LOGICAL, "HomeDirectoryDetails": "[1]"}, BY_KEY, "an entry"),
        ({**LOGICAL, "HomeDirectoryDetails": '[{"Entry": "/"}]'}, BY_KEY, "the target"),
        ({**LOGICAL, "HomeDirectoryDetails": " " * 2_100_001}, BY_KEY, "longer than"),
        ({**LOGICAL, "HomeDirectoryDetails": ""}, BY_KEY, "no mappings"),
        ({**LOGICAL, "HomeDirectoryDetails": DETAILS.replace('"}', '", "Type": "X"}')}, BY_KEY, "a Type"),
        ({**LOGICAL, "HomeDirectory": "/elsewhere", "HomeDirectoryType": "PATH"}, BY_KEY, "mappings"),
        ({**LOGICAL, "PosixProfile": 7}, BY_KEY, "PosixProfile is no object"),
        ({**LOGICAL, "PosixProfile": {"Uid": True, "Gid": 0}}, BY_KEY, "numbers"),
        ({**LOGICAL, "PosixProfile": {"Uid": 0, "Gid": 0, "SecondaryGids": 7}}, BY_KEY, "numbers"),
    ],
)
def test_answers_that_let_nobody_in(answer, question, said):
    """Each with its reason."""
    with pytest.raises(LoginRefused) as refused:
        user_of(answer, question, NOW)
    assert said in refused.value.reason


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["/", "/a", "LOGICAL", KEY, ROLE, "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Entry", "Target"]), inner),
    max_leaves=6,
)
_MEMBERS = [
    "PublicKeys",
    "Policy",
    "HomeDirectoryType",
    "HomeDirectory",
    "HomeDirectoryDetails",
    "PosixProfile",
]


@given(
    st.dictionaries(st.sampled_from(_MEMBERS), _JSON | _JSON.map(json.dumps)),
    st.sampled_from([BY_KEY, BY_PASSWORD]),
)
def test_any_answer_is_a_user_or_a_reason(members, question):
    """Nothing else comes of it, and no reason tells the password."""
    said = ""
    try:
        said = user_of({"Role": ROLE, **members}, question, NOW).user.user_name
    except LoginRefused as refused:
        said = refused.reason
    assert said
    assert "hunter2" not in said
