"""The pytest plugin as its guests meet it: each test here is a pytest run of its own."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Fixtures for the samples: a file as if a partner had sent it, by the programs at hand in every checkout.
LOOPS = "asyncio_default_fixture_loop_scope = function\n"
SEND = """
import asyncio, asyncssh, pytest

async def put(gateway, partner, name, content=b"x", close=True):
    async with asyncssh.connect(
        gateway.sftp_host, gateway.sftp_port, username=partner.user_name, config=None, agent_path=None,
        client_keys=[str(partner.private_key_path)], known_hosts=str(gateway.known_hosts_path),
    ) as connection:
        async with connection.start_sftp_client() as sftp:
            file = await sftp.open(name, "wb")
            await file.write(content)
            if close:
                await file.close()

def send(*args, **kwargs):
    asyncio.run(put(*args, **kwargs))
"""


def run_sample(folder: Path, sample: str, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a test file in a folder of its own, with the plugin as any installation brings it."""
    (folder / "test_sample.py").write_text(SEND + sample)
    (folder / "pytest.ini").write_text(f"[pytest]\nfilterwarnings = error\nasyncio_mode = auto\n{LOOPS}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "AWS"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *args]
    return subprocess.run(
        command,
        cwd=folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.lengthy
def test_a_suite_uses_the_fixture(tmp_path: Path) -> None:
    """Everything docs/testing.md promises, in one run under an environment that is hostile to boto3."""
    sample = """
import os
BEFORE = dict(os.environ)

def test_a_file_is_sent(tidegate):
    partner = tidegate.partner("acme")
    assert partner is tidegate.partner("acme")
    assert partner.home == "/tidegate-landing/acme"
    assert partner.private_key_path.stat().st_mode & 0o077 == 0
    send(tidegate, partner, "in.csv")
    record = tidegate.wait_for_transfer("in.csv", partner="acme")
    assert (record["Status"], record["Bytes"], record["Path"]) == ("COMPLETED", 1, "/in.csv")
    assert tidegate.wait_for_transfer("/in.csv", partner=partner) == record
    assert tidegate.wait_for_delivery("/in.csv")["Item"] == "delivery#private"
    delivery = tidegate.wait_for_delivery("in.csv", target="private")
    assert delivery["DestinationBucket"] == tidegate.private_bucket
    found = tidegate.client("s3").get_object(Bucket=tidegate.landing_bucket, Key="acme/in.csv")
    with found["Body"] as body:
        assert body.read() == b"x"
    tidegate.client("sqs").create_queue(QueueName="mine")
    tidegate.client("s3").create_bucket(Bucket="mine")
    tidegate.client("kms").create_alias(
        AliasName="alias/mine", TargetKeyId=tidegate.client("kms").create_key()["KeyMetadata"]["KeyId"]
    )
    tidegate.client("s3").delete_bucket_policy(Bucket=tidegate.private_bucket)

def test_the_next_one_finds_nothing_of_it(tidegate):
    assert tidegate.transfers() == []
    for bucket in (tidegate.landing_bucket, tidegate.private_bucket):
        assert "Versions" not in tidegate.client("s3").list_object_versions(Bucket=bucket)
    buckets = [each["Name"] for each in tidegate.client("s3").list_buckets()["Buckets"]]
    assert buckets == [tidegate.landing_bucket, tidegate.private_bucket]
    assert "QueueUrls" not in tidegate.client("sqs").list_queues()
    aliases = {each["AliasName"] for each in tidegate.client("kms").list_aliases()["Aliases"]}
    assert "alias/mine" not in aliases
    assert "alias/tidegate" in aliases
    with pytest.raises(asyncssh.PermissionDenied):
        send(tidegate, bank_of_yesterday, "x")

bank_of_yesterday = None

@pytest.fixture(autouse=True)
def keep_a_partner(tidegate):
    yield
    global bank_of_yesterday
    bank_of_yesterday = tidegate.partner("bank")

async def test_it_works_inside_a_running_loop(tidegate):
    partner = tidegate.partner("acme")
    await put(tidegate, partner, "in.csv")
    assert tidegate.wait_for_transfer("in.csv")["UserName"] == "acme"

def test_what_does_not_come_is_told(tidegate):
    partner = tidegate.partner("acme")
    send(tidegate, partner, "in.csv", close=False)
    tidegate.wait_for_transfer("in.csv", status="PARTIAL")
    with pytest.raises(AssertionError) as told:
        tidegate.wait_for_transfer("in.csv", timeout=0.2)
    assert "no COMPLETED UPLOAD of '/in.csv' within 0.2 s; there is" in str(told.value)
    assert "PARTIAL UPLOAD of '/in.csv' by acme, 1 bytes" in str(told.value)
    assert "the session ended before the file was closed" in str(told.value)
    with pytest.raises(AssertionError, match="no DELIVERED delivery of '/in.csv' to private"):
        tidegate.wait_for_delivery("in.csv", target="private", timeout=0.2)

def test_nobody_s_environment_was_touched(tidegate):
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "HTTP_PROXY"):
        assert os.environ[name] == BEFORE[name]
    assert {name for name in os.environ if name.startswith("AWS_")} == {"AWS_PROFILE", "AWS_ENDPOINT_URL"}

def test_the_facts_are_those_of_the_gateway(tidegate):
    host = f"[{tidegate.sftp_host}]:{tidegate.sftp_port} ssh-ed25519 "
    assert tidegate.known_hosts_path.read_text().startswith(host)
    assert tidegate.host_key_fingerprint.startswith("SHA256:")
    assert tidegate.server_id.startswith("s-")
    assert tidegate.region == "us-east-1"
    assert tidegate.transfers_table == "tidegate-transfers"
"""
    hostile = {"AWS_PROFILE": "nowhere", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    run = run_sample(tmp_path, sample, HTTP_PROXY="http://127.0.0.1:9", TIDEGATE_CONFIG="nonsense", **hostile)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "6 passed" in run.stdout


def examples() -> list[str]:
    """Return the Python blocks of the guide: a test, a conftest.py, a script."""
    page = Path(__file__).parents[2] / "docs" / "testing.md"
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.client("sftp")
@pytest.mark.lengthy
def test_the_examples_of_the_guide_work(tmp_path: Path) -> None:
    """Pasted into a test file, the test passes and the script runs."""
    test, _, script = examples()
    indented = "".join(f"    {line}\n" for line in script.splitlines())
    run = run_sample(tmp_path, f"{test}\ndef test_the_script():\n{indented}")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout


@pytest.mark.lengthy
def test_preset_and_configuration_are_overridden_by_fixtures(tmp_path: Path) -> None:
    """With the guide's conftest.py; and each worker of pytest-xdist has a gateway of its own."""
    (tmp_path / "conftest.py").write_text(examples()[1])
    sample = """
@pytest.mark.parametrize("number", range(2))
def test_each_is_alone(tidegate, number):
    assert tidegate.private_bucket == "our-archive"
    bank = tidegate.partner("bank")
    assert bank.home == "/tidegate-landing/banks/one"
    send(tidegate, bank, "in.csv", close=False)
    tidegate.wait_for_transfer("in.csv", status="ABANDONED")
    send(tidegate, bank, "in.csv")
    assert [each["Status"] for each in tidegate.transfers()] == ["ABANDONED", "COMPLETED"]
    delivery = tidegate.wait_for_delivery("in.csv", target="risk")
    assert delivery["DestinationKey"] == "sftp/banks/one/in.csv"
    with pytest.raises(ValueError, match="target="):
        tidegate.wait_for_delivery("in.csv")
"""
    run = run_sample(tmp_path, sample, "-n", "2")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout


def test_whoever_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    """Loading the plugin imports pytest, which is there anyway, and nothing of what the fixtures need."""
    (tmp_path / "conftest.py").write_text(
        """
import sys

def pytest_sessionfinish():
    dear = {"boto3", "botocore", "moto", "flask", "asyncssh", "cryptography", "pydantic", "structlog"}
    loaded = {name.split(".")[0] for name in sys.modules}
    ours = sorted(name for name in sys.modules if name.startswith("tidegate"))
    print("dear:", sorted(dear & loaded), "ours:", ours)
"""
    )
    (tmp_path / "test_other.py").write_text("def test_other(): ...")
    run = run_sample(tmp_path, "", "test_other.py")
    assert run.returncode == 0, run.stdout + run.stderr
    assert "dear: [] ours: ['tidegate', 'tidegate.testing', 'tidegate.testing.plugin']" in run.stdout


@pytest.mark.lengthy
def test_a_missing_extra_is_named_with_its_mend(tmp_path: Path) -> None:
    """The failure is one line that can be pasted, and no traceback."""
    (tmp_path / "conftest.py").write_text("import sys\nsys.modules['moto'] = None\n")
    run = run_sample(tmp_path, "def test_it(tidegate): ...")
    assert run.returncode == 1
    assert "pip install 'tidegate[local]'" in run.stdout
    assert "Traceback" not in run.stdout


@pytest.mark.lengthy
def test_a_gateway_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    """Once, for all tests that wanted it."""
    sample = """
@pytest.fixture(scope="session")
def tidegate_config():
    return "landing: {bukket: x}"

def test_one(tidegate): ...
def test_two(tidegate): ...
"""
    run = run_sample(tmp_path, sample)
    assert run.returncode == 1
    assert "the gateway has ended with exit code 1; its log" in run.stdout
    assert "landing.bukket: unknown setting; did you mean landing.bucket?" in run.stdout
    assert "2 errors" in run.stdout


@pytest.mark.lengthy
def test_a_gateway_that_ended_is_no_silent_wait(tmp_path: Path) -> None:
    """A wait ends at once when there is nobody to wait for, and so does the next test's reset."""
    sample = """
import os, signal, time

def test_one(tidegate):
    os.kill(tidegate.pid, signal.SIGKILL)
    tidegate._process._process.wait(10)
    began = time.monotonic()
    with pytest.raises(RuntimeError, match="the gateway has ended with exit code -9; its log"):
        tidegate.wait_for_transfer("x", timeout=30)
    assert time.monotonic() - began < 5

def test_two(tidegate): ...
"""
    run = run_sample(tmp_path, sample)
    assert run.returncode == 1
    assert "1 passed, 1 error" in run.stdout
    assert "GatewayFailed: the gateway has ended with exit code -9" in run.stdout


START = """
import sys
from tidegate.testing.gateway import LocalGateway
gateway = LocalGateway().start()
print(gateway.sftp_port, flush=True)
"""


def listens(port: str) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(port))).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.mark.lengthy
def test_no_process_and_no_file_is_left_behind(tmp_path: Path) -> None:
    """Without pytest, and by a script that neither uses `with` nor comes to its end."""
    run = subprocess.run(
        [sys.executable, "-c", START + "sys.exit(3)"],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 3, run.stderr
    assert not listens(run.stdout)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.lengthy
def test_a_gateway_ends_with_a_run_that_was_killed(tmp_path: Path) -> None:
    """A run that is killed stops nothing by itself; no gateway may be left on the machine."""
    script = [sys.executable, "-c", START + "sys.stdin.read()"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        script, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        port = run.stdout.readline()
        assert listens(port)
        run.kill()
    deadline = time.monotonic() + 20
    while listens(port):
        assert time.monotonic() < deadline, "it still listens"
