"""
A probe for each question of the table of behaviour: what it returns is what the table says of us.

They share one session in which `old`, `full/f`, `both/f`, `shown/f` and `shown/d/f` are there, and have a
name each for what they make, so that their order does not matter.
"""

from __future__ import annotations

import asyncio
import re
import struct
from contextlib import suppress

import asyncssh
import botocore.exceptions

from support.behaviour_asked import (
    APPEND,
    CREATE,
    EXCLUSIVE,
    FULL,
    MIB,
    NEW,
    OLD,
    PROBES,
    READ,
    TIMES,
    WRITE,
    Asked,
    asks,
    opening,
    simple,
    words,
)
from tidegate.adapters.aws import items
from tidegate.core.errors import AccessDenied, SftpStatus
from tidegate.core.sessions import Session
from tidegate.faces.sftp.answers import as_sftp_error

# --- SSH --------------------------------------------------------------------------------------


@asks("the server's identification")
async def _identification(asked: Asked) -> str:
    return str(asked.session.connection.get_extra_info("server_version"))


@asks("authentication methods of a partner with keys")
async def _methods(asked: Asked) -> str:
    gateway = asked.gateway
    found = await asyncssh.get_server_auth_methods(gateway.sftp_host, gateway.sftp_port, "acme", config=None)
    return ", ".join(found)


@asks("compression")
async def _compression(asked: Asked) -> str:
    return str(asked.session.connection.get_extra_info("send_compression"))


@asks("a shell, or a command")
async def _shell(asked: Asked) -> str:
    for command in (None, "id"):
        with suppress(asyncssh.ChannelOpenError):
            await asked.session.connection.create_process(command)
            return "run"
    return "refused"


# --- session ----------------------------------------------------------------------------------


@asks("sessions in one connection")
async def _sessions(asked: Asked) -> str:
    writers = []
    with suppress(asyncssh.ChannelOpenError):
        while len(writers) < 20:
            writer, _, _ = await asked.session.connection.open_session(subsystem="sftp", encoding=None)
            writers.append(writer)
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    return f"{1 + len(writers)}, then refused"


@asks("VERSION")
async def _version(asked: Asked) -> str:
    writer, reader, _ = await asked.session.connection.open_session(subsystem="sftp", encoding=None)
    writer.write(struct.pack(">IBI", 5, 1, 3))
    length = int.from_bytes(await reader.readexactly(4), "big")
    _, version = struct.unpack_from(">BI", await reader.readexactly(length))
    writer.close()
    return f"version {version}; {'with' if length > 5 else 'no'} extensions"


@asks("posix-rename@openssh.com onto a file")
async def _posix_rename(asked: Asked) -> str:
    await asked.put("posix-a")
    await asked.put("posix-b")
    return await asked.said(200, b"posix-rename@openssh.com", b"posix-a", b"posix-b")


simple("hardlink@openssh.com", 200, b"hardlink@openssh.com", OLD, b"hard")


async def _real_path(asked: Asked, path: bytes) -> str:
    answer = await asked.answer(16, path)
    size = int.from_bytes(answer.body[4:8], "big")
    return answer.body[8 : 8 + size].decode()


PROBES["REALPATH of ."] = lambda asked: _real_path(asked, b".")
PROBES["REALPATH of /../../x"] = lambda asked: _real_path(asked, b"/../../x")


# --- OPEN -------------------------------------------------------------------------------------

opening("for reading", OLD, READ)
opening("for reading, nothing there", b"nothing", READ)
opening("for reading, a directory", FULL, READ)
opening("WRITE CREATE TRUNCATE, a new name", b"open-1", NEW)
opening("WRITE CREATE TRUNCATE, an existing file", OLD, NEW)
opening("WRITE CREATE, an existing file", OLD, WRITE | CREATE)
opening("WRITE alone, an existing file", OLD, WRITE)
opening("WRITE alone, nothing there", b"nothing", WRITE)
opening("WRITE CREATE EXCLUSIVE, a new name", b"open-2", WRITE | CREATE | EXCLUSIVE)
opening("WRITE CREATE EXCLUSIVE, an existing file", OLD, WRITE | CREATE | EXCLUSIVE)
opening("WRITE CREATE TRUNCATE, a directory", b"both", NEW)


@asks("WRITE CREATE TRUNCATE, below a file")
async def _below_a_file(asked: Asked) -> str:
    await asked.put("plain-1")
    return await asked.opened(b"plain-1/x", NEW)


opening("READ WRITE", OLD, READ | WRITE)
opening("READ WRITE CREATE TRUNCATE", OLD, READ | NEW)
opening("READ WRITE CREATE EXCLUSIVE", b"open-3", READ | WRITE | CREATE | EXCLUSIVE)
opening("WRITE CREATE APPEND", OLD, WRITE | CREATE | APPEND)
opening("no flags", OLD, 0)


@asks("for writing, a file that is being written")
async def _second_writer(asked: Asked) -> str:
    first = await asked.session.open("two")
    second = await asked.opened(b"two", NEW)
    await asked.session.close(first)
    return second


# --- WRITE, READ, CLOSE -----------------------------------------------------------------------


@asks("WRITE far ahead of the next byte")
async def _random_access(asked: Asked) -> str:
    handle = await asked.session.open("ahead")
    refused = (await asked.session.write(handle, 3 * MIB, b"x"))[0]
    assert words(await asked.session.close(handle)) == words(refused)
    return words(refused)


@asks("READ on a handle for writing")
async def _read_on_writing(asked: Asked) -> str:
    handle = await asked.session.open("wrong-way")
    answer = await asked.session.answer(asked.session.ask_read(handle, 0, 10))
    await asked.session.close(handle)
    return words(answer)


@asks("WRITE on a handle for reading")
async def _write_on_reading(asked: Asked) -> str:
    handle = await asked.session.open("old", READ)
    answer = (await asked.session.write(handle, 0, b"x"))[0]
    await asked.session.close(handle)
    return words(answer)


simple("CLOSE of a handle that is none", 4, b"none")


def _there(asked: Asked, key: str) -> str:
    try:
        asked.stored.head(key)
    except botocore.exceptions.ClientError:
        return "not there"
    return "there"


@asks("the object in S3 before CLOSE")
async def _before_close(asked: Asked) -> str:
    handle = await asked.session.open("early")
    await asked.session.write(handle, 0, b"x")
    found = await asyncio.to_thread(_there, asked, "acme/early")
    await asked.session.close(handle)
    return found


@asks("the object in S3 after CLOSE")
async def _after_close(asked: Asked) -> str:
    await asked.put("late")
    return await asyncio.to_thread(_there, asked, "acme/late")


@asks("CLOSE of a file called x.filepart")
async def _temporary(asked: Asked) -> str:
    await asked.put("x.filepart")
    rows = asked.gateway.client("dynamodb").scan(TableName=asked.gateway.transfers_table, ConsistentRead=True)
    found = [items.plain(row) for row in rows["Items"]]
    (owed,) = [each["Status"] for each in found if each.get("DestinationKey") == "acme/x.filepart"]
    return f"owed to all targets {'when it is renamed' if owed == 'HELD' else 'at once'}"


@asks("the object's metadata")
async def _metadata(asked: Asked) -> str:
    found = (await asyncio.to_thread(asked.stored.head, "acme/old"))["Metadata"]
    who = found["user-agent-id"].replace("acme@", "USER@").replace(asked.gateway.server_id, "SERVER")
    return f"user-agent={found['user-agent']}, user-agent-id={who}"


# --- attributes -------------------------------------------------------------------------------


async def _stat(asked: Asked, path: bytes) -> tuple[int, int, int, int, int]:
    """Return flags, size, permissions, atime and mtime of a STAT without owner and group."""
    answer = await asked.answer(17, path)
    assert answer.kind == 105, words(answer)
    found: tuple[int, int, int, int, int] = struct.unpack(">IQIII", answer.body)
    return found


@asks("which ones STAT sends")
async def _which(asked: Asked) -> str:
    names = {1: "size", 2: "owner", 4: "permissions", 8: "times"}
    flags = (await _stat(asked, OLD))[0]
    return ", ".join(name for bit, name in names.items() if flags & bit)


@asks("owner and group")
async def _owner(asked: Asked) -> str:
    return "set" if (await _stat(asked, OLD))[0] & 2 else "not set"


@asks("permissions of a file")
async def _permissions(asked: Asked) -> str:
    return f"0{(await _stat(asked, OLD))[2]:o}"


@asks("size of a file")
async def _size(asked: Asked) -> str:
    head = await asyncio.to_thread(asked.stored.head, "acme/old")
    return "the object's" if (await _stat(asked, OLD))[1] == head["ContentLength"] else "another"


@asks("times of a file")
async def _times(asked: Asked) -> str:
    head = await asyncio.to_thread(asked.stored.head, "acme/old")
    modified = int(head["LastModified"].timestamp())
    return "the object's LastModified" if (await _stat(asked, OLD))[3:] == (modified, modified) else "others"


@asks("permissions of a directory")
async def _directory_permissions(asked: Asked) -> str:
    return f"0{(await _stat(asked, FULL))[2]:o}"


@asks("size and times of a directory")
async def _directory_rest(asked: Asked) -> str:
    _, size, _, atime, mtime = await _stat(asked, FULL)
    assert atime == mtime
    return f"{size}, {mtime}"


async def _kind(asked: Asked, path: bytes) -> str:
    return "a directory" if (await _stat(asked, path))[2] & 0o040000 else "a file"


PROBES["STAT of /"] = lambda asked: _kind(asked, b"/")
PROBES["STAT of a prefix without a marker"] = lambda asked: _kind(asked, FULL)
simple("STAT of nothing", 17, b"nothing")
simple("SETSTAT of times", 9, OLD, *TIMES)


@asks("STAT where the role may not look")
async def _forbidden(_asked: Asked) -> str:
    # The emulator enforces no policies, so the border is asked.
    session = Session("s", "s-0", "acme", "127.0.0.1", "SSH-2.0-test", "SHA256:x")
    error = as_sftp_error(AccessDenied("no s3:GetObject"), "STAT", session)
    text = re.sub(r"\(error [0-9a-z]+\)", "(error id)", error.reason)
    return f"{SftpStatus(error.code).name}: {text}"


@asks("FSETSTAT of times")
async def _fsetstat(asked: Asked) -> str:
    handle = await asked.session.open("fsetstat")
    answer = await asked.said(10, handle, *TIMES)
    await asked.session.close(handle)
    return answer


# --- names ------------------------------------------------------------------------------------


async def _listing(asked: Asked, path: bytes) -> dict[str, str]:
    """Return the lines of a directory that has few entries, by name."""
    handle = (await asked.answer(11, path)).string
    answer = await asked.answer(12, handle)
    assert answer.kind == 104, words(answer)
    at, shown = 4, {}
    for _ in range(int.from_bytes(answer.body[:4], "big")):
        texts = []
        for _ in range(2):
            size = int.from_bytes(answer.body[at : at + 4], "big")
            texts.append(answer.body[at + 4 : at + 4 + size].decode())
            at += 4 + size
        at += 24  # attributes as `_stat` has them
        shown[texts[0]] = texts[1]
    await asked.session.close(handle)
    return shown


async def _refused_to_list(asked: Asked, path: bytes) -> str:
    """A directory is refused at OPENDIR or at the first READDIR: clients say the same of both."""
    answer = await asked.answer(11, path)
    if answer.kind == 102:
        return await asked.said(12, answer.string)
    return words(answer)


PROBES["OPENDIR of nothing"] = lambda asked: _refused_to_list(asked, b"nothing")
PROBES["OPENDIR of a file"] = lambda asked: _refused_to_list(asked, OLD)


@asks(". and .. in a listing")
async def _dots(asked: Asked) -> str:
    return "shown" if {".", ".."} & set(await _listing(asked, b"shown")) else "left out"


@asks("a listing's line of a directory")
async def _directory_line(asked: Asked) -> str:
    return (await _listing(asked, b"shown"))["d"]


@asks("a listing's line of a file")
async def _file_line(asked: Asked) -> str:
    return re.sub(r"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d", "DATE", (await _listing(asked, b"shown"))["f"])


@asks("MKDIR")
async def _mkdir(asked: Asked) -> str:
    said = await asked.said(14, b"made/d", 0)
    head = await asyncio.to_thread(asked.stored.head, "acme/made/d/")
    return f"{said}; {head['ContentLength']} bytes at d/"


@asks("MKDIR below a file")
async def _mkdir_below_a_file(asked: Asked) -> str:
    await asked.put("plain-2")
    return await asked.said(14, b"plain-2/x", 0)


@asks("RMDIR of an empty directory")
async def _rmdir(asked: Asked) -> str:
    assert await asked.said(14, b"empty", 0) == "OK"
    return await asked.said(15, b"empty")


@asks("REMOVE")
async def _remove(asked: Asked) -> str:
    await asked.put("removed")
    return await asked.said(13, b"removed")


@asks("RENAME of a file")
async def _rename(asked: Asked) -> str:
    await asked.put("renamed")
    return await asked.said(18, b"renamed", b"renamed-2")


simple("MKDIR of an existing directory", 14, FULL, 0)
simple("RMDIR of one that is not empty", 15, FULL)
simple("RMDIR of nothing", 15, b"nothing")
simple("RMDIR of a file", 15, OLD)
simple("REMOVE of nothing", 13, b"nothing")
simple("REMOVE of a directory", 13, FULL)
simple("RENAME onto a file", 18, FULL + b"/f", OLD)


@asks("RENAME of a directory")
async def _rename_directory(asked: Asked) -> str:
    await asked.put("moved/f")
    return await asked.said(18, b"moved", b"moved-2")


simple("RENAME of nothing", 18, b"nothing", b"nothing-2")
simple("SYMLINK", 20, OLD, b"link")
simple("READLINK", 19, OLD)
