"""A server and its partners as a CloudFormation template, held against cfn-lint."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tidegate.cli.cloudformation import as_template
from tidegate.core.errors import InvalidSettings
from tidegate.core.ids import KeyId
from tidegate.core.servers import AttachedWorkflow, Server
from tidegate.core.users import (
    Home,
    HomeDirectoryType,
    Mapping,
    MappingType,
    PosixProfile,
    SshPublicKey,
    User,
)
from tidegate.settings.workflows import WorkflowSettings

SERVER = "s-0123456789abcdef0"
ROLE = "arn:aws:iam::123456789012:role/sftp"
AT = datetime(2026, 3, 9, tzinfo=UTC)
BODY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJc9K9q1j9x0pJZ1Yt8p9wq9v0v3w2J8cJm3kq2m7Y0F"
WORKFLOW = f"w-{'1' * 17}"
USER = User(SERVER, "acme", Home.chroot("/example-landing/acme"), AT, role=ROLE)
FULL = replace(
    USER,
    user_name="acme.eu",
    home=Home(
        HomeDirectoryType.LOGICAL,
        "/in",
        (
            Mapping("/in", "/example-landing/${transfer:UserName}"),
            Mapping("/read.me", "/example-landing/r", MappingType.FILE),
        ),
    ),
    keys=(SshPublicKey(KeyId("key-1"), BODY, "SHA256:x", "me@pc", AT),),
    policy='{"Version": "2012-10-17"}',
    posix_profile=PosixProfile(1, 2, (3,)),
    tags=(("aws:x", "y"), ("team", "blue")),
)
STEP = {
    "Type": "COPY",
    "CopyStepDetails": {
        "Name": "copy",
        "DestinationFileLocation": {
            "S3FileLocation": {"Bucket": "example-b", "Key": "${transfer:UserName}/"}
        },
        "OverwriteExisting": "TRUE",
        "SourceFileLocation": "${original.file}",
    },
}
MADE = WorkflowSettings.model_validate({"id": WORKFLOW, "description": "copies", "steps": [STEP]})


def resources(text: str) -> dict[str, Any]:
    return {name: each["Properties"] for name, each in yaml.safe_load(text)["Resources"].items()}


def server(**members: Any) -> Server:
    attached = AttachedWorkflow(WORKFLOW, ROLE)
    return Server(
        SERVER,
        (("team", "blue"),),
        pre_login_banner="hello",
        logging_role=ROLE,
        set_stat="ENABLE_NO_OP",
        listing="ENABLED",
        log_destinations=("arn:aws:logs:us-east-1:123456789012:log-group:x:*",),
        on_upload=attached,
        **members,
    )


def test_what_it_holds() -> None:
    """The server, its users and its workflow, each pointing at the others of the template."""
    found = resources(as_template(server(port=2222, preset="partner-safe"), [FULL], [MADE]))
    (user,) = (each for name, each in found.items() if name.startswith("User"))
    (workflow,) = (name for name in found if name.startswith("Workflow"))
    assert user["ServerId"] == {"Fn::GetAtt": ["Server", "ServerId"]}
    assert user["SshPublicKeys"] == [f"{BODY} me@pc"]
    assert user["Tags"] == [{"Key": "team", "Value": "blue"}]
    attached = found["Server"]["WorkflowDetails"]["OnUpload"]
    assert attached == [{"WorkflowId": {"Fn::GetAtt": [workflow, "WorkflowId"]}, "ExecutionRole": ROLE}]
    # CloudFormation's own default is of 2018.
    assert found["Server"]["SecurityPolicyName"] == "TransferSecurityPolicy-2024-01"
    other = resources(as_template(server(security_policy="TransferSecurityPolicy-2025-03"), []))["Server"]
    assert other["SecurityPolicyName"] == "TransferSecurityPolicy-2025-03"
    assert other["WorkflowDetails"]["OnUpload"][0]["WorkflowId"] == WORKFLOW


def test_users_without_a_role() -> None:
    """Take that of a parameter, which is there only then."""
    text = as_template(Server(SERVER), [replace(USER, role="")])
    (user,) = (each for name, each in resources(text).items() if name.startswith("User"))
    assert user["Role"] == {"Ref": "PartnerRole"}
    assert yaml.safe_load(text)["Parameters"].keys() == {"PartnerRole"}
    assert "Parameters" not in yaml.safe_load(as_template(Server(SERVER), [USER]))


def test_the_same_whatever_the_order() -> None:
    """Names that differ in signs alone are different resources; the order of users is that of their names."""
    users = [replace(USER, user_name=name) for name in ("a.b", "a-b", "a_b")]
    text = as_template(Server(SERVER), users)
    assert text == as_template(Server(SERVER), users[::-1])
    assert len(resources(text)) == 4


def test_too_many() -> None:
    """CloudFormation takes 500 resources: more are refused here, with another way."""
    users = [replace(USER, user_name=f"user{n}") for n in range(500)]
    as_template(Server(SERVER), users[:499])
    with pytest.raises(InvalidSettings, match="this would be 501"):
        as_template(Server(SERVER), users)


@pytest.mark.lengthy
def test_cfn_lint_finds_nothing(tmp_path: Path) -> None:
    """Types, names and values are those that CloudFormation knows."""
    program = Path(sys.executable).with_name("cfn-lint")
    path_home = Home(HomeDirectoryType.PATH, "/example-landing/x")
    users = [USER, FULL, replace(USER, user_name="third", role="", home=path_home)]
    (tmp_path / "template.yaml").write_text(as_template(server(), users, [MADE]))
    done = subprocess.run(
        [str(program), str(tmp_path / "template.yaml")], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
