"""Providers that are commands, functions, URLs, Lambda and API Gateway: what they hear, and how they fail."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from tidegate.adapters.aws.api_gateway import ApiGateway
from tidegate.adapters.aws.clients import AwsClients, AwsEndpoint
from tidegate.adapters.aws.lambda_function import LambdaFunction
from tidegate.adapters.callable_provider import CallableProvider
from tidegate.adapters.command_provider import CommandProvider
from tidegate.adapters.identity_providers import ProviderCalls
from tidegate.adapters.url_provider import UrlProvider
from tidegate.core.errors import GatewayError, ProviderFailed
from tidegate.core.identity_providers import Question, StandIn
from tidegate.core.servers import IdentityProvider

QUESTION = Question("acme", "s-0123456789abcdef0", "192.0.2.7", "sécret\n")
EVENT = QUESTION.event()
FUNCTION = "arn:aws:lambda:us-east-1:111122223333:function:idp"


async def failure_of(provider: Any, question: Question = QUESTION) -> str:
    with pytest.raises(ProviderFailed) as failed:
        await provider.ask(question)
    assert "cret" not in str(failed.value)
    return str(failed.value)


# --- commands -------------------------------------------------------------------------------


def python(*lines: str) -> CommandProvider:
    return CommandProvider([sys.executable, "-c", "\n".join(lines)])


async def test_a_command():
    """The event at its input, JSON from its output; arguments are its own."""
    assert await python("import sys", "print(sys.stdin.read())").ask(QUESTION) == EVENT


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["raise SystemExit(3)"], "exit code 3"),
        (["print('no')"], "wrote no JSON"),
        (["print('[' * 200_000)"], "wrote no JSON"),
        (["while True: print('x' * 65536)"], "more than"),
    ],
)
async def test_commands_that_fail(lines, said):
    """Each with what went wrong; one that does not stop writing is ended."""
    assert said in await failure_of(python(*lines))


async def test_a_command_that_is_not_there():
    """As a word of the system's."""
    assert "No such file" in await failure_of(CommandProvider(["/nowhere/idp"]))


async def test_a_command_that_takes_too_long_is_ended(tmp_path: Path):
    """With all that it started."""
    started = tmp_path / "started"
    child = f"import subprocess, sys; subprocess.run(['sh', '-c', 'echo $$ > {started}; exec sleep 60'])"
    async with asyncio.timeout(10):
        asking = asyncio.create_task(python(child).ask(QUESTION))
        while not (started.exists() and started.read_text().strip()):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        pid = int(started.read_text())
        while not _is_gone(pid):  # noqa: ASYNC110 - the system tells nobody
            await asyncio.sleep(0.01)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


# --- functions of Python --------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "idp_of_a_test.py").write_text(
        "import threading\n"
        "def plain(event): return {**event, 'thread': threading.current_thread().name}\n"
        "async def slow(event): return event\n"
        "class Kept:\n"
        "    @staticmethod\n"
        "    def inner(event): return 7\n"
        "async def late(event): return 8\n"
        "def both(event): return late(event)\n"
        "def broken(event): raise ValueError(event['password'])\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "idp_of_a_test"
    sys.modules.pop("idp_of_a_test", None)


async def test_functions(module: str):
    """Plain ones in a thread, coroutines where the gateway runs."""
    answer: Any = await CallableProvider(f"{module}:plain").ask(QUESTION)
    assert answer == {**EVENT, "thread": answer["thread"]}
    assert answer["thread"] != threading.main_thread().name
    assert await CallableProvider(f"{module}:slow").ask(QUESTION) == EVENT
    assert await CallableProvider(f"{module}:Kept.inner").ask(QUESTION) == 7
    assert await CallableProvider(f"{module}:both").ask(QUESTION) == 8


async def test_functions_that_fail(module: str):
    """Told by kind and place, not by words, which may be the password's."""
    said = await failure_of(CallableProvider(f"{module}:broken"))
    assert "raised ValueError in " in said
    assert "idp_of_a_test.py, line 9" in said
    for name in (f"{module}:nothing", "no_such_module:x"):
        assert f"there is no {name}" in await failure_of(CallableProvider(name))


# --- URLs -----------------------------------------------------------------------------------


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler, bytes], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        do_GET = do_POST  # noqa: N815 - the name is http.server's

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # the end waits for them

        def handle_error(self, *_: object) -> None:
            """A client that has read enough hangs up."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/idp"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def say(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


async def test_a_url(monkeypatch: pytest.MonkeyPatch):
    """The event is POSTed as JSON; a proxy of the environment is not asked."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with answering(say) as url:
        assert await UrlProvider(url, 5).ask(QUESTION) == EVENT


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda handler, _: say(handler, b"{}", 500), "HTTP status 500"),
        (lambda handler, _: say(handler, b"", 302, Location="http://127.0.0.1:1/"), "HTTP status 302"),
        (lambda handler, _: say(handler, b"no"), "no JSON"),
        (lambda handler, _: say(handler, b" " * (5 * 1024 * 1024)), "longer than"),
        (lambda handler, _: None, "cannot be asked"),
    ],
)
async def test_urls_that_fail(answer, said):
    """No redirect is followed, and nothing is read without end."""
    with answering(answer) as url:
        assert said in await failure_of(UrlProvider(url, 5))


async def test_urls_that_cannot_be_asked():
    """Nobody listens, or it is no URL for this; what stands in it is not told."""
    said = await failure_of(UrlProvider("http://127.0.0.1:1/key=abc", 5))
    assert said == "127.0.0.1 cannot be asked: ConnectionRefusedError"
    assert "neither http nor https" in await failure_of(UrlProvider("file:///etc/passwd", 5))
    for none in ("http://127.0.0.1:x/key=abc", "http://[::1/key=abc", "http://127.0.0.1:1/\u00fc=abc"):
        assert "abc" not in await failure_of(UrlProvider(none, 5))


# --- AWS ------------------------------------------------------------------------------------


class Clients:
    """Stands for `AwsClients`: a Lambda that answers as told."""

    def __init__(self, **answer: Any) -> None:
        self.answer = answer
        self.asked: list[dict[str, Any]] = []

    async def run_login(self, call: Callable[..., object], *args: object) -> object:
        return call(*args)

    def lambda_client(self, _: float) -> Clients:
        return self

    def invoke(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        return self.answer


def function(**answer: Any) -> tuple[Clients, LambdaFunction]:
    clients: Any = Clients(**answer)
    return clients, LambdaFunction(clients, FUNCTION, 15)


async def test_a_function_of_lambda():
    """Invoked once, synchronously, with the event."""
    clients, provider = function(Payload=io.BytesIO(b'{"Role": "x"}'))
    assert await provider.ask(QUESTION) == {"Role": "x"}
    (asked,) = clients.asked
    assert (asked["FunctionName"], asked["InvocationType"]) == (FUNCTION, "RequestResponse")
    assert json.loads(asked["Payload"]) == EVENT


async def test_functions_of_lambda_that_fail():
    """What the function says of itself is left to its own log."""
    payload = io.BytesIO(json.dumps({"errorMessage": QUESTION.password}).encode())
    _, provider = function(FunctionError="Unhandled", Payload=payload)
    assert f"{FUNCTION} failed: Unhandled" in await failure_of(provider)
    _, provider = function(Payload=io.BytesIO(b""))
    assert "answered no JSON" in await failure_of(provider)


async def test_lambda_as_botocore_calls_it():
    """One request with the event; faults of functions and refusals of AWS are failures, and not repeated."""
    answers: list[tuple[int, bytes, dict[str, str]]] = [
        (200, b'{"Role": "x"}', {}),
        (200, b'{"errorMessage": "boom"}', {"X-Amz-Function-Error": "Unhandled"}),
        (429, b'{"Type": "User"}', {"x-amzn-ErrorType": "TooManyRequestsException"}),
        (403, b'{"Message": "no"}', {"x-amzn-ErrorType": "AccessDeniedException"}),
    ]
    seen: list[tuple[str, bytes]] = []

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        status, said, headers = answers[len(seen)]
        seen.append((unquote(handler.path), body))
        say(handler, said, status, **headers)

    with answering(answer) as url:
        clients = AwsClients(AwsEndpoint("us-east-1", url.removesuffix("/idp"), "AKID", "secret"))
        provider = LambdaFunction(clients, FUNCTION, 5)
        try:
            assert await provider.ask(QUESTION) == {"Role": "x"}
            assert "failed: Unhandled" in await failure_of(provider)
            for _ in range(2):
                with pytest.raises(GatewayError):
                    await provider.ask(QUESTION)
        finally:
            clients.close()
            provider._client.close()
    assert seen == [(f"/2015-03-31/functions/{FUNCTION}/invocations", json.dumps(EVENT).encode())] * 4


async def test_the_role_that_may_ask_an_api():
    """Assumed once, and again shortly before its credentials expire."""
    assumed: list[dict[str, str]] = []
    lasts = [timedelta(minutes=4), timedelta(hours=1)]

    class Sts:
        def assume_role(self, **request: str) -> dict[str, Any]:
            expires = datetime.now(UTC) + lasts[len(assumed)]
            assumed.append(request)
            number = len(assumed)
            keys = {"AccessKeyId": f"AK{number}", "SecretAccessKey": "s", "SessionToken": f"token-{number}"}
            return {"Credentials": {**keys, "Expiration": expires}}

    clients: Any = Clients()
    clients.sts, clients.endpoint = Sts(), AwsEndpoint("eu-west-1")
    tokens: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        tokens.append(handler.headers["X-Amz-Security-Token"])
        say(handler, b"{}")

    with answering(answer) as url:
        provider = ApiGateway(clients, url, "arn:aws:iam::1:role/ask", 5)
        for _ in range(3):
            await provider.ask(QUESTION)
    assert tokens == ["token-1", "token-2", "token-2"]
    assert {request["RoleArn"] for request in assumed} == {"arn:aws:iam::1:role/ask"}


@pytest.fixture
def clients() -> Iterator[AwsClients]:
    made = AwsClients(AwsEndpoint("eu-west-1", "http://127.0.0.1:1", "AKID", "secret"))
    yield made
    made.close()


async def test_api_gateway(clients: AwsClients):
    """A signed GET with the password in headers: plain where a header can hold it, and in Base64."""
    seen: list[tuple[str, dict[str, str]]] = []

    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> None:
        seen.append((handler.path, dict(handler.headers)))
        say(handler, b'{"Role": "x"}')

    with answering(answer) as url:
        provider = ApiGateway(clients, f"{url}/", "arn:aws:iam::1:role/ask", 5)
        for password in ("sécret\n", "plain words", ""):
            question = Question("an@b.c", "s-0123456789abcdef0", "192.0.2.7", password)
            assert await provider.ask(question) == {"Role": "x"}
    (path, odd), (_, plain), (_, none) = seen
    assert path == "/idp/servers/s-0123456789abcdef0/users/an%40b.c/config?protocol=SFTP&sourceIp=192.0.2.7"
    signature = odd["Authorization"]
    assert signature.startswith("AWS4-HMAC-SHA256 Credential=AKID/")
    assert "/eu-west-1/execute-api/aws4_request" in signature
    assert base64.b64decode(odd["PasswordBase64"]).decode() == "sécret\n"
    assert "Password" not in odd
    assert (plain["Password"], base64.b64decode(plain["PasswordBase64"])) == ("plain words", b"plain words")
    assert not {"Password", "PasswordBase64"} & none.keys()


async def test_which_adapter_asks(clients: AwsClients):
    """What the configuration names, in place of either kind; otherwise AWS, but not at another endpoint."""
    stand_ins = [
        StandIn(FUNCTION, command=("idp",)),
        StandIn("https://api/prod", url="http://127.0.0.1/idp"),
        StandIn(f"{FUNCTION}2", callable="idp:ask"),
    ]
    calls = ProviderCalls(clients, stand_ins, 15)
    lambda_ = IdentityProvider("AWS_LAMBDA", FUNCTION)
    assert isinstance(calls.of(lambda_), CommandProvider)
    assert calls.of(lambda_) is calls.of(lambda_)
    assert isinstance(calls.of(IdentityProvider("API_GATEWAY", url="https://api/prod")), UrlProvider)
    assert isinstance(calls.of(IdentityProvider("AWS_LAMBDA", f"{FUNCTION}2")), CallableProvider)
    assert isinstance(calls.of(IdentityProvider("API_GATEWAY", url="https://other/prod")), ApiGateway)
    other = IdentityProvider("AWS_LAMBDA", f"{FUNCTION}3")
    with pytest.raises(ProviderFailed) as failed:
        calls.of(other)
    assert "identity_providers" in failed.value.hint
    real = AwsClients(AwsEndpoint("eu-west-1"))
    try:
        assert isinstance(ProviderCalls(real, [], 15).of(other), LambdaFunction)
    finally:
        real.close()
