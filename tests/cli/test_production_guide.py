"""The `tidegate` lines of docs/production.md, run in their order against an emulator, as a stranger would."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncssh
import pytest
import yaml

pytestmark = pytest.mark.lengthy

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "production.md"
SECRETS = {"GUIDE_KEY_ID": "AKIAEXAMPLE", "GUIDE_SECRET": "not-to-be-shown"}
# What is otherwise than in an account of AWS: where it is, and that no load balancer stands before it.
HERE: dict[str, Any] = {
    "extends": "prod.yaml",
    "aws": {"access_key_id": "${GUIDE_KEY_ID}", "secret_access_key": "${GUIDE_SECRET}"},
    "sftp": {"host": "127.0.0.1", "port": 0, "proxy_protocol_from": []},
    "deliveries": {"owner": "embedded", "events": None, "poll_interval_seconds": 0.3},
    "health": {"port": None},
    "shutdown": {"grace_seconds": 1, "notice_seconds": 0},
    "sweep": {"lease_seconds": 1.2},
}
# A call that is only a part of a sentence or of a table is looked at by tests/docs/test_docs_commands.py.
_CALL = re.compile(r"^ {4}tidegate (.+)$", re.MULTILINE)


def calls() -> list[list[str]]:
    """Return the words of each call that stands on a line of its own, in the order of the page."""
    return [shlex.split(call) for call in _CALL.findall(PAGE.read_text(encoding="utf-8"))]


@pytest.fixture
def guide(moto_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that step 2 leaves, with the key of a partner."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    for name in ("base.yaml", "prod.yaml"):
        (tmp_path / name).write_text((ROOT / "config" / "examples" / name).read_text())
    here = {**HERE, "aws": {**HERE["aws"], "endpoint_url": moto_url}}
    (tmp_path / "gateway.yaml").write_text(yaml.safe_dump(here))
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "beta")
    key.write_public_key(tmp_path / "beta.pub")
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "host_ed25519")
    partners = {"extends": "prod.yaml", "partners": [{"name": "beta", "key_files": ["beta.pub"]}]}
    (tmp_path / "partners.yaml").write_text(yaml.safe_dump(partners))
    return tmp_path


async def put(port: int, key: Path) -> None:
    async with (
        asyncssh.connect(
            "127.0.0.1", port, username="beta", client_keys=[str(key)], known_hosts=None, config=None
        ) as connection,
        connection.start_sftp_client() as sftp,
        sftp.open("report.csv", "wb") as file,
    ):
        await file.write(b"date;amount\n" * 100)


def test_the_guide_can_be_followed(
    guide: Path, tidegate: Callable[..., Any], running: Callable[..., Any]
) -> None:
    """Each call ends with code 0, `serve` listens, and the first file is recorded and delivered."""
    gateway: Any = None
    record: dict[str, Any] = {}
    for words in calls():
        if words[0] == "serve":
            gateway = running(*words, **SECRETS)
            gateway.event("listening")
            continue
        if words[:2] == ["transfers", "list"] and not record:
            asyncio.run(put(gateway.event("listening")["port"], guide / "beta"))
            gateway.event("delivery attempted")
            record = json.loads(tidegate(*words, "--output", "json").out)[0]
        said = tidegate(*(record.get("LogID", each) if each == "LOGID" else each for each in words))
        assert said.code == 0, f"{words}: {said.err}{said.out}"
    assert record["Status"] == "COMPLETED"


def test_every_step_has_a_call() -> None:
    """Were lines not found any more, the guide would be followed by doing nothing."""
    verbs = [words[0] for words in calls()]
    assert list(dict.fromkeys(verbs)) == [
        *("config", "setup", "doctor", "serve", "partners", "apply", "transfers", "logins")
    ]
