"""
Every port is held against its adapters by the type check.

mypy does the checking, of the tables in `tidegate.adapters`. Here is what it leaves out: that no port and no
adapter of one is missing from the tables, and that parameters have the port's names, which mypy does not ask
for in a Protocol and callers use as keywords.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil

import pytest

import tidegate.adapters
import tidegate.ports

WORLDS = ("tidegate.adapters.aws", "tidegate.adapters.memory")


def ports() -> dict[str, type]:
    """Return the Protocols of tidegate.ports, those aside that are doors of another."""
    modules = [
        importlib.import_module(f"tidegate.ports.{each.name}")
        for each in pkgutil.iter_modules(tidegate.ports.__path__)
    ]
    found = {
        name: kind
        for module in modules
        for name, kind in vars(module).items()
        if inspect.isclass(kind)
        and getattr(kind, "_is_protocol", False)
        and kind.__module__ == module.__name__
    }
    doors = {base.__name__ for kind in found.values() for base in kind.__mro__[1:]}
    return {name: kind for name, kind in found.items() if name not in doors}


def checked() -> dict[str, list[str]]:
    """Return the classes that the type check holds against each port."""
    tree = ast.parse(inspect.getsource(tidegate.adapters))
    tables = [node for node in ast.walk(tree) if isinstance(node, ast.AnnAssign)]
    return {
        ast.unparse(table.annotation).removeprefix("tuple[type[").removesuffix("], ...]"): [
            ast.unparse(one) for one in table.value.elts
        ]
        for table in tables
    }


def members(port: type) -> set[str]:
    return {name for name in dir(port) if not name.startswith("_")}


def adapters_of(port: type) -> dict[str, type]:
    """Return the classes of adapters that have every member of the port by name."""
    names = [
        each.name
        for world in WORLDS
        for each in pkgutil.iter_modules(importlib.import_module(world).__path__, world + ".")
    ]
    return {
        name: kind
        for module in map(importlib.import_module, names)
        for name, kind in vars(module).items()
        if inspect.isclass(kind) and kind.__module__ == module.__name__ and members(port) <= set(dir(kind))
    }


@pytest.mark.parametrize("port", ports().values(), ids=ports())
def test_every_port_is_checked(port):
    """A port has its table, and every class that looks like an adapter of it is in there."""
    table, there = checked()[port.__name__], adapters_of(port)
    assert len(table) >= 2, "an adapter and its fake"
    whole = {base for name in table if name in there for base in there[name].__mro__}
    assert {name for name, kind in there.items() if kind not in whole} == set()


CASES = [
    (adapters_of(port)[name], port, member)
    for port in ports().values()
    for name in checked().get(port.__name__, [])
    if name in adapters_of(port)
    for member in sorted(members(port))
]


@pytest.mark.parametrize(
    ("adapter", "port", "member"), CASES, ids=[f"{one.__name__}.{member}" for one, _, member in CASES]
)
def test_parameters(adapter, port, member):
    """A method takes the parameters of its port: name, kind and default alike, in the same order."""
    if isinstance(getattr(port, member), property):
        return  # it takes none; that it is there, and of its type, mypy checks
    promised, offered = (
        [
            (each.name, each.kind, each.default)
            for each in inspect.signature(getattr(one, member)).parameters.values()
        ]
        for one in (port, adapter)
    )
    assert offered == promised


def test_the_tables_are_of_ports():
    """No table is left of a port that is gone."""
    assert checked().keys() == ports().keys()
