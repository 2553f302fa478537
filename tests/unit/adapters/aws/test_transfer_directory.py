"""The directory at a Transfer endpoint: what AWS is asked, and what becomes of its answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.stub import Stubber

from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
from tidegate.adapters.aws.transfer_members import server_of, user_of
from tidegate.core.errors import (
    AlreadyExists,
    ChangedMeanwhile,
    GatewayError,
    InvalidName,
    NotFound,
    StoreUnavailable,
    Throttled,
    Unsupported,
)
from tidegate.core.ids import KeyId
from tidegate.core.servers import AttachedWorkflow, IdentityProvider, Server
from tidegate.core.users import (
    TIME_NOT_KNOWN,
    Home,
    HomeDirectoryType,
    Mapping,
    MappingType,
    PosixProfile,
    SshPublicKey,
    User,
)

SERVER, OTHER = "s-0123456789abcdef0", "s-0123456789abcdef1"
ROLE = "arn:aws:iam::123456789012:role/sftp"
ARN = f"arn:aws:transfer:us-east-1:123456789012:user/{SERVER}/acme"
SERVER_ARN = f"arn:aws:transfer:us-east-1:123456789012:server/{SERVER}"
AT = datetime(2026, 3, 9, tzinfo=UTC)
BODY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJc9K9q1j9x0pJZ1Yt8p9wq9v0v3w2J8cJm3kq2m7Y0F"
KEY_ID = "key-0123456789abcdef0"
WORKFLOW = "w-01234567890123456"
USER = User(SERVER, "acme", Home.chroot("/b-1/acme"), TIME_NOT_KNOWN, role=ROLE)


def key(name: str) -> SshPublicKey:
    return SshPublicKey(KeyId(f"key-{name}"), f"ssh-ed25519 {name}", f"SHA256:{name}", "me@pc", AT)


def described(**members: Any) -> dict[str, Any]:
    user = {
        "Arn": ARN,
        "UserName": "acme",
        "Role": ROLE,
        "HomeDirectoryType": "LOGICAL",
        "HomeDirectoryMappings": [{"Entry": "/", "Target": "/b-1/acme"}],
    }
    return {"ServerId": SERVER, "User": user | members}


def described_server(**members: Any) -> dict[str, Any]:
    return {"Server": {"Arn": SERVER_ARN, "ServerId": SERVER, "State": "ONLINE"} | members}


@pytest.fixture
def clients() -> Iterator[AwsClients]:
    made = AwsClients(
        AwsEndpoint("us-east-1", access_key_id="test", secret_access_key="test", max_attempts=1)
    )
    yield made
    made.close()


@pytest.fixture
def aws(clients: AwsClients) -> Iterator[Stubber]:
    """Whatever is asked must have been told before, in this order, with these members."""
    with Stubber(clients.transfer) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def directory(clients: AwsClients) -> TransferUserDirectory:
    return TransferUserDirectory(clients)


def test_it_slows_down_by_itself(clients: AwsClients) -> None:
    """AWS allows a few requests a second: botocore's adaptive retries keep to what it allows."""
    retries = clients.transfer.meta.config.retries
    assert (retries["mode"], retries["total_max_attempts"]) == ("adaptive", 1)


def test_a_user_as_it_is_described() -> None:
    """Ids and times of keys are the endpoint's, the oldest first; what is not there is empty."""
    user = user_of(
        SERVER,
        described(
            HomeDirectory="/in",
            HomeDirectoryMappings=[{"Entry": "/in", "Target": "/b-1/${transfer:UserName}", "Type": "FILE"}],
            Policy="{}",
            PosixProfile={"Uid": 1, "Gid": 2, "SecondaryGids": [3]},
            Tags=[{"Key": "a", "Value": "b"}],
            SshPublicKeys=[
                {"SshPublicKeyId": "key-2", "DateImported": AT.replace(year=2027), "SshPublicKeyBody": BODY},
                {"SshPublicKeyId": "key-1", "DateImported": AT, "SshPublicKeyBody": BODY + " me@pc\n"},
            ],
        )["User"],
    )
    home = Home(
        HomeDirectoryType.LOGICAL, "/in", (Mapping("/in", "/b-1/${transfer:UserName}", MappingType.FILE),)
    )
    assert replace(user, keys=()) == replace(
        USER, home=home, policy="{}", posix_profile=PosixProfile(1, 2, (3,)), tags=(("a", "b"),)
    )
    assert [(each.key_id, each.line) for each in user.keys] == [("key-1", f"{BODY} me@pc"), ("key-2", BODY)]
    bare = user_of(SERVER, {"UserName": "acme"})
    assert (bare.home, bare.role, bare.keys, bare.tags) == (Home(HomeDirectoryType.PATH, ""), "", (), ())


@pytest.mark.parametrize(
    ("body", "line", "has_fingerprint"),
    [
        ("ssh-dss AAAA me", "ssh-dss AAAA me", True),
        ("ssh-rsa %%%%", "ssh-rsa %%%%", False),
        ("x", "x", False),
    ],
)
def test_a_key_that_we_would_refuse(body: str, line: str, has_fingerprint: bool) -> None:
    """Is shown as it is, so that it can be found and removed."""
    members = {"SshPublicKeyId": KEY_ID, "DateImported": AT, "SshPublicKeyBody": body}
    (found,) = user_of(SERVER, described(SshPublicKeys=[members])["User"]).keys
    assert (found.key_id, found.line, bool(found.fingerprint)) == (KEY_ID, line, has_fingerprint)


async def test_users_are_described_page_by_page(directory: TransferUserDirectory, aws: Stubber) -> None:
    """Those after a name; one that is removed meanwhile is left out."""

    def listed(*names: str, **more: str) -> dict[str, Any]:
        return {"ServerId": SERVER, "Users": [{"Arn": ARN, "UserName": name} for name in names], **more}

    asked = {"ServerId": SERVER}
    aws.add_response("list_users", listed("zoe", "acme", NextToken="t"), asked)
    aws.add_response("list_users", listed("abe"), {**asked, "NextToken": "t"})
    aws.add_response("describe_user", described(UserName="zoe"), {**asked, "UserName": "zoe"})
    assert [user.user_name async for user in directory.users(SERVER, "acme")] == ["zoe"]
    aws.add_response("list_users", listed("zoe"), asked)
    aws.add_client_error("describe_user", "ResourceNotFoundException")
    assert [user async for user in directory.users(SERVER)] == []
    aws.add_client_error("list_users", "ResourceNotFoundException")
    assert [user async for user in directory.users(SERVER)] == []


async def test_made_with_its_first_key(directory: TransferUserDirectory, aws: Stubber) -> None:
    """CreateUser takes one key, the others are imported; what is empty is not said."""
    user = replace(
        USER,
        keys=(key("one"), key("two")),
        policy="{}",
        posix_profile=PosixProfile(0, 0),
        tags=(("a", ""),),
    )
    asked = {
        "ServerId": SERVER,
        "UserName": "acme",
        "Role": ROLE,
        "HomeDirectoryType": "LOGICAL",
        "HomeDirectoryMappings": [{"Entry": "/", "Target": "/b-1/acme"}],
        "Policy": "{}",
        "PosixProfile": {"Uid": 0, "Gid": 0},
        "SshPublicKeyBody": "ssh-ed25519 one me@pc",
        "Tags": [{"Key": "a", "Value": ""}],
    }
    ids = {"ServerId": SERVER, "UserName": "acme"}
    aws.add_response("create_user", ids, asked)
    imported = {**ids, "SshPublicKeyId": KEY_ID}
    aws.add_response("import_ssh_public_key", imported, {**ids, "SshPublicKeyBody": "ssh-ed25519 two me@pc"})
    await directory.add_user(user)

    path = replace(USER, home=Home(HomeDirectoryType.PATH, "/b-1/x"))
    aws.add_response(
        "create_user", ids, {**ids, "Role": ROLE, "HomeDirectoryType": "PATH", "HomeDirectory": "/b-1/x"}
    )
    await directory.add_user(path)


async def test_all_or_nothing(directory: TransferUserDirectory, aws: Stubber) -> None:
    """Where a later key is refused, the user is removed again."""
    ids = {"ServerId": SERVER, "UserName": "acme"}
    aws.add_response("create_user", ids)
    aws.add_client_error("import_ssh_public_key", "InvalidRequestException", "Unsupported or invalid key")
    aws.add_response("delete_user", {}, ids)
    with pytest.raises(InvalidName, match="Unsupported or invalid key"):
        await directory.add_user(replace(USER, keys=(key("one"), key("two"))))


@pytest.mark.parametrize(
    ("there", "change", "asked"),
    [
        ({}, {"role": ROLE + "2"}, {"Role": ROLE + "2"}),
        ({"Policy": "{}"}, {"policy": ""}, {"Policy": ""}),
        ({}, {"posix_profile": PosixProfile(1, 2)}, {"PosixProfile": {"Uid": 1, "Gid": 2}}),
        (
            {},
            {"home": Home(HomeDirectoryType.PATH, "/b-1/x")},
            {"HomeDirectoryType": "PATH", "HomeDirectory": "/b-1/x"},
        ),
        (
            {},
            {"home": Home.chroot("/b-1/new")},
            {
                "HomeDirectoryType": "LOGICAL",
                "HomeDirectoryMappings": [{"Entry": "/", "Target": "/b-1/new"}],
            },
        ),
        (
            {"HomeDirectory": "/in"},
            {"home": Home.chroot("/b-1/acme")},
            {
                "HomeDirectoryType": "LOGICAL",
                "HomeDirectory": "/",
                "HomeDirectoryMappings": [{"Entry": "/", "Target": "/b-1/acme"}],
            },
        ),
        ({}, {"home": Home(HomeDirectoryType.LOGICAL, "", (Mapping("/", "/b-1/acme"),))}, None),
    ],
)
async def test_changes(
    directory: TransferUserDirectory,
    aws: Stubber,
    there: dict[str, Any],
    change: dict[str, Any],
    asked: dict[str, Any] | None,
) -> None:
    """Only what differs is said, so that what somebody else changes meanwhile stays."""
    ids = {"ServerId": SERVER, "UserName": "acme"}
    aws.add_response("describe_user", described(**there), ids)
    if asked is not None:
        aws.add_response("update_user", ids, ids | asked)
    changed = await directory.change_user(SERVER, "acme", lambda user: replace(user, **change))
    assert {name: getattr(changed, name) for name in change} == change


async def test_tags(directory: TransferUserDirectory, aws: Stubber) -> None:
    """Those that go and those that come are two requests; AWS's own are left alone."""
    tags = [{"Key": k, "Value": v} for k, v in (("aws:x", "1"), ("a", "1"), ("b", "2"), ("c", "3"))]
    aws.add_response("describe_user", described(Tags=tags))
    aws.add_response("untag_resource", {}, {"Arn": ARN, "TagKeys": ["a"]})
    changed = [{"Key": "c", "Value": "4"}, {"Key": "d", "Value": ""}]
    aws.add_response("tag_resource", {}, {"Arn": ARN, "Tags": changed})
    await directory.change_user(
        SERVER, "acme", lambda user: replace(user, tags=(("b", "2"), ("c", "4"), ("d", "")))
    )


async def test_what_aws_cannot_hold(directory: TransferUserDirectory, aws: Stubber) -> None:
    """Is refused by name, before anything is written."""
    with pytest.raises(Unsupported, match="acme has none"):
        await directory.add_user(replace(USER, role=""))
    posix = {"Uid": 1, "Gid": 2}
    for change, said in (
        ({"role": ""}, "no user without a role"),
        ({"posix_profile": None}, "cannot take the posix_profile of acme away"),
    ):
        aws.add_response("describe_user", described(PosixProfile=posix))
        with pytest.raises(Unsupported, match=said):
            await directory.change_user(SERVER, "acme", lambda user, change=change: replace(user, **change))
    for change, said in (
        ({"security_policy": None}, "security_policy is left to a gateway"),
        ({"set_stat": None}, "set_stat is left to a gateway"),
        ({"port": 22}, "port of a server cannot be changed"),
        ({"wanted": "OFFLINE"}, "wanted of a server cannot be changed"),
    ):
        members = {"SecurityPolicyName": "p", "ProtocolDetails": {"SetStatOption": "DEFAULT"}}
        aws.add_response("describe_server", described_server(**members))
        with pytest.raises(Unsupported, match=said):
            await directory.change_server(SERVER, lambda server, change=change: replace(server, **change))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", Throttled),
        ("ResourceNotFoundException", NotFound),
        ("ResourceExistsException", AlreadyExists),
        ("InvalidRequestException", InvalidName),
        ("ConflictException", ChangedMeanwhile),
        ("ServiceUnavailableException", StoreUnavailable),
        ("NotImplementedException", Unsupported),
    ],
)
async def test_errors(
    directory: TransferUserDirectory, aws: Stubber, code: str, kind: type[GatewayError]
) -> None:
    """Come out as ours, with AWS's words."""
    aws.add_client_error("delete_user", code, "its words")
    with pytest.raises(kind, match="its words") as raised:
        await directory.remove_user(SERVER, "acme")
    assert type(raised.value) is kind


async def test_what_the_model_refuses_is_not_sent(directory: TransferUserDirectory) -> None:
    """boto3 knows the lengths of the API: that is a wrong value, and no store that does not answer."""
    with pytest.raises(InvalidName, match="delete_ssh_public_key"):
        await directory.remove_key(SERVER, "acme", KeyId("key-1"))


# --- servers -----------------------------------------------------------------------------------


def test_a_server_as_it_is_described() -> None:
    """Each member that a file can name, and no more than the defaults of one that says nothing."""
    server = server_of(
        described_server(
            State="OFFLINE",
            Tags=[{"Key": "a", "Value": "b"}],
            IdentityProviderType="AWS_LAMBDA",
            IdentityProviderDetails={"Function": "arn:f", "SftpAuthenticationMethods": "PASSWORD"},
            SecurityPolicyName="TransferSecurityPolicy-2024-01",
            ProtocolDetails={"SetStatOption": "ENABLE_NO_OP"},
            S3StorageOptions={"DirectoryListingOptimization": "ENABLED"},
            PreAuthenticationLoginBanner="hello",
            PostAuthenticationLoginBanner="welcome",
            LoggingRole=ROLE,
            StructuredLogDestinations=["arn:l"],
            WorkflowDetails={"OnUpload": [{"WorkflowId": WORKFLOW, "ExecutionRole": ROLE}]},
        )["Server"]
    )
    assert server == Server(
        SERVER,
        (("a", "b"),),
        wanted="OFFLINE",
        identity_provider=IdentityProvider("AWS_LAMBDA", "arn:f", sftp_authentication_methods="PASSWORD"),
        security_policy="TransferSecurityPolicy-2024-01",
        set_stat="ENABLE_NO_OP",
        listing="ENABLED",
        pre_login_banner="hello",
        post_login_banner="welcome",
        logging_role=ROLE,
        log_destinations=("arn:l",),
        on_upload=AttachedWorkflow(WORKFLOW, ROLE),
    )
    assert server_of(described_server()["Server"]) == Server(SERVER)


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (
            {"security_policy": "TransferSecurityPolicy-2024-01"},
            {"SecurityPolicyName": "TransferSecurityPolicy-2024-01"},
        ),
        ({"set_stat": "ENABLE_NO_OP"}, {"ProtocolDetails": {"SetStatOption": "ENABLE_NO_OP"}}),
        ({"listing": "ENABLED"}, {"S3StorageOptions": {"DirectoryListingOptimization": "ENABLED"}}),
        ({"pre_login_banner": "hi"}, {"PreAuthenticationLoginBanner": "hi"}),
        ({"post_login_banner": "hi"}, {"PostAuthenticationLoginBanner": "hi"}),
        ({"logging_role": ""}, {"LoggingRole": ""}),
        (
            {"log_destinations": ("arn:aws:logs:us-east-1:1:log-group:x",)},
            {"StructuredLogDestinations": ["arn:aws:logs:us-east-1:1:log-group:x"]},
        ),
        (
            {"on_partial_upload": None},
            {
                "WorkflowDetails": {
                    "OnUpload": [{"WorkflowId": WORKFLOW, "ExecutionRole": ROLE}],
                    "OnPartialUpload": [],
                }
            },
        ),
        (
            {"identity_provider": IdentityProvider("AWS_DIRECTORY_SERVICE", directory_id="d-0123456789")},
            {
                "IdentityProviderType": "AWS_DIRECTORY_SERVICE",
                "IdentityProviderDetails": {"DirectoryId": "d-0123456789"},
            },
        ),
        (
            {"identity_provider": IdentityProvider("AWS_LAMBDA", "arn:aws:lambda:us-east-1:1:function:f")},
            {
                "IdentityProviderType": "AWS_LAMBDA",
                "IdentityProviderDetails": {
                    "Function": "arn:aws:lambda:us-east-1:1:function:f",
                    "SftpAuthenticationMethods": "PUBLIC_KEY_OR_PASSWORD",
                },
            },
        ),
        ({"pre_login_banner": ""}, None),
    ],
)
async def test_changes_of_a_server(
    directory: TransferUserDirectory, aws: Stubber, change: dict[str, Any], asked: dict[str, Any] | None
) -> None:
    """UpdateServer is told what differs; an attached workflow that stays is said with the one that goes."""
    attached = [{"WorkflowId": WORKFLOW, "ExecutionRole": ROLE}]
    members = {"LoggingRole": ROLE, "WorkflowDetails": {"OnUpload": attached, "OnPartialUpload": attached}}
    aws.add_response("describe_server", described_server(**members), {"ServerId": SERVER})
    if asked is not None:
        aws.add_response("update_server", {"ServerId": SERVER}, {"ServerId": SERVER} | asked)
    await directory.change_server(SERVER, lambda server: replace(server, **change))


async def test_tags_of_a_server(directory: TransferUserDirectory, aws: Stubber) -> None:
    """Are set by TagResource, and need no UpdateServer."""
    aws.add_response("describe_server", described_server())
    aws.add_response("tag_resource", {}, {"Arn": SERVER_ARN, "Tags": [{"Key": "a", "Value": "b"}]})
    await directory.change_server(SERVER, lambda server: replace(server, tags=(("a", "b"),)))


async def test_an_endpoint_that_does_not_change_servers(
    directory: TransferUserDirectory, aws: Stubber
) -> None:
    """Says so in plain words, with what to do."""
    aws.add_response("describe_server", described_server())
    aws.add_client_error("update_server", "NotImplementedException", "not offered", http_status_code=501)
    with pytest.raises(Unsupported, match="does not let settings of a server be changed") as raised:
        await directory.change_server(SERVER, lambda server: replace(server, pre_login_banner="x"))
    assert "PreAuthenticationLoginBanner" in raised.value.detail


async def test_servers(directory: TransferUserDirectory, aws: Stubber) -> None:
    """Are listed page by page; one that is not there is not made."""
    aws.add_response(
        "list_servers", {"Servers": [{"Arn": SERVER_ARN, "ServerId": OTHER}], "NextToken": "t"}, {}
    )
    aws.add_response(
        "list_servers", {"Servers": [{"Arn": SERVER_ARN, "ServerId": SERVER}]}, {"NextToken": "t"}
    )
    assert await directory.server_ids() == [SERVER, OTHER]
    aws.add_client_error("describe_server", "ResourceNotFoundException")
    with pytest.raises(NotFound) as raised:
        await directory.register_server(SERVER)
    assert "CreateServer" in raised.value.hint
    for attempt in (directory.add_server(Server(SERVER)), directory.remove_server(SERVER)):
        with pytest.raises(Unsupported):
            await attempt
    aws.add_response("list_servers", {"Servers": [{"Arn": SERVER_ARN, "ServerId": SERVER}]})
    aws.add_response("describe_server", described_server(), {"ServerId": SERVER})
    assert await directory.servers() == [Server(SERVER)]


async def test_workflows(directory: TransferUserDirectory, aws: Stubber) -> None:
    """Are listed page by page, described and made; an endpoint that has none of this says so."""
    arn = SERVER_ARN.replace("server", "workflow")
    others = [{"WorkflowId": f"w-{'1' * 17}", "Arn": arn}], [{"WorkflowId": WORKFLOW, "Arn": arn}]
    aws.add_response("list_workflows", {"Workflows": others[0], "NextToken": "t"}, {})
    aws.add_response("list_workflows", {"Workflows": others[1]}, {"NextToken": "t"})
    assert await directory.workflow_ids() == [WORKFLOW, f"w-{'1' * 17}"]
    described = {"Arn": arn, "WorkflowId": WORKFLOW, "Steps": [{"Type": "DELETE", "DeleteStepDetails": {}}]}
    aws.add_response("describe_workflow", {"Workflow": described}, {"WorkflowId": WORKFLOW})
    assert await directory.workflow(WORKFLOW) == described
    asked = {"Steps": described["Steps"], "Description": "x"}
    aws.add_response("create_workflow", {"WorkflowId": WORKFLOW}, asked)
    assert await directory.make_workflow(asked) == WORKFLOW
    aws.add_client_error("list_workflows", "NotImplementedException", http_status_code=501)
    with pytest.raises(Unsupported):
        await directory.workflow_ids()
