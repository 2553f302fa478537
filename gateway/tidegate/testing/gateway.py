"""
A gateway to test against, without pytest; the plugin's fixtures hand out the same.

It runs as a process of its own on free ports, with everything it needs and nothing of anybody's AWS
account. Every wait is bounded, and says what was there instead of what it waited for.
"""

from __future__ import annotations

import atexit
import http.client
import shutil
import tempfile
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tidegate.local.endpoint import require_moto
from tidegate.testing.aws import LoopbackAws
from tidegate.testing.partners import Partner, ensure_partner
from tidegate.testing.process import GatewayFailed, GatewayProcess
from tidegate.testing.records import Record, Records, deliveries_of, newest_transfer

# A reset waits for uploads to be abandoned and calls to end, for half a minute at most.
_RESET_SECONDS = 60.0


class LocalGateway:
    """
    A running gateway. Use as a context manager, or call `start` and `stop`.

    Args:
        preset: "transfer-family" or "partner-safe"; None leaves it to `config`.
        config: YAML as docs/configuration.md has it; None is the default of every setting. Ports
            are chosen, whatever it says; relative file names start at the working directory.
        directory: A directory of its own for keys, state and log, which stays; None makes one in
            the system's place for them and removes it at the end.
        start_timeout: Seconds that starting may take.

    Attributes, once started:
        sftp_host, sftp_port: Where partners connect.
        known_hosts_path: File for a client's `UserKnownHostsFile`.
        host_key_fingerprint: `SHA256:...`
        endpoint_url, region: The one AWS endpoint. Any credentials work; ours are test and test.
        server_id: `s-` and 17 hexadecimal digits.
        landing_bucket: Where uploads land.
        private_bucket: Where finished ones are delivered; None if the configuration has no target.
        transfers_table, directory_table: Names of the DynamoDB tables.
        state_dir: For `tidegate ... --state-dir`.
        log_path: The gateway's log.
    """

    sftp_host: str
    sftp_port: int
    known_hosts_path: Path
    host_key_fingerprint: str
    endpoint_url: str
    region: str
    server_id: str
    landing_bucket: str
    private_bucket: str | None
    transfers_table: str
    directory_table: str
    state_dir: Path
    log_path: Path

    def __init__(
        self,
        preset: str | None = None,
        config: str | None = None,
        directory: Path | None = None,
        start_timeout: float = 60,
    ) -> None:
        self._preset = preset
        self._config = config
        self._directory = directory
        self._start_timeout = start_timeout
        self._temporary: Path | None = None
        self._process: GatewayProcess | None = None
        self._aws: LoopbackAws | None = None
        self._partners: dict[str, Partner] = {}

    # --- life -----------------------------------------------------------------------------

    def start(self) -> Self:
        """
        Start the process and return when it listens.

        Raises:
            InvalidSettings: The extra `local` is not installed.
            GatewayFailed: It did not start; says what its log says.
        """
        require_moto()
        if self._directory is None:
            self._temporary = Path(tempfile.mkdtemp(prefix="tidegate-"))
        directory = self._directory or self._temporary
        assert directory is not None
        self._process = GatewayProcess(directory, self._preset, self._config)
        # For whoever does not come to `stop`: the process would go on, with nobody to end it.
        atexit.register(self.stop)
        try:
            self._describe(self._process.start(self._start_timeout))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End the process, and with it all data. A second call does nothing; `atexit` makes one."""
        atexit.unregister(self.stop)
        if self._aws is not None:
            self._aws.close()
            self._aws = None
        self._partners.clear()
        if self._process is not None:
            self._process.stop()
        self._remove_temporary()

    def reset(self) -> None:
        """
        Take everything back to how it started: sessions end; buckets, records and partners are gone.

        Raises:
            GatewayFailed: It did not answer, or could not.
        """
        self._partners.clear()
        process = self._running()
        where = urlsplit(self.endpoint_url)
        connection = http.client.HTTPConnection(where.netloc, timeout=_RESET_SECONDS)
        try:
            connection.request("POST", "/_tidegate/reset")
            status = connection.getresponse().status
        except OSError as error:
            process.check()
            raise GatewayFailed(process.with_log(f"the gateway was not reset: {error!r}")) from error
        finally:
            connection.close()
        if status != http.HTTPStatus.OK:
            raise GatewayFailed(process.with_log(f"the gateway was not reset: HTTP status {status}"))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The process id. Raises `GatewayFailed` when it does not run."""
        return self._running().pid

    # --- using it -------------------------------------------------------------------------

    def partner(self, name: str) -> Partner:
        """
        Return the partner of this name, who can log in at once; made when it is asked for first.

        Its home is `/<landing bucket>/<name>`, unless the configuration names another.

        Raises:
            InvalidName: No partner can be called so.
        """
        if name not in self._partners:
            users = self._reached().users(self.directory_table, self.server_id)
            home, keys = f"/{self.landing_bucket}/{name}", self.state_dir / "partners"
            self._partners[name] = ensure_partner(users, name, home, keys)
        return self._partners[name]

    def client(self, service: str) -> Any:
        """
        Return a boto3 client for a service at the endpoint, with credentials that work there.

        The same one each time; it is closed by `stop`. Nothing in the environment changes it.
        """
        return self._reached().client(service)

    def transfers(self) -> list[Record]:
        """Return all records of transfers, oldest first."""
        return [each for each in self._records().all() if each["Item"] == "transfer"]

    def wait_for_transfer(
        self,
        path: str,
        *,
        partner: str | Partner | None = None,
        status: str = "COMPLETED",
        direction: str | None = "UPLOAD",
        timeout: float = 10,
    ) -> Record:
        """
        Return the record of the newest transfer of `path`, once it is in this state.

        Args:
            path: As the partner sees it; `report.csv` means `/report.csv`.
            partner: Only this partner's.
            direction: "UPLOAD", "DOWNLOAD", or None for either.
            timeout: Seconds.

        Raises:
            NotSeenInTime: It is not, in time; names the records that are there.
            GatewayFailed: The gateway has ended.
        """
        name, path = _name(partner), _absolute(path)
        of = f" by {name}" if name else ""

        def look(found: list[Record]) -> Record | None:
            newest = newest_transfer(found, path, name, direction)
            return newest if newest and newest["Status"] == status else None

        wanted = f"no {status} {direction or 'transfer'} of {path!r}{of}"
        return self._records().wait(wanted, look, timeout)

    def wait_for_delivery(
        self,
        path: str,
        *,
        target: str | None = None,
        partner: str | Partner | None = None,
        status: str = "DELIVERED",
        timeout: float = 20,
    ) -> Record:
        """
        Return the delivery of the newest upload of `path`, once it is in this state.

        Args:
            path: As the partner sees it; `report.csv` means `/report.csv`.
            target: Name of the target; None if there is only one.
            partner: Only this partner's.
            timeout: Seconds.

        Raises:
            ValueError: The upload owes several deliveries and `target` does not say which.
            NotSeenInTime: It is not, in time; names the records that are there.
            GatewayFailed: The gateway has ended.
        """
        name, path = _name(partner), _absolute(path)
        of = f" to {target}" if target else ""
        look = partial(_delivery, path=path, partner=name, target=target, status=status)
        return self._records().wait(f"no {status} delivery of {path!r}{of}", look, timeout)

    # --- inside ---------------------------------------------------------------------------

    def _running(self) -> GatewayProcess:
        if self._process is None:
            raise GatewayFailed("the gateway is not running: start it, or use it in a `with`")
        self._process.check()
        return self._process

    def _describe(self, facts: dict[str, Any]) -> None:
        assert self._process is not None
        self.state_dir, self.log_path = self._process.state_dir, self._process.log_path
        self.known_hosts_path = self.state_dir / "known_hosts"
        self.sftp_host, self.sftp_port = facts["sftp"]["host"], facts["sftp"]["port"]
        self.host_key_fingerprint = facts["sftp"]["host_key_fingerprint"]
        self.endpoint_url, self.region = facts["aws_endpoint_url"], facts["region"]
        self.server_id = facts["server_id"]
        self.landing_bucket, self.private_bucket = facts["landing_bucket"], facts["private_bucket"]
        self.transfers_table = facts["transfers_table"]
        self.directory_table = facts["directory_table"]

    def _reached(self) -> LoopbackAws:
        self._running()
        if self._aws is None:
            self._aws = LoopbackAws(self.endpoint_url, self.region)
        return self._aws

    def _records(self) -> Records:
        return Records(self.client("dynamodb"), self.transfers_table, self._running)

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None


def _delivery(
    found: list[Record], *, path: str, partner: str | None, target: str | None, status: str
) -> Record | None:
    upload = newest_transfer(found, path, partner, "UPLOAD")
    owed = deliveries_of(found, upload["LogID"]) if upload else {}
    if target is None and len(owed) > 1:
        raise ValueError(f"the upload of {path!r} owes several deliveries: name one, target={sorted(owed)}")
    wanted = owed.get(target) if target else next(iter(owed.values()), None)
    return wanted if wanted and wanted["Status"] == status else None


def _name(partner: str | Partner | None) -> str | None:
    return partner.user_name if isinstance(partner, Partner) else partner


def _absolute(path: str) -> str:
    return path if path.startswith("/") else f"/{path}"
