"""
Logins by identity provider: paramiko and OpenSSH against a listener in this process.

The partner is `acme`, its password `hunter2`, and its key the house's own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import paramiko
import pytest
from structlog.testing import capture_logs

from support.memory_house import AT, SERVER, House, house_in
from tidegate.adapters.callable_provider import CallableProvider
from tidegate.adapters.command_provider import CommandProvider
from tidegate.core.errors import ProviderFailed
from tidegate.core.identity_providers import Question
from tidegate.core.servers import IdentityProvider, Server, SftpAuthenticationMethods
from tidegate.core.users import RefusedLogin

ROLE = "arn:aws:iam::111122223333:role/sftp"
FUNCTION = "arn:aws:lambda:eu-west-1:111122223333:function:idp"
HOME = {
    "Role": ROLE,
    "HomeDirectoryType": "LOGICAL",
    "HomeDirectoryDetails": '[{"Entry": "/", "Target": "/landing/${transfer:UserName}"}]',
}
PASSWORD = "hunter2"
# Which of a key, a password, and both get in.
METHODS: dict[SftpAuthenticationMethods, tuple[bool, bool, bool]] = {
    "PASSWORD": (False, True, True),
    "PUBLIC_KEY": (True, False, True),
    "PUBLIC_KEY_OR_PASSWORD": (True, True, True),
    "PUBLIC_KEY_AND_PASSWORD": (False, False, True),
}
# What a client hears that it may show first.
OFFERED = {
    "PASSWORD": {"password"},
    "PUBLIC_KEY": {"publickey"},
    "PUBLIC_KEY_OR_PASSWORD": {"publickey", "password"},
    "PUBLIC_KEY_AND_PASSWORD": {"publickey"},
}


@dataclass
class Provider:
    """Knows acme; `answers` may be changed, or raised."""

    line: str = ""
    asked: list[Question] = field(default_factory=list)
    answer: Any = None

    async def ask(self, question: Question) -> object:
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        if not question.password:
            return {**HOME, "PublicKeys": [self.line]}
        return HOME if question.password == PASSWORD else {}


@asynccontextmanager
async def house(
    folder: Path, method: SftpAuthenticationMethods, call: Any = None
) -> AsyncIterator[tuple[House, Provider]]:
    provider = Provider()
    server = Server(
        SERVER,
        identity_provider=IdentityProvider("AWS_LAMBDA", FUNCTION, sftp_authentication_methods=method),
    )
    async with house_in(folder, server=server, find_provider=lambda _: call or provider) as made:
        provider.line = made.key.export_public_key().decode()
        key = folder / "id_acme"
        made.key.write_private_key(key)
        key.chmod(0o600)
        # Of the directory's own users none may be let in here.
        await made.directory.remove_user(SERVER, "acme")
        yield made, provider


async def refusals(house: House) -> list[RefusedLogin]:
    await house.all_gone()
    await house.logins.recorded()
    found = house.log.find_refused_logins(user_name=None, since=AT, limit=100)
    return [each async for each in found]


# --- paramiko -------------------------------------------------------------------------------


class Client:
    """A paramiko transport, step by step. Blocks."""

    def __init__(self, house: House, folder: Path) -> None:
        self.key = paramiko.Ed25519Key.from_private_key_file(str(folder / "id_acme"))
        self.transport = paramiko.Transport(("127.0.0.1", house.listener.port))
        self.transport.start_client(timeout=20)

    def offered(self) -> set[str]:
        with pytest.raises(paramiko.BadAuthenticationType) as refused:
            self.transport.auth_none("acme")
        return set(refused.value.allowed_types)

    def show(self, *, key: bool = False, password: str = "") -> bool:
        """Show these in order, and tell whether that was enough."""
        if key:
            with suppress(paramiko.AuthenticationException):
                self.transport.auth_publickey("acme", self.key)
        if password and not self.transport.is_authenticated():
            with suppress(paramiko.AuthenticationException):
                self.transport.auth_password("acme", password, fallback=False)
        return self.transport.is_authenticated()

    def put(self, name: str) -> None:
        with paramiko.SFTPClient.from_transport(self.transport) as sftp, sftp.open(name, "wb") as file:
            file.write(b"a,b\n")


async def with_client(house: House, folder: Path, story: Callable[[Client], Any]) -> Any:
    """Run a story of one client beside the loop."""

    def run() -> Any:
        client = Client(house, folder)
        try:
            return story(client)
        finally:
            client.transport.close()

    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    return await asyncio.wait_for(asyncio.to_thread(run), 30)


@pytest.mark.parametrize("method", METHODS)
async def test_the_four_methods(tmp_path: Path, method: SftpAuthenticationMethods) -> None:
    """What each lets in, and what it offers; keyboard-interactive is never among it."""
    async with house(tmp_path, method) as (made, _):
        assert await with_client(made, tmp_path, Client.offered) == OFFERED[method]
        shown = ({"key": True}, {"password": PASSWORD}, {"key": True, "password": PASSWORD})
        for proofs, gets_in in zip(shown, METHODS[method], strict=True):

            def story(client: Client, proofs: Any = proofs, gets_in: bool = gets_in) -> bool:
                is_in = client.show(**proofs)
                if is_in and gets_in:
                    client.put("/a.csv")
                return is_in

            assert await with_client(made, tmp_path, story) is gets_in, proofs


async def test_a_key_is_asked_for_once(tmp_path: Path) -> None:
    """Without a password, from where the client is; the signature is checked here."""
    async with house(tmp_path, "PUBLIC_KEY_OR_PASSWORD") as (made, provider):
        with capture_logs() as logged:
            assert await with_client(made, tmp_path, lambda client: client.show(key=True))
        assert [line["method"] for line in logged if line["event"] == "login"] == ["publickey"]
        assert provider.asked == [Question("acme", SERVER, "127.0.0.1")]


async def test_key_and_password_are_two_questions(tmp_path: Path) -> None:
    """First the key's, then the password's; the client hears of the success in part."""
    async with house(tmp_path, "PUBLIC_KEY_AND_PASSWORD") as (made, provider):

        def story(client: Client) -> list[str]:
            left = client.transport.auth_publickey("acme", client.key)
            assert not client.transport.is_authenticated()
            assert client.transport.auth_password("acme", PASSWORD) == []
            return left

        with capture_logs() as logged:
            assert await with_client(made, tmp_path, story) == ["password"]
        assert [line["method"] for line in logged if line["event"] == "login"] == ["password"]
        assert provider.asked == [
            Question("acme", SERVER, "127.0.0.1"),
            Question("acme", SERVER, "127.0.0.1", PASSWORD),
        ]


async def test_a_key_proves_nothing_of_another_name(tmp_path: Path) -> None:
    """Whoever changes names begins anew, and must show that one's key."""
    async with house(tmp_path, "PUBLIC_KEY_AND_PASSWORD") as (made, provider):

        def story(client: Client) -> bool:
            client.transport.auth_publickey("acme", client.key)
            with pytest.raises(paramiko.BadAuthenticationType):
                client.transport.auth_password("bank", PASSWORD, fallback=False)
            return client.transport.is_authenticated()

        assert await with_client(made, tmp_path, story) is False
        assert [question.password for question in provider.asked] == [""]


@pytest.mark.parametrize("method", METHODS)
async def test_a_wrong_password(tmp_path: Path, method: SftpAuthenticationMethods) -> None:
    """It is on record with the reason where a password could be shown; what it was is nowhere."""
    async with house(tmp_path, method) as (made, _):
        with capture_logs() as logged:
            is_in = await with_client(
                made, tmp_path, lambda client: client.show(key=method[-3:] != "KEY", password="not-hunter")
            )
            records = await refusals(made)
        # With PUBLIC_KEY_OR_PASSWORD the key was enough.
        assert is_in is (method == "PUBLIC_KEY_OR_PASSWORD")
        wrong = "password: the identity provider refused: its answer has no Role"
        reasons = {
            "PASSWORD": [wrong],
            "PUBLIC_KEY": ["no key was offered"],
            "PUBLIC_KEY_OR_PASSWORD": [],
            "PUBLIC_KEY_AND_PASSWORD": [wrong],
        }
        assert [record.reason for record in records] == reasons[method]
        assert "not-hunter" not in f"{logged}{records}"


async def test_a_key_without_the_password_it_takes(tmp_path: Path) -> None:
    """The record says what was missing, and which key it was."""
    async with house(tmp_path, "PUBLIC_KEY_AND_PASSWORD") as (made, _):
        assert await with_client(made, tmp_path, lambda client: client.show(key=True)) is False
        (record,) = await refusals(made)
        assert record.reason == "the key was accepted, and no password followed"
        assert record.key_fingerprint == made.key.get_fingerprint()


async def test_six_passwords_and_no_more(tmp_path: Path) -> None:
    """Then the connection ends; the provider is not asked again."""
    async with house(tmp_path, "PASSWORD") as (made, provider):

        def story(client: Client) -> int:
            for number in range(20):
                with pytest.raises(paramiko.SSHException):
                    client.transport.auth_password("acme", f"wrong-{number}", fallback=False)
                if not client.transport.is_active():
                    return number
            return 20

        assert await with_client(made, tmp_path, story) == 6
        assert len(provider.asked) == 6
        assert len(await refusals(made)) == 6


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (ProviderFailed("it is down"), "the identity provider failed: it is down"),
        ([], "it is no JSON object"),
        ({**HOME, "PublicKeys": []}, "PublicKeys must not be there when a password is checked"),
        ({**HOME, "HomeDirectoryDetails": [{"Entry": "/", "Target": "/landing"}]}, "is a list, and must be"),
    ],
)
async def test_answers_that_let_nobody_in(tmp_path: Path, answer: object, said: str) -> None:
    """An outage and answers that cannot be used refuse the login, with the reason on record."""
    async with house(tmp_path, "PASSWORD") as (made, provider):
        provider.answer = answer
        assert await with_client(made, tmp_path, lambda client: client.show(password=PASSWORD)) is False
        (record,) = await refusals(made)
        assert said in record.reason


async def test_a_key_that_is_not_the_answers(tmp_path: Path) -> None:
    """The record says so, and what of the answer's keys could not be used."""
    async with house(tmp_path, "PUBLIC_KEY") as (made, provider):
        provider.answer = {**HOME, "PublicKeys": ["nonsense"]}
        assert await with_client(made, tmp_path, lambda client: client.show(key=True)) is False
        (record,) = await refusals(made)
        assert record.reason.startswith("the key is not one of the identity provider's answer; of others: ")
        assert record.key_fingerprint == made.key.get_fingerprint()


async def test_a_provider_that_was_changed_meanwhile(tmp_path: Path) -> None:
    """Who was let in by the old one is not in: the new one was not asked."""
    async with house(tmp_path, "PASSWORD") as (made, provider):
        ask = provider.ask

        async def slow(question: Question) -> object:
            context = made.listener.context
            context.server = replace(
                context.server, identity_provider=IdentityProvider("AWS_LAMBDA", "other")
            )
            return await ask(question)

        provider.ask = slow  # type: ignore[method-assign]

        def story(client: Client) -> bool:
            with suppress(paramiko.SSHException):
                client.transport.auth_password("acme", PASSWORD, fallback=False)
            client.transport.join(20)  # until the connection has ended
            return client.transport.is_active()

        assert await with_client(made, tmp_path, story) is False
        (record,) = await refusals(made)
        assert record.reason == "its identity provider was changed meanwhile"


async def test_revocations_are_of_users_of_the_directory(tmp_path: Path) -> None:
    """Also where the server asks somebody else by now; whom that let in is not looked up."""

    async def nobody_may(*_: object) -> bool:
        return False

    async with house(tmp_path, "PASSWORD") as (made, _):

        def story(client: Client) -> Callable[[], bool]:
            assert client.show(password=PASSWORD)
            return client.transport.is_active

        client = await asyncio.to_thread(Client, made, tmp_path)
        is_in = await asyncio.to_thread(story, client)
        await made.listener.end_revoked(nobody_may)
        assert await asyncio.to_thread(is_in)
        await asyncio.to_thread(client.transport.close)
    async with house_in(tmp_path) as made, made.connect() as connection:
        context = made.listener.context
        context.server = replace(context.server, identity_provider=IdentityProvider("AWS_LAMBDA", FUNCTION))
        await made.listener.end_revoked(nobody_may)
        async with asyncio.timeout(20):
            await connection.wait_closed()


async def test_one_key_again_and_again(tmp_path: Path) -> None:
    """Each offer is a try: each costs a read of the directory."""
    async with house_in(tmp_path) as made:
        made.key.write_private_key(tmp_path / "id_acme")

        def story(client: Client) -> int:
            other = paramiko.ECDSAKey.generate()
            for number in range(20):
                with pytest.raises(paramiko.SSHException):
                    client.transport.auth_publickey("acme", other)
                if not client.transport.is_active():
                    return number
            return 20

        assert await with_client(made, tmp_path, story) == 6


async def test_users_of_the_directory_have_no_passwords(tmp_path: Path) -> None:
    """None is offered, and none is looked at."""
    async with house_in(tmp_path) as made:
        made.key.write_private_key(tmp_path / "id_acme")
        assert await with_client(made, tmp_path, Client.offered) == {"publickey"}
        assert await with_client(made, tmp_path, lambda client: client.show(password=PASSWORD)) is False
        assert await with_client(made, tmp_path, lambda client: client.show(key=True)) is True


async def test_the_second_key_of_one_connection(tmp_path: Path) -> None:
    """paramiko asks for the service of logins again before it shows another; that is no offence."""
    async with house_in(tmp_path) as made:
        made.key.write_private_key(tmp_path / "id_acme")

        def story(client: Client) -> bool:
            other = paramiko.ECDSAKey.generate()
            for _ in range(3):
                with pytest.raises(paramiko.AuthenticationException):
                    client.transport.auth_publickey("acme", other)
            return client.show(key=True)

        assert await with_client(made, tmp_path, story) is True


# --- OpenSSH, and providers of the configuration ----------------------------------------------

_SCRIPT = f"""
import json, pathlib, sys
def ask(event):
    home = {HOME!r}
    if event["username"] != "acme":
        return {{}}
    if event["password"] == "":
        return {{**home, "PublicKeys": [pathlib.Path(__file__).with_name("acme.pub").read_text()]}}
    return home if event["password"] == {PASSWORD!r} else {{}}
if __name__ == "__main__":
    print(json.dumps(ask(json.load(sys.stdin))))
"""


async def sftp(house: House, folder: Path, *options: str, password: str = "") -> tuple[int, str]:
    """Put a file by OpenSSH; a password is given by the program that it asks."""
    (folder / "askpass").write_text(f"#!/bin/sh\necho {password}\n")
    (folder / "askpass").chmod(0o700)
    (folder / "a.csv").write_text("a,b\n")
    (folder / "batch").write_text("put a.csv\n")
    words = ("BatchMode=no", "StrictHostKeyChecking=no", f"UserKnownHostsFile={os.devnull}", *options)
    process = await asyncio.create_subprocess_exec(
        *("sftp", "-F", os.devnull, *(part for word in words for part in ("-o", word))),
        *("-o", "IdentityAgent=none", "-o", f"IdentityFile={folder / 'id_acme'}", "-o", "IdentitiesOnly=yes"),
        *("-P", str(house.listener.port), "-b", "batch", "acme@127.0.0.1"),
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "SSH_ASKPASS": str(folder / "askpass"),
            "SSH_ASKPASS_REQUIRE": "force",
        },
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, said = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, said.decode()


@pytest.mark.client("sftp")
@pytest.mark.parametrize("kind", ["command", "callable"])
async def test_openssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """It shows a key and is asked for the password, and a wrong one lets it in nowhere."""
    (tmp_path / "idp_of_openssh.py").write_text(_SCRIPT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "idp_of_openssh", raising=False)
    call = {
        "command": CommandProvider([sys.executable, str(tmp_path / "idp_of_openssh.py")]),
        "callable": CallableProvider("idp_of_openssh:ask"),
    }[kind]
    async with house(tmp_path, "PUBLIC_KEY_AND_PASSWORD", call) as (made, provider):
        (tmp_path / "acme.pub").write_text(provider.line)
        code, said = await sftp(made, tmp_path, password=PASSWORD)
        assert code == 0, said
        once = "NumberOfPasswordPrompts=1"
        code, said = await sftp(made, tmp_path, once, password="not-hunter")
        assert (code, "Permission denied (password)" in said) == (255, True)
        code, said = await sftp(made, tmp_path, "PubkeyAuthentication=no", once, password=PASSWORD)
        assert (code, "Permission denied (publickey)" in said) == (255, True)
        made.listener.context.server = Server(
            SERVER, identity_provider=IdentityProvider("AWS_LAMBDA", FUNCTION)
        )
        code, said = await sftp(made, tmp_path, "PubkeyAuthentication=no", once, password=PASSWORD)
        assert code == 0, said
        code, said = await sftp(made, tmp_path, "PasswordAuthentication=no")
        assert code == 0, said
