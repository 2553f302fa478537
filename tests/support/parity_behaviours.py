"""How operations of the Transfer API, and keys of users, behave beside AWS's."""

from __future__ import annotations

from support.parity_errors import ERRORS, IDENTIFIERS
from support.parity_rows import API, GUIDE, MEMORY, REPORTED, Row, differs, same, unknown

_ANSWERS = "tests/unit/faces/test_control_contract.py::test_what_is_answered"
_ERRORS = "tests/unit/faces/test_control_contract_errors.py::"
_REFUSED = _ERRORS + "test_what_is_refused"
_LIMITS = "tests/unit/faces/test_control_contract_limits.py::"
_BOTO = "tests/control/test_transfer_contract.py::"
_LIVE = "tests/control/test_transfer_live_servers.py::"
_USERS = "tests/control/test_transfer_users.py::"
_ORDINARY = "tests/control/test_ordinary_aws_project.py::test_an_ordinary_project"
_SERVE = "tests/cli/test_cli_serve_control.py::"
_KEYS = "tests/unit/core/test_public_keys.py::"
_POLICIES = "tests/control/test_transfer_servers.py::test_security_policies"

OPERATIONS: tuple[Row, ...] = (
    same("CreateServer without members", "the defaults that DescribeServer shows", REPORTED, _ANSWERS),
    same("its SecurityPolicyName", "`TransferSecurityPolicy-2024-01`", GUIDE, _ANSWERS),
    same(
        "its DirectoryListingOptimization",
        "`DISABLED`",
        API,
        _ANSWERS,
        _LIVE + "test_targets_that_hold_nothing",
    ),
    differs(
        "its host keys",
        "made by the service",
        "an Ed25519 and an RSA one, unless HostKey brings one",
        MEMORY,
        _LIVE + "test_ssh_keyscan_sees_both_types",
    ),
    differs(
        "where it listens",
        "`<id>.server.transfer.<region>.amazonaws.com`, port 22",
        "the address that the tag `tidegate:sftp-endpoint` tells",
        GUIDE,
        _LIVE + "test_where_it_listens",
    ),
    differs("Domain EFS; FTP, FTPS, AS2", "offered", "refused, in words", API, _REFUSED),
    same("what DescribeServer never shows", "the host key, security groups", API, _ANSWERS),
    same("IdentityProviderDetails of SERVICE_MANAGED", "left out", API, _ANSWERS),
    same("HostKeyFingerprint", "as `ssh-keygen -l` prints it", API, _ORDINARY),
    same(
        "UpdateServer leaves what it does not name",
        "stays",
        MEMORY,
        "tests/unit/core/test_server_members.py::test_what_is_not_named_stays",
    ),
    same(
        "an empty list or text in UpdateServer", "takes workflows, log groups, the role away", API, _ANSWERS
    ),
    same("another IdentityProviderType and back", "users survive", API, _ANSWERS),
    same(
        "the banner, the policy, SetStatOption",
        "obeyed by the next session",
        API,
        _LIVE + "test_what_clients_see_of_settings",
    ),
    same("StartServer of one that is on, StopServer of one that is off", "do nothing", GUIDE, _ANSWERS),
    differs(
        "connections while a server stops",
        "cut",
        "uploads may end, for up to `shutdown.grace_seconds`; then cut",
        MEMORY,
        _BOTO + "test_what_is_open_while_a_server_stops",
    ),
    same("a server that was stopped and started", "has the address it had", MEMORY, _LIVE + "test_a_life"),
    same("DeleteServer", "users go with it, files stay; in any state", GUIDE, _ANSWERS, _ORDINARY),
    differs(
        "DeleteServer of a gateway's own server, behind `serve`",
        "",
        "refused: it is of the configuration",
        API,
        _SERVE + "test_a_server_made_at_one_is_opened_by_both",
    ),
    same("operations on users of another provider", "InvalidRequestException", MEMORY, _REFUSED),
    same("CreateUser with SshPublicKeyBody", "is the first key", API, _ANSWERS),
    same("HomeDirectoryType that is not named", "`PATH`", GUIDE, _ANSWERS),
    same("an empty Policy in UpdateUser", "takes it away", MEMORY, _ANSWERS),
    same("UpdateUser", "changes no keys, tags or name", API, _USERS + "test_an_update_changes_what_it_names"),
    unknown(
        "another HomeDirectoryType",
        "starts the home anew: directory and mappings of the old type are gone",
        "tests/unit/core/test_user_updates.py::test_a_home_of_another_type_starts_anew",
    ),
    same("DeleteUser", "keys go with it", MEMORY, _USERS + "test_a_deleted_user_is_gone"),
    same(
        "a key that comes or goes",
        "counts from the next login on",
        MEMORY,
        "tests/control/test_transfer_story.py::test_a_partner_made_by_boto3",
    ),
    differs(
        "sessions of a key that was deleted, under `partner-safe`",
        "go on",
        "end within seconds",
        MEMORY,
        _SERVE + "test_a_user_of_one_gateway_is_one_of_the_other",
    ),
    same("a key twice", "ResourceExistsException", MEMORY, _REFUSED),
    same("host keys: which is shown", "of each type the oldest", GUIDE, _LIVE + "test_host_keys_turn_over"),
    same(
        "DeleteHostKey of the oldest",
        "the next of its type is shown",
        GUIDE,
        _LIVE + "test_host_keys_turn_over",
    ),
    unknown(
        "DeleteHostKey of the last",
        "refused",
        _REFUSED,
    ),
    same("UpdateHostKey", "changes the description alone", API, _ANSWERS),
    differs(
        "host keys that wait, under `partner-safe`",
        "not announced",
        "announced to clients that log in (hostkeys-00@openssh.com)",
        MEMORY,
        _LIVE + "test_the_next_host_key_is_announced",
    ),
    same("TagResource of a key that is there", "its value becomes another", MEMORY, _ANSWERS),
    same(
        "ListTagsForResource of what is not there",
        "InvalidRequestException: its model has no other",
        API,
        _REFUSED,
    ),
    unknown("TagResource of an unknown ARN", "ResourceNotFoundException", _REFUSED),
    same(
        "TestIdentityProvider: a wrong password",
        "200, `{}` and no message",
        GUIDE,
        _ANSWERS,
        "tests/unit/faces/test_control_identity_providers.py::test_a_refusal",
    ),
    differs(
        "TestIdentityProvider: a provider that fails",
        "500, `Internal server error`",
        "the same, and why",
        GUIDE,
        "tests/unit/faces/test_control_identity_providers.py::test_a_failure",
    ),
    unknown(
        "TestIdentityProvider: Response of a Lambda function",
        "the JSON as it came",
        _ANSWERS,
        aws="the guide shows two forms",
    ),
    same(
        "Url of an API Gateway",
        "`…/servers/<server-id>/users/<user>/config`",
        GUIDE,
        "tests/unit/faces/test_control_identity_providers.py::test_without_a_password_and_by_an_api",
    ),
    differs(
        "workflows",
        "run for each file that comes",
        "kept, shown and checked; nothing runs them",
        GUIDE,
        "tests/control/test_transfer_workflows.py::test_no_execution_is_under_way",
    ),
    unknown(
        "a workflow that could never run",
        "refused when it is made",
        _REFUSED,
        "tests/control/test_transfer_workflows.py::test_what_cannot_be_a_workflow",
    ),
    unknown("DeleteWorkflow of one that servers name", "it is gone", _ANSWERS),
    same("an unknown security policy", "ResourceNotFoundException", API, _REFUSED),
    same("what policies hold", "as the guide lists it, in its order", GUIDE, _POLICIES),
    differs(
        "policies of connectors, and the two of 2023 with PQ in their names",
        "listed",
        "not listed",
        MEMORY,
        _POLICIES,
    ),
    same("50 servers", "the quota", GUIDE, _LIMITS + "test_fifty_servers"),
    same("10,000 users of a server", "the quota", GUIDE, _LIMITS + "test_users_of_a_server"),
    same(
        "10 host keys, 10 workflows",
        "the quotas",
        GUIDE,
        _LIMITS + "test_ten_host_keys",
        _LIMITS + "test_ten_workflows",
    ),
    same("50 keys of a user, 2,000 mappings", "the quotas", GUIDE, _LIMITS + "test_fifty_keys_of_a_user"),
    same("50 tags", "the model's bound, for all tags of a resource", API, _LIMITS + "test_fifty_tags"),
    unknown("the error beyond a quota", "InvalidRequestException", _LIMITS + "test_fifty_servers"),
)

KEYS: tuple[Row, ...] = (
    same(
        "types",
        "RSA, ECDSA (256, 384, 521), Ed25519",
        GUIDE,
        "tests/sftp/test_sftp_logins.py::test_every_kind_of_key_logs_in",
    ),
    same(
        "the form of RFC 4716",
        "refused",
        GUIDE,
        _REFUSED,
        _KEYS + "test_other_public_forms_are_refused_with_a_command_that_converts_them",
    ),
    same("DSA", "refused", MEMORY, _REFUSED, _KEYS + "test_dsa_is_refused_by_name"),
    same(
        "length", "2,048 characters", API, _KEYS + "test_a_line_longer_than_transfer_family_takes_is_refused"
    ),
    unknown(
        "short RSA keys",
        "below 2,048 bits refused",
        _KEYS + "test_short_rsa_keys_are_refused_with_their_size",
    ),
    same(
        "signatures of RSA keys",
        "rsa-sha2-256 and -512; ssh-rsa by policies that have it",
        MEMORY,
        "tests/sftp/test_security_policies.py::test_a_policy_with_ssh_rsa_takes_it",
        "tests/sftp/test_security_policies.py::test_a_signature_outside_the_policy_is_refused_in_words",
    ),
    same(
        "certificates, and FIDO keys",
        "refused",
        MEMORY,
        _KEYS + "test_certificates_are_refused_by_name",
        _KEYS + "test_security_keys_are_refused_by_name",
    ),
    same("keys of a user", "50", GUIDE, _LIMITS + "test_fifty_keys_of_a_user"),
    same(
        "passwords of users of our own",
        "there are none",
        GUIDE,
        "tests/sftp/test_identity_providers.py::test_users_of_the_directory_have_no_passwords",
    ),
    differs(
        "a key's comment",
        "kept as given",
        "kept without control characters",
        GUIDE,
        _KEYS + "test_comments_lose_their_control_characters",
    ),
)

BEHAVIOURS = {
    "Errors": ERRORS,
    "Identifiers, pages, waiters": IDENTIFIERS,
    "What operations do": OPERATIONS,
    "Keys of users": KEYS,
}
