"""A server and its partners as a file, and back."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import string
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.adapters.memory.clock import ManualClock
from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.cli import partners_document
from tidegate.cli.partners_document import as_file, check_file
from tidegate.core.errors import InvalidSettings
from tidegate.core.ids import key_id_for
from tidegate.core.public_keys import parse_public_key
from tidegate.core.servers import AttachedWorkflow, IdentityProvider, Server
from tidegate.core.users import (
    Home,
    HomeDirectoryType,
    Mapping,
    MappingType,
    PosixProfile,
    SshPublicKey,
    User,
)
from tidegate.partners_file import wanted_users
from tidegate.services.users import Change, Users
from tidegate.settings import load

SERVER = Server("s-0123456789abcdef0")
AT = datetime(2026, 3, 9, tzinfo=UTC)
ROLE = "arn:aws:iam::123456789012:role/sftp"
LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJc9K9q1j9x0pJZ1Yt8p9wq9v0v3w2J8cJm3kq2m7Y0F"


def key_of(name: str, number: int, comment: str = "") -> SshPublicKey:
    kind, raw = b"ssh-ed25519", number.to_bytes(32, "big")
    blob = len(kind).to_bytes(4, "big") + kind + len(raw).to_bytes(4, "big") + raw
    parsed = parse_public_key(f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}")
    return SshPublicKey(
        key_id_for(name, parsed.fingerprint), parsed.body, parsed.fingerprint, parsed.comment, AT
    )


def written(server: Server, *users: User) -> str:
    text = as_file(server, users)
    asyncio.run(check_file(text, server, users))
    return text


def changes(text: str, server: Server, users: Sequence[User]) -> list[Change]:
    """Return what applying the text, on another day, to this server would change."""

    async def planned() -> list[Change]:
        directory = MemoryUserDirectory()
        await directory.register_server(server.server_id)
        await directory.change_server(server.server_id, lambda _: server)
        for user in users:
            await directory.add_user(user)
        loaded = load("-", {}, io.StringIO(text)).settings
        plan = await Users(directory, ManualClock(AT), server.server_id).plan(
            wanted_users(loaded, "-"), exact=True, prune=True, server=loaded.server.members
        )
        await plan.carry_out()
        again = await Users(directory, ManualClock(AT), server.server_id).plan(
            wanted_users(loaded, "-"), exact=True, prune=True, server=loaded.server.members
        )
        assert again.changes == []
        return plan.changes

    return asyncio.run(planned())


# --- anything that a directory holds -----------------------------------------------------------

names = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9_.@-]{2,20}", fullmatch=True)
texts = st.text(max_size=20)
# What may stand in a path: whoever typed a blank at an end would be asked whether it is meant.
steps = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/$\x7f"), min_size=1, max_size=8
).filter(lambda step: step not in (".", "..") and step == step.strip())
targets = st.lists(steps, max_size=3).map(lambda found: "/".join(["", "bucket-1", *found]))
variables = targets.map(lambda target: target + "/${transfer:UserName}")
policies = st.one_of(
    st.just(""),
    st.recursive(
        st.one_of(texts, st.integers(), st.booleans(), st.none()),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=8,
    )
    .map(lambda found: json.dumps({"Version": "2012-10-17", "Statement": found}))
    .filter(lambda text: len(text) < 1000),
)
tags = st.dictionaries(texts.filter(lambda key: not key.lower().startswith("aws:")), texts, max_size=3).map(
    lambda found: tuple(found.items())
)


@st.composite
def homes(draw: st.DrawFn) -> Home:
    kind = draw(st.sampled_from(["path", "root", "chroot", "several"]))
    if kind == "path":
        return Home(HomeDirectoryType.PATH, draw(targets) + draw(st.sampled_from(["", "/"])))
    if kind == "root":
        return Home(HomeDirectoryType.PATH, draw(st.sampled_from(["", "/"])))
    if kind == "chroot":
        start = draw(st.sampled_from(["", "/", "/in", "/in/"]))
        return Home(HomeDirectoryType.LOGICAL, start, (Mapping("/", draw(targets | variables)),))
    entries = draw(st.lists(steps, min_size=1, max_size=3, unique=True))
    found = tuple(Mapping(f"/{entry}", draw(targets | variables)) for entry in entries)
    if draw(st.booleans()):
        found = (*found, Mapping("/the only.file", "/bucket-1/file", MappingType.FILE))
    return Home(HomeDirectoryType.LOGICAL, draw(st.sampled_from(["", found[0].entry])), found)


@st.composite
def users(draw: st.DrawFn) -> list[User]:
    return [
        User(
            SERVER.server_id,
            name,
            draw(homes()),
            AT,
            tuple(key_of(name, n, draw(st.sampled_from(["", "me@pc", "# 'x': {}"]))) for n in range(1, 3)),
            role=draw(st.sampled_from(["", ROLE])),
            policy=draw(policies),
            posix_profile=draw(st.sampled_from([None, PosixProfile(0, 0), PosixProfile(1, 2, (3,))])),
            tags=draw(tags),
        )
        for name in draw(st.lists(names, max_size=3, unique=True))
    ]


banners = st.text(string.printable, max_size=30)
servers = st.builds(
    Server,
    st.just(SERVER.server_id),
    tags=tags,
    identity_provider=st.sampled_from(
        [
            IdentityProvider(),
            IdentityProvider("AWS_LAMBDA", "arn:aws:lambda:us-east-1:1:function:f"),
            IdentityProvider("API_GATEWAY", url="https://x", invocation_role=ROLE),
            IdentityProvider("AWS_DIRECTORY_SERVICE", directory_id="d-0123456789"),
        ]
    ),
    security_policy=st.sampled_from([None, "TransferSecurityPolicy-2024-01"]),
    set_stat=st.sampled_from([None, "DEFAULT", "ENABLE_NO_OP"]),
    listing=st.sampled_from(["ENABLED", "DISABLED"]),
    pre_login_banner=banners,
    post_login_banner=banners,
    logging_role=st.sampled_from(["", ROLE]),
    log_destinations=st.sampled_from([(), ("arn:aws:logs:us-east-1:1:log-group:x",)]),
    on_upload=st.sampled_from([None, AttachedWorkflow("w-01234567890123456", ROLE)]),
)


@given(servers, users())
@settings(max_examples=60, deadline=None)
def test_what_is_exported_is_no_drift(server: Server, found: list[User]) -> None:
    """Whatever a server and its users are, the file of them changes nothing there, in any order of them."""
    text = written(server, *found)
    assert changes(text, server, found) == []
    assert as_file(replace(server, tags=server.tags[::-1]), found[::-1]) == text


@given(servers, users(), users())
@settings(max_examples=30, deadline=None)
def test_a_file_makes_any_server_what_it_says(server: Server, found: list[User], there: list[User]) -> None:
    """Applied to another server with other users, a second run has nothing to do."""
    changes(written(server, *found), SERVER, there)


# --- by example --------------------------------------------------------------------------------


def test_how_it_reads() -> None:
    """Members of a partner are all there, even those that it has not: they are part of what it is."""
    policy = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*"}]}'
    user = User(SERVER.server_id, "acme", Home.chroot("/b-1/acme"), AT, role=ROLE, policy=policy)
    bare = User(SERVER.server_id, "Zeta", Home(HomeDirectoryType.PATH, "/b-1/zeta"), AT)
    text = written(replace(SERVER, pre_login_banner="a\nb"), user, bare)
    assert (
        text.split("version: 1\n")[1]
        == f"""\
server:
  identity_provider:
    type: SERVICE_MANAGED
  directory_listing_optimization: DISABLED
  pre_login_banner: "a\\nb"
  post_login_banner: ''
  logging_role: null
  structured_log_destinations: []
  on_upload: {{}}
  on_partial_upload: {{}}
  tags: {{}}
partners:
  - name: Zeta
    home: /b-1/zeta
    home_type: PATH
    keys: []
    role: null
    policy: null
    posix_profile: {{}}
    tags: {{}}
  - name: acme
    home: /b-1/acme
    keys: []
    role: {ROLE}
    policy:
      Version: '2012-10-17'
      Statement:
        - Effect: Allow
          Action: s3:*
    posix_profile: {{}}
    tags: {{}}
"""
    )


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"policy": "no json"}, "partners[0].policy"),
        ({"home": Home.chroot("/B-1")}, "partners[0].home"),
        ({"home": Home(HomeDirectoryType.LOGICAL, "/")}, "partners[0].home"),
        ({"role": "x"}, "partners[0].role"),
        (
            {"keys": (SshPublicKey("key-0", "ssh-dss AAAA", "SHA256:x", "", AT),)},
            "partner acme: keys[0]: ",
        ),
    ],
)
def test_what_cannot_be_in_a_file(changed: dict[str, object], said: str) -> None:
    """What an endpoint holds and we refuse is named, in place of a file that says something else."""
    user = replace(User(SERVER.server_id, "acme", Home.chroot("/b-1"), AT), **changed)
    with pytest.raises(InvalidSettings) as refused:
        written(SERVER, user)
    assert said in refused.value.detail


def test_more_than_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that nobody could apply is not written."""
    monkeypatch.setattr(partners_document, "MAX_DOCUMENT_BYTES", 2**20)
    user = User(SERVER.server_id, "acme", Home.chroot("/b-1/" + "x" * 900), AT)
    users = [replace(user, user_name=f"user{n}") for n in range(1200)]
    with pytest.raises(InvalidSettings, match="the file of 1200 partners would have"):
        written(SERVER, *users)
