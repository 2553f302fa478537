"""What imitators of Transfer Family most often get wrong, and checks: each with the test that shows it."""

from __future__ import annotations

from support.parity_rows import API, GUIDE, INFERRED, REPORTED, Row, differs, same

_FACTS = "tests/sftp/test_behaviour_facts.py::test_every_row_is_what_a_gateway_answers"
_ANSWERS = "tests/unit/faces/test_control_contract.py::test_what_is_answered"
_ERRORS = "tests/unit/faces/test_control_contract_errors.py::"
_REFUSED = _ERRORS + "test_what_is_refused"
_LIVE = "tests/control/test_transfer_live_servers.py::"
_PROVIDERS = "tests/sftp/test_identity_providers.py::"
_EXECUTIONS = "tests/control/test_transfer_workflows.py::test_no_execution_is_under_way"
_ORDINARY = "tests/control/test_ordinary_aws_project.py::"
_SCP = "tests/sftp/test_sftp_scp.py::"
_TOLD, _LINES = "tests/sftp/test_sftp_activities.py::", "tests/unit/core/test_activity_lines.py::"
_ENDINGS = "tests/sftp/test_endings.py::"

# Of the preset transfer-family; partner-safe differs on purpose, as docs/behaviour.md says of each answer.
PITFALLS: tuple[Row, ...] = (
    same("1. OPEN with READ and WRITE", "status 8, `Cannot open file in mode: …`", REPORTED, _FACTS),
    same(
        "2. SETSTAT",
        "status 8 by default; OK and no effect with ENABLE_NO_OP",
        REPORTED,
        _FACTS,
        _LIVE + "test_what_clients_see_of_settings",
    ),
    same(
        "3. extensions, and RENAME",
        "no extension; files only, never onto a file",
        REPORTED,
        _FACTS,
        "tests/sftp/test_sftp_versions.py::test_extensions_are_the_preset_s",
        "tests/sftp/test_sftp_browsing.py::test_transfer_family_does_not_rename_onto_a_file",
    ),
    differs(
        "4. an upload whose connection drops",
        "stored, PARTIAL_CLOSE, Upload Failed, OnPartialUpload",
        "stored, PARTIAL_CLOSE, Upload Failed; no workflow is started",
        GUIDE,
        _FACTS,
        _TOLD + "test_an_upload_that_is_cut_off",
    ),
    same(
        "5. before CLOSE",
        "nothing is in S3; write errors may come at CLOSE",
        REPORTED,
        _FACTS,
        "tests/sftp/test_sftp_writes.py::test_a_gap_that_is_never_filled_fails_the_close",
    ),
    same(
        "6. LOGICAL homes",
        "Entry `/` alone, no slash at a Target's end, targets that exist unless optimised, no Home variables",
        GUIDE,
        _REFUSED,
        _LIVE + "test_targets_that_hold_nothing",
        "tests/sftp/test_sftp_names.py::test_a_home_of_several_entries",
    ),
    same(
        "7. names and members of errors",
        "400 and ResourceType; InternalServiceError; RetryAfterSeconds a text",
        API,
        _ERRORS + "test_an_unknown_server",
        _ERRORS + "test_a_mistake_of_ours",
        _ERRORS + "test_a_directory_that_wants_fewer_requests",
    ),
    differs(
        "8. executions",
        "only those that run are shown; empty files start none; no workflow can be edited",
        "none runs; no workflow can be edited",
        API,
        _EXECUTIONS,
    ),
    same(
        "9. custom identity providers",
        "no Role refuses; HomeDirectoryDetails is a text; no PublicKeys with passwords; two calls for both",
        GUIDE,
        _PROVIDERS + "test_answers_that_let_nobody_in",
        _PROVIDERS + "test_key_and_password_are_two_questions",
        "tests/unit/core/test_identity_providers.py::test_answers_that_let_nobody_in",
    ),
    same(
        "10. defaults",
        "2024-01; the oldest host key of each type; listings not optimised; `bytes-in` a text; real paths",
        GUIDE,
        _ANSWERS,
        _LIVE + "test_host_keys_turn_over",
        _LINES + "test_the_line_of_each_type",
    ),
)

ACCEPTANCE: tuple[Row, ...] = (
    same(
        "boto3 `describe_server` of an unknown id",
        "ResourceNotFoundException, Resource is the id, 400",
        GUIDE,
        "tests/control/test_transfer_contract.py::test_the_errors_that_boto3_knows",
    ),
    same(
        "boto3 waiter `server_offline` after `stop_server`",
        "passes",
        API,
        _ORDINARY + "test_an_ordinary_project",
    ),
    same(
        "boto3 paginator `list_users`, three pages",
        "all users once, ServerId beside them",
        API,
        "tests/control/test_transfer_contract.py::test_users_over_three_pages",
    ),
    same(
        "paramiko `put` with confirm",
        "passes; the object comes at CLOSE, with AWS's metadata",
        GUIDE,
        "tests/sftp/test_sftp_attributes.py::test_paramiko_confirms_what_it_put",
        _ORDINARY + "test_an_ordinary_project",
        _FACTS,
    ),
    same('paramiko `open(p, "r+")`', "IOError, `Cannot open file in mode: READ|WRITE`", REPORTED, _FACTS),
    same(
        'paramiko `open(p, "wb")`, then `utime`',
        "IOError unless ENABLE_NO_OP",
        REPORTED,
        _FACTS,
        _LIVE + "test_what_clients_see_of_settings",
    ),
    same(
        "paramiko `posix_rename`",
        "IOError, Operation unsupported",
        REPORTED,
        _FACTS,
        "tests/sftp/test_sftp_versions.py::test_what_is_not_offered_is_not_done",
    ),
    same(
        "OpenSSH `put`, then `rename` onto a file",
        "an error",
        GUIDE,
        "tests/sftp/test_sftp_browsing.py::test_transfer_family_does_not_rename_onto_a_file",
    ),
    same(
        "an OpenSSH client that is killed amid a large `put`",
        "an object of what came, PARTIAL_CLOSE, Upload Failed",
        GUIDE,
        _ENDINGS + "test_a_killed_client_completes_nothing",
        _FACTS,
        _TOLD + "test_an_upload_that_is_cut_off",
    ),
    same(
        "OpenSSH `scp`, and `scp -O`",
        "the first works, the second fails",
        GUIDE,
        _SCP + "test_scp_carries_files_both_ways",
        _SCP + "test_the_old_protocol_of_scp_is_refused",
    ),
    same("`ls` of a prefix without a marker", "a directory", GUIDE, _FACTS),
    same(
        "LOGICAL with /in and /out",
        "`ls /` shows two; `put x /x` finds no such directory",
        GUIDE,
        _ORDINARY + "test_an_ordinary_project",
        "tests/sftp/test_sftp_names.py::test_a_home_of_several_entries",
    ),
    same(
        "a wrong key",
        "refused; AUTH_FAILURE in the stream `ERRORS`",
        GUIDE,
        "tests/sftp/test_sftp_logins.py::test_keys_come_and_go_at_once",
        "tests/sftp/test_sftp_activities_live.py::test_a_refused_login_is_in_the_stream_of_errors",
    ),
    same("`ssh user@host`", "refused", GUIDE, "tests/sftp/test_sftp_channels.py::test_no_command_runs"),
    same(
        "eleven SFTP sessions in one connection",
        "the eleventh is refused",
        INFERRED,
        "tests/sftp/test_sftp_limits.py::test_sessions_of_a_connection",
    ),
    same(
        "a client that offers group1 alone",
        "refused; KEX_FAILURE in the log",
        GUIDE,
        "tests/sftp/test_security_policies.py::test_openssh_is_given_what_the_policy_has_and_nothing_else",
        _TOLD + "test_a_handshake_without_a_common_algorithm",
    ),
    same("an upload of no bytes", "starts no workflow", GUIDE, _EXECUTIONS),
    same(
        "TestIdentityProvider of SERVICE_MANAGED",
        "InvalidRequestException, `… not configured for external auth`",
        GUIDE,
        _REFUSED,
        "tests/control/test_transfer_servers.py::test_the_server_has_no_identity_provider_of_its_own",
    ),
)

CHECKS = {"What imitators get wrong": PITFALLS, "Checks": ACCEPTANCE}
