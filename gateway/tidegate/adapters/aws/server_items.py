"""
Rows of servers in the directory table, to items and back. No I/O.

All are in one partition, `servers`, so that one query finds them; what belongs to a server is in the
partition of its id. Each change gives a row another `Revision`. `Revocations` counts on beside it, in writes
of its own.
"""

from __future__ import annotations

import secrets
from dataclasses import asdict
from typing import Any

from tidegate.adapters.aws.items import Item
from tidegate.core.servers import AttachedWorkflow, IdentityProvider, Server
from tidegate.core.tags import Tags

PARTITION = "servers"
FIRST, LAST = "s-", "s-~"  # of the ids


def server_item(server: Server) -> Item:
    """Return the row of a new server."""
    members = {name: value for name, value in server_members(server).items() if value is not None}
    return {"Server": PARTITION, "Entry": server.server_id, "Revision": new_revision(), **members}


def new_revision() -> str:
    return secrets.token_hex(8)


def server_members(server: Server) -> Item:
    """Return the attributes that a change writes; one that is None is to be taken away."""
    return {
        "Tags": tag_items(server.tags),
        "WantedState": server.wanted,
        "Preset": server.preset,
        "IdentityProvider": asdict(server.identity_provider),
        "SecurityPolicyName": server.security_policy,
        "SetStatOption": server.set_stat,
        "DirectoryListingOptimization": server.listing,
        "PreAuthenticationLoginBanner": server.pre_login_banner,
        "PostAuthenticationLoginBanner": server.post_login_banner,
        "LoggingRole": server.logging_role,
        "StructuredLogDestinations": list(server.log_destinations),
        "OnUpload": _workflow_item(server.on_upload),
        "OnPartialUpload": _workflow_item(server.on_partial_upload),
        "Port": server.port,
        "Kept": dict(server.kept),
        "HostKeyChanges": server.host_key_changes,
        "IsConfigured": server.is_configured,
    }


def server_of(row: Item) -> Server:
    return Server(
        row["Entry"],
        tags_of(row),
        wanted=row["WantedState"],
        preset=row.get("Preset"),
        identity_provider=IdentityProvider(**row["IdentityProvider"]),
        security_policy=row.get("SecurityPolicyName"),
        set_stat=row.get("SetStatOption"),
        listing=row["DirectoryListingOptimization"],
        pre_login_banner=row["PreAuthenticationLoginBanner"],
        post_login_banner=row["PostAuthenticationLoginBanner"],
        logging_role=row["LoggingRole"],
        log_destinations=tuple(row["StructuredLogDestinations"]),
        on_upload=_workflow(row.get("OnUpload")),
        on_partial_upload=_workflow(row.get("OnPartialUpload")),
        port=row.get("Port"),
        kept=row["Kept"],
        host_key_changes=row["HostKeyChanges"],
        revocations=row.get("Revocations", 0),
        is_configured=row["IsConfigured"],
    )


def tag_items(tags: Tags) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags]


def tags_of(row: Item) -> Tags:
    return tuple((tag["Key"], tag["Value"]) for tag in row.get("Tags", ()))


def _workflow_item(attached: AttachedWorkflow | None) -> dict[str, str] | None:
    return asdict(attached) if attached else None


def _workflow(item: dict[str, Any] | None) -> AttachedWorkflow | None:
    return AttachedWorkflow(**item) if item else None
