"""The questions `tidegate doctor` asks, in order: who and when, then keys, buckets, tables, ports."""

from __future__ import annotations

import base64
import errno
import socket
import zlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from tidegate.adapters.aws.account.caller import was_not_asked
from tidegate.adapters.aws.probes import AwsProbes
from tidegate.backend import Backend
from tidegate.core.errors import AccessDenied, GatewayError, InvalidSettings, NotFound, StoreUnavailable
from tidegate.core.ids import new_gateway_id, new_log_id
from tidegate.core.limits import S3_MIN_PART_BYTES
from tidegate.core.objects import Location, Storage
from tidegate.services.checkup import Doubtful, Question
from tidegate.services.leases import Lease
from tidegate.serving import host_keys_of, setup_command
from tidegate.settings.presets import behaviour_of
from tidegate.settings.serving import check_for_serve

# One key for every probe, so that what versions remain lie under one name.
PROBE_KEY = ".tidegate-doctor/probe"
_BODY = b"tidegate doctor wrote this; it may be removed\n"
_CALLER = "who calls"
_REGION = "Region"
# AWS refuses signatures that are five minutes off, S3 fifteen; by then it is too late.
_SKEW_BAD_SECONDS = 240
_SKEW_DOUBTFUL_SECONDS = 30
_LOOK_AT = "look at aws.endpoint_url and aws.region, and at the network between here and there"


@dataclass(frozen=True, slots=True)
class Examination:
    """What is examined: one configuration, over one endpoint."""

    backend: Backend
    source: str

    def questions(self) -> Iterator[Question]:
        settings = self.backend.settings
        yield Question("settings", self._settings)
        yield Question(_CALLER, self._caller, "give the process a role, or keys for a look-alike")
        # Asked in any case: a clock that is wrong is why AWS may not say who calls.
        yield Question("clock", self._clock, "let the machine's clock be set by NTP")
        yield Question(_REGION, self._region, rests_on=(_CALLER,))
        for key in _once(each for _, each in self._kept()):
            yield from self._key_questions(key)
        for bucket in _once(bucket for bucket, _ in self._landings()):
            yield from self._landing_questions(bucket, dict(self._landings())[bucket])
        for target in settings.deliveries.targets:
            yield from self._target_questions(target.bucket, target.kms_key)
        yield from self._table_questions()
        directory = f"table {settings.tables.directory}"
        rests_on = () if settings.sftp.host_key_files else (directory,)
        yield Question("host keys", self._host_keys, self._setup, rests_on)
        yield Question("SSH algorithms", self._algorithms, "install what is lacking, or name another policy")
        yield Question("SFTP port", partial(_port, "sftp", settings.sftp.host, settings.sftp.port))
        if settings.health.port is not None:
            port = partial(_port, "health", settings.health.host, settings.health.port)
            yield Question("health port", port)

    # --- where, who, when -------------------------------------------------------------------

    async def _settings(self) -> str:
        problems = check_for_serve(self.backend.settings)
        if problems:
            raise InvalidSettings("; ".join(problems))
        return f"{self.source} has all that serve needs"

    async def _caller(self) -> str:
        aws = self.backend.settings.aws
        try:
            return f"{await AwsProbes(self.backend.clients).caller()} at {aws.endpoint_url or 'AWS'}"
        except AccessDenied:
            raise
        except GatewayError as error:
            if was_not_asked(error) or not aws.endpoint_url:
                raise StoreUnavailable(error.detail, hint=error.hint or _LOOK_AT) from error
            said = f"{aws.endpoint_url} does not say: {error.detail}"
            raise Doubtful(said, hint="no harm, if it knows nothing of accounts") from error

    async def _clock(self) -> str:
        bucket = self.backend.settings.landing.bucket
        try:
            ahead = await AwsProbes(self.backend.clients).clock_ahead_seconds(bucket)
        except StoreUnavailable as error:
            raise Doubtful(f"nobody tells the time: {error.detail}", hint="mend the rest first") from error
        said = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} S3's"
        if abs(ahead) >= _SKEW_BAD_SECONDS:
            raise StoreUnavailable(f"{said}; AWS refuses requests that are off by minutes")
        if abs(ahead) >= _SKEW_DOUBTFUL_SECONDS:
            raise Doubtful(said)
        return said

    async def _region(self) -> str:
        """Buckets tell where they are, and keys and tables are looked for beside them."""
        here = self.backend.settings.aws.region
        for bucket, _ in self._landings():
            try:
                region = await self.backend.provisioner.region_of(bucket)
            except (AccessDenied, NotFound):
                # Has a question of its own.
                continue
            if region and region != here:
                hint = "correct aws.region, or take another bucket: buckets cannot move"
                raise InvalidSettings(f"bucket {bucket} is in {region}, not in {here}", hint=hint)
        return here

    # --- what there is ----------------------------------------------------------------------

    def _landings(self) -> Iterator[tuple[str, str | None]]:
        """Yield each bucket that uploads land in, and the key they are encrypted with there."""
        settings = self.backend.settings
        yield settings.landing.bucket, settings.landing.kms_key
        for route in settings.routes:
            if route.bucket and route.bucket != settings.landing.bucket:
                yield route.bucket, route.kms_key or settings.landing.kms_key

    def _kept(self) -> Iterator[tuple[str, str]]:
        settings = self.backend.settings
        for bucket, key in self._landings():
            if key:
                yield bucket, key
        for route in settings.routes:
            if route.kms_key:
                yield route.name, route.kms_key
        for target in settings.deliveries.targets:
            if target.kms_key:
                yield target.name, target.kms_key

    # --- keys -------------------------------------------------------------------------------

    def _key_questions(self, key: str) -> Iterator[Question]:
        there = f"key {key}"
        yield Question(there, partial(self._key, key), self._setup, (_REGION,))
        yield Question(
            f"{there}: encrypt, decrypt",
            partial(self._use_key, key),
            f"allow kms:GenerateDataKey and kms:Decrypt on {key}, in the role and in the key's policy",
            (there,),
        )

    async def _key(self, key: str) -> str:
        arn, state = await AwsProbes(self.backend.clients).key(key)
        if state != "Enabled":
            # Not for setup to mend: somebody had a reason. What AWS says on its use is no help.
            hint = f"find out who did that and why; {self._setup} --check says how to undo it"
            raise InvalidSettings(f"{arn} is {state}: nothing is encrypted or read under it", hint=hint)
        return arn

    async def _use_key(self, key: str) -> str:
        await AwsProbes(self.backend.clients).use_key(key)
        return "a data key was made and decrypted"

    # --- buckets ----------------------------------------------------------------------------

    def _landing_questions(self, bucket: str, key: str | None) -> Iterator[Question]:
        store, here = self.backend.store, Location(bucket, PROBE_KEY)
        there = f"bucket {bucket}"
        yield Question(there, partial(self._bucket, bucket), self._setup, (_CALLER,))
        yield Question(f"{there}: versions", partial(self._versioned, bucket), self._setup, (there,))

        def question(what: str, ask: Callable[[], Awaitable[object]], *actions: str) -> Question:
            return Question(f"{there}: {what}", partial(_done, ask), _allow(bucket, *actions), (there,))

        # The key's use is a question of its own; without a key of this name there is nothing to write with.
        rests_on = (there, f"key {key}") if key else (there,)
        yield question("list", partial(store.list_page, bucket, "", limit=1), "s3:ListBucket")
        yield question("list versions", partial(store.versions, here), "s3:ListBucketVersions")
        yield question("list unfinished", partial(store.unfinished, here), "s3:ListBucketMultipartUploads")
        write = question("write", partial(self._write, here, key), "s3:PutObject", "kms:GenerateDataKey")
        yield replace(write, rests_on=rests_on)
        for after in (
            question("read", partial(self._read, here), "s3:GetObject", "s3:GetObjectVersion", "kms:Decrypt"),
            question("write in parts", partial(self._write_in_parts, here, key), "s3:AbortMultipartUpload"),
            question("list parts", partial(self._list_parts, here, key), "s3:ListMultipartUploadParts"),
            question("delete", partial(store.delete, here), "s3:DeleteObject"),
        ):
            yield replace(after, rests_on=(there, write.what))

    def _target_questions(self, bucket: str, key: str | None) -> Iterator[Question]:
        there, here = f"bucket {bucket}", Location(bucket, PROBE_KEY)
        yield Question(there, partial(self._bucket, bucket), self._setup, (_CALLER,))
        yield Question(
            f"{there}: write in parts",
            partial(_done, partial(self._write_in_parts, here, key)),
            _allow(bucket, "s3:PutObject", "s3:AbortMultipartUpload", "kms:GenerateDataKey", "kms:Decrypt"),
            (there, f"key {key}") if key else (there,),
        )
        yield Question(f"{there}: look", partial(self._look, here), _allow(bucket, "s3:GetObject"), (there,))

    async def _bucket(self, bucket: str) -> str:
        if not await self.backend.provisioner.has_bucket(bucket):
            raise NotFound(f"there is no bucket {bucket}")
        return "there"

    async def _versioned(self, bucket: str) -> str:
        if await self.backend.provisioner.is_versioned(bucket):
            return "kept"
        if self.backend.settings.landing.allow_unversioned:
            raise Doubtful("not kept, as landing.allow_unversioned accepts: replaced files can be lost")
        raise InvalidSettings("not kept: serve refuses to start")

    async def _write(self, here: Location, key: str | None) -> None:
        await self.backend.store.put(Storage(await self._arn(key)).new(here, {}), _BODY, _crc32(_BODY))

    async def _read(self, here: Location) -> None:
        stored = await self.backend.store.head(here)
        body = await self.backend.store.read(stored, 0, stored.size)
        if body != _BODY:
            raise StoreUnavailable(f"{here} was read back with other bytes than were written")

    async def _write_in_parts(self, here: Location, key: str | None) -> None:
        store, part = self.backend.store, bytes(S3_MIN_PART_BYTES)
        upload_id = await store.create_multipart(Storage(await self._arn(key)).new(here, {}))
        try:
            await store.upload_part(here, upload_id, 1, part, _crc32(part))
        finally:
            await store.abort_multipart(here, upload_id)

    async def _list_parts(self, here: Location, key: str | None) -> None:
        store = self.backend.store
        upload_id = await store.create_multipart(Storage(await self._arn(key)).new(here, {}))
        try:
            await store.parts(here, upload_id)
        finally:
            with suppress(AccessDenied):  # another question's
                await store.abort_multipart(here, upload_id)

    async def _look(self, here: Location) -> str:
        """Deliveries look before they copy; where they may not, an old copy can land on a newer one."""
        try:
            await self.backend.store.head(here)
        except NotFound:
            return "allowed"
        except AccessDenied as error:
            raise Doubtful(f"{error.detail}: deliveries go on, without looking first") from error
        return "allowed"

    async def _arn(self, key: str | None) -> str | None:
        return await self.backend.provisioner.key_arn(key) if key else None

    # --- tables -----------------------------------------------------------------------------

    def _table_questions(self) -> Iterator[Question]:
        tables = self.backend.settings.tables
        for table in (tables.transfers, tables.directory):
            yield Question(f"table {table}", partial(self._table, table), self._setup, (_REGION,))
        transfers, directory = f"table {tables.transfers}", f"table {tables.directory}"
        yield Question(
            f"{transfers}: write, read",
            partial(self._record, tables.transfers),
            "allow dynamodb:PutItem, dynamodb:UpdateItem and dynamodb:Query on it, and its key",
            (transfers,),
        )
        yield Question(
            f"{transfers}: indexes",
            partial(_done, partial(self.backend.log.open_records, 0)),
            f"allow dynamodb:Query on its indexes; or {self._setup}",
            (transfers,),
        )
        yield Question(
            f"{directory}: write, read, delete",
            self._lease,
            "allow dynamodb:Query, dynamodb:UpdateItem and dynamodb:DeleteItem on it, and its key",
            (directory,),
        )

    async def _table(self, table: str) -> str:
        if not await self.backend.provisioner.has_table(table):
            raise NotFound(f"there is no table {table}")
        return "there"

    async def _record(self, table: str) -> str:
        now = int(self.backend.clock.now().timestamp() * 1000)
        await AwsProbes(self.backend.clients).write_record(table, f"probe-{new_log_id(now)}")
        return "done; the item expires within hours"

    async def _lease(self) -> str:
        settings, backend = self.backend.settings, self.backend
        server_id = settings.server_id or "doctor"
        lease = Lease(
            backend.leases, backend.clock, server_id, new_gateway_id(), settings.sweep.lease_seconds
        )
        await lease.tick()
        await lease.forget(lease.gateway_id)
        return "done"

    async def _host_keys(self) -> str:
        # asyncssh takes longest to import, and is needed for this question only.
        from tidegate.faces.sftp.listener import public_half, read_host_keys  # noqa: PLC0415

        if not self.backend.settings.server_id and not self.backend.settings.sftp.host_key_files:
            raise InvalidSettings("none is named, and without server_id none is kept")
        keys = read_host_keys((await host_keys_of(self.backend)).shown)
        if not keys:
            raise NotFound("none is named, and none is kept in the directory table")
        return ", ".join(public_half(key).fingerprint for key in keys)

    async def _algorithms(self) -> str:
        from tidegate.faces.sftp.algorithms import offer_of  # noqa: PLC0415 - as above

        settings = self.backend.settings
        if settings.preset is None:
            raise InvalidSettings("without preset there is no security policy")
        policy = behaviour_of(settings, settings.preset).security_policy
        offer = offer_of(policy, settings.sftp.extra_algorithms)
        if offer.lacking:
            raise Doubtful(f"{policy}, without {', '.join(offer.lacking)}: the SSH library lacks them")
        return policy

    @property
    def _setup(self) -> str:
        return setup_command(self.source)


async def _done(ask: Callable[[], Awaitable[object]]) -> str:
    await ask()
    return "allowed"


async def _port(section: str, host: str, port: int) -> str:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _unusable(section, host, port, error) from error
    return f"{port} on {host} is free" if port else f"any free one on {host}"


def _unusable(section: str, host: str, port: int, error: OSError) -> Doubtful | InvalidSettings:
    if error.errno == errno.EADDRINUSE:
        return Doubtful(
            f"{port} on {host} is taken", hint="good if the gateway runs here already; or stop it"
        )
    said = f"{port} on {host}: {error.strerror or error}"
    if error.errno == errno.EACCES:
        hint = f"ports below 1024 need a privilege; another is set by {section}.port"
        return InvalidSettings(said, hint=hint)
    return InvalidSettings(said, hint=f"correct {section}.host: an address of this machine, or 0.0.0.0")


def _allow(bucket: str, *actions: str) -> str:
    return f"allow {', '.join(actions)} on bucket {bucket}"


def _crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


def _once(names: Iterator[str]) -> list[str]:
    return list(dict.fromkeys(names))
