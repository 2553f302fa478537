"""How activity logs, events, metrics and rights compare with those of AWS Transfer Family."""

from __future__ import annotations

from support.parity_rows import API, GUIDE, MEMORY, Row, differs, like, same, unknown, unlike

_LINES, _LIVE = "tests/unit/core/test_activity_lines.py::", "tests/sftp/test_sftp_activities_live.py::"
_TOLD, _EVENTS = "tests/sftp/test_sftp_activities.py::", "tests/unit/core/test_events.py::"
_METERS = "tests/unit/services/test_metering.py::"
_RIGHTS, _ASSUMED = "tests/control/test_transfer_rights.py::", "tests/control/test_transfer_assumed.py::"
_IAM, _DOCUMENTS = "tests/unit/core/test_iam_evaluation.py::", "tests/unit/core/test_iam_documents.py::"
_SERVICE = "tests/unit/services/test_rights_service.py::"

# Members of CreateServer, UpdateServer, CreateUser and UpdateUser that these are about.
LOG_DESTINATIONS = like("StructuredLogDestinations", "a log group for JSON lines")
LOGGING_ROLE = unlike(
    "LoggingRole", "the service writes with it", "lines of text; the gateway writes with its own role"
)
USER_ROLE = unlike(
    "Role", "assumed for each session", "evaluated, assumed, or without effect: `rights.mode`", GUIDE
)
SESSION_POLICY = like("Policy", "narrows what the role allows, with its variables", GUIDE)

LOGS: tuple[Row, ...] = (
    same(
        "JSON lines of CONNECTED, OPEN, CLOSE, DISCONNECTED, AUTH_FAILURE, KEX_FAILURE",
        "their members, in this order; `bytes-in` a text, `path` the real one",
        GUIDE,
        _LINES + "test_the_line_of_each_type",
    ),
    unknown(
        "JSON lines of DELETE, RENAME, MKDIR, RMDIR, SETSTAT, ERROR, PARTIAL_CLOSE, EXIT_REASON",
        "members as those of the others; RENAME has `new-path`",
        _LINES + "test_the_line_of_each_type",
        aws="no sample is published",
    ),
    same(
        "log streams",
        "`<user>.<id>` for each session, and `ERRORS`",
        GUIDE,
        _LINES + "test_streams",
        _LIVE + "test_a_refused_login_is_in_the_stream_of_errors",
    ),
    unknown("the id in a stream's name", "the session's", _LIVE + "test_an_upload_is_told_everywhere"),
    same("home-dir of a LOGICAL home", "`/`", GUIDE, _LINES + "test_a_home_of_type_path_is_said"),
    same(
        "the PROXY header in CONNECTED",
        "`proxy-protocol-v2-header`: `applied`",
        GUIDE,
        _LINES + "test_a_client_behind_a_balancer",
    ),
    differs(
        "the text log of a LoggingRole",
        "written with that role",
        "the same lines and group, written with the gateway's role",
        GUIDE,
        _LIVE + "test_an_upload_is_told_everywhere",
    ),
    differs(
        "logs of workflows, TLS_RESUME_FAILURE, CREATE_SYMLINK",
        "written",
        "never: none of it is here",
        GUIDE,
        _LINES + "test_the_line_of_each_type",
    ),
    same(
        "a log group that is not there",
        "fails no transfer",
        MEMORY,
        _LIVE + "test_an_unknown_log_group_fails_nothing",
    ),
)

EVENTS: tuple[Row, ...] = (
    same("detail-types", "twelve of SFTP servers", GUIDE, _EVENTS + "test_the_kinds_are_twelve"),
    same(
        "members of detail, and their types",
        "`bytes` a number, nine decimals",
        GUIDE,
        _EVENTS + "test_each_kind_of_event",
    ),
    same("logins, listings, states of servers", "no event", GUIDE, _EVENTS + "test_no_event_of_the_rest"),
    unknown(
        "an OPEN that is refused",
        "no event",
        _EVENTS + "test_no_event_of_the_rest",
        aws="which denied requests have one is not said",
    ),
    same(
        "an upload whose connection drops",
        "Failed, PARTIAL_UPLOAD",
        GUIDE,
        _TOLD + "test_an_upload_that_is_cut_off",
    ),
    same(
        "a download whose connection drops",
        "Failed, PARTIAL_DOWNLOAD, `File was partially downloaded.`",
        GUIDE,
        _TOLD + "test_a_download_that_is_cut_off",
    ),
    same(
        "source and bus locally",
        "`aws.transfer`, the default bus",
        GUIDE,
        _LIVE + "test_an_upload_is_told_everywhere",
    ),
    differs(
        "source on AWS itself",
        "`aws.transfer`",
        "`tidegate.transfer`: EventBridge takes `aws.` from its own services alone",
        API,
    ),
)

METRICS: tuple[Row, ...] = (
    same(
        "BytesIn, BytesOut, FilesIn, FilesOut",
        "every five minutes while somebody is connected, zeros included",
        GUIDE,
        _METERS + "test_cloudwatch_is_told_while_somebody_is_connected",
        _METERS + "test_reports_come_every_five_minutes",
    ),
    differs(
        "namespace on AWS itself",
        "`AWS/Transfer`",
        "`Tidegate/Transfer`: CloudWatch keeps `AWS/` to itself",
        API,
    ),
    differs(
        "metrics of workflows",
        "OnUploadExecutionsStarted and two more",
        "none: nothing starts workflows",
        GUIDE,
        _METERS + "test_cloudwatch_is_told_while_somebody_is_connected",
    ),
)

RIGHTS: tuple[Row, ...] = (
    same(
        "the effective right",
        "role and session policy both allow, and nothing denies",
        GUIDE,
        _RIGHTS + "test_role_and_session_policy_must_both_allow",
        _IAM + "test_an_explicit_deny_wins",
    ),
    same(
        "variables of session policies",
        "UserName, HomeBucket, HomeFolder, HomeDirectory",
        GUIDE,
        _DOCUMENTS + "test_values_of_a_path_home",
    ),
    same(
        "variables of homes with a LOGICAL home",
        "not replaced",
        GUIDE,
        _DOCUMENTS + "test_a_logical_home_has_only_the_users_name",
    ),
    same(
        "values within values",
        "not looked at again",
        GUIDE,
        _DOCUMENTS + "test_values_are_put_in_once_and_anywhere",
    ),
    same(
        "the role, behind `serve` with `rights.mode: assume`",
        "assumed by STS with the session policy; S3 enforces it",
        GUIDE,
        _ASSUMED + "test_a_partner_whose_role_is_assumed",
    ),
    same(
        "the name of the role's session",
        "user, session and server, cut at 64 characters",
        GUIDE,
        _SERVICE + "test_the_name_of_a_session_is_cut_at_its_end",
    ),
    same(
        "who may assume the role",
        "`transfer.amazonaws.com`, with aws:SourceAccount and aws:SourceArn",
        GUIDE,
        _RIGHTS + "test_a_role_that_transfer_family_may_not_assume",
    ),
    differs(
        "the role in `tidegate local`",
        "IAM evaluates every construct",
        "the listed operators and keys are evaluated; anything else denies, and the log names it",
        GUIDE,
        _IAM + "test_a_statement_that_is_not_understood",
    ),
    differs(
        "a role that IAM does not know",
        "no session",
        "locally everything is allowed, unless `rights.roles` is `strict`",
        MEMORY,
        _SERVICE + "test_a_role_that_iam_does_not_know",
    ),
    unknown(
        "a Policy that is no JSON object",
        "refused by CreateUser and UpdateUser",
        _RIGHTS + "test_policies_that_cannot_be_used",
    ),
    differs(
        "a PATH home",
        "the role decides what is above it",
        "the home confines it as well",
        GUIDE,
        "tests/unit/core/test_paths.py::test_outside_a_path_home_access_is_denied",
    ),
    unknown(
        "a policy too long once variables are replaced",
        "refused at the login",
        _DOCUMENTS + "test_the_text_that_sts_takes",
    ),
)

LATER = {"Activity logs": LOGS, "Events": EVENTS, "Metrics": METRICS, "Rights": RIGHTS}
# Tests that come with the work on logs, events, metrics and rights: a name that is not there is no error.
OPTIONAL_FILES = {name.split("::")[0] for rows in LATER.values() for row in rows for name in row.witness}
