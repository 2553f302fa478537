"""What the wheel holds: installed into other people's test environments, it may shadow nothing there."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from zipfile import ZipFile

import pytest

import tidegate

ROOT = Path(__file__).parent.parent
DIST_INFO = f"tidegate-{tidegate.__version__}.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZipFile]:
    """The wheel, built from this checkout with the pinned build tools."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = folder.glob("*.whl")
    with ZipFile(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def entry_points(wheel: ZipFile) -> ConfigParser:
    """The entry points as installers read them."""
    parser = ConfigParser(delimiters=("=",))
    parser.read_string(wheel.read(f"{DIST_INFO}/entry_points.txt").decode())
    return parser


def test_the_wheel_brings_four_names(wheel: ZipFile) -> None:
    """Three packages that bear our prefix and the metadata; no tests, config or docs beside them."""
    ours = {"tidegate", "tidegate_handlers", "tidegate_keys"}
    assert {name.split("/")[0] for name in wheel.namelist()} == ours | {DIST_INFO}


def test_the_wheel_holds_every_module_of_the_rooms(wheel: ZipFile) -> None:
    """Nothing is left out by a pattern, and nothing stale is carried along."""
    held = {name for name in wheel.namelist() if name.endswith(".py")}
    rooms = [ROOT / "gateway", ROOT / "handlers", ROOT / "keys"]
    assert held == {path.relative_to(room).as_posix() for room in rooms for path in room.rglob("*.py")}


def test_the_wheel_holds_no_tests_and_no_leavings(wheel: ZipFile) -> None:
    """`testing` is the plugin that users get; our own tests and byte code stay at home."""
    folders = {folder for name in wheel.namelist() for folder in name.split("/")[:-1]}
    assert folders.isdisjoint({"tests", "__pycache__", ".tidegate"})


@pytest.mark.parametrize("package", ["tidegate", "tidegate_handlers", "tidegate_keys"])
def test_type_hints_are_announced(wheel: ZipFile, package: str) -> None:
    """A checker at the user's reads our hints only where py.typed lies."""
    assert f"{package}/py.typed" in wheel.namelist()


def test_the_licence_travels_along(wheel: ZipFile) -> None:
    """Apache-2.0 asks for its text with every copy."""
    assert f"{DIST_INFO}/licenses/LICENSE" in wheel.namelist()


def test_one_command_is_installed(entry_points: ConfigParser) -> None:
    """The rooms share the one command `tidegate`."""
    assert dict(entry_points["console_scripts"]) == {"tidegate": "tidegate.cli.main:main"}


def test_pytest_finds_the_plugin(entry_points: ConfigParser) -> None:
    """Installing tidegate is all a test suite needs to do for the fixtures."""
    assert dict(entry_points["pytest11"]) == {"tidegate": "tidegate.testing.plugin"}


def test_the_verbs_of_keys_join_the_command(entry_points: ConfigParser) -> None:
    """They come by entry point, so that gateway imports nothing of keys."""
    verbs = dict(entry_points["tidegate.commands"])
    assert {"partners", "keys", "logins"} <= verbs.keys()
    assert all(target.startswith("tidegate_keys.") for target in verbs.values())


def test_every_entry_point_names_a_module_of_the_wheel(wheel: ZipFile, entry_points: ConfigParser) -> None:
    """A target that is not there breaks the command or, worse, every pytest run of a user."""
    targets = {target for group in entry_points.sections() for target in entry_points[group].values()}
    modules = {target.split(":")[0] for target in targets}
    held = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in wheel.namelist()}
    assert modules <= held, f"entry points that lead nowhere: {sorted(modules - held)}"
