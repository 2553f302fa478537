"""What errors say: pydantic's kinds in our words."""

from __future__ import annotations

import io

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from tidegate.core.errors import InvalidSettings
from tidegate.settings import Settings, load
from tidegate.settings.words import human_size, problems_in

PREFIX_FORM = "expected 1 to 30 lower-case letters, digits or -, the first and last no -"
WHICH = "write the one that is meant"
PATTERN_FORM = "expected a partner's name, in which * stands for anything and ? for one character"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # unknown names
        ("sftp: {prot: 1}", "sftp.prot: unknown setting; did you mean sftp.port?"),
        ("sfpt: {port: 1}", "sfpt: unknown setting; did you mean sftp?"),
        ("part_size_bytes: 1", "part_size_bytes: unknown setting; did you mean uploads.part_size_bytes?"),
        (
            "deliveries: {targets: [{name: a, bucket: b-1, kms: x}]}",
            "deliveries.targets[0].kms: unknown setting; did you mean deliveries.targets[0].kms_key?",
        ),
        ("tables: {zebra: 1}", "tables.zebra: unknown setting; known here: transfers, directory, kms_key"),
        (
            "tables: {'a b\\n': 1}",
            "tables.'a b\\\\n': unknown setting; known here: transfers, directory, kms_key",
        ),
        # missing
        ("partners: [{home: /b-1}]", "partners[0].name: missing; it has no default"),
        ("deliveries: {targets: [{name: a}]}", "deliveries.targets[0].bucket: missing; it has no default"),
        # wrong type
        ("sftp: {port: ssh}", "sftp.port: expected a whole number, not 'ssh'"),
        ("sftp: {port: '22'}", "sftp.port: expected a whole number, not '22'"),
        ("sftp: {port: 22.5}", "sftp.port: expected a whole number, not 22.5"),
        ("sftp: {port: yes}", "sftp.port: expected a whole number, not true"),
        ("version: true", "version: expected a whole number, not true"),
        (
            "uploads: {part_size_bytes: 8 MiB}",
            "uploads.part_size_bytes: expected a whole number of bytes, not '8 MiB'",
        ),
        (
            "records: {retention_days: 1y}",
            "records.retention_days: expected a whole number of days, not '1y'",
        ),
        (
            "shutdown: {grace_seconds: 30s}",
            "shutdown.grace_seconds: expected a number of seconds, not '30s'",
        ),
        (
            "shutdown: {grace_seconds: .inf}",
            "shutdown.grace_seconds: expected a finite number of seconds, not inf",
        ),
        ("landing: {allow_unversioned: 1}", "landing.allow_unversioned: expected true or false, not 1"),
        (
            "behaviour: {rename_overwrite: 'no'}",
            "behaviour.rename_overwrite: expected true or false, not 'no'",
        ),
        ("landing: {bucket: null}", "landing.bucket: expected text, not nothing"),
        ("landing: {bucket: 123}", "landing.bucket: expected text, not 123; put it in quotes"),
        ("landing: {bucket: 2026-01-31}", "landing.bucket: expected text, not 2026-01-31; put it in quotes"),
        ("landing: {bucket: [a]}", "landing.bucket: expected text, not a list"),
        ("sftp: {host_key_files: host}", "sftp.host_key_files: expected a list, not 'host'"),
        ("sftp: {host_key_files: [5]}", "sftp.host_key_files[0]: expected the name of a file, not 5"),
        ("deliveries: {targets: {name: a}}", "deliveries.targets: expected a list, not a mapping"),
        ("sftp:", "sftp: expected a mapping of settings, not nothing"),
        ("partners: [acme]", "partners[0]: expected a mapping of settings, not a single value"),
        # out of range
        (
            "uploads: {part_size_bytes: 1024}",
            "uploads.part_size_bytes: 1024 is below 5242880 (5 MiB, S3's smallest part)",
        ),
        (
            "uploads: {part_size_bytes: 6000000000}",
            "uploads.part_size_bytes: 6000000000 is above 5368709120 (5 GiB, S3's largest part)",
        ),
        (
            "downloads: {read_ahead_bytes: 1}",
            "downloads.read_ahead_bytes: 1 is below 32768 (32 KiB)",
        ),
        ("sftp: {port: 65536}", "sftp.port: 65536 is above 65535"),
        ("sftp: {port: -1}", "sftp.port: -1 is below 0"),
        ("sftp: {login_timeout_seconds: 0}", "sftp.login_timeout_seconds: 0 is not above 0"),
        (
            "aws: {max_attempts: 0xffffffffffffffffffffffffffffffffff}",
            "aws.max_attempts: a huge number is above 20",
        ),
        # choices
        ("preset: partnersafe", "preset: expected 'transfer-family' or 'partner-safe', not 'partnersafe'"),
        ("logging: {level: off}", "logging.level: expected 'debug', 'info', 'warning' or 'error', not false"),
        (
            "behaviour: {setstat: allow}",
            "behaviour.setstat: expected 'refuse', 'no_op' or 'accept', not 'allow'",
        ),
        # forms
        ("server_id: s-123", "server_id: expected s- and 17 hexadecimal digits, not 's-123'"),
        (
            "landing: {kms_key: tidegate}",
            "landing.kms_key: expected alias/NAME, a key id or an ARN, not 'tidegate'",
        ),
        (
            "sftp: {extra_algorithms: ['a,b']}",
            "sftp.extra_algorithms[0]: expected one SSH algorithm name, not 'a,b'",
        ),
        ("version: 2", "version: 2 is not known here; this tidegate reads version 1"),
        ("name_prefix: Acme", f"name_prefix: {PREFIX_FORM}, not 'Acme'"),
        ("name_prefix: acme-", f"name_prefix: {PREFIX_FORM}, not 'acme-'"),
        ("health: {port: -1}", "health.port: -1 is below 0"),
        (
            "deliveries: {events: sns}",
            "deliveries.events: expected eventbridge, or the ARN of a queue or a function, not 'sns'",
        ),
        (
            "setup: {trusted_services: [ecs]}",
            "setup.trusted_services[0]: expected a service such as ecs-tasks.amazonaws.com, not 'ecs'",
        ),
        (
            "rights: {user_roles: [partners]}",
            "rights.user_roles[0]: expected a role's ARN, its name not * alone, not 'partners'",
        ),
        (
            "sftp: {proxy_protocol_from: [all]}",
            "sftp.proxy_protocol_from[0]: expected a network such as 10.0.0.0/16, not 'all'",
        ),
        (
            "sftp: {proxy_protocol_from: [10.0.0.7/24]}",
            f"sftp.proxy_protocol_from[0]: '10.0.0.7/24' is an address in 10.0.0.0/24; {WHICH}",
        ),
        ("routes: [{name: a, tags: [x]}]", "routes[0].tags: expected a mapping, not a list"),
        ("routes: [{name: a, tags: {x: 5}}]", "routes[0].tags.x: expected text, not 5; put it in quotes"),
        ("routes: [{name: a, partners: []}]", 'routes[0].partners: name at least one, or "*" for all'),
        (
            "routes: [{name: a, partners: [a/b]}]",
            f"routes[0].partners[0]: {PATTERN_FORM}, not 'a/b'",
        ),
    ],
)
def test_an_error_says_what_was_expected_and_found(text: str, said: str) -> None:
    """Each kind of error names the setting, the rule in plain words and the value."""
    with pytest.raises(InvalidSettings) as caught:
        load("-", {}, io.StringIO(text))
    assert caught.value.detail == f"standard input line 1: {said}"


def test_a_long_value_is_cut_short() -> None:
    """A whole file pasted as a value does not fill the screen."""
    with pytest.raises(InvalidSettings) as caught:
        load("-", {}, io.StringIO(f"preset: {'x' * 5000}"))
    assert len(caught.value.detail) < 200


def test_a_secret_of_the_wrong_type_is_not_quoted() -> None:
    """Settings built in Python that hold a wrong secret are told without it."""
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"aws": {"secret_access_key": 123456}})
    (problem,) = problems_in(caught.value)
    assert problem.text == "expected text, not what is there; put it in quotes"
    assert "123456" not in str(caught.value)


def test_a_kind_nobody_foresaw_is_said_in_the_words_of_pydantic() -> None:
    """An error without words of ours still gives one line, without the value."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(frozenset[SecretStr]).validate_python("hidden")
    (problem,) = problems_in(caught.value)
    assert problem.text == "input should be a valid frozenset"


def test_sizes_are_said_in_the_largest_whole_unit() -> None:
    """5242880 is 5 MiB; what is no whole number of KiB is left as it is."""
    assert [human_size(size) for size in (5 * 2**20, 2**40, 1536, 1000, 0)] == ["5 MiB", "1 TiB", "", "", ""]
    assert human_size(1536 * 1024) == "1536 KiB"
