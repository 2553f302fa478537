"""Servers as the directory keeps them: what CreateServer and UpdateServer say, by Transfer Family's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, cast

from tidegate.core.behaviour import Behaviour, Preset
from tidegate.core.security_policies import SecurityPolicyName
from tidegate.core.tags import Tags

IdentityProviderType: TypeAlias = Literal[
    "SERVICE_MANAGED", "AWS_LAMBDA", "API_GATEWAY", "AWS_DIRECTORY_SERVICE"
]
SftpAuthenticationMethods: TypeAlias = Literal[
    "PASSWORD", "PUBLIC_KEY", "PUBLIC_KEY_OR_PASSWORD", "PUBLIC_KEY_AND_PASSWORD"
]
SetStatOption: TypeAlias = Literal["DEFAULT", "ENABLE_NO_OP"]
DirectoryListingOptimization: TypeAlias = Literal["ENABLED", "DISABLED"]
WantedState: TypeAlias = Literal["ONLINE", "OFFLINE"]


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """
    Who knows the users of a server.

    Args:
        type: SERVICE_MANAGED is our own directory; the others are asked at each login.
        function: ARN of the Lambda function, of AWS_LAMBDA.
        url: Of API_GATEWAY: the stage's URL.
        invocation_role: Of API_GATEWAY: ARN of the role that may ask.
        directory_id: Of AWS_DIRECTORY_SERVICE.
        sftp_authentication_methods: Of AWS_LAMBDA and API_GATEWAY: what a client must show.
    """

    type: IdentityProviderType = "SERVICE_MANAGED"
    function: str = ""
    url: str = ""
    invocation_role: str = ""
    directory_id: str = ""
    sftp_authentication_methods: SftpAuthenticationMethods = "PUBLIC_KEY_OR_PASSWORD"


@dataclass(frozen=True, slots=True)
class AttachedWorkflow:
    """A workflow that a server starts, and ARN of the role that it runs under."""

    workflow_id: str
    execution_role: str


@dataclass(frozen=True, slots=True)
class Server:
    """
    One server.

    A member that says nothing (None) leaves its choice to the configuration of the gateway.

    Args:
        wanted: Whether it is to listen. What it does, its gateways know.
        preset: Whose behaviour it has.
        security_policy: Name of a policy of Transfer Family's.
        set_stat: What becomes of SETSTAT where the preset refuses it.
        listing: With DISABLED the target of a LOGICAL mapping must exist, or it cannot be listed.
        pre_login_banner: What clients are shown before they log in.
        post_login_banner: Kept: SFTP has no place for it.
        logging_role: ARN of the role of text logs; empty if there are none.
        log_destinations: ARNs of log groups of structured logs.
        on_upload, on_partial_upload: What is started for files that came whole, and in part.
        port: The port that its gateways listen on; 0 is a free one, and None the configuration's.
        kept: Members of the API that decide nothing here, for whoever reads them back, by name.
        host_key_changes: Moves on whenever a host key comes or goes.
        revocations: Moves on whenever something that let somebody in was taken away.
        is_configured: It is the server of a gateway's configuration, not one that the API made.
    """

    server_id: str
    tags: Tags = ()
    wanted: WantedState = "ONLINE"
    preset: Preset | None = None
    identity_provider: IdentityProvider = field(default_factory=IdentityProvider)
    security_policy: str | None = None
    set_stat: SetStatOption | None = None
    listing: DirectoryListingOptimization = "DISABLED"
    pre_login_banner: str = ""
    post_login_banner: str = ""
    logging_role: str = ""
    log_destinations: tuple[str, ...] = ()
    on_upload: AttachedWorkflow | None = None
    on_partial_upload: AttachedWorkflow | None = None
    port: int | None = None
    kept: Mapping[str, Any] = field(default_factory=dict, hash=False)
    host_key_changes: int = 0
    revocations: int = 0
    is_configured: bool = False

    @property
    def targets_must_exist(self) -> bool:
        """Whether a mapping's target that holds nothing cannot be listed; `partner-safe` lists it."""
        return self.listing == "DISABLED" and self.preset != "partner-safe"

    @classmethod
    def configured(cls, server_id: str) -> Server:
        """Return the server of a configuration, as it is before anybody changes it."""
        # As AWS's console makes them: a partner's empty home can be listed.
        return cls(server_id, listing="ENABLED", is_configured=True)


def behaviour_of_server(base: Behaviour, server: Server) -> Behaviour:
    """Return what a server does: what it says itself, put over what its preset and configuration say."""
    setstat = base.setstat
    if server.set_stat == "ENABLE_NO_OP" and setstat == "refuse":
        setstat = "no_op"
    elif server.set_stat == "DEFAULT" and setstat == "no_op":
        setstat = "refuse"
    policy = cast(SecurityPolicyName, server.security_policy or base.security_policy)
    return replace(base, setstat=setstat, security_policy=policy)
