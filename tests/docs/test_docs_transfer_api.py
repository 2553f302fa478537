"""docs/transfer-api.md against what the API offers."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from docs_pages import blocks, first_column, sections, text_of

from tidegate.adapters.aws.service_model import transfer_model
from tidegate.core.arns import Arns
from tidegate.faces.control.host_keys import HostKeyOperations
from tidegate.faces.control.identity_providers import IdentityProviderOperations
from tidegate.faces.control.security_policies import security_policy_operations
from tidegate.faces.control.servers import ServerOperations
from tidegate.faces.control.tags import TagOperations
from tidegate.faces.control.users import UserOperations
from tidegate.faces.control.workflows import WorkflowOperations
from tidegate.testing.gateway import LocalGateway

PAGE = "docs/transfer-api.md"
NOTHING: Any = None
ARNS = Arns("us-east-1", "123456789012")


def offered() -> set[str]:
    return {
        *ServerOperations(NOTHING, NOTHING, ARNS, NOTHING).operations(),
        *UserOperations(NOTHING, NOTHING, ARNS, NOTHING).operations(),
        *HostKeyOperations(NOTHING, NOTHING, NOTHING, ARNS).operations(),
        *TagOperations(ARNS, {}).operations(),
        *IdentityProviderOperations(NOTHING, NOTHING).operations(),
        *WorkflowOperations(NOTHING, ARNS).operations(),
        *security_policy_operations(),
    }


def test_the_page_lists_what_is_offered() -> None:
    """All of it, nothing else, and each by a name that the API has."""
    assert set(first_column(sections(text_of(PAGE))["What is offered"])) == offered()
    assert offered() <= transfer_model().operations.keys()


def test_the_page_knows_every_error_of_what_is_offered() -> None:
    """But for those of our own mistakes, and of VPC endpoints, of which there are none."""
    operations = transfer_model().operations
    possible = {error for name in offered() for error in operations[name].errors}
    told = set(first_column(sections(text_of(PAGE))["What errors there are"]))
    assert possible - told == {"ConflictException", "InternalServiceError"}


def test_the_examples_work(tidegate: LocalGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as they stand, with the environment that the page names: a user is let in, a server listens."""
    for name, value in {
        "AWS_ENDPOINT_URL": tidegate.endpoint_url,
        "AWS_DEFAULT_REGION": tidegate.region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    namespace: dict[str, Any] = {}
    for example in blocks(text_of(PAGE), "python"):
        exec(example, namespace)
    key = tidegate.partner("acme").public_key
    server_id = namespace["let_in"]("newcomer", key, tidegate.landing_bucket)
    user = tidegate.client("transfer").describe_user(ServerId=server_id, UserName="newcomer")["User"]
    assert user["SshPublicKeys"][0]["SshPublicKeyBody"] == key.strip()
    made, host, port = namespace["new_server"]("Ships only.")
    assert made != server_id
    with socket.create_connection((host, port), 10) as client:
        assert client.recv(7) == b"SSH-2.0"
