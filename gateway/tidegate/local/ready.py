"""What others script against: the facts of a gateway that listens, in the shape of the ready file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DemoPartner:
    """A partner of the configuration; with a private key if local mode made it."""

    user_name: str
    private_key_path: Path | None
    home_directory: str


@dataclass(frozen=True, slots=True)
class ListeningServer:
    """A server of this process: that of the configuration first, then those that the Transfer API made."""

    server_id: str
    host: str
    port: int
    state: str


@dataclass(frozen=True, slots=True)
class Ready:
    """A gateway that listens."""

    host: str
    port: int
    host_key_fingerprint: str
    host_key_line: str
    aws_endpoint_url: str
    region: str
    server_id: str
    preset: str
    landing_bucket: str
    private_bucket: str | None
    transfers_table: str
    directory_table: str
    partners: tuple[DemoPartner, ...]
    servers: tuple[ListeningServer, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "sftp": {
                "host": self.host,
                "port": self.port,
                "host_key_fingerprint": self.host_key_fingerprint,
                "host_key": self.host_key_line,
            },
            "aws_endpoint_url": self.aws_endpoint_url,
            "region": self.region,
            "server_id": self.server_id,
            "preset": self.preset,
            "landing_bucket": self.landing_bucket,
            "private_bucket": self.private_bucket,
            "transfers_table": self.transfers_table,
            "directory_table": self.directory_table,
            "partners": [
                {
                    "user_name": partner.user_name,
                    "private_key_path": str(partner.private_key_path) if partner.private_key_path else None,
                    "home_directory": partner.home_directory,
                }
                for partner in self.partners
            ],
            "servers": [asdict(server) for server in self.servers],
        }
