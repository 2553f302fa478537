"""
gateway.yaml, deployed over storage.yaml in an emulator, and a file's way through both.

Run by `make test-deploy`, which starts the emulator; skipped without one. It starts no container: the
gateway is a process, of the wheel and the packages that the container gets, told what the task is told.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_account import ACCOUNT, GATEWAY, PREFIX, REGION, STORAGE, Account
from deploy_templates import template

pytestmark = pytest.mark.skipif(
    "TIDEGATE_DEPLOY_URL" not in os.environ, reason="no emulator: make test-deploy brings one"
)
PATIENCE_SECONDS = 60
CREDENTIALS = {"EMULATOR_KEY_ID": ACCOUNT, "EMULATOR_SECRET_KEY": "any"}
CLIENT_ADDRESS = "203.0.113.7"
# What the load balancer says of connections of its own.
PROXY_V2_LOCAL = b"\r\n\r\n\0\r\nQUIT\n" + bytes([0x20, 0, 0, 0])

# What stands between ssh and the gateway: a load balancer's header, version 2, then bytes both ways.
BALANCER = """
import os, select, socket, struct, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
addresses = socket.inet_aton(sys.argv[3]) + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 50000, 22)
peer.sendall(b"\\r\\n\\r\\n\\0\\r\\nQUIT\\n" + struct.pack("!BBH", 0x21, 0x11, len(addresses)) + addresses)
ways = {0: lambda data: peer.sendall(data), peer: lambda data: os.write(1, data)}
while True:
    for way in select.select(list(ways), [], [])[0]:
        data = os.read(0, 65536) if way == 0 else peer.recv(65536)
        if not data:
            sys.exit()
        ways[way](data)
"""


def target_group(account: Account) -> dict[str, Any]:
    arn = account.physical(GATEWAY, "Targets")
    (found,) = account["elbv2"].describe_target_groups(TargetGroupArns=[arn])["TargetGroups"]
    return dict(found)


def target_group_path() -> str:
    properties = template("gateway")["Resources"]["Targets"]["Properties"]
    return str(properties["HealthCheckPath"])


# --- the stack ------------------------------------------------------------------------------


def test_the_stack_of_gateways_names_every_resource(account: Account) -> None:
    """Each has a physical id."""
    made = account.made(GATEWAY)
    assert made.keys() == template("gateway")["Resources"].keys()
    assert all(physical for _, physical in made.values())


def test_port_22_leads_to_the_gateways(account: Account) -> None:
    """A TCP listener of a network load balancer, whose targets are the tasks' addresses."""
    balancer = account.physical(GATEWAY, "LoadBalancer")
    (found,) = account["elbv2"].describe_load_balancers(LoadBalancerArns=[balancer])["LoadBalancers"]
    assert (found["Type"], found["Scheme"], len(found["AvailabilityZones"])) == (
        "network",
        "internet-facing",
        2,
    )
    (listener,) = account["elbv2"].describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    assert (listener["Port"], listener["Protocol"]) == (22, "TCP")
    targets = target_group(account)
    assert listener["DefaultActions"][0]["TargetGroupArn"] == targets["TargetGroupArn"]
    assert (targets["Port"], targets["TargetType"]) == (2222, "ip")
    asked = targets["HealthCheckProtocol"], targets["HealthCheckPort"], targets["HealthCheckPath"]
    assert asked == ("HTTP", "8080", "/ready")


def test_gateways_are_told_who_the_client_is(account: Account) -> None:
    """The load balancer sends PROXY headers, and the gateways believe those of its network alone."""
    arn = target_group(account)["TargetGroupArn"]
    found = account["elbv2"].describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    attributes = {each["Key"]: each["Value"] for each in found}
    assert attributes["proxy_protocol_v2.enabled"] == "true"
    assert attributes["deregistration_delay.timeout_seconds"] == "120"
    assert yaml.safe_load(account.gateway_config)["sftp"]["proxy_protocol_from"] == ["10.0.0.0/16"]


def test_two_gateways_run_without_root_or_a_place_to_write(account: Account) -> None:
    """On Fargate, in private subnets, behind the load balancer; a bad deployment is rolled back."""
    cluster, service = account.physical(GATEWAY, "Cluster"), account.physical(GATEWAY, "Service")
    (found,) = account["ecs"].describe_services(cluster=cluster, services=[service])["services"]
    assert (found["desiredCount"], found["launchType"]) == (2, "FARGATE")
    assert found["networkConfiguration"]["awsvpcConfiguration"]["assignPublicIp"] == "DISABLED"
    assert found["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}
    (balanced,) = found["loadBalancers"]
    assert balanced["targetGroupArn"] == target_group(account)["TargetGroupArn"]
    task = account["ecs"].describe_task_definition(taskDefinition=found["taskDefinition"])["taskDefinition"]
    (container,) = task["containerDefinitions"]
    assert (container["user"], container["readonlyRootFilesystem"]) == ("10001", True)
    assert container["stopTimeout"] == 120
    log = container["logConfiguration"]["options"]["awslogs-group"]
    assert account["logs"].describe_log_groups(logGroupNamePrefix=log)["logGroups"]


def test_the_role_of_the_task_is_the_one_of_the_template(account: Account) -> None:
    """Its statements name what the other stack made, by imports that lead there."""
    role = account.physical(GATEWAY, "TaskRole").split("/")[-1]
    policy = account["iam"].get_role_policy(RoleName=role, PolicyName="gateway")["PolicyDocument"]
    by_sid = {each["Sid"]: each for each in policy["Statement"]}
    assert by_sid["LandingBucket"]["Resource"] == f"arn:aws:s3:::{PREFIX}-landing"
    assert by_sid["LandingObjects"]["Resource"] == f"arn:aws:s3:::{PREFIX}-landing/*"
    tables = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{PREFIX}"
    assert by_sid["Records"]["Resource"] == [f"{tables}-transfers", f"{tables}-transfers/index/*"]
    assert by_sid["Directory"]["Resource"] == f"{tables}-directory"
    assert (
        by_sid["LandingKey"]["Resource"]
        == account["kms"].describe_key(KeyId=f"alias/{PREFIX}-landing")["KeyMetadata"]["Arn"]
    )


def test_the_gateways_reach_aws_without_the_internet(account: Account) -> None:
    """An endpoint for each service they speak to, and for what brings their image and takes their logs."""
    found = account["ec2"].describe_vpc_endpoints()["VpcEndpoints"]
    kinds = {
        each["ServiceName"].removeprefix(f"com.amazonaws.{REGION}."): each["VpcEndpointType"]
        for each in found
    }
    interfaces = dict.fromkeys(("kms", "logs", "ecr.api", "ecr.dkr"), "Interface")
    assert kinds == {"s3": "Gateway", "dynamodb": "Gateway", **interfaces}


# --- a file's way ---------------------------------------------------------------------------


class Gateway:
    """A gateway over the stacks, as the container would run it."""

    def __init__(self, account: Account, folder: Path) -> None:
        self.folder = folder
        self._program = str(Path(os.environ["TIDEGATE_SERVED"]) / "bin/tidegate")
        (folder / "tidegate.yaml").write_text(json.dumps(elsewhere(account.gateway_config, account.url)))
        self.findings = json.loads(self.run("setup", "--check", "--output", "json", code=1))
        self.run("setup")
        with (folder / "log").open("wb") as log:
            command = [self._program, "serve", "--config", "tidegate.yaml"]
            self.process = subprocess.Popen(command, cwd=folder, env=environment(), stderr=log)

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = (self.folder / "log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def event(self, name: str) -> dict[str, Any]:
        """Return the first event of this name, once it is in the log."""
        found: dict[str, Any] = until(lambda: [each for each in self.events if each["event"] == name], self)[
            0
        ]
        return found

    def run(self, *words: str, code: int = 0) -> str:
        """Run a command of tidegate over the same configuration; return what it prints."""
        done = subprocess.run(
            [self._program, *words, "--config", "tidegate.yaml"],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout


def environment() -> dict[str, str]:
    """Return an environment as empty as a container's."""
    return {"PATH": os.environ["PATH"], "HOME": os.devnull, **CREDENTIALS}


def elsewhere(config: str, url: str) -> dict[str, Any]:
    """Return a configuration of the stacks for this machine: only addresses and waits are other ones."""
    wanted: dict[str, Any] = yaml.safe_load(config)
    wanted["aws"] |= {
        "endpoint_url": url,
        "access_key_id": "${EMULATOR_KEY_ID}",
        "secret_access_key": "${EMULATOR_SECRET_KEY}",
    }
    if "sftp" in wanted:
        wanted["sftp"] |= {
            "host": "127.0.0.1",
            "port": 0,
            "proxy_protocol_from": ["127.0.0.0/8"],
        }
        wanted["health"] |= {"host": "127.0.0.1", "port": 0}
        wanted["shutdown"] = {"notice_seconds": 0, "grace_seconds": 5}
    return wanted


def until(what: Callable[[], Any], gateway: Gateway) -> Any:
    """Return what the function returns as soon as that is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := what()):
        try:
            code = gateway.process.wait(0.05)
        except subprocess.TimeoutExpired:
            assert time.monotonic() < deadline, f"waited in vain:\n{(gateway.folder / 'log').read_text()}"
        else:
            pytest.fail(f"the gateway ended with {code}:\n{(gateway.folder / 'log').read_text()}")
    return found


@pytest.fixture(scope="module")
def gateway(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway, with the functions of the stack told where the emulator is."""
    functions = account["lambda"]
    for name in ("deliver", "sweep"):
        told = functions.get_function_configuration(FunctionName=f"{PREFIX}-{name}")["Environment"][
            "Variables"
        ]
        config = json.dumps(elsewhere(told["TIDEGATE_CONFIG"], account.url))
        functions.update_function_configuration(
            FunctionName=f"{PREFIX}-{name}",
            Environment={"Variables": {"TIDEGATE_CONFIG": config, **CREDENTIALS}},
        )
    started = Gateway(account, tmp_path_factory.mktemp("gateway"))
    yield started
    started.process.send_signal(signal.SIGTERM)
    try:
        assert started.process.wait(PATIENCE_SECONDS) == 0
    finally:
        started.process.kill()


def upload(gateway: Gateway, content: bytes, name: str) -> None:
    """Send a file as OpenSSH's sftp does it, through what a load balancer puts before it."""
    folder = gateway.folder
    (folder / name).write_bytes(content)
    (folder / "balancer.py").write_text(BALANCER)
    port = gateway.event("listening")["port"]
    relay = shlex.join([sys.executable, str(folder / "balancer.py"), "127.0.0.1", str(port), CLIENT_ADDRESS])
    options = {
        "ProxyCommand": relay,
        "IdentityFile": str(folder / "id"),
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": os.devnull,
        "BatchMode": "yes",
    }
    flags = [f"-o{key}={value}" for key, value in options.items()]
    done = subprocess.run(
        ["sftp", "-F", os.devnull, *flags, "-b", "-", "beta@gateway"],
        input=f"put {name} {name}\n",
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_setup_finds_nothing_but_what_the_emulator_left_out(gateway: Gateway) -> None:
    """It looks by itself at what an account needs. Host keys alone are not for a template to make."""
    found = {(each["Resource"], each["What"]) for each in gateway.findings}
    tables = [f"table {PREFIX}-{name}" for name in ("transfers", "directory")]
    buckets = [f"bucket {PREFIX}-{name}" for name in ("landing", "private")]
    left_out = {(table, what) for table in tables for what in ("encryption", "recovery")}
    left_out |= {(bucket, what) for bucket in buckets for what in ("encryption", "unfinished uploads")}
    assert found == {("host keys", "existence"), (tables[0], "expiry")} | left_out


@pytest.mark.client("sftp")
def test_a_file_travels_through_both_stacks(gateway: Gateway, account: Account) -> None:
    """From sftp into the landing bucket, by event, rule, queue and function into the private one."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(gateway.folder / "id")], check=True
    )
    gateway.event("listening")
    gateway.run("partners", "add", "beta", "--key", "id.pub")
    content = b"delivered by the stack\n" * 1000
    upload(gateway, content, "report.csv")

    s3, key = account["s3"], "beta/report.csv"
    landed = s3.head_object(Bucket=f"{PREFIX}-landing", Key=key)
    landing_key = account["kms"].describe_key(KeyId=f"alias/{PREFIX}-landing")["KeyMetadata"]["Arn"]
    assert (landed["ServerSideEncryption"], landed["SSEKMSKeyId"]) == ("aws:kms", landing_key)

    def delivered() -> Any:
        found = s3.list_objects_v2(Bucket=f"{PREFIX}-private").get("Contents", [])
        return [each["Key"] for each in found]

    assert until(delivered, gateway) == [key]
    copy = s3.get_object(Bucket=f"{PREFIX}-private", Key=key)
    assert copy["Body"].read() == content
    private_key = account["kms"].describe_key(KeyId=f"alias/{PREFIX}-private")["KeyMetadata"]["Arn"]
    assert copy["SSEKMSKeyId"] == private_key

    listed = json.loads(gateway.run("transfers", "list", "--output", "json"))
    (transfer,) = [each for each in listed if each["Path"] == "/report.csv"]
    assert transfer["Status"] == "COMPLETED"
    story = json.loads(gateway.run("transfers", "show", transfer["LogID"], "--output", "json"))
    assert CLIENT_ADDRESS in json.dumps(story)

    def settled() -> bool:
        shown = gateway.run("transfers", "show", transfer["LogID"], "--output", "json")
        return "DELIVERED" in shown

    assert until(settled, gateway)
    # The configuration leaves delivering to the functions, and it was they who did it.
    assert "delivery attempted" not in {each["event"] for each in gateway.events}


def test_the_gateway_says_that_it_is_ready(gateway: Gateway) -> None:
    """At the path that the load balancer asks, after the header that it sends here, too."""
    port, path = gateway.event("health")["port"], target_group_path()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as asking:
        asking.sendall(PROXY_V2_LOCAL + f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert asking.recv(64).startswith(b"HTTP/1.1 200 ")


def test_the_sweep_runs_in_the_stack(gateway: Gateway, account: Account) -> None:
    """Called as the schedule calls it, it finds nothing left to do, and says so without an error."""
    answer = account["lambda"].invoke(FunctionName=f"{PREFIX}-sweep", Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
    assert json.loads(answer["Payload"].read()) == {"attempted": 0, "swept": 0}


def test_the_stack_of_storage_says_what_gateways_are_told(account: Account) -> None:
    """Both read the same names: the exports of one are the configuration of the other."""
    (stack,) = account["cloudformation"].describe_stacks(StackName=STORAGE)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    told = yaml.safe_load(account.gateway_config)
    assert (told["name_prefix"], told["server_id"]) == (outputs["NamePrefix"], outputs["ServerId"])
    assert told["preset"] == outputs["Preset"]
