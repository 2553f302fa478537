"""The server as Transfer Family sees it: what CreateServer and UpdateServer take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from tidegate.core.servers import (
    AttachedWorkflow,
    DirectoryListingOptimization,
    IdentityProvider,
    IdentityProviderType,
    SetStatOption,
    SftpAuthenticationMethods,
)
from tidegate.settings.problems import Problem
from tidegate.settings.resources import (
    Banner,
    DirectoryId,
    FunctionArn,
    LogDestination,
    ResourceTags,
    RoleArn,
    WorkflowId,
)
from tidegate.settings.sections import Section

if TYPE_CHECKING:
    from tidegate.settings.model import Settings


class ServerIdentityProviderSettings(Section):
    """Who knows the users of the server."""

    type: IdentityProviderType = Field(
        default="SERVICE_MANAGED", description="SERVICE_MANAGED: the partners of this file and their like."
    )
    function: FunctionArn | None = Field(default=None, description="Of AWS_LAMBDA: ARN of the function.")
    url: Annotated[str, Field(max_length=255)] | None = Field(
        default=None, description="Of API_GATEWAY: where it is asked."
    )
    invocation_role: RoleArn | None = Field(
        default=None, description="Of API_GATEWAY: ARN of the role that may ask."
    )
    directory_id: DirectoryId | None = Field(
        default=None, description="Of AWS_DIRECTORY_SERVICE: the directory."
    )
    sftp_authentication_methods: SftpAuthenticationMethods = Field(
        default="PUBLIC_KEY_OR_PASSWORD", description="Of AWS_LAMBDA and API_GATEWAY: what is to be shown."
    )


class AttachedWorkflowSettings(Section):
    """A workflow that the server starts; {} is none."""

    workflow_id: WorkflowId | None = Field(default=None, description="Id of the workflow; null means none.")
    execution_role: RoleArn | None = Field(
        default=None, description="ARN of the role that it runs under; goes with workflow_id."
    )


class ServerSettings(Section):
    """
    What `apply` gives a server, and `diff` compares.

    A member that is written is held to, even one written as null; the others are left as they are.
    """

    held_if_written: ClassVar[frozenset[str]] = frozenset(
        {
            "security_policy",
            "identity_provider",
            "set_stat_option",
            "directory_listing_optimization",
            "pre_login_banner",
            "post_login_banner",
            "logging_role",
            "structured_log_destinations",
            "on_upload",
            "on_partial_upload",
            "tags",
        }
    )

    security_policy: Annotated[str, Field(max_length=100)] | None = Field(
        default=None, description="Name of one of Transfer Family's; null leaves it to the gateway."
    )
    identity_provider: ServerIdentityProviderSettings = Field(
        default_factory=ServerIdentityProviderSettings, description="Who knows the users of the server."
    )
    set_stat_option: SetStatOption | None = Field(
        default=None, description="What becomes of SETSTAT; null leaves it to the gateway."
    )
    directory_listing_optimization: DirectoryListingOptimization = Field(
        default="DISABLED", description="ENABLED: a mapping says whether it is a FILE or a DIRECTORY."
    )
    pre_login_banner: Banner = Field(default="", description="What clients see before they log in.")
    post_login_banner: Banner = Field(default="", description="What they see afterwards; none by SFTP.")
    logging_role: RoleArn | None = Field(default=None, description="ARN of the role of text logs.")
    structured_log_destinations: Annotated[tuple[LogDestination, ...], Field(max_length=1)] = Field(
        default=(), description="ARN of the log group of structured logs."
    )
    on_upload: AttachedWorkflowSettings = Field(
        default_factory=AttachedWorkflowSettings, description="What is started for a file that came whole."
    )
    on_partial_upload: AttachedWorkflowSettings = Field(
        default_factory=AttachedWorkflowSettings, description="The same for one that came in part."
    )
    tags: ResourceTags = Field(default={}, description="Tags of the server.")

    @property
    def members(self) -> dict[str, Any]:
        """What the file names, by the member of a server it is."""
        values: dict[str, tuple[str, Any]] = {
            "security_policy": ("security_policy", self.security_policy),
            "identity_provider": ("identity_provider", _provider(self.identity_provider)),
            "set_stat_option": ("set_stat", self.set_stat_option),
            "directory_listing_optimization": ("listing", self.directory_listing_optimization),
            "pre_login_banner": ("pre_login_banner", self.pre_login_banner),
            "post_login_banner": ("post_login_banner", self.post_login_banner),
            "logging_role": ("logging_role", self.logging_role or ""),
            "structured_log_destinations": ("log_destinations", self.structured_log_destinations),
            "on_upload": ("on_upload", _attached(self.on_upload)),
            "on_partial_upload": ("on_partial_upload", _attached(self.on_partial_upload)),
            "tags": ("tags", tuple(self.tags.items())),
        }
        return dict(pair for name, pair in values.items() if name in self.model_fields_set)


def _provider(given: ServerIdentityProviderSettings) -> IdentityProvider:
    return IdentityProvider(
        given.type,
        given.function or "",
        given.url or "",
        given.invocation_role or "",
        given.directory_id or "",
        given.sftp_authentication_methods,
    )


def _attached(given: AttachedWorkflowSettings) -> AttachedWorkflow | None:
    if given.workflow_id is None or given.execution_role is None:
        return None
    return AttachedWorkflow(given.workflow_id, given.execution_role)


def server_holds_together(settings: Settings) -> Iterator[Problem]:
    """Yield what is wrong with the server beyond its single values."""
    server = settings.server
    for name in ("on_upload", "on_partial_upload"):
        attached: AttachedWorkflowSettings = getattr(server, name)
        if (attached.workflow_id is None) != (attached.execution_role is None):
            yield Problem(("server", name), "give workflow_id and execution_role, both or neither")
    provider = server.identity_provider
    needs = {"AWS_LAMBDA": "function", "API_GATEWAY": "url", "AWS_DIRECTORY_SERVICE": "directory_id"}
    for kind, name in needs.items():
        if (getattr(provider, name) is None) == (provider.type == kind):
            text = f"goes with type {kind}" if provider.type != kind else f"missing, with type {kind}"
            yield Problem(("server", "identity_provider", name), text)
