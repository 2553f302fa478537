"""docs/records.md and docs/transfers.md against what the adapters write."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from docs_pages import first_column, sections, text_of

from tidegate.adapters.aws import directory_items, items
from tidegate.adapters.aws.host_keys import host_key_item
from tidegate.adapters.aws.renames import rename_item
from tidegate.adapters.aws.server_items import server_item
from tidegate.adapters.aws.workflows import workflow_item
from tidegate.core import objects
from tidegate.core.deliveries import Delivery, DeliveryStatus
from tidegate.core.host_keys import HostKey
from tidegate.core.ids import GatewayId, KeyId, LogId
from tidegate.core.objects import Location, StoredObject
from tidegate.core.renames import Rename, RenameStatus
from tidegate.core.servers import AttachedWorkflow, Server
from tidegate.core.sessions import Session
from tidegate.core.transfers import Direction, TransferRecord, TransferStatus
from tidegate.core.users import Home, HomeDirectoryType, Mapping, RefusedLogin, SshPublicKey, User
from tidegate.core.workflows import Workflow

NOW = datetime(2026, 1, 31, tzinfo=UTC)
WORKFLOW = AttachedWorkflow("w-0123456789abcdef0", "arn:aws:iam::123456789012:role/x")
FULL_SERVER = Server(
    "s-0123456789abcdef0",
    preset="partner-safe",
    security_policy="x",
    set_stat="DEFAULT",
    on_upload=WORKFLOW,
    on_partial_upload=WORKFLOW,
    port=2222,
)


def transfer_attributes() -> set[str]:
    record = TransferRecord(
        log_id=LogId("0" * 26),
        direction=Direction.UPLOAD,
        status=TransferStatus.STARTED,
        user_name="acme",
        server_id="s-0123456789abcdef0",
        session_id="0123456789abcdef",
        client_ip="192.0.2.7",
        client_version="SSH-2.0-x",
        key_fingerprint="SHA256:x",
        path="/x",
        bucket="landing",
        object_key="x",
        started_at=NOW,
        timestamp=NOW,
        gateway_id=GatewayId("gw-1"),
    )
    return set(items.transfer_item(record)) | {"ExpiresAt"}


def delivery_attributes() -> set[str]:
    delivery = Delivery(
        log_id=LogId("0" * 26),
        target="private",
        status=DeliveryStatus.PENDING,
        source=Location("landing", "x"),
        version_id=None,
        etag='"x"',
        destination=Location("private", "x"),
        timestamp=NOW,
        due_at=NOW,
    )
    return set(items.delivery_item(delivery)) | {"ExpiresAt"}


def rename_attributes() -> set[str]:
    session = Session("0123456789abcdef", "s-0123456789abcdef0", "acme", "192.0.2.7", "SSH-2.0-x", "SHA256:x")
    stored = StoredObject(Location("landing", "x"), 1, '"x"', None)
    target = Location("landing", "y")
    rename = Rename.begun(session, ("/x", "/y"), stored, target, "*", GatewayId("gw-1"), NOW)
    return set(rename_item(rename)) | {"ExpiresAt"}


def login_attributes() -> set[str]:
    refused = RefusedLogin("0" * 26, "s-0123456789abcdef0", "x", "192.0.2.7", "x", "SHA256:x", "x", NOW)
    return set(items.login_item(refused, 90))


USER_HOME = Home.chroot("/landing/acme")
STORED_HOME = directory_items.stored_home("s-0123456789abcdef0", "acme", "g", USER_HOME, NOW)
# More mappings than one row holds.
LARGE_HOME = Home(
    HomeDirectoryType.LOGICAL, "/", tuple(Mapping(f"/{n}", f"/landing/{'x' * 900}{n}") for n in range(400))
)
KEY = SshPublicKey(KeyId("key-1"), "ssh-ed25519 AAAA", "SHA256:x", "", NOW)
HOST_KEY = HostKey("hostkey-1", "ssh-ed25519", "SHA256:x", NOW, "x", "arn:aws:kms:x", "ssh-ed25519 AAAA")
USER = User("s-0123456789abcdef0", "acme", USER_HOME, NOW, (KEY,))

WRITTEN = {
    "Item `transfer`": transfer_attributes,
    "Item `delivery#<target>`": delivery_attributes,
    "Item `rename#<id>`": rename_attributes,
    "Item `login`": login_attributes,
    "Item `host-key#HOSTKEYID`": lambda: set(host_key_item(USER.server_id, HOST_KEY, b"x")),
    "Items of `servers`": lambda: set(server_item(FULL_SERVER)) | {"Revocations"},
    "Partition `workflows`": lambda: set(workflow_item(Workflow("w-0123456789abcdef0"))),
    "Item `user#NAME`": lambda: set(directory_items.user_item(USER, "g", STORED_HOME, NOW)),
    # Addition is put on by the adapter, when a key is added to a user that is there.
    "Item `user#NAME#key#GENERATION#KEYID`": lambda: {
        *directory_items.key_item(USER.server_id, "acme", KEY, "g", NOW),
        "Addition",
    },
    "Item `user#NAME#home#HOMEGENERATION#NNN`": lambda: set(
        directory_items.stored_home(USER.server_id, "acme", "g", LARGE_HOME, NOW).chunks[0]
    ),
}


@pytest.mark.parametrize("heading", WRITTEN)
def test_records_page_has_exactly_the_attributes_that_are_written(heading: str) -> None:
    """A stranger who reads docs/records.md finds every attribute there, and no attribute that is not."""
    documented = first_column(sections(text_of("docs/records.md"))[heading])
    assert sorted(documented) == sorted(WRITTEN[heading]())


def test_metadata_on_objects_is_documented() -> None:
    """The names of user metadata in docs/records.md are those of the code."""
    written = {value for name, value in vars(objects).items() if name.startswith("META_")}
    assert set(first_column(sections(text_of("docs/records.md"))["Metadata on objects"])) == written


@pytest.mark.parametrize(
    ("heading", "states"),
    [
        ("What an upload's state means", TransferStatus),
        ("What a delivery's state means", DeliveryStatus),
        ("What a rename's state means", RenameStatus),
    ],
)
def test_every_state_is_explained(
    heading: str, states: type[TransferStatus | DeliveryStatus | RenameStatus]
) -> None:
    """Besides the arrows, docs/transfers.md says of each state what it means."""
    section = sections(text_of("docs/transfers.md"))[heading].split("<!-- generated")[0]
    assert set(first_column(section)) == {state.value for state in states}
