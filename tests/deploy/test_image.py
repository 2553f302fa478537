"""
The Dockerfile, read: what it copies is there, what it installs is pinned, and nothing runs as root.

No container engine is needed, so none builds the image here. What its steps install, `make test-deploy`
installs as well, and runs.
"""

from __future__ import annotations

import json
import re
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from deploy_templates import DEPLOY

ROOT = DEPLOY.parent
PINNED = re.compile(r"^([a-z0-9._-]+)==([^ ;]+)", re.MULTILINE)


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile in order, each on one line."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(line.split(" ", 1)[0], " ".join(line.split(" ", 1)[1].split())) for line in lines]


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(number for number, (word, _) in enumerate(found) if word == "FROM") :]


def pins(lock: str) -> dict[str, str]:
    return dict(PINNED.findall((ROOT / "requirements" / lock).read_text(encoding="utf-8")))


def sources() -> list[str]:
    """Return what is copied from the checkout."""
    copied = [rest for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    return [source for rest in copied for source in rest.split()[:-1]]


def test_everything_copied_is_there_and_not_ignored() -> None:
    """The build context holds what the Dockerfile copies, and nothing else can reach a layer."""
    ignored, *allowed = [
        line
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    assert ignored == "*"
    assert {line.removeprefix("!") for line in allowed if line.startswith("!")} == set(sources())
    assert all((ROOT / source).exists() for source in sources())


def test_what_the_wheel_is_built_of_is_copied() -> None:
    """Every room in the wheel, and the files that its metadata names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    needed = {package.split("/")[0] for package in packages}
    needed |= {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml"}
    assert needed <= set(sources())


def test_only_pinned_packages_are_installed() -> None:
    """Each installation names a lock with hashes, or installs our own wheel and nothing else."""
    runs = " ".join(rest for word, rest in instructions() if word == "RUN")
    installs = re.findall(r"-m pip install ([^&]+)", runs)
    assert len(installs) == 3
    assert all("--require-hashes" in each or "--no-deps --no-index" in each for each in installs)
    assert "--no-build-isolation" in runs


@pytest.mark.parametrize("lock", ["serve.lock", "build.lock"])
def test_the_container_gets_the_versions_that_were_tested(lock: str) -> None:
    """Each pin is one of those that this test runs with."""
    assert pins(lock).items() <= pins("dev.lock").items()


def test_the_container_gets_every_dependency() -> None:
    """Those of the project, and nothing that is only for local mode or for work on tidegate."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    names = {re.split(r"[<>=\[]", each)[0] for each in project["dependencies"]}
    local = {re.split(r"[<>=\[]", each)[0] for each in project["optional-dependencies"]["local"]}
    assert names <= pins("serve.lock").keys()
    assert not (local | {"pytest"}) & pins("serve.lock").keys()


def test_nothing_runs_as_root() -> None:
    """The last user is a number, so that an orchestrator can see that it is not root."""
    users = [rest for word, rest in last_stage() if word == "USER"]
    assert users == ["10001:10001"]
    after = [word for word, _ in last_stage()[[word for word, _ in last_stage()].index("USER") :]]
    assert "RUN" not in after


def test_no_shell_stands_between_the_gateway_and_signals() -> None:
    """Exec form throughout, so SIGTERM reaches the gateway; it listens on what is exposed."""
    said = dict(last_stage())
    assert json.loads(said["ENTRYPOINT"]) == ["tidegate"]
    assert json.loads(said["CMD"]) == ["serve"]
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert said["EXPOSE"].split() == ["2222", "8080"]
    program, *_ = json.loads(said["HEALTHCHECK"].split("CMD ", 1)[1])
    assert program == "python"


def test_nothing_is_written_while_it_runs() -> None:
    """No byte code, no volume: the root may be read-only."""
    words = [word for word, _ in last_stage()]
    assert "VOLUME" not in words
    assert any(word == "ENV" and "PYTHONDONTWRITEBYTECODE=1" in rest for word, rest in last_stage())


def test_bases_are_slim_and_of_one_version() -> None:
    """Both stages have one Python, or the packages of the first would not run in the second."""
    bases = {rest.split(" ")[0] for word, rest in instructions() if word == "FROM"}
    (base,) = bases
    assert fnmatch(base, "python:3.*-slim-*")


def test_the_dockerfile_is_where_the_documentation_says() -> None:
    """`docker build -f deploy/Dockerfile .` at the root of the checkout."""
    assert "docker build -f deploy/Dockerfile -t tidegate ." in Path(DEPLOY / "README.md").read_text()
