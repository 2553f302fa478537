"""The section of the control port: what of it cannot be meant."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.settings import Settings

KEY = {"access_key_id": "OPS", "secret_access_key": "secret"}


def refusal(**settings: Any) -> str:
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(settings)
    return str(refused.value)


@pytest.mark.parametrize("section", ["sftp", "control", "health"])
def test_ports_of_servers_are_nobody_elses(section: str) -> None:
    """The server that got it could never listen."""
    settings: dict[str, Any] = {"control": {"sftp_ports": "2300-2349"}}
    settings[section] = {**settings.get(section, {}), "port": 2349}
    if section == "control":
        settings["control"]["credentials"] = [KEY]
    assert f"{section}.port, 2349, is one of them" in refusal(**settings)


def test_no_two_callers_have_one_access_key() -> None:
    """Of one that may look and one that may do all nobody could tell which counts."""
    eyes = {**KEY, "access": "read"}
    assert "OPS is that of control.credentials[0] already" in refusal(control={"credentials": [eyes, KEY]})
