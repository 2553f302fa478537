"""
The one error family, with its SFTP answer on each class.

An error has two audiences. The partner's client reads `status` and `text`: both fixed, so that
nothing about buckets, keys, roles or exceptions leaves the house. The administrator reads
`detail` and `hint` in the log, beside the same error id the client was given.

Interiors raise these; only the faces translate them (`faces/sftp/answers.py`, `cli/main.py`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class SftpStatus(IntEnum):
    """SSH_FX codes of SFTP version 3. Source: draft-ietf-secsh-filexfer-02, section 7."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    OP_UNSUPPORTED = 8


class GatewayError(Exception):
    """
    Something was refused or failed.

    Args:
        detail: What happened and where, for the administrator. Never sent to a client.
        hint: How to mend it, if we know.
    """

    status: ClassVar[SftpStatus] = SftpStatus.FAILURE
    text: str = "Failure"
    # Whether the text is followed by an error id. Not where it is Transfer Family's, word for word.
    carries_id: ClassVar[bool] = True

    def __init__(self, detail: str, *, hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.detail} ({self.hint})" if self.hint else self.detail


# --- what a path or name led to -------------------------------------------------------------


class NotFound(GatewayError):
    """The object, directory, user, key or record is not there."""

    status = SftpStatus.NO_SUCH_FILE
    text = "No such file"


class AccessDenied(GatewayError):
    """Mapping, policy or the store's own permissions say no."""

    status = SftpStatus.PERMISSION_DENIED
    text = "Permission denied"


class AlreadyExists(GatewayError):
    """Something of that name is there already."""

    text = "File or directory already exists"


class NotEmpty(GatewayError):
    """A directory still holds entries."""

    text = "Directory is not empty"


class WrongKind(GatewayError):
    """A file where a directory was needed, or the other way round."""

    text = "Not a file or directory of that kind"


class InvalidName(GatewayError):
    """A name that cannot be an S3 key, a user name or a path."""

    text = "Invalid name"


class Unsupported(GatewayError):
    """
    The operation is not offered under this preset.

    Args:
        text: Sent to the client; must be a fixed phrase or built from protocol words only.
    """

    status = SftpStatus.OP_UNSUPPORTED
    text = "Operation unsupported"

    def __init__(self, detail: str, *, text: str = "Operation unsupported", hint: str = "") -> None:
        super().__init__(detail, hint=hint)
        self.text = text


class Malformed(GatewayError):
    """A packet that cannot be what it says it is. It ends its session."""

    status = SftpStatus.BAD_MESSAGE
    text = "Malformed packet"


# --- what became of an upload ---------------------------------------------------------------


class OutOfOrderWrite(GatewayError):
    """A write leaves a gap wider than the window, or rewrites bytes already sent to S3."""

    text = "AWS Transfer does not support random access writes to S3 objects"
    carries_id = False


class Incomplete(GatewayError):
    """The client said how large its file is, and fewer bytes came."""

    text = "File is incomplete: fewer bytes came than were announced"


class SentBefore(GatewayError):
    """Its content came before, and the route refuses that. Nothing of it is published."""

    text = "The same file was sent before"


class TooLarge(GatewayError):
    """The file is larger than S3, or the configured buffers, allow."""

    text = "File too large"


class Busy(GatewayError):
    """All upload buffers are promised to other uploads."""

    text = "Server is busy, try again later"


class TooManyFiles(GatewayError):
    """A directory holds more than may be renamed with it."""

    text = "Directory holds too many files to be renamed"


class InUse(GatewayError):
    """A file below a directory is being uploaded."""

    text = "A file in the directory is being uploaded"


class TooManyHandles(GatewayError):
    """The session has as many files and directories open as it may."""

    text = "Too many files and directories are open"


class OutcomeUnknown(GatewayError):
    """Whether the upload took effect could not be learnt; the client must send it again."""

    text = "Outcome unknown, send the file again"


class StoreUnavailable(GatewayError):
    """S3, KMS or DynamoDB did not answer, or answered with a fault of its own."""

    text = "Storage is unavailable, try again later"


class ProviderFailed(GatewayError):
    """An identity provider could not be asked, or failed. Nobody is let in by it."""

    text = "Login is unavailable, try again later"


class Throttled(StoreUnavailable):
    """S3, KMS or DynamoDB refused because too much is asked of it: what was asked has no effect."""


class ChangedMeanwhile(GatewayError):
    """A conditional write found the record or object changed by somebody else."""

    text = "Changed by another client"


class SendWhole(GatewayError):
    """An upload was to replace the file that is added to, and did not arrive whole."""

    text = "The last upload did not arrive whole: send the file again from its beginning"


class IllegalTransition(GatewayError):
    """A record was asked to move where its state table has no arrow."""


# --- what a person typed --------------------------------------------------------------------


class InvalidKey(GatewayError):
    """A pasted SSH key that cannot be used; `detail` says why and names the fingerprint if there is one."""


class TooManyKeys(InvalidKey):
    """The user has, or would have, more keys than a user can."""


class InvalidSettings(GatewayError):
    """The configuration cannot be used; `detail` names file, line and key."""


class Misuse(GatewayError):
    """The command was called in a way that cannot mean anything: exit code 2."""
