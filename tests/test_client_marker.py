"""The marker `client`: a test whose program is missing is never skipped in silence."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SAMPLE = """
import pytest

@pytest.fixture
def started():
    raise AssertionError("a fixture ran although the program is missing")

@pytest.mark.client("no-such-client")
def test_needs_it(started): ...

@pytest.mark.client("sh")
def test_has_it(): ...

def test_needs_none(): ...
"""


def run_sample(folder: Path, *args: str, ci: bool) -> subprocess.CompletedProcess[str]:
    """Run the sample in a pytest of its own, with our conftest and no other plugin than xdist."""
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_sample.py").write_text(SAMPLE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    client(name): a program\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "PYTEST"))}
    environment |= {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | ({"CI": "true"} if ci else {})
    pytest_alone = [sys.executable, "-m", "pytest", "-p", "xdist", "-p", "no:cacheprovider"]
    command = [*pytest_alone, "--strict-markers", *args]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_missing_client_is_named_at_the_end(tmp_path: Path, workers: str) -> None:
    """On a developer's machine the test is skipped, and listed under its program, also under xdist."""
    run = run_sample(tmp_path, "-n", workers, ci=False)
    assert run.returncode == 0, run.stdout
    assert "2 passed, 1 skipped" in run.stdout
    section = run.stdout.split("MISSING CLIENTS", 1)[1]
    assert "no-such-client:\n  test_sample.py::test_needs_it\n" in section
    assert "sh:" not in section


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_missing_client_fails_ci(tmp_path: Path, workers: str) -> None:
    """Where CI is set the run fails, before any fixture starts, and says what would mend it."""
    run = run_sample(tmp_path, "-n", workers, ci=True)
    assert run.returncode == 1, run.stdout
    assert "missing client: no-such-client; scripts/install-clients installs it" in run.stdout
    assert "a fixture ran" not in run.stdout
    assert "no-such-client:\n  test_sample.py::test_needs_it\n" in run.stdout.split("MISSING CLIENTS", 1)[1]


def test_nothing_is_said_when_nothing_is_missing(tmp_path: Path) -> None:
    """The section appears only when a test did not run."""
    run = run_sample(tmp_path, "-k", "not needs_it", ci=False)
    assert run.returncode == 0, run.stdout
    assert "MISSING CLIENTS" not in run.stdout


def _programs_named(source: str) -> set[str]:
    """Return the arguments of every `….mark.client(…)` in the source."""
    return {
        str(argument.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.client")
        for argument in node.args
        if isinstance(argument, ast.Constant)
    }


def test_every_client_the_tests_name_is_installed_by_the_script() -> None:
    """A program named by a test and forgotten in scripts/install-clients would fail CI for ever."""
    script = (ROOT / "scripts" / "install-clients").read_text()
    tables = re.findall(r'^(?:clients|node_packages)="\n(.*?)^"', script, re.MULTILINE | re.DOTALL)
    assert len(tables) == 2, "scripts/install-clients no longer holds its two tables"
    installed = {line.split()[0] for table in tables for line in table.splitlines()}
    named = set().union(*(_programs_named(path.read_text()) for path in (ROOT / "tests").rglob("*.py")))
    assert named <= installed, f"scripts/install-clients does not install {sorted(named - installed)}"
