"""What `make lambda` builds: the same zip each time, with all that the functions need and nothing else."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "scripts" / "build-lambda"
TEMPLATE = ROOT / "deploy" / "storage.yaml"
LEFT_OUT = ("asyncssh", "bcrypt", "click", "tabulate", "moto", "flask", "pytest")
MACHINES = {"x86_64": "x86_64", "aarch64": "arm64"}


def imported(*options: str, path: str = "") -> list[str]:
    """Import the handlers in an interpreter of their own; return the names of all top modules there."""
    program = f"""
import json, sys
sys.path[:0] = [each for each in [{path!r}] if each]
import tidegate_handlers.deliver, tidegate_handlers.sweep
assert tidegate_handlers.deliver.handler({{}}, None) == {{"batchItemFailures": []}}
print(json.dumps(sorted(name for name in sys.modules if "." not in name)))
"""
    config = "deliveries: {owner: embedded}"
    done = subprocess.run(
        [sys.executable, *options, "-c", program],
        env={"TIDEGATE_CONFIG": config, "PYTHONPATH": f"{ROOT / 'gateway'}:{ROOT / 'handlers'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_handlers_import_neither_server_nor_command() -> None:
    """So the zip can do without them."""
    # bcrypt is nobody's import of ours: cryptography takes it where it is.
    assert set(imported()).isdisjoint({*LEFT_OUT, "tidegate_keys"} - {"bcrypt"})


def test_the_template_runs_what_is_built() -> None:
    """Machine and Python version of the functions in deploy/ are those that the zip is made for."""
    script, template = SCRIPT.read_text(encoding="utf-8"), TEMPLATE.read_text(encoding="utf-8")
    machine, python = (re.findall(rf'"--{name}".*default="([^"]+)"', script) for name in ("arch", "python"))
    assert set(re.findall(r"Architectures: \[(\S+)\]", template)) == set(machine)
    assert set(re.findall(r"Runtime: python(\S+)", template)) == set(python)
    handlers = re.findall(r"Handler: (\S+)", template)
    assert sorted(handlers) == ["tidegate_handlers.deliver.handler", "tidegate_handlers.sweep.handler"]


@pytest.mark.lengthy
@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in MACHINES, reason="Lambda has no such machines"
)
def test_the_zip(tmp_path: Path) -> None:
    """Built twice it is the same, byte for byte; unpacked it is all that the handlers need to run."""
    builds = [build(tmp_path / name) for name in ("one.zip", "two.zip")]
    assert builds[0].read_bytes() == builds[1].read_bytes()
    with ZipFile(builds[0]) as opened:
        names = opened.namelist()
        assert names == sorted(names)
        assert len({(entry.date_time, entry.external_attr) for entry in opened.infolist()}) == 1
        opened.extractall(tmp_path / "unpacked")
    for room in ("gateway", "handlers"):
        ours = {path.relative_to(ROOT / room).as_posix() for path in (ROOT / room).rglob("*.py")}
        assert ours <= set(names)
    tops = {name.split("/")[0] for name in names}
    assert tops.isdisjoint({*LEFT_OUT, "tidegate_keys", "tests", "bin"})
    assert pinned("boto3") in tops
    # Isolated, and without this environment's packages: what is missing in the zip is missing.
    assert "boto3" in imported("-I", "-S", path=str(tmp_path / "unpacked"))


def build(output: Path) -> Path:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    machine = MACHINES[platform.machine()]
    command = [sys.executable, str(SCRIPT), "--arch", machine, "--python", python, "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+ bytes  sha256 [0-9a-f]{64}$", done.stdout.strip())
    return output


def pinned(name: str) -> str:
    """Return the metadata folder of a package as the lock file pins it."""
    lock = (ROOT / "requirements" / "dev.lock").read_text(encoding="utf-8")
    (version,) = re.findall(rf"^{name}==(\S+)", lock, re.MULTILINE)
    return f"{name}-{version}.dist-info"
