"""How errors, identifiers, pages and waiters of the Transfer API compare with AWS's."""

from __future__ import annotations

from support.parity_rows import API, GUIDE, MEMORY, REPORTED, Row, differs, same, unknown

_ANSWERS = "tests/unit/faces/test_control_contract.py::test_what_is_answered"
_ERRORS = "tests/unit/faces/test_control_contract_errors.py::"
_REFUSED = _ERRORS + "test_what_is_refused"
_PAGES = "tests/unit/faces/test_control_contract_pages.py::"
_LIMITS = "tests/unit/faces/test_control_contract_limits.py::"
_LIVE = "tests/control/test_transfer_live_servers.py::"
_BOTO = "tests/control/test_transfer_contract.py::"
_USERS = "tests/control/test_transfer_users.py::"
_IDS = "tests/unit/core/test_ids.py::test_form_and_chance"
_ORDINARY = "tests/control/test_ordinary_aws_project.py::test_an_ordinary_project"
_SERVE = "tests/cli/test_cli_serve_control.py::"

ERRORS: tuple[Row, ...] = (
    same(
        "ResourceNotFoundException",
        "400; Resource and ResourceType; `Unknown server`",
        GUIDE,
        _ERRORS + "test_an_unknown_server",
        _BOTO + "test_the_errors_that_boto3_knows",
    ),
    same("an unknown user", "`Unknown user`, ResourceType `User`", MEMORY, _REFUSED),
    unknown(
        "an unknown key, host key, workflow, execution, security policy",
        "`Unknown SSH public key`, `Unknown host key` and so on; ResourceType is the kind",
        _REFUSED,
    ),
    same("ResourceExistsException of a user", "`User already exists`, Resource is the name", GUIDE, _REFUSED),
    unknown(
        "ResourceExistsException of a key or host key",
        "`SSH public key already exists`, `host key already exists`",
        _REFUSED,
        aws="in the model, without a text",
    ),
    same(
        "InvalidRequestException of what does not fit the model",
        "`1 validation error detected: Value … at 'field' failed to satisfy constraint: …`",
        REPORTED,
        _LIMITS + "test_bounds_of_the_model",
        _ERRORS + "test_what_does_not_fit_the_model",
    ),
    differs(
        "a public key that is none",
        "`Unsupported or invalid SSH public key format`",
        "the same, and why",
        REPORTED,
        _REFUSED,
    ),
    same(
        "TestIdentityProvider of SERVICE_MANAGED",
        "`<server-id> not configured for external auth`",
        GUIDE,
        _REFUSED,
    ),
    same(
        "EndpointType of a running server",
        "`Server must be OFFLINE to change EndpointType`",
        REPORTED,
        _REFUSED,
    ),
    same(
        "AddressAllocationIds of a running server",
        "`Server must be OFFLINE to change AddressAllocationIds`",
        REPORTED,
        "tests/unit/core/test_server_members.py::test_addresses_change_only_while_it_is_stopped",
    ),
    same(
        "a VPC with VpcEndpointId", "`VPC Endpoint ID unsupported for EndpointType: VPC`", REPORTED, _REFUSED
    ),
    differs(
        "texts on subnets and security groups; ConflictException; `Unable to delete VPC endpoint`",
        "told of VPC endpoints",
        "never: there are none",
        REPORTED,
        _ERRORS + "test_every_error_is_accounted_for",
    ),
    same(
        "InvalidNextTokenException",
        "400",
        API,
        _ERRORS + "test_a_token_that_is_none",
        _PAGES + "test_tokens_of_elsewhere",
    ),
    same(
        "AccessDeniedException",
        "400, `You do not have sufficient access to perform this action.`",
        GUIDE,
        _ERRORS + "test_who_may_only_look",
    ),
    differs(
        "who is denied",
        "what IAM says of `transfer:` actions",
        "what changes something, with credentials whose `access` is `read`; IAM is not asked",
        GUIDE,
        _SERVE + "test_whoever_signs_may_call",
    ),
    same(
        "ThrottlingException",
        "RetryAfterSeconds alone, a text",
        GUIDE,
        _ERRORS + "test_a_directory_that_wants_fewer_requests",
    ),
    unknown(
        "the request rate that is throttled",
        "none of ours; DynamoDB's throttling is passed on, by operations whose model lacks it, too",
        _ERRORS + "test_a_directory_that_wants_fewer_requests",
        aws="not quantified",
    ),
    same("ServiceUnavailableException", "500", API, _ERRORS + "test_a_directory_that_does_not_answer"),
    same("InternalServiceError", "500, without the word Exception", API, _ERRORS + "test_a_mistake_of_ours"),
    differs(
        "operations of FTP, AS2, connectors, web apps, AD",
        "carried out",
        "`NotImplementedException`, 501, which no SDK tries again",
        API,
        "tests/control/test_transfer_servers.py::test_what_is_not_offered_says_so",
    ),
    same(
        "a request that is not signed",
        "MissingAuthenticationToken, IncompleteSignature",
        GUIDE,
        "tests/control/test_transfer_wire.py::test_any_credential_does_but_there_must_be_one",
    ),
    differs(
        "credentials in `tidegate local`",
        "those of IAM",
        "any; behind `serve` those of `control.credentials`",
        GUIDE,
        "tests/control/test_transfer_wire.py::test_any_credential_does_but_there_must_be_one",
        _SERVE + "test_whoever_signs_may_call",
    ),
    same(
        "members that the model does not know",
        "passed over",
        MEMORY,
        "tests/unit/faces/test_control_validation.py::test_what_fits_comes_back",
    ),
)

IDENTIFIERS: tuple[Row, ...] = (
    same(
        "ids of servers, keys, host keys, workflows",
        "a prefix and 17 hexadecimal digits",
        API,
        _IDS,
        _ANSWERS,
    ),
    same("ARNs of servers, users, workflows", "`arn:aws:transfer:…`", GUIDE, _ANSWERS),
    same("ARNs of host keys", "`…:host-key/<server-id>/<host-key-id>`", MEMORY, _ANSWERS),
    same(
        "partitions",
        "`aws-cn`, `aws-us-gov` by Region",
        MEMORY,
        "tests/unit/core/test_arns.py::test_partitions",
    ),
    same("timestamps", "epoch seconds, as numbers", MEMORY, _ANSWERS),
    same(
        "pages",
        "MaxResults 1 to 1,000; no token on the last page",
        API,
        _PAGES + "test_everything_is_listed_once",
    ),
    unknown("the size of a page without MaxResults", "1,000", _LIMITS + "test_a_page_of_any_size"),
    unknown("the order of listings", "by id or name", _PAGES + "test_everything_is_listed_once"),
    unknown(
        "what goes between two pages",
        "is not shown, and nothing else is missed",
        _PAGES + "test_what_goes_between_two_pages",
    ),
    same(
        "paginators",
        "of six operations; ListHostKeys has none",
        API,
        _BOTO + "test_what_boto3_can_page_through",
    ),
    same("waiters", "`server_online`, `server_offline`", API, _ORDINARY),
    same(
        "states", "STARTING, ONLINE, STOPPING, OFFLINE, START_FAILED", API, _LIVE + "test_a_life", _ORDINARY
    ),
    differs(
        "how long a change of state takes",
        "minutes",
        "about a second; STOP_FAILED never comes",
        GUIDE,
        _LIVE + "test_a_life",
    ),
)
