"""What an account should hold for a gateway, and what was found to be otherwise. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]

# Why nothing is changed without a word: everything else a person must decide.
BY_SETUP = "tidegate setup mends it"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that is not as it should be.

    Args:
        resource: What it is about, such as `bucket example-landing`.
        what: Which side of it, such as `versioning`; the same word for the same fault, always.
        problem: What was found.
        mend: What to do about it.
        severity: `error` breaks a promise or stops work; `warning` costs money, or is less safe than need be.
        by_setup: Whether `tidegate setup` mends it.
    """

    resource: str
    what: str
    problem: str
    mend: str = BY_SETUP
    severity: Severity = "error"
    by_setup: bool = False


@dataclass(frozen=True, slots=True)
class WantedBucket:
    """
    A bucket as it should be.

    Args:
        kms_key: Alias, id or ARN of the key of its default encryption; None: any SSE-KMS key will do.
        versioned: Whether it must keep versions.
        sends_uploads: Whether our uploads are sent to it, or copies only.
        noncurrent_days: Days after which replaced versions expire; None: never.
        object_lock_days: Retention of versions in a new bucket; None: no Object Lock.
        events: Where it announces new objects: `eventbridge`, or the ARN of a queue or function.
        tls_only: Whether its policy must refuse requests without TLS; with an endpoint that is reached
            without, that would shut the gateway out.
    """

    name: str
    kms_key: str | None = None
    versioned: bool = True
    sends_uploads: bool = True
    noncurrent_days: int | None = None
    object_lock_days: int | None = None
    events: str | None = None
    tls_only: bool = True


@dataclass(frozen=True, slots=True)
class WantedTable:
    """
    A table as it should be.

    Args:
        holds: Which of the two shapes it has.
        kms_key: Alias, id or ARN; None: any KMS key will do.
    """

    name: str
    holds: Literal["transfers", "directory"]
    kms_key: str | None = None
    deletion_protection: bool = True


@dataclass(frozen=True, slots=True)
class WantedRole:
    """A role as it should be: who may assume it. What it may do is rendered once the keys are known."""

    name: str
    holds: Literal["gateway", "handlers", "sweep"]
    trusted_services: tuple[str, ...]
