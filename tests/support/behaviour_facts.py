"""
What Transfer Family answers, as far as that is known, and what we answer: a row for each question.

docs/behaviour.md is made from this table, and tests/sftp/test_behaviour_facts.py asks every question of a
gateway of each preset: what stands here as ours is what is on the wire. `(error id)` is an error id.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tidegate.core.evidence import Evidence

GUIDE, API, REPORTED = Evidence.GUIDE, Evidence.API, Evidence.REPORTED
INFERRED, MEMORY, UNKNOWN = Evidence.INFERRED, Evidence.MEMORY, Evidence.UNKNOWN


class Verdict(StrEnum):
    SAME = "same as AWS"
    DIFFERS = "differs"
    UNKNOWN = "unknown"


SAME, DIFFERS, OPEN = Verdict.SAME, Verdict.DIFFERS, Verdict.UNKNOWN


@dataclass(frozen=True)
class Fact:
    """
    One question.

    Args:
        asked: What a client does; unique.
        aws: What Transfer Family answers, in as many words as are known.
        transfer_family, partner_safe: What we answer under each preset, as the probe says it.
        verdicts: How the two compare with AWS, in this order.
        setting: The one that decides it, if the presets differ by a setting.
    """

    group: str
    asked: str
    aws: str
    evidence: Evidence
    transfer_family: str
    partner_safe: str
    verdicts: tuple[Verdict, Verdict]
    setting: str = ""


def _both(
    group: str, asked: str, aws: str, evidence: Evidence, ours: str, verdict: Verdict | None = None
) -> Fact:
    """Return a row in which the presets agree; where AWS's answer is not known, so is the verdict."""
    found = verdict or (OPEN if evidence is UNKNOWN else SAME)
    return Fact(group, asked, aws, evidence, ours, ours, (found, found))


_SSH = (
    _both(
        "SSH",
        "the server's identification",
        "SSH-2.0-AWS_SFTP_1.1, 1.2 since 2025",
        REPORTED,
        "SSH-2.0-tidegate",
        DIFFERS,
    ),
    _both("SSH", "authentication methods of a partner with keys", "publickey", REPORTED, "publickey"),
    _both("SSH", "compression", "none", GUIDE, "none"),
    _both("SSH", "a shell, or a command", "refused", GUIDE, "refused"),
)

_SESSION = (
    _both("Session", "sessions in one connection", "10", GUIDE, "10, then refused"),
    Fact(
        "Session",
        "VERSION",
        "version 3; no extensions",
        REPORTED,
        "version 3; no extensions",
        "version 3; with extensions",
        (SAME, DIFFERS),
    ),
    Fact(
        "Session",
        "posix-rename@openssh.com onto a file",
        "OP_UNSUPPORTED",
        REPORTED,
        "OP_UNSUPPORTED: Operation unsupported",
        "OK",
        (SAME, DIFFERS),
        "behaviour.rename_overwrite",
    ),
    _both(
        "Session",
        "hardlink@openssh.com",
        "OP_UNSUPPORTED",
        INFERRED,
        "OP_UNSUPPORTED: Operation unsupported",
    ),
    _both("Session", "REALPATH of .", "/ (a home of type LOGICAL)", GUIDE, "/"),
    _both("Session", "REALPATH of /../../x", "/x: there is no way above the root", GUIDE, "/x"),
)

_OPEN = (
    _both("OPEN", "for reading", "opened", GUIDE, "opened"),
    _both("OPEN", "for reading, nothing there", "NO_SUCH_FILE", INFERRED, "NO_SUCH_FILE: No such file"),
    _both("OPEN", "for reading, a directory", "?", UNKNOWN, "NO_SUCH_FILE: No such file"),
    _both("OPEN", "WRITE CREATE TRUNCATE, a new name", "opened", GUIDE, "opened"),
    _both("OPEN", "WRITE CREATE TRUNCATE, an existing file", "opened", GUIDE, "opened"),
    _both("OPEN", "WRITE CREATE, an existing file", "?", UNKNOWN, "opened"),
    _both("OPEN", "WRITE alone, an existing file", "?", UNKNOWN, "opened"),
    _both("OPEN", "WRITE alone, nothing there", "?", UNKNOWN, "NO_SUCH_FILE: No such file"),
    _both("OPEN", "WRITE CREATE EXCLUSIVE, a new name", "?", UNKNOWN, "opened"),
    _both(
        "OPEN",
        "WRITE CREATE EXCLUSIVE, an existing file",
        "?",
        UNKNOWN,
        "FAILURE: File or directory already exists (error id)",
    ),
    Fact(
        "OPEN",
        "WRITE CREATE TRUNCATE, a directory",
        "?",
        UNKNOWN,
        "opened",
        "FAILURE: Not a file or directory of that kind (error id)",
        (OPEN, OPEN),
        "behaviour.one_kind",
    ),
    Fact(
        "OPEN",
        "WRITE CREATE TRUNCATE, below a file",
        "?",
        UNKNOWN,
        "opened",
        "FAILURE: Not a file or directory of that kind (error id)",
        (OPEN, OPEN),
        "behaviour.one_kind",
    ),
    Fact(
        "OPEN",
        "READ WRITE",
        "OP_UNSUPPORTED: Cannot open file in mode: READ|WRITE",
        REPORTED,
        "OP_UNSUPPORTED: Cannot open file in mode: READ|WRITE",
        "opened",
        (SAME, DIFFERS),
        "behaviour.resume",
    ),
    Fact(
        "OPEN",
        "READ WRITE CREATE TRUNCATE",
        "OP_UNSUPPORTED: Cannot open file in mode: CREATE|READ|TRUNCATE|WRITE",
        REPORTED,
        "OP_UNSUPPORTED: Cannot open file in mode: CREATE|READ|TRUNCATE|WRITE",
        "opened",
        (SAME, DIFFERS),
        "behaviour.resume",
    ),
    Fact(
        "OPEN",
        "READ WRITE CREATE EXCLUSIVE",
        "OP_UNSUPPORTED: Cannot open file in mode: CREATE|EXCLUSIVE|READ|WRITE",
        REPORTED,
        "OP_UNSUPPORTED: Cannot open file in mode: CREATE|EXCLUSIVE|READ|WRITE",
        "opened",
        (SAME, DIFFERS),
        "behaviour.resume",
    ),
    Fact(
        "OPEN",
        "WRITE CREATE APPEND",
        "not supported; status and text are not known",
        MEMORY,
        "OP_UNSUPPORTED: Cannot open file in mode: APPEND|CREATE|WRITE",
        "opened",
        (OPEN, DIFFERS),
        "behaviour.resume",
    ),
    _both("OPEN", "no flags", "?", UNKNOWN, "OP_UNSUPPORTED: Cannot open file in mode: NONE"),
    Fact(
        "OPEN",
        "for writing, a file that is being written",
        "opened; the last CLOSE wins",
        MEMORY,
        "opened",
        "FAILURE: File or directory already exists (error id)",
        (SAME, DIFFERS),
        "behaviour.one_writer",
    ),
)

_TRANSFER = (
    _both(
        "WRITE, READ, CLOSE",
        "WRITE far ahead of the next byte",
        "refused: AWS Transfer does not support random access writes to S3 objects; its status is not known",
        GUIDE,
        "FAILURE: AWS Transfer does not support random access writes to S3 objects",
    ),
    _both(
        "WRITE, READ, CLOSE",
        "READ on a handle for writing",
        "?",
        UNKNOWN,
        "OP_UNSUPPORTED: Operation unsupported",
    ),
    _both(
        "WRITE, READ, CLOSE",
        "WRITE on a handle for reading",
        "?",
        UNKNOWN,
        "OP_UNSUPPORTED: Operation unsupported",
    ),
    _both(
        "WRITE, READ, CLOSE", "CLOSE of a handle that is none", "?", UNKNOWN, "FAILURE: Invalid file handle"
    ),
    _both("WRITE, READ, CLOSE", "the object in S3 before CLOSE", "not there", REPORTED, "not there"),
    _both("WRITE, READ, CLOSE", "the object in S3 after CLOSE", "there", GUIDE, "there"),
    _both(
        "WRITE, READ, CLOSE",
        "the object's metadata",
        "user-agent=AWSTransfer, user-agent-id=USER@SERVER",
        GUIDE,
        "user-agent=AWSTransfer, user-agent-id=USER@SERVER",
    ),
    Fact(
        "WRITE, READ, CLOSE",
        "the connection drops amid an upload",
        "what came is stored, and reported as partial",
        GUIDE,
        "stored; PARTIAL",
        "nothing stored; KEPT",
        (SAME, DIFFERS),
        "behaviour.dropped_upload",
    ),
    Fact(
        "WRITE, READ, CLOSE",
        "CLOSE of a file called x.filepart",
        "workflows and events start, as for any file",
        INFERRED,
        "owed to all targets at once",
        "owed to all targets when it is renamed",
        (SAME, DIFFERS),
        "behaviour.temporary_names",
    ),
)

_ATTRIBUTES = (
    _both("Attributes", "which ones STAT sends", "?", UNKNOWN, "size, permissions, times"),
    _both("Attributes", "owner and group", "not set", REPORTED, "not set"),
    _both("Attributes", "permissions of a file", "0100744", MEMORY, "0100744"),
    _both("Attributes", "size of a file", "the object's", MEMORY, "the object's"),
    _both("Attributes", "times of a file", "the object's LastModified", MEMORY, "the object's LastModified"),
    _both("Attributes", "permissions of a directory", "040744", REPORTED, "040744"),
    _both("Attributes", "size and times of a directory", "0, 0", REPORTED, "0, 0"),
    _both("Attributes", "STAT of /", "a directory", INFERRED, "a directory"),
    _both("Attributes", "STAT of a prefix without a marker", "a directory", GUIDE, "a directory"),
    _both("Attributes", "STAT of nothing", "NO_SUCH_FILE", REPORTED, "NO_SUCH_FILE: No such file"),
    _both(
        "Attributes",
        "STAT where the role may not look",
        "PERMISSION_DENIED: Forbidden",
        REPORTED,
        "PERMISSION_DENIED: Permission denied (error id)",
        DIFFERS,
    ),
    Fact(
        "Attributes",
        "SETSTAT of times",
        "OP_UNSUPPORTED: SETSTAT unsupported",
        REPORTED,
        "OP_UNSUPPORTED: SETSTAT unsupported",
        "OK",
        (SAME, DIFFERS),
        "behaviour.setstat",
    ),
    Fact(
        "Attributes",
        "FSETSTAT of times",
        "OP_UNSUPPORTED: SETSTAT unsupported",
        INFERRED,
        "OP_UNSUPPORTED: SETSTAT unsupported",
        "OK",
        (SAME, DIFFERS),
        "behaviour.setstat",
    ),
)

_NAMES = (
    _both("Names", "OPENDIR of nothing", "NO_SUCH_FILE", GUIDE, "NO_SUCH_FILE: No such file"),
    _both(
        "Names", "OPENDIR of a file", "?", UNKNOWN, "FAILURE: Not a file or directory of that kind (error id)"
    ),
    _both("Names", ". and .. in a listing", "left out", REPORTED, "left out"),
    _both(
        "Names",
        "a listing's line of a directory",
        "drwxr--r--   1 - - 0 Jan  1  1970 NAME; its columns are not known",
        REPORTED,
        "drwxr--r--   1 -        -               0 Jan  1  1970 d",
    ),
    _both(
        "Names",
        "a listing's line of a file",
        "-rwxr--r--   1 - - SIZE DATE NAME",
        MEMORY,
        "-rwxr--r--   1 -        -               5 DATE f",
    ),
    _both("Names", "MKDIR", "OK; an empty object whose key ends in /", GUIDE, "OK; 0 bytes at d/"),
    _both(
        "Names",
        "MKDIR of an existing directory",
        "?",
        UNKNOWN,
        "FAILURE: File or directory already exists (error id)",
    ),
    Fact(
        "Names",
        "MKDIR below a file",
        "?",
        UNKNOWN,
        "OK",
        "FAILURE: Not a file or directory of that kind (error id)",
        (OPEN, OPEN),
        "behaviour.one_kind",
    ),
    _both("Names", "RMDIR of an empty directory", "OK", GUIDE, "OK"),
    _both(
        "Names",
        "RMDIR of one that is not empty",
        "refused; status and text are not known",
        GUIDE,
        "FAILURE: Directory is not empty (error id)",
    ),
    _both("Names", "RMDIR of nothing", "?", UNKNOWN, "NO_SUCH_FILE: No such file"),
    _both(
        "Names", "RMDIR of a file", "?", UNKNOWN, "FAILURE: Not a file or directory of that kind (error id)"
    ),
    _both("Names", "REMOVE", "OK", GUIDE, "OK"),
    _both("Names", "REMOVE of nothing", "?", UNKNOWN, "NO_SUCH_FILE: No such file"),
    _both(
        "Names",
        "REMOVE of a directory",
        "?",
        UNKNOWN,
        "FAILURE: Not a file or directory of that kind (error id)",
    ),
    _both("Names", "RENAME of a file", "OK", GUIDE, "OK"),
    _both(
        "Names",
        "RENAME onto a file",
        "refused; status and text are not known",
        GUIDE,
        "FAILURE: File or directory already exists (error id)",
    ),
    Fact(
        "Names",
        "RENAME of a directory",
        "refused; status and text are not known",
        GUIDE,
        "OP_UNSUPPORTED: Operation unsupported",
        "OK",
        (SAME, DIFFERS),
        "behaviour.rename_directories",
    ),
    _both("Names", "RENAME of nothing", "?", UNKNOWN, "NO_SUCH_FILE: No such file"),
    _both(
        "Names",
        "SYMLINK",
        "not supported; its status is not known",
        GUIDE,
        "OP_UNSUPPORTED: Operation unsupported",
    ),
    _both(
        "Names",
        "READLINK",
        "not supported; its status is not known",
        GUIDE,
        "OP_UNSUPPORTED: Operation unsupported",
    ),
)

FACTS = (*_SSH, *_SESSION, *_OPEN, *_TRANSFER, *_ATTRIBUTES, *_NAMES)
