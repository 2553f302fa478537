"""A gateway that assumes the roles of its users: STS and S3 are asked with what it is given by them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import paramiko
import pytest

from support.transfer_client import ROLE, Transfer
from tidegate.testing.gateway import LocalGateway

NewKey = Callable[[str], tuple[Path, str]]
LARGE = bytes(range(256)) * 4096 * 9  # more than one part
# Longer than the variable that stands for it.
NAME = "assumed" * 6
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


@pytest.mark.lengthy
def test_a_partner_whose_role_is_assumed(tmp_path: Path, new_key: NewKey) -> None:
    """It uploads, appends, renames and reads; with a policy that is too long for STS it gets no session."""
    private, line = new_key("assumed")
    (tmp_path / "gateway").mkdir()
    config = "version: 1\nrights: {mode: assume}\n"
    with LocalGateway("partner-safe", config, tmp_path / "gateway") as gateway:
        transfer = Transfer(gateway)
        home = [{"Entry": "/", "Target": f"/{transfer.landing}/assumed"}]
        transfer(
            "create_user",
            UserName=NAME,
            Role=ROLE,
            Policy=json.dumps(POLICY),
            SshPublicKeyBody=line,
            HomeDirectoryType="LOGICAL",
            HomeDirectoryMappings=home,
        )

        def connected() -> paramiko.Transport:
            made = paramiko.Transport((gateway.sftp_host, gateway.sftp_port))
            made.connect(username=NAME, pkey=paramiko.Ed25519Key.from_private_key_file(str(private)))
            return made

        transport = connected()
        client = paramiko.SFTPClient.from_transport(transport)
        assert client is not None
        for name, body in (("small", b"a,b\n"), ("large", LARGE)):
            client.putfo(io.BytesIO(body), f"/{name}.tmp")
            client.rename(f"/{name}.tmp", f"/{name}.csv")
        with client.open("/small.csv", "ab") as file:
            file.write(b"1,2\n")
        assert client.open("/small.csv", "rb").read() == b"a,b\n1,2\n"
        assert client.stat("/large.csv").st_size == len(LARGE)
        assert sorted(client.listdir("/")) == ["large.csv", "small.csv"]
        transport.close()

        # The model takes 2,048 characters, before the variables are replaced.
        many = [f"arn:aws:s3:::b/${{transfer:UserName}}/{number}" for number in range(40)]
        statement = {"Effect": "Allow", "Action": "*", "Resource": many}
        policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
        transfer("update_user", UserName=NAME, Policy=policy)
        transport = connected()
        with pytest.raises(paramiko.ChannelException):
            paramiko.SFTPClient.from_transport(transport)
        transport.close()
        assert "characters once its variables are replaced" in gateway.log_path.read_text()
