"""ARNs of what Transfer Family has."""

from __future__ import annotations

import pytest

from tidegate.core.arns import Arns, Named

ARNS = Arns("eu-west-1", "111122223333")
START = "arn:aws:transfer:eu-west-1:111122223333:"
SERVER = "s-0123456789abcdef0"
WORKFLOW, HOST_KEY = "w-0123456789abcdef0", "hostkey-0123456789abcdef0"


def test_what_is_named_is_found_again():
    """A server, what belongs to it, and a workflow, by the forms that Transfer Family has."""
    assert ARNS.server(SERVER) == f"{START}server/{SERVER}"
    assert ARNS.user(SERVER, "an@b.c") == f"{START}user/{SERVER}/an@b.c"
    assert ARNS.named(ARNS.server(SERVER)) == Named("Server", SERVER, SERVER)
    assert ARNS.named(ARNS.user(SERVER, "an@b.c")) == Named("User", "an@b.c", SERVER)
    assert ARNS.workflow(WORKFLOW) == f"{START}workflow/{WORKFLOW}"
    assert ARNS.named(ARNS.workflow(WORKFLOW)) == Named("Workflow", WORKFLOW)
    assert ARNS.host_key(SERVER, HOST_KEY) == f"{START}host-key/{SERVER}/{HOST_KEY}"
    assert ARNS.named(ARNS.host_key(SERVER, HOST_KEY)) == Named("HostKey", HOST_KEY, SERVER)


@pytest.mark.parametrize(
    "arn",
    [
        f"{START}server/",
        f"{START}server/a/b",
        f"{START}user/{SERVER}",
        f"{START}user/{SERVER}/a/b",
        f"{START}workflow/w-0123456789abcdef0/x",
        f"{START}host-key/hostkey-0123456789abcdef0",
        f"{START}connector/c-0123456789abcdef0",
        f"arn:aws:transfer:us-east-1:111122223333:server/{SERVER}",
        f"arn:aws:transfer:eu-west-1:999999999999:server/{SERVER}",
        f"arn:aws-cn:transfer:eu-west-1:111122223333:server/{SERVER}",
        f"server/{SERVER}",
        "",
    ],
)
def test_what_names_nothing_of_ours(arn):
    """Another kind, account, Region or partition, or no ARN at all."""
    assert ARNS.named(arn) is None


@pytest.mark.parametrize(
    ("region", "partition"), [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("us-east-1", "aws")]
)
def test_partitions(region, partition):
    """China and GovCloud have their own."""
    assert Arns(region, "1").server(SERVER).startswith(f"arn:{partition}:transfer:{region}:1:")
