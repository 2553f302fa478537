"""The systemd unit: what it starts, what it may, and how long it is waited for. systemd is not needed."""

from __future__ import annotations

from configparser import RawConfigParser
from typing import Any

import yaml
from deploy_templates import DEPLOY

ROOT = DEPLOY.parent


class _Repeated(dict[str, Any]):
    """Keys may come again in a unit, and add to each other."""

    def __setitem__(self, key: str, value: Any) -> None:
        if key in self and isinstance(value, list) and isinstance(self[key], list):
            value = self[key] + value
        super().__setitem__(key, value)


def service() -> dict[str, str]:
    """Return the service's settings; what is set twice is joined by a line end."""
    parser = RawConfigParser(strict=False, dict_type=_Repeated, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((DEPLOY / "tidegate.service").read_text(encoding="utf-8"))
    return dict(parser["Service"])


def test_it_starts_serve_with_the_configuration() -> None:
    """A command of this program, and a file that the README says to write."""
    assert service()["ExecStart"] == "/opt/tidegate/bin/tidegate serve --config /etc/tidegate/tidegate.yaml"
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert all(path in readme for path in ("/opt/tidegate", "/etc/tidegate/tidegate.yaml"))


def test_it_may_do_nothing_but_serve() -> None:
    """A user of its own that owns nothing, no capability, and nowhere to write."""
    found = service()
    assert found["DynamicUser"] == found["NoNewPrivileges"] == "yes"
    assert found["CapabilityBoundingSet"] == found["AmbientCapabilities"] == ""
    assert found["ProtectSystem"] == "strict"
    writable = [name for name in found if name.endswith("Directory") or name == "ReadWritePaths"]
    assert writable == []


def test_it_is_waited_for_longer_than_uploads_may_go_on() -> None:
    """With any configuration that comes along as an example."""
    examples = [yaml.safe_load(path.read_text()) for path in (ROOT / "config/examples").glob("*.yaml")]
    asked = [
        shutdown.get("notice_seconds", 0) + shutdown["grace_seconds"]
        for shutdown in (example.get("shutdown", {}) for example in examples)
        if "grace_seconds" in shutdown
    ]
    assert asked
    assert int(service()["TimeoutStopSec"]) > max(asked)
