"""The section `limits`: how much of the gateway one address, partner, connection or file may take."""

from __future__ import annotations

from pydantic import Field

from tidegate.core.limits import (
    KIB,
    S3_MAX_OBJECT_BYTES,
    TIB,
    TRANSFER_IDLE_SECONDS,
    TRANSFER_SESSIONS_PER_CONNECTION,
)
from tidegate.settings.kinds import Count, Seconds
from tidegate.settings.sections import DAY_SECONDS, Section


class LimitSettings(Section):
    """Each counts on this gateway alone: two gateways take twice as much."""

    connections: Count = Field(
        default=1000, ge=1, le=1_000_000, description="Connections at the same time, logged in or not."
    )
    # Half: no address and no partner can take the places of all the others.
    connections_per_address: Count = Field(
        default=500, ge=1, le=1_000_000, description="Of these, from one address, or one IPv6 /64."
    )
    connections_per_partner: Count = Field(
        default=500, ge=1, le=1_000_000, description="Of these, logged in as one partner."
    )
    sessions_per_connection: Count = Field(
        default=TRANSFER_SESSIONS_PER_CONNECTION,
        ge=1,
        le=1000,
        description="SFTP sessions in one connection at the same time.",
    )
    handles_per_session: Count = Field(
        default=128, ge=1, le=10_000, description="Files and directories open in one session."
    )
    idle_seconds: Seconds | None = Field(
        default=TRANSFER_IDLE_SECONDS,
        gt=0,
        le=DAY_SECONDS,
        description="A connection that asks for nothing so long is ended; null means never.",
    )
    max_file_bytes: Count = Field(
        default=S3_MAX_OBJECT_BYTES, ge=1, le=S3_MAX_OBJECT_BYTES, description="Size of the largest upload."
    )
    upload_bytes_per_second_per_partner: Count | None = Field(
        default=None,
        ge=KIB,
        le=TIB,
        description="How fast all sessions of a partner together may upload; null means as they can.",
    )
    download_bytes_per_second_per_partner: Count | None = Field(
        default=None,
        ge=KIB,
        le=TIB,
        description="How fast all sessions of a partner together may download; null means as they can.",
    )
