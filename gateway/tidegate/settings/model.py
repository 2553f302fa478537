"""All settings as one frozen value, and the rules that hold between them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from tidegate.core.behaviour import Preset
from tidegate.core.users import Home
from tidegate.settings.activity import ActivitySettings
from tidegate.settings.control import ControlSettings
from tidegate.settings.identity_providers import IdentityProviderSettings
from tidegate.settings.kinds import OWN_WORDS, BaseFile, Count, NamePrefix, ServerId, refused
from tidegate.settings.limits import LimitSettings
from tidegate.settings.migrations import FORMAT_VERSION, refused_version
from tidegate.settings.names import with_names
from tidegate.settings.partners import PartnerSettings, home_of
from tidegate.settings.rights import RightsSettings
from tidegate.settings.routes import RouteSettings
from tidegate.settings.rules import RULES
from tidegate.settings.sections import (
    AwsSettings,
    BehaviourSettings,
    DeliverySettings,
    DownloadSettings,
    HealthSettings,
    LandingSettings,
    LoggingSettings,
    RecordSettings,
    Section,
    SetupSettings,
    SftpSettings,
    ShutdownSettings,
    SweepSettings,
    TableSettings,
    UploadSettings,
)
from tidegate.settings.server import ServerSettings
from tidegate.settings.workflows import WorkflowSettings


def _known_version(version: int) -> int:
    if words := refused_version(version):
        raise refused(words)
    return version


class Settings(Section):
    """
    Everything a gateway is told. Frozen; every default is one that `local` runs with.

    What `serve` asks for beyond this is in `check_for_serve`.
    """

    version: Annotated[Count, AfterValidator(_known_version)] = Field(
        default=FORMAT_VERSION,
        description="Version of this format.",
        json_schema_extra={"const": FORMAT_VERSION},
    )
    extends: BaseFile | None = Field(
        default=None, description="File whose settings hold where this one says nothing."
    )
    name_prefix: NamePrefix | None = Field(
        default=None, description="Names buckets, tables and keys that are not named; null leaves local's."
    )
    preset: Preset | None = Field(
        default=None, description="Whose behaviour the server has; `serve` must be told."
    )
    server_id: ServerId | None = Field(
        default=None,
        description="Id of the server, in Transfer Family's form; null leaves it to the command.",
    )
    aws: AwsSettings = Field(default_factory=AwsSettings, description="How AWS is reached.")
    sftp: SftpSettings = Field(default_factory=SftpSettings, description="The SFTP server.")
    landing: LandingSettings = Field(default_factory=LandingSettings, description="Where uploads land.")
    tables: TableSettings = Field(default_factory=TableSettings, description="The DynamoDB tables.")
    deliveries: DeliverySettings = Field(
        default_factory=DeliverySettings, description="What finished uploads owe."
    )
    routes: tuple[RouteSettings, ...] = Field(
        default=(), description="What is different for some partners or paths; the first that matches."
    )
    server: ServerSettings = Field(
        default_factory=ServerSettings,
        description="What `apply` makes of the server, and `local` at its start.",
    )
    workflows: tuple[WorkflowSettings, ...] = Field(
        default=(), description="Definitions of the workflows that `server` names."
    )
    uploads: UploadSettings = Field(default_factory=UploadSettings, description="Buffers of uploads.")
    downloads: DownloadSettings = Field(default_factory=DownloadSettings, description="Buffers of downloads.")
    limits: LimitSettings = Field(
        default_factory=LimitSettings, description="How much one address, partner or file may take."
    )
    behaviour: BehaviourSettings = Field(
        default_factory=BehaviourSettings, description="Departures from the preset."
    )
    rights: RightsSettings = Field(
        default_factory=RightsSettings, description="What becomes of the roles and policies of users."
    )
    shutdown: ShutdownSettings = Field(default_factory=ShutdownSettings, description="How the gateway stops.")
    health: HealthSettings = Field(
        default_factory=HealthSettings, description="Answers to load balancers and orchestrators."
    )
    control: ControlSettings = Field(
        default_factory=ControlSettings, description="The Transfer Family API of `serve`."
    )
    sweep: SweepSettings = Field(default_factory=SweepSettings, description="What dead gateways left.")
    records: RecordSettings = Field(default_factory=RecordSettings, description="How long records are kept.")
    setup: SetupSettings = Field(
        default_factory=SetupSettings, description="What `tidegate setup` adds to an account."
    )
    logging: LoggingSettings = Field(default_factory=LoggingSettings, description="The log.")
    identity_providers: tuple[IdentityProviderSettings, ...] = Field(
        default=(), description="What is asked in place of identity providers that servers name."
    )
    activity: ActivitySettings = Field(
        default_factory=ActivitySettings, description="Who is told of what happens in sessions."
    )
    partners: tuple[PartnerSettings, ...] = Field(default=(), description="Partners of this server.")

    def home_of(self, partner: PartnerSettings) -> Home:
        """Return the partner's home, with `${transfer:UserName}` filled in."""
        return home_of(partner, self.landing.bucket)

    @model_validator(mode="before")
    @classmethod
    def _name(cls, values: object) -> object:
        return with_names(values)

    @model_validator(mode="after")
    def _hold_rules(self) -> Settings:
        problems = [problem for rule in RULES for problem in rule(self)]
        if problems:
            # The text is for callers who build settings in Python; the loader places each problem.
            text = "; ".join(problem.text for problem in problems)
            raise PydanticCustomError(OWN_WORDS, "{text}", {"text": text, "problems": problems})
        return self
