"""Whatever talks to the outside: the only importers of boto3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tidegate.adapters.activity_file import ActivityLines
    from tidegate.adapters.aws.account.buckets import BucketResource
    from tidegate.adapters.aws.account.keys import KeyResource
    from tidegate.adapters.aws.account.roles import RoleResource
    from tidegate.adapters.aws.account.tables import TableResource
    from tidegate.adapters.aws.api_gateway import ApiGateway
    from tidegate.adapters.aws.assumed import AssumedStore, StsRoles
    from tidegate.adapters.aws.directory import DynamoUserDirectory
    from tidegate.adapters.aws.event_bus import EventBus
    from tidegate.adapters.aws.host_keys import DynamoHostKeys, KmsVault
    from tidegate.adapters.aws.iam_roles import IamRoles
    from tidegate.adapters.aws.lambda_function import LambdaFunction
    from tidegate.adapters.aws.leases import DynamoGatewayLeases
    from tidegate.adapters.aws.log_groups import LogGroups
    from tidegate.adapters.aws.metrics import TransferMetrics
    from tidegate.adapters.aws.s3 import S3ObjectStore
    from tidegate.adapters.aws.transfer_directory import TransferUserDirectory
    from tidegate.adapters.aws.transfer_log import DynamoTransferLog
    from tidegate.adapters.aws.workflows import DynamoWorkflows
    from tidegate.adapters.callable_provider import CallableProvider
    from tidegate.adapters.clock import SystemClock
    from tidegate.adapters.command_provider import CommandProvider
    from tidegate.adapters.memory.clock import ManualClock
    from tidegate.adapters.memory.directory import MemoryUserDirectory
    from tidegate.adapters.memory.host_keys import MemoryHostKeys, MemoryVault
    from tidegate.adapters.memory.leases import MemoryGatewayLeases
    from tidegate.adapters.memory.metrics import MemoryMetrics
    from tidegate.adapters.memory.objects import MemoryObjectStore
    from tidegate.adapters.memory.roles import MemoryRoleAssumer, MemoryRoleBook
    from tidegate.adapters.memory.transfer_log import MemoryTransferLog
    from tidegate.adapters.memory.workflows import MemoryWorkflows
    from tidegate.adapters.url_provider import UrlProvider
    from tidegate.ports.account import Resource
    from tidegate.ports.activities import ActivitySink, MetricSink
    from tidegate.ports.clock import Clock
    from tidegate.ports.directory import UserDirectory
    from tidegate.ports.host_keys import HostKeys, Vault
    from tidegate.ports.identity_providers import IdentityProviderCall
    from tidegate.ports.kept_uploads import KeptUploadLog
    from tidegate.ports.leases import GatewayLeases
    from tidegate.ports.objects import ObjectStore
    from tidegate.ports.renames import RenameLog
    from tidegate.ports.rights import RoleAssumer, RoleBook
    from tidegate.ports.suspects import SuspectLog
    from tidegate.ports.transfer_log import DeliveryQueue, LoginAudit, TransferLog
    from tidegate.ports.workflows import WorkflowDirectory

    # An adapter or fake that stops keeping the form of its port fails the type check here.
    clocks: tuple[type[Clock], ...] = (SystemClock, ManualClock)
    directories: tuple[type[UserDirectory], ...] = (
        DynamoUserDirectory,
        MemoryUserDirectory,
        TransferUserDirectory,
    )
    leases: tuple[type[GatewayLeases], ...] = (DynamoGatewayLeases, MemoryGatewayLeases)
    stores: tuple[type[ObjectStore], ...] = (S3ObjectStore, AssumedStore, MemoryObjectStore)
    logs: tuple[type[TransferLog], ...] = (DynamoTransferLog, MemoryTransferLog)
    queues: tuple[type[DeliveryQueue], ...] = (DynamoTransferLog, MemoryTransferLog)
    renames: tuple[type[RenameLog], ...] = (DynamoTransferLog, MemoryTransferLog)
    kept: tuple[type[KeptUploadLog], ...] = (DynamoTransferLog, MemoryTransferLog)
    suspects: tuple[type[SuspectLog], ...] = (DynamoTransferLog, MemoryTransferLog)
    resources: tuple[type[Resource], ...] = (KeyResource, BucketResource, TableResource, RoleResource)
    host_keys: tuple[type[HostKeys], ...] = (DynamoHostKeys, MemoryHostKeys)
    workflows: tuple[type[WorkflowDirectory], ...] = (DynamoWorkflows, MemoryWorkflows)
    vaults: tuple[type[Vault], ...] = (KmsVault, MemoryVault)
    providers: tuple[type[IdentityProviderCall], ...] = (
        LambdaFunction,
        ApiGateway,
        CommandProvider,
        CallableProvider,
        UrlProvider,
    )
    role_books: tuple[type[RoleBook], ...] = (IamRoles, MemoryRoleBook)
    role_assumers: tuple[type[RoleAssumer], ...] = (StsRoles, MemoryRoleAssumer)
    sinks: tuple[type[ActivitySink], ...] = (ActivityLines, LogGroups, EventBus)
    metric_sinks: tuple[type[MetricSink], ...] = (TransferMetrics, MemoryMetrics)
    audits: tuple[type[LoginAudit], ...] = (DynamoTransferLog, MemoryTransferLog)
