"""
The floors: which module may import what, and how long a module may grow.

From the ground: core, ports, adapters, services, faces; settings beside them; the roof on top. Imports run
down only. The rules are data (`FLOORS`, `KEEPERS`); each has its test on the real source, and a planted
breach that shows the rule can fail. Imports are read from the syntax tree, so those inside functions and
under TYPE_CHECKING count too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("gateway", "handlers", "keys")
MAX_LINES = 400
MEDIAN_LINES = 200

ROOF = frozenset(
    {
        "assembly",
        "backend",
        "cli",
        "control",
        "local",
        "logs",
        "observation",
        "partners_file",
        "fleet",
        "served_api",
        "serving",
        "shared",
        "signals",
        "testing",
        "upkeep",
        "__main__",
    }
)

# Floor of tidegate: the floors it may import.
FLOORS: dict[str, frozenset[str]] = {
    "core": frozenset({"core"}),
    "ports": frozenset({"core", "ports"}),
    "adapters": frozenset({"core", "ports", "adapters"}),
    "services": frozenset({"core", "ports", "services"}),
    "faces": frozenset({"core", "ports", "services", "faces"}),
    "settings": frozenset({"core", "settings"}),
    "roof": frozenset({"core", "ports", "adapters", "services", "faces", "settings", "roof"}),
    # `import tidegate.core` runs tidegate/__init__.py: whatever that imports, every floor imports.
    "front": frozenset(),
}

# Library: the only places that may import it.
KEEPERS: dict[str, tuple[str, ...]] = {
    "boto3": ("tidegate.adapters",),
    "botocore": ("tidegate.adapters",),
    "s3transfer": ("tidegate.adapters",),
    "mypy_boto3_dynamodb": ("tidegate.adapters",),
    "mypy_boto3_kms": ("tidegate.adapters",),
    "mypy_boto3_s3": ("tidegate.adapters",),
    "asyncssh": ("tidegate.faces.sftp",),
    "moto": ("tidegate.local",),
    "flask": ("tidegate.local",),
    "flask_cors": ("tidegate.local",),
    "werkzeug": ("tidegate.local",),
    "click": ("tidegate.cli", "tidegate_keys"),
    "tabulate": ("tidegate.cli", "tidegate_keys"),
    "pytest": ("tidegate.testing",),
    "_pytest": ("tidegate.testing",),
}

# Core and ports do no I/O: the libraries they may use, and what of the standard library they may not.
PURE: dict[str, frozenset[str]] = {
    "tidegate.core": frozenset({"cryptography"}),
    "tidegate.ports": frozenset(),
}
# Handlers are entry points: a function's package holds what these need, and of tidegate what serves.
FOR_HANDLERS = frozenset({"structlog", "tidegate", "tidegate_handlers"})
NOT_FOR_HANDLERS = ("tidegate.cli", "tidegate.faces", "tidegate.local", "tidegate.testing")

IMPURE = ("asyncio", "http.client", "selectors", "socket", "ssl", "subprocess", "urllib.request")


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the source: its dotted name and its text."""

    name: str
    source: str
    is_package: bool = False

    @property
    def lines(self) -> int:
        return len(self.source.splitlines())


@dataclass(frozen=True, slots=True)
class Import:
    """One name that a module imports, dotted in full, and the line where it does."""

    importer: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}, imports {self.target}"


# --- reading the source ---------------------------------------------------------------------


def modules_of_rooms() -> list[Module]:
    """Return every module under the rooms' source roots."""
    return [
        Module(_name(path, ROOT / room), path.read_text(encoding="utf-8"), path.name == "__init__.py")
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
    ]


def _name(path: Path, source_root: Path) -> str:
    parts = path.relative_to(source_root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(module: Module) -> list[Import]:
    """Return what the module imports, wherever in the file. `from a import b` counts as `a.b`."""
    return [
        Import(module.name, node.lineno, target)
        for node in ast.walk(ast.parse(module.source))
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Call)
        for target in _targets(node, module)
    ]


def _targets(node: ast.Import | ast.ImportFrom | ast.Call, module: Module) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        origin = ".".join(part for part in (_anchor(node.level, module), node.module) if part)
        yield from (f"{origin}.{alias.name}" for alias in node.names)
    elif ast.unparse(node.func) in {"__import__", "import_module", "importlib.import_module"}:
        yield from (str(name.value) for name in node.args[:1] if isinstance(name, ast.Constant))


def _anchor(level: int, module: Module) -> str:
    """Return the package that `level` leading dots stand for in this module."""
    if level == 0:
        return ""
    parts = module.name.split(".")
    ups = level - 1 if module.is_package else level
    return ".".join(parts[: len(parts) - ups])


def is_within(name: str, *packages: str) -> bool:
    """Say whether the dotted name is one of the packages or inside one."""
    return any(name == package or name.startswith(package + ".") for package in packages)


# --- the rules ------------------------------------------------------------------------------


def floor_of(name: str) -> str | None:
    """Return the floor of a dotted name under tidegate; None if it stands on none."""
    if name == "tidegate":
        return "front"
    room = name.split(".")[1]
    if room in ROOF:
        return "roof"
    return room if room in FLOORS.keys() - {"roof", "front"} else None


def homeless(modules: list[Module]) -> list[str]:
    """Return the modules of tidegate that stand on no floor, so that no rule would bind them."""
    return [each.name for each in modules if is_within(each.name, "tidegate") and floor_of(each.name) is None]


def climbing(modules: list[Module]) -> list[str]:
    """Return imports within tidegate that lead up, or sideways where there is no arrow."""
    return [
        f"{each} ({floor} may not import {target})"
        for module in modules
        if is_within(module.name, "tidegate") and (floor := floor_of(module.name))
        for each in imports_of(module)
        if is_within(each.target, "tidegate") and (target := floor_of(each.target))
        if target != "front" and target not in FLOORS[floor]
    ]


def astray(modules: list[Module]) -> list[str]:
    """Return imports of a library outside the places that keep it."""
    return [
        f"{each} (only {' and '.join(KEEPERS[library])} may)"
        for module in modules
        for each in imports_of(module)
        if (library := each.target.split(".")[0]) in KEEPERS and not is_within(module.name, *KEEPERS[library])
    ]


def impure(modules: list[Module]) -> list[str]:
    """Return imports that bring I/O or a library into the floors that hold values and contracts."""
    return [
        str(each)
        for floor, libraries in PURE.items()
        for module in modules
        if is_within(module.name, floor)
        for each in imports_of(module)
        if is_within(each.target, *IMPURE)
        or each.target.split(".")[0] not in sys.stdlib_module_names | libraries | {"tidegate"}
    ]


def out_of_gateway(modules: list[Module]) -> list[str]:
    """Return imports that lead from gateway to another room."""
    return [
        str(each)
        for module in modules
        if is_within(module.name, "tidegate")
        for each in imports_of(module)
        if is_within(each.target, "tidegate_handlers", "tidegate_keys")
    ]


def beyond_handlers(modules: list[Module]) -> list[str]:
    """Return imports of handlers that lead to a library, to keys, or to what no function needs."""
    return [
        str(each)
        for module in modules
        if is_within(module.name, "tidegate_handlers")
        for each in imports_of(module)
        if each.target.split(".")[0] not in sys.stdlib_module_names | FOR_HANDLERS
        or is_within(each.target, *NOT_FOR_HANDLERS)
    ]


def too_long(modules: list[Module]) -> list[str]:
    """Return the modules past the limit, with their lines."""
    return [f"{module.name}: {module.lines} lines" for module in modules if module.lines > MAX_LINES]


def median_lines(modules: list[Module]) -> float:
    """Return the median length. Package files that hold a docstring alone do not flatter it."""
    return median([module.lines for module in modules if module.lines > 3])


# --- the rules on our source ----------------------------------------------------------------


@pytest.fixture(scope="module")
def source() -> list[Module]:
    """Every module of ours."""
    return modules_of_rooms()


def listed(breaches: list[str]) -> str:
    """Return the breaches one a line, as a failing test shows them."""
    return "\n  ".join(["", *breaches])


def test_the_checker_sees_every_room(source: list[Module]) -> None:
    """A moved source root would leave the rules with nothing to judge."""
    names = {module.name for module in source}
    assert {"tidegate", "tidegate.core.errors", "tidegate.ports.objects"} <= names
    assert {"tidegate_handlers", "tidegate_handlers.deliver", "tidegate_keys"} <= names


def test_every_module_stands_on_a_floor(source: list[Module]) -> None:
    """A module outside the floors would be bound by no rule."""
    breaches = homeless(source)
    assert not breaches, f"give these a floor, in the tree or in FLOORS and ROOF here:{listed(breaches)}"


def test_imports_run_down_only(source: list[Module]) -> None:
    """No floor imports one that FLOORS does not grant it; so only the roof imports settings."""
    breaches = climbing(source)
    assert not breaches, f"imports run down only; pass the thing in, or move it down:{listed(breaches)}"


def test_libraries_stay_with_their_keepers(source: list[Module]) -> None:
    """boto3 is met in adapters alone, asyncssh in the SFTP face, moto in local mode, and so on."""
    breaches = astray(source)
    assert not breaches, f"put a port before the library, or move the code:{listed(breaches)}"


def test_core_and_ports_do_no_io(source: list[Module]) -> None:
    """The lower floors are values, rules and contracts: testable without a loop or a network."""
    breaches = impure(source)
    assert not breaches, f"core and ports do no I/O and know no library but cryptography:{listed(breaches)}"


def test_no_import_leads_out_of_gateway(source: list[Module]) -> None:
    """All arrows point at gateway: the verbs of keys join the command by an entry point, handlers by none."""
    breaches = out_of_gateway(source)
    assert not breaches, f"gateway finds keys by the entry points tidegate.commands:{listed(breaches)}"


def test_handlers_need_nothing_but_services(source: list[Module]) -> None:
    """So a function's package needs neither the SFTP library nor the command."""
    breaches = beyond_handlers(source)
    assert not breaches, f"handlers parse, call a service, and return:{listed(breaches)}"


def test_no_module_is_too_long(source: list[Module]) -> None:
    """A module past the limit holds two concepts."""
    breaches = too_long(source)
    assert not breaches, f"split what passes {MAX_LINES} lines:{listed(breaches)}"


def test_the_median_module_is_short(source: list[Module]) -> None:
    """The limit is an exception, not the custom."""
    assert median_lines(source) < MEDIAN_LINES, "modules have grown: split the longest by concept"


# --- the rules can fail ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tidegate.core.bad", "import tidegate.ports.clock"),
        ("tidegate.core.bad", "from tidegate import services"),
        ("tidegate.ports.bad", "from ..adapters.aws import s3"),
        ("tidegate.adapters.bad", "from tidegate.services.uploads import Uploads"),
        ("tidegate.adapters.bad", "from tidegate.settings import Settings"),
        ("tidegate.services.bad", "from tidegate.adapters.memory import MemoryStore"),
        ("tidegate.services.bad", "def late():\n    from tidegate.faces.sftp import files"),
        (
            "tidegate.services.bad",
            "from typing import *\nif TYPE_CHECKING:\n    from tidegate.logs import Log",
        ),
        ("tidegate.services.bad", "import importlib\nimportlib.import_module('tidegate.adapters.aws')"),
        ("tidegate.faces.sftp.bad", "from tidegate.adapters.aws.s3 import S3Store"),
        ("tidegate.faces.sftp.bad", "import tidegate.assembly"),
        ("tidegate.settings.bad", "from tidegate.ports.clock import Clock"),
        ("tidegate", "from tidegate.assembly import assemble"),
    ],
)
def test_an_import_that_climbs_is_found(name: str, text: str) -> None:
    """Whatever its form and wherever in the file, one import up is one breach."""
    assert len(climbing([Module(name, text)])) == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tidegate.core.good", "from tidegate.core.errors import NotFound\nfrom .ids import LogId"),
        ("tidegate.adapters.good", "from tidegate import __version__\nimport tidegate"),
        ("tidegate.assembly", "from tidegate.settings import Settings\nfrom tidegate.adapters import aws"),
        ("tidegate.__main__", "from tidegate.cli.main import main"),
        ("tidegate_keys.keys", "from tidegate.services.users import Users"),
    ],
)
def test_an_import_down_is_no_breach(name: str, text: str) -> None:
    """What FLOORS grants passes."""
    assert climbing([Module(name, text)]) == []


def test_relative_imports_count_from_the_package() -> None:
    """The dots of a package's __init__ start at itself, those of a module at its package."""
    text = "from .. import services"
    assert [each.target for each in imports_of(Module("tidegate.core.x", text))] == ["tidegate.services"]
    package = Module("tidegate.core", "from .ids import LogId", is_package=True)
    assert [each.target for each in imports_of(package)] == ["tidegate.core.ids.LogId"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tidegate.services.bad", "import boto3"),
        ("tidegate.assembly", "from botocore.config import Config"),
        ("tidegate.faces.control.bad", "import asyncssh"),
        ("tidegate.testing.bad", "from asyncssh import connect"),
        ("tidegate.testing.bad", "import moto.server"),
        ("tidegate.cli.bad", "from werkzeug.serving import make_server"),
        ("tidegate.local.bad", "import click"),
        ("tidegate.services.bad", "from tabulate import tabulate"),
        ("tidegate.local.bad", "import pytest"),
        ("tidegate_keys.bad", "def late():\n    import boto3.session"),
    ],
)
def test_a_library_outside_its_place_is_found(name: str, text: str) -> None:
    """Each library has its keepers, and nobody else may import it."""
    assert len(astray([Module(name, text)])) == 1


@pytest.mark.parametrize(
    "text",
    [
        "import asyncio",
        "import yaml",
        "from pydantic import BaseModel",
        "from http import client",
        "import socket",
    ],
)
@pytest.mark.parametrize("floor", ["tidegate.core.bad", "tidegate.ports.bad"])
def test_io_on_a_lower_floor_is_found(floor: str, text: str) -> None:
    """Neither the waiting half of the standard library nor a library passes."""
    assert len(impure([Module(floor, text)])) == 1


def test_cryptography_is_for_core_alone() -> None:
    """Core reads keys with it; ports only name values."""
    text = "from cryptography.hazmat.primitives import serialization"
    assert impure([Module("tidegate.core.keys", text)]) == []
    assert len(impure([Module("tidegate.ports.keys", text)])) == 1


def test_an_arrow_out_of_gateway_is_found() -> None:
    """A name that merely starts alike is no breach."""
    assert len(out_of_gateway([Module("tidegate.cli.main", "from tidegate_keys import partners")])) == 1
    assert len(out_of_gateway([Module("tidegate.assembly", "import tidegate_handlers.events")])) == 1
    assert out_of_gateway([Module("tidegate_keys.a", "from tidegate_keys import partners")]) == []


@pytest.mark.parametrize(
    "text",
    ["import tidegate_keys.keys", "from tidegate.cli.target import Target", "import yaml", "import boto3"],
)
def test_an_arrow_out_of_handlers_is_found(text: str) -> None:
    """Neither keys nor the command nor a library passes; services, assembly and our log do."""
    assert len(beyond_handlers([Module("tidegate_handlers.x", text)])) == 1
    good = "import json\nimport structlog\nfrom tidegate.assembly import Backend\nimport tidegate_handlers"
    assert beyond_handlers([Module("tidegate_handlers.x", good)]) == []


def test_a_module_on_no_floor_is_found() -> None:
    """A new folder or file beside the floors has to be given one."""
    stray = [Module("tidegate.helpers", ""), Module("tidegate.roof.x", ""), Module("tidegate.core", "")]
    assert homeless(stray) == ["tidegate.helpers", "tidegate.roof.x"]


def test_length_is_measured() -> None:
    """The limit itself passes, one line more does not; nearly empty files leave the median alone."""
    long, full, bare = (Module(f"tidegate.core.m{n}", "x = 1\n" * n) for n in (401, 400, 1))
    assert too_long([long, full, bare]) == ["tidegate.core.m401: 401 lines"]
    assert median_lines([long, bare, bare]) == 401
