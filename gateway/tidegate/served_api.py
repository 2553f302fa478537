"""The control port of `serve`: the Transfer API for those whose signatures are right."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable

import structlog

from tidegate.adapters.aws.signatures import Credential, SignatureCheck
from tidegate.backend import Backend
from tidegate.control import ApiOnDemand, ApiRules
from tidegate.core.errors import InvalidName, InvalidSettings
from tidegate.faces.control.bridge import Bridge
from tidegate.faces.control.listener import ControlListener
from tidegate.fleet import Fleet
from tidegate.services.servers import no_room
from tidegate.settings.control import ControlSettings

_log = structlog.get_logger("tidegate.api")


class ServedApi:
    """The API of a fleet that `serve` runs, at a port of its own."""

    def __init__(self, fleet: Fleet) -> None:
        backend = fleet.first.backend
        self._wanted = backend.settings.control
        rules = ApiRules(port_chooser(self._wanted.sftp_ports), may_delete_first=False)
        self._api = ApiOnDemand(fleet, _signature_check(backend), rules)
        self._listener: ControlListener | None = None

    def start(self) -> None:
        """Answer, if the configuration names a port. Raises `InvalidSettings`."""
        if self._wanted.port is None:
            return
        bridge = Bridge(asyncio.get_running_loop(), self._api.answer)
        self._listener = ControlListener(
            self._wanted.host, self._wanted.port, bridge.from_thread, _tls(self._wanted)
        )
        self._listener.start()
        scheme = "https" if self._wanted.certificate_file else "http"
        _log.info("Transfer API", host=self._wanted.host, port=self._listener.port, scheme=scheme)

    async def stop(self) -> None:
        """Answer nobody any more. May be repeated."""
        if self._listener:
            await asyncio.to_thread(self._listener.stop)
            self._listener = None


def port_chooser(ports: str | None) -> Callable[[Iterable[int]], int]:
    """Return what finds the first port of a range that no server has."""
    if ports is None:
        return no_room
    first, last = (int(each) for each in ports.split("-"))

    def choose(taken: Iterable[int]) -> int:
        used = set(taken)
        for port in range(first, last + 1):
            if port not in used:
                return port
        raise InvalidName(f"all ports of control.sftp_ports, {ports}, have servers")

    return choose


def _signature_check(backend: Backend) -> SignatureCheck:
    settings = backend.settings
    credentials = [
        Credential(
            each.access_key_id,
            each.secret_access_key.get_secret_value(),
            each.access,
            each.session_token.get_secret_value() if each.session_token else "",
        )
        for each in settings.control.credentials
    ]
    return SignatureCheck("transfer", settings.aws.region, credentials, backend.clock)


def _tls(wanted: ControlSettings) -> ssl.SSLContext | None:
    if wanted.certificate_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(wanted.certificate_file, wanted.key_file)
    except OSError as error:  # an ssl.SSLError is one, too
        raise InvalidSettings(
            f"control.certificate_file: {wanted.certificate_file} and {wanted.key_file} cannot be used:"
            f" {error.strerror or error}",
            hint="name a PEM certificate with its chain, and its private key without a passphrase",
        ) from error
    return context
