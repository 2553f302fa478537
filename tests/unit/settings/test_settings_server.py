"""The server of a configuration, and what of a partner is held to once it is written."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tidegate.core.drift import SERVER_MEMBERS, USER_MEMBERS, name_in_file
from tidegate.core.errors import InvalidSettings
from tidegate.core.servers import AttachedWorkflow, IdentityProvider, Server
from tidegate.core.users import TIME_NOT_KNOWN, Home, PosixProfile, User
from tidegate.settings import Settings, load
from tidegate.settings.server import ServerSettings

ROLE = "arn:aws:iam::123456789012:role/sftp"
WORKFLOW = f"{{workflow_id: w-01234567890123456, execution_role: {ROLE}}}"


def loaded(text: str) -> Settings:
    return load("-", {}, io.StringIO(text)).settings


def refused(text: str) -> str:
    with pytest.raises(InvalidSettings) as caught:
        loaded(text)
    return caught.value.detail


def partner(text: str) -> dict[str, Any]:
    return loaded(f"partners: [{{name: acme, {text}}}]").partners[0].members


def test_what_is_not_written_is_not_held_to() -> None:
    """An empty file asks nothing of a server, and a name alone nothing of a partner's members."""
    settings = loaded("partners: [{name: acme}]")
    assert (settings.server.members, settings.partners[0].members) == ({}, {})
    assert loaded("server: {}").server.members == {}


def test_what_is_written_as_nothing_is_held_to() -> None:
    """Null, an empty list and an empty mapping say that there is to be none."""
    assert partner("role: null, policy: null, posix_profile: {}, tags: {}") == {
        "role": "",
        "policy": "",
        "posix_profile": None,
        "tags": (),
    }
    text = "server: {logging_role: null, structured_log_destinations: [], on_upload: {}, tags: {}}"
    assert loaded(text).server.members == {
        "logging_role": "",
        "log_destinations": (),
        "on_upload": None,
        "tags": (),
    }


def test_every_member_of_a_server() -> None:
    """Each setting is a member of `Server`, and each that a file can name has one."""
    text = f"""\
server:
  security_policy: TransferSecurityPolicy-2024-01
  identity_provider: {{type: AWS_LAMBDA, function: "arn:aws:lambda:us-east-1:1:function:f"}}
  set_stat_option: ENABLE_NO_OP
  directory_listing_optimization: ENABLED
  pre_login_banner: hello
  post_login_banner: welcome
  logging_role: {ROLE}
  structured_log_destinations: ["arn:aws:logs:us-east-1:1:log-group:x"]
  on_upload: {WORKFLOW}
  on_partial_upload: {WORKFLOW}
  tags: {{a: b}}
"""
    members = loaded(text).server.members
    assert tuple(members) == SERVER_MEMBERS
    assert set(map(name_in_file, SERVER_MEMBERS)) == set(ServerSettings.model_fields)
    assert ServerSettings.held_if_written == set(ServerSettings.model_fields)
    server = Server("s-0123456789abcdef0", **members)
    assert server.identity_provider == IdentityProvider("AWS_LAMBDA", "arn:aws:lambda:us-east-1:1:function:f")
    assert server.on_upload == AttachedWorkflow("w-01234567890123456", ROLE)


def test_every_member_of_a_partner() -> None:
    """The same of a user."""
    text = (
        f"role: {ROLE}, policy: {{}}, posix_profile: {{uid: 1, gid: 2, secondary_gids: [3]}}, tags: {{a: b}}"
    )
    members = partner(text)
    assert tuple(members) == USER_MEMBERS
    user = User("s-0", "acme", Home.chroot("/b-1"), TIME_NOT_KNOWN, **members)
    assert (user.posix_profile, user.tags, user.policy) == (PosixProfile(1, 2, (3,)), (("a", "b"),), "{}")


def test_a_policy_is_a_mapping_or_text() -> None:
    """A date that YAML makes of its version is none, and variables of IAM are left to IAM."""
    as_mapping = partner(
        "policy: {Version: 2012-10-17, Statement: [{Effect: Allow, Action: [s3:GetObject], "
        "Resource: 'arn:aws:s3:::${transfer:HomeBucket}/*'}]}"
    )["policy"]
    document = json.loads(as_mapping)
    assert document["Version"] == "2012-10-17"
    assert document["Statement"][0]["Resource"] == "arn:aws:s3:::${transfer:HomeBucket}/*"
    assert partner('policy: \'{"Version": "2012-10-17"}\'')["policy"] == '{"Version": "2012-10-17"}'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("partners: [{name: acme, policy: no json}]", "partners[0].policy: expected a policy"),
        ("partners: [{name: acme, policy: '[]'}]", "partners[0].policy: expected a policy"),
        ("partners: [{name: acme, policy: 7}]", "partners[0].policy: expected a policy, not 7"),
        (f"partners: [{{name: acme, policy: {{a: {'x' * 2048}}}}}]", "characters, and can have 2048"),
        ("partners: [{name: acme, role: sftp}]", "partners[0].role: expected the ARN of an IAM role"),
        ("partners: [{name: acme, posix_profile: {uid: 1}}]", "give uid and gid, both or neither"),
        ("partners: [{name: acme, tags: {'aws:x': y}}]", "AWS keeps to itself"),
        (f"partners: [{{name: acme, tags: {{{'k' * 129}: y}}}}]", "128 characters at most"),
        ("server: {on_upload: {workflow_id: w-01234567890123456}}", "both or neither"),
        ("server: {identity_provider: {type: AWS_LAMBDA}}", "function: missing, with type AWS_LAMBDA"),
        ("server: {identity_provider: {url: x}}", "url: goes with type API_GATEWAY"),
        ("server: {pre_login_banner: grüß}", "server.pre_login_banner: expected ASCII text"),
        ("server: {set_stat_option: NO}", "server.set_stat_option"),
        ("server: {security_polici: x}", "did you mean server.security_policy?"),
        ("partners: [{name: acme, home: /}]", "names no bucket"),
    ],
)
def test_refusals(text: str, said: str) -> None:
    """What cannot be used is named with its place."""
    assert said in refused(text)


def test_a_path_home_of_no_bucket() -> None:
    """Transfer Family takes it, and its user finds nothing: a file can say so."""
    settings = loaded("partners: [{name: acme, home: /, home_type: PATH}]")
    assert settings.home_of(settings.partners[0]).directory == "/"
