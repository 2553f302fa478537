"""What a route asks of its files, as it is written, and as the gateway has it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pydantic import ValidationError

from tidegate.core.acceptance import NO_RULES, Duplicates, Rules
from tidegate.core.errors import InvalidSettings
from tidegate.core.sidecars import Sidecar, SidecarKind
from tidegate.settings import Settings, load
from tidegate.settings.words import problems_in


def rules_of(**accept: Any) -> Rules:
    (route,) = Settings.model_validate({"routes": [{"name": "a", "accept": accept}]}).routes
    return route.accept.rules()


def problems_of(**accept: Any) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        rules_of(**accept)
    found = {".".join(map(str, each.at)): each.text for each in problems_in(caught.value)}
    return {at.removeprefix("routes.0.accept."): text for at, text in found.items()}


def test_a_route_asks_for_nothing_unless_told() -> None:
    """Without a word of it every file is accepted."""
    assert rules_of() == NO_RULES
    assert Settings.model_validate({"routes": [{"name": "a"}]}).routes[0].accept.rules().ask_nothing


def test_everything_that_can_be_asked() -> None:
    """Each setting is the rule of its name."""
    assert rules_of(
        minimum_bytes=10, last_line=r"TRL;\d+", sidecar=".ok", duplicates="flag", duplicate_days=7
    ) == Rules(10, r"TRL;\d+", Sidecar(SidecarKind.PRESENCE, ".ok"), Duplicates.FLAG, 7)


@pytest.mark.parametrize(
    ("said", "sidecar"),
    [
        ({"sidecar": ".sha256"}, Sidecar(SidecarKind.DIGEST, ".sha256")),
        ({"sidecar": ".sha256sum"}, Sidecar(SidecarKind.DIGEST, ".sha256sum")),
        ({"sidecar": ".SHA256"}, Sidecar(SidecarKind.DIGEST, ".SHA256")),
        ({"sidecar": ".done"}, Sidecar(SidecarKind.PRESENCE, ".done")),
        ({"sidecar": "manifest", "manifest": "day-*.sum"}, Sidecar(SidecarKind.MANIFEST, "day-*.sum")),
    ],
)
def test_the_three_kinds_of_sidecars(said: dict[str, str], sidecar: Sidecar) -> None:
    """A digest, a file that need only be there, a manifest."""
    assert rules_of(**said).sidecar == sidecar


@pytest.mark.parametrize(
    ("accept", "at", "said"),
    [
        ({"minimum_bytes": -1}, "minimum_bytes", "-1 is below 0"),
        ({"last_line": "("}, "last_line", "'(' is no regular expression: missing ), unterminated"),
        ({"last_line": "(a+)+"}, "last_line", "'(a+)+' could be tried in more than"),
        ({"last_line": "x" * 501}, "last_line", "longer than 500 characters"),
        ({"sidecar": "ok"}, "sidecar", "expected .sha256, another suffix such as .ok, or manifest, not 'ok'"),
        ({"sidecar": ".md5"}, "sidecar", "'.md5' would not be compared: of digests only SHA-256 is"),
        ({"sidecar": ".SHA512"}, "sidecar", "'.SHA512' would not be compared"),
        ({"sidecar": ".sha256sums"}, "sidecar", "'.sha256sums' would not be compared"),
        ({"sidecar": ".hash"}, "sidecar", "'.hash' would not be compared"),
        ({"sidecar": "manifest", "manifest": "*.csv"}, "manifest", "'*.csv' could be the name of any data"),
        ({"sidecar": "manifest", "manifest": "*"}, "manifest", "'*' could be the name of any data"),
        ({"sidecar": "manifest"}, "sidecar", "needs to be told which files are manifests"),
        ({"manifest": "m-*"}, "manifest", "does nothing unless sidecar is manifest"),
        ({"sidecar": ".ok", "manifest": "m-1"}, "manifest", "does nothing unless sidecar is manifest"),
        ({"sidecar": "manifest", "manifest": "a/b"}, "manifest", "expected a file's name, in which *"),
        ({"duplicates": "never"}, "duplicates", "expected 'keep', 'reject' or 'flag', not 'never'"),
        ({"duplicate_days": 3}, "duplicate_days", "does nothing unless duplicates is reject or flag"),
        ({"duplicates": "flag", "duplicate_days": 367}, "duplicate_days", "367 is above 366"),
        ({"minimum": 3}, "minimum", "unknown setting; did you mean routes[0].accept.minimum_bytes?"),
    ],
)
def test_what_is_refused(accept: dict[str, Any], at: str, said: str) -> None:
    """Each mistake is said at its setting."""
    found = problems_of(**accept)
    assert list(found) == [at]
    assert found[at].startswith(said)


def test_a_bad_pattern_is_told_with_file_line_and_key() -> None:
    """As every mistake in a configuration."""
    text = "routes:\n  - name: in\n    accept:\n      last_line: 'TRL['\n"
    with pytest.raises(InvalidSettings) as caught:
        load("-", {}, io.StringIO(text))
    assert caught.value.detail == (
        "standard input line 4: routes[0].accept.last_line: 'TRL[' is no regular expression: "
        "unterminated character set at character 4"
    )
