"""
The sections of the configuration: names, defaults, bounds and meanings, and nothing else.

Rules between settings are in `rules`. The descriptions here are those of the JSON Schema; the page
for people is docs/configuration.md, and a test holds the two together.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from tidegate.core.behaviour import DroppedUpload, Setstat
from tidegate.core.holding import DEFAULT_HOLD_SECONDS
from tidegate.core.limits import GIB, KIB, MIB, S3_MAX_PART_BYTES, S3_MIN_PART_BYTES, TIB
from tidegate.core.security_policies import SecurityPolicyName
from tidegate.settings.kinds import (
    AlgorithmName,
    BucketName,
    Count,
    EndpointUrl,
    EventTarget,
    FilePath,
    FilePattern,
    Flag,
    HostName,
    KmsKey,
    Network,
    Prefix,
    Region,
    Seconds,
    Secret,
    ServiceName,
    TableName,
    TargetName,
    Words,
)

HOUR_SECONDS = 3600
DAY_SECONDS = 24 * HOUR_SECONDS


class Section(BaseModel):
    """A group of settings: frozen, no unknown names, no value quoted in pydantic's own errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True)

    # Settings whose being written says something by itself: left out, they leave things as they are.
    held_if_written: ClassVar[frozenset[str]] = frozenset()


class AwsSettings(Section):
    """How S3, DynamoDB and KMS are reached."""

    region: Region = Field(default="us-east-1", description="AWS Region of buckets, tables and keys.")
    endpoint_url: EndpointUrl | None = Field(
        default=None, description="Endpoint that speaks S3, DynamoDB and KMS; null means AWS itself."
    )
    access_key_id: Secret | None = Field(
        default=None, description="Only for endpoints that are not AWS's; as ${NAME} of a variable."
    )
    secret_access_key: Secret | None = Field(
        default=None, description="Goes with access_key_id; as ${NAME} of an environment variable."
    )
    connect_timeout_seconds: Seconds = Field(
        default=5, gt=0, le=HOUR_SECONDS, description="How long a connection may take to open."
    )
    read_timeout_seconds: Seconds = Field(
        default=30, gt=0, le=HOUR_SECONDS, description="How long an answer may take to arrive."
    )
    complete_timeout_seconds: Seconds = Field(
        default=600,
        gt=0,
        le=HOUR_SECONDS,
        description="The same for CompleteMultipartUpload, which can take minutes.",
    )
    max_attempts: Count = Field(
        default=4, ge=1, le=20, description="Attempts of one AWS call, the first included."
    )
    s3_concurrency: Count = Field(
        default=16, ge=1, le=512, description="Threads, hence S3 calls at the same time."
    )
    object_checksums: Literal["full", "parts"] = Field(
        default="full",
        description="What S3 checks of an object made of parts: the whole too, or each part alone.",
    )


class SftpSettings(Section):
    """The SFTP server."""

    host: HostName = Field(default="127.0.0.1", description="Address to listen on.")
    port: Count = Field(default=2222, ge=0, le=65535, description="Port; 0 takes a free one.")
    host_key_files: tuple[FilePath, ...] = Field(
        default=(), description="Private host keys; [] means those kept in the directory table."
    )
    advertised_host: HostName | None = Field(
        default=None, description="Host name that partners are told; null means `host`."
    )
    advertised_port: Count | None = Field(
        default=None, ge=1, le=65535, description="Port that partners are told; null means `port`."
    )
    login_timeout_seconds: Seconds = Field(
        default=120, gt=0, le=HOUR_SECONDS, description="How long a client may take to log in."
    )
    identity_provider_timeout_seconds: Seconds = Field(
        default=15, gt=0, le=120, description="How long an identity provider may take to answer."
    )
    security_policy: SecurityPolicyName | None = Field(
        default=None, description="Which SSH algorithms are offered; null leaves that to the preset."
    )
    extra_algorithms: tuple[AlgorithmName, ...] = Field(
        default=(), description="SSH algorithms offered after those of the policy, for old clients."
    )
    host_key_kms_key: KmsKey | None = Field(
        default=None,
        description="KMS key of host keys kept in the directory table; null means landing.kms_key.",
    )
    proxy_protocol_from: tuple[Network, ...] = Field(
        default=(), description="Load balancers, which must begin with a PROXY header; [] means none."
    )
    proxy_protocol_timeout_seconds: Seconds = Field(
        default=5, gt=0, le=HOUR_SECONDS, description="How long a PROXY header may take to arrive."
    )


class LandingSettings(Section):
    """Where uploads land."""

    bucket: BucketName = Field(default="tidegate-landing", description="Bucket that uploads land in.")
    kms_key: KmsKey | None = Field(
        default="alias/tidegate", description="KMS key of uploads; null means the bucket's default."
    )
    allow_unversioned: Flag = Field(
        default=False, description="Serve from a bucket without versioning, with weaker promises."
    )


class TableSettings(Section):
    """The two DynamoDB tables."""

    transfers: TableName = Field(
        default="tidegate-transfers", description="Table of transfers and deliveries."
    )
    directory: TableName = Field(
        default="tidegate-directory", description="Table of servers, users and keys."
    )
    kms_key: KmsKey | None = Field(
        default=None, description="KMS key of both tables; null means the key AWS keeps for DynamoDB."
    )


class DeliveryTargetSettings(Section):
    """One place that finished uploads are copied to."""

    name: TargetName = Field(description="Name of the target in records and commands; unique.")
    bucket: BucketName = Field(
        description="Bucket to copy to, never the landing bucket; with name_prefix it need not be said."
    )
    prefix: Prefix = Field(default="", description="Put before the key of each copy; ends in /.")
    kms_key: KmsKey | None = Field(
        default=None, description="KMS key of the copies; null means the bucket's default."
    )


def _local_targets() -> tuple[DeliveryTargetSettings, ...]:
    return (
        DeliveryTargetSettings(name="private", bucket="tidegate-private", kms_key="alias/tidegate-private"),
    )


class DeliverySettings(Section):
    """What finished uploads owe, and the workers that pay it."""

    targets: tuple[DeliveryTargetSettings, ...] = Field(
        default_factory=_local_targets,
        description="Where finished uploads are copied to; [] means nowhere.",
    )
    poll_interval_seconds: Seconds = Field(
        default=5, gt=0, le=HOUR_SECONDS, description="Pause between looks for due deliveries."
    )
    lease_seconds: Seconds = Field(
        default=60, gt=0, le=DAY_SECONDS, description="How long a claimed delivery is left to its worker."
    )
    max_attempts: Count = Field(default=20, ge=1, le=1000, description="Attempts before a delivery is DEAD.")
    concurrency: Count = Field(default=4, ge=1, le=256, description="Deliveries at the same time.")
    hold_seconds: Count = Field(
        default=DEFAULT_HOLD_SECONDS,
        ge=1,
        le=30 * DAY_SECONDS,
        description="How long a file with a temporary name is waited for to be renamed.",
    )
    owner: Literal["embedded", "handlers"] = Field(
        default="embedded", description="Who delivers: the gateways themselves, or Lambda functions."
    )
    foreign_objects: Literal["ignore", "deliver"] = Field(
        default="ignore", description="What handlers do with objects that no partner uploaded."
    )
    events: EventTarget | None = Field(
        default=None,
        description="Where landing buckets send events: eventbridge, or the ARN of a queue or function.",
    )


class UploadSettings(Section):
    """Buffers of uploads: all together never hold more than `buffer_budget_bytes`."""

    buffer_budget_bytes: Count = Field(
        default=GIB, ge=1, le=16 * TIB, description="Memory of all upload buffers together."
    )
    part_size_bytes: Annotated[Count, Words(least="S3's smallest part", most="S3's largest part")] = Field(
        default=8 * MIB,
        ge=S3_MIN_PART_BYTES,
        le=S3_MAX_PART_BYTES,
        description="Size of the first parts; a smaller file is stored by one PutObject.",
    )
    parallel_parts: Count = Field(
        default=4, ge=1, le=64, description="Parts of one upload on their way to S3 at once."
    )
    reorder_window_bytes: Count = Field(
        default=2 * MIB, ge=0, le=GIB, description="How far ahead of the next byte a write may be."
    )
    keep_dropped_seconds: Seconds = Field(
        default=DAY_SECONDS,
        gt=0,
        le=7 * DAY_SECONDS,
        description="How long a dropped upload can be continued, where `behaviour.dropped_upload` is `keep`.",
    )


class DownloadSettings(Section):
    """Buffers of downloads: none reads ahead while the budget is taken; all go on without."""

    buffer_budget_bytes: Count = Field(
        default=256 * MIB, ge=0, le=16 * TIB, description="Memory of all read-ahead together."
    )
    read_ahead_bytes: Count = Field(
        default=8 * MIB,
        ge=32 * KIB,
        le=GIB,
        description="Block fetched at once; a file being read holds two.",
    )


class BehaviourSettings(Section):
    """Departures from the preset; null leaves a choice to it."""

    dropped_upload: DroppedUpload | None = Field(
        default=None, description="What becomes of an upload whose connection dropped."
    )
    resume: Flag | None = Field(
        default=None, description="Whether files may be appended to and uploads continued."
    )
    setstat: Setstat | None = Field(
        default=None, description="What becomes of the times, sizes and permissions a client sets."
    )
    show_open_uploads: Flag | None = Field(
        default=None, description="Whether STAT shows a new file while it is being uploaded."
    )
    rename_overwrite: Flag | None = Field(
        default=None, description="Whether posix-rename is offered, which replaces existing files."
    )
    rename_directories: Count | None = Field(
        default=None,
        ge=0,
        le=100_000,
        description="How many objects a directory may hold to be renamed; 0 means none can be.",
    )
    one_writer: Flag | None = Field(
        default=None, description="Whether a file that is being written is closed to other writers."
    )
    one_kind: Flag | None = Field(
        default=None, description="Whether a name can be a file or a directory, but not both."
    )
    temporary_names: tuple[FilePattern, ...] | None = Field(
        default=None,
        description="Names of files whose deliveries are held until they are renamed; [] means none.",
    )
    announce_host_keys: Flag | None = Field(
        default=None, description="Whether clients are told of all host keys, the next ones included."
    )
    end_revoked: Flag | None = Field(
        default=None, description="Whether sessions end within seconds when their user or key is removed."
    )


class ShutdownSettings(Section):
    """How the gateway stops."""

    grace_seconds: Seconds = Field(
        default=30, ge=0, le=DAY_SECONDS, description="How long open uploads may go on once told to stop."
    )
    notice_seconds: Seconds = Field(
        default=0,
        ge=0,
        le=HOUR_SECONDS,
        description="How long /ready says no before connections are refused.",
    )


class HealthSettings(Section):
    """Questions a load balancer or an orchestrator asks, over HTTP."""

    host: HostName = Field(default="127.0.0.1", description="Address to answer on.")
    port: Count | None = Field(
        default=None, ge=0, le=65535, description="Port to answer on; 0 takes a free one, null means not to."
    )
    metrics: Flag = Field(
        default=False, description="Whether /metrics is answered, which names partners; for Prometheus."
    )


class SetupSettings(Section):
    """What `tidegate setup` gives an account beyond what the gateway cannot do without."""

    noncurrent_days: Count | None = Field(
        default=None, ge=1, le=36500, description="Days that replaced versions are kept; null means for ever."
    )
    object_lock_days: Count | None = Field(
        default=None,
        ge=1,
        le=36500,
        description="Days that no version can be deleted in new landing buckets; null means no Object Lock.",
    )
    deletion_protection: Flag = Field(
        default=True, description="Whether tables must be unprotected before they can be deleted."
    )
    trusted_services: tuple[ServiceName, ...] = Field(
        default=(), description="Services that may assume the roles setup makes; [] means it makes none."
    )


class SweepSettings(Section):
    """What dead gateways left open, and who is dead."""

    lease_seconds: Seconds = Field(
        default=60, gt=0, le=HOUR_SECONDS, description="A gateway silent for so long is dead."
    )
    interval_seconds: Seconds = Field(
        default=60, gt=0, le=HOUR_SECONDS, description="Pause between sweeps of open records."
    )


class RecordSettings(Section):
    """How long records are kept."""

    retention_days: Count = Field(
        default=400, ge=1, le=36500, description="Days that records of ended transfers are kept."
    )
    refused_login_retention_days: Count = Field(
        default=90, ge=1, le=36500, description="Days that records of refused logins are kept."
    )


class LoggingSettings(Section):
    """The log."""

    format: Literal["auto", "json", "console"] = Field(
        default="auto", description="auto: console on a terminal, json elsewhere."
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe level that is written."
    )
