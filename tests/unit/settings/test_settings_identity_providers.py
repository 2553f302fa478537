"""What stands in for identity providers, as a configuration says it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from tidegate.core.identity_providers import StandIn
from tidegate.settings import Settings

FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:idp"


def settings_with(*providers: dict[str, object]) -> Settings:
    return Settings.model_validate({"identity_providers": providers})


def test_each_kind() -> None:
    """A function of Python, a command, and a URL; for a function of Lambda or an API."""
    settings = settings_with(
        {"function": FUNCTION, "callable": "my.idp:Login.ask"},
        {"function": f"{FUNCTION}:live", "command": ["idp", "-v"]},
        {"function": "https://api/prod", "url": "http://127.0.0.1:8080/x?key=1"},
    )
    assert [each.stand_in() for each in settings.identity_providers] == [
        StandIn(FUNCTION, callable="my.idp:Login.ask"),
        StandIn(f"{FUNCTION}:live", command=("idp", "-v")),
        StandIn("https://api/prod", url="http://127.0.0.1:8080/x?key=1"),
    ]


@pytest.mark.parametrize(
    ("providers", "said"),
    [
        ([{"function": FUNCTION}], "give one of callable, command and url"),
        ([{"function": FUNCTION, "callable": "a:b", "url": "http://x"}], "give one of"),
        ([{"function": FUNCTION, "callable": "a:b"}] * 2, "is that of identity_providers[0] already"),
        ([{"function": "idp", "callable": "a:b"}], "identity_providers.0.function"),
        ([{"function": FUNCTION, "callable": "a"}], "identity_providers.0.callable"),
        ([{"function": FUNCTION, "url": "file:///etc/passwd"}], "identity_providers.0.url"),
        ([{"function": FUNCTION, "command": [""]}], "identity_providers.0.command"),
    ],
)
def test_what_cannot_be_asked(providers: list[dict[str, object]], said: str) -> None:
    """One kind for each name, and each of its form."""
    with pytest.raises(ValidationError) as refused:
        settings_with(*providers)
    assert said in str(refused.value)
