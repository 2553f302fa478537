"""
Client programs, and how loudly a test says that one is missing.

`@pytest.mark.client("sftp")` names a program the test starts. Where it is missing the test is skipped and
named again at the end of the run, so that a green run never hides that a promise went unchecked; in CI,
where scripts/install-clients has run, it fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

_PROPERTY = "missing_client"  # travels with the report from an xdist worker to the controller


# What scripts/install-clients puts there that is no program, and what it is.
_PACKAGES = {"node-ssh2": Path(__file__).parent.parent / ".clients" / "node_modules" / "ssh2"}


@cache
def _is_there(program: str) -> bool:
    if program in _PACKAGES:
        return _PACKAGES[program].is_dir()
    if shutil.which(program) is None:
        return False
    if program == "curl":  # often built without SSH, as on macOS
        version = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=False)
        return "sftp" in version.stdout.split()
    return True


def _missing(item: pytest.Item) -> list[str]:
    programs = (str(name) for mark in item.iter_markers("client") for name in mark.args)
    return sorted({program for program in programs if not _is_there(program)})


@pytest.hookimpl(tryfirst=True)  # before fixtures that may start the program themselves
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or in CI fail, a test whose client program is missing."""
    missing = _missing(item)
    if not missing:
        return
    item.user_properties += [(_PROPERTY, program) for program in missing]
    reason = f"missing client: {', '.join(missing)}"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; scripts/install-clients installs it", pytrace=False)
    pytest.skip(reason)


def _unrun(terminalreporter: pytest.TerminalReporter) -> dict[str, set[str]]:
    """Return which tests did not run, by missing program."""
    unrun: dict[str, set[str]] = {}
    for outcome in ("skipped", "error"):
        for report in terminalreporter.getreports(outcome):
            for name, program in getattr(report, "user_properties", ()):
                if name == _PROPERTY:
                    unrun.setdefault(str(program), set()).add(report.nodeid)
    return unrun


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name every test that did not run for want of a client program."""
    unrun = _unrun(terminalreporter)
    if not unrun:
        return
    terminalreporter.section(
        "MISSING CLIENTS: these tests did not run; run scripts/install-clients", sep="=", red=True, bold=True
    )
    for program in sorted(unrun):
        terminalreporter.line(f"{program}:")
        for nodeid in sorted(unrun[program]):
            terminalreporter.line(f"  {nodeid}")
