"""The text to send to a partner: everything needed to send a first file, and to know whom it talks to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.cli.target import Target
from tidegate.core.errors import InvalidSettings
from tidegate.core.host_keys import HostKey
from tidegate.core.users import User
from tidegate.local.state_dir import known_hosts_line

_EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - looked for, not listened on


@dataclass(frozen=True, slots=True)
class _Server:
    host: str
    port: int
    fingerprint: str
    key_line: str


def for_partner_text(target: Target, user: User, kept: Sequence[HostKey] = ()) -> str:
    """
    Return the text. Raises `InvalidSettings` if the target does not say where it listens.

    Args:
        kept: The host keys in the directory table that the gateways show; used where no file is named.
    """
    server = _server(target, kept)
    port = "" if server.port == 22 else f" -P {server.port}"
    keys = "\n".join(f"  {key.fingerprint} {key.comment}".rstrip() for key in user.keys)
    return "\n".join(
        [
            "Your SFTP access",
            "",
            f"Host:  {server.host}",
            f"Port:  {server.port}",
            f"User:  {user.user_name}",
            "Login: by SSH key, with one of these",
            keys or "  (none yet: please send us your public key)",
            "",
            "Our host key has the fingerprint",
            f"  {server.fingerprint}",
            "Compare it when your client asks, or put this line into known_hosts:",
            f"  {known_hosts_line(server.host, server.port, server.key_line)}",
            "",
            "To send a file:",
            f"  sftp{port} {user.user_name}@{f'[{server.host}]' if ':' in server.host else server.host}",
            "  sftp> put report.csv",
        ]
    )


def _server(target: Target, kept: Sequence[HostKey]) -> _Server:
    if target.facts:
        sftp = target.facts["sftp"]
        return _Server(sftp["host"], sftp["port"], sftp["host_key_fingerprint"], sftp["host_key"])
    sftp_settings = target.settings.sftp
    fingerprint, key_line = _host_key(target, kept)
    host = sftp_settings.advertised_host or sftp_settings.host
    if host in _EVERY_ADDRESS:
        raise InvalidSettings(
            f"{target.description} listens on every address, and does not say which one partners reach",
            hint="set sftp.advertised_host",
        )
    port = sftp_settings.advertised_port or sftp_settings.port
    if port == 0:
        raise InvalidSettings(
            f"{target.description} takes a free port, and does not say which", hint="set sftp.port"
        )
    return _Server(host, port, fingerprint, key_line)


def _host_key(target: Target, kept: Sequence[HostKey]) -> tuple[str, str]:
    """Return fingerprint and line of the host key that most clients will see."""
    files = target.settings.sftp.host_key_files
    if files:
        # The other commands do without asyncssh, which takes longest to import.
        from tidegate.faces.sftp.listener import public_half, read_host_keys  # noqa: PLC0415

        key = public_half(read_host_keys(files)[0])
        return key.fingerprint, key.line
    if not kept:
        raise InvalidSettings(
            f"{target.description} does not say which host key it has",
            hint="name it by --state-dir, or by a --config with sftp.host_key_files; or run tidegate setup",
        )
    shown = min(kept, key=lambda each: each.type != "ssh-ed25519")
    return shown.fingerprint, shown.public_key
