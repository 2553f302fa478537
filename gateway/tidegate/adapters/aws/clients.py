"""
boto3 clients, and the threads their blocking calls run in.

boto3 in bounded threads instead of an async client: see docs/decisions/0004-boto3-in-threads.md.
S3 has its own pool, so that slow parts never hold up a login or a record; and so has what only tells of
transfers, so that logs and events never hold up either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialProvider, CredentialResolver, RefreshableCredentials
from botocore.exceptions import ProfileNotFound

from tidegate.adapters.aws.errors import translated
from tidegate.core.errors import InvalidSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_s3 import S3Client

# Those that are made once and closed with the rest.
_CLIENTS = (
    *("s3", "s3_patient", "s3_once", "dynamodb", "kms", "sts", "iam", "transfer"),
    *("logs", "events", "cloudwatch"),
)

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, repr=False)
class AwsEndpoint:
    """
    Where AWS, or what stands in for it, is.

    Args:
        region: Signing Region.
        endpoint_url: One URL for all services; None is AWS itself.
        access_key_id, secret_access_key: Given together or not at all; without them the usual
            credential chain of boto3 applies.
        complete_timeout_seconds: How long CompleteMultipartUpload and copies may take to answer.
        max_attempts: How often a call is sent at most, the first time included.
        s3_concurrency: Threads, and so S3 requests under way at once.
        full_object_checksums: Whether S3 is to check the CRC32 and size of a whole object made of parts.
    """

    region: str
    endpoint_url: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    connect_timeout_seconds: float = 5
    read_timeout_seconds: float = 30
    complete_timeout_seconds: float = 600
    max_attempts: int = 4
    s3_concurrency: int = 16
    full_object_checksums: bool = True


class Pools:
    """
    Threads for calls.

    Args:
        s3_concurrency: Those of S3; identity providers have sixteen, logs and events four, others eight.
    """

    def __init__(self, s3_concurrency: int) -> None:
        self.s3 = ThreadPoolExecutor(s3_concurrency, thread_name_prefix="s3")
        self.other = ThreadPoolExecutor(8, thread_name_prefix="aws")
        # Somebody else's code answers, as slowly as it likes.
        self.login = ThreadPoolExecutor(16, thread_name_prefix="login")
        # Threads begin when they are needed: who tells nobody has none of these.
        self.telling = ThreadPoolExecutor(4, thread_name_prefix="telling")
        # boto3's sessions do not bear being asked for clients by several threads at once.
        self.making = Lock()

    def close(self) -> None:
        """Take no more calls; those under way are not waited for."""
        for pool in (self.s3, self.other, self.login, self.telling):
            pool.shutdown(wait=False, cancel_futures=True)


class AwsClients:
    """
    Makes clients once and runs their calls in threads. Close it when done.

    Args:
        session: Whose settings apply; None is a new one, with those of this process's environment.
        pools: Threads to use; None: those of its own.
    """

    def __init__(
        self, endpoint: AwsEndpoint, session: boto3.Session | None = None, pools: Pools | None = None
    ) -> None:
        self.endpoint = endpoint
        self._session = session or _session(endpoint)
        self._pools = pools or Pools(endpoint.s3_concurrency)

    @cached_property
    def _models(self) -> botocore.session.Session:
        return botocore.session.Session()

    @cached_property
    def s3(self) -> S3Client:
        client: S3Client = self._s3(self.endpoint.read_timeout_seconds)
        return client

    @cached_property
    def s3_patient(self) -> S3Client:
        """For calls that S3 may take minutes to answer."""
        client: S3Client = self._s3(self.endpoint.complete_timeout_seconds)
        return client

    @cached_property
    def s3_once(self) -> S3Client:
        """For calls that must not be repeated after a lost answer."""
        client: S3Client = self._s3(self.endpoint.read_timeout_seconds, attempts=1)
        return client

    @cached_property
    def dynamodb(self) -> DynamoDBClient:
        config = self._config(self.endpoint.read_timeout_seconds, pool=8)
        client: DynamoDBClient = self._client("dynamodb", config)
        return client

    @cached_property
    def kms(self) -> KMSClient:
        config = self._config(self.endpoint.read_timeout_seconds, pool=2)
        client: KMSClient = self._client("kms", config)
        return client

    @cached_property
    def sts(self) -> Any:
        return self._client("sts", self._config(self.endpoint.read_timeout_seconds, pool=8))

    @cached_property
    def iam(self) -> Any:
        """For `setup`, and for the roles of users."""
        return self._client("iam", self._config(self.endpoint.read_timeout_seconds, pool=8))

    def acting(self, credentials: RefreshableCredentials) -> ActingClients:
        """Return clients of S3 that act for somebody else, in the same threads. Blocks for some 10 ms."""
        core = botocore.session.Session({"profile": (None, None, None, None)})
        core.register_component("credential_provider", CredentialResolver([_Given(credentials)]))
        with self._pools.making:
            # What is large, the models of the services, all of them share.
            core.register_component("data_loader", self._models.get_component("data_loader"))
        with translated():
            session = boto3.Session(region_name=self.endpoint.region, botocore_session=core)
        return ActingClients(self.endpoint, session, self._pools)

    @cached_property
    def transfer(self) -> Any:
        """For administering: AWS allows a few requests a second, so clients slow down by themselves."""
        return self._client("transfer", self._config(self.endpoint.read_timeout_seconds, 8, mode="adaptive"))

    @cached_property
    def logs(self) -> Any:
        """CloudWatch Logs, for `run_telling`."""
        return self._client("logs", self._telling_config())

    @cached_property
    def events(self) -> Any:
        """EventBridge, for `run_telling`."""
        return self._client("events", self._telling_config())

    @cached_property
    def cloudwatch(self) -> Any:
        """Metrics, for `run_telling`."""
        return self._client("cloudwatch", self._telling_config())

    async def run_s3(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking S3 call; its errors come out as ours."""
        return await self._run(self._pools.s3, partial(call, *args, **kwargs))

    async def run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run any other blocking call; its errors come out as ours."""
        return await self._run(self._pools.other, partial(call, *args, **kwargs))

    async def run_login(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call of an identity provider, which holds nothing else up."""
        return await self._run(self._pools.login, partial(call, *args, **kwargs))

    def lambda_client(self, read_timeout: float) -> Any:
        """Return a new client of Lambda that asks once. Blocks for a moment."""
        return self._client("lambda", self._config(read_timeout, pool=16, attempts=1))

    def credentials(self) -> Any:
        """Return botocore's credentials of this process; None if it has none. May block."""
        return self._session.get_credentials()

    async def run_telling(self, call: Callable[[], T]) -> T:
        """
        Run a blocking call that tells of what was done; its errors come out as ours.

        The call gets its client itself: making one takes a tenth of a second, which the loop does not have.
        """
        return await self._run(self._pools.telling, call)

    def close(self) -> None:
        """Let go of threads and connections; calls under way are not waited for."""
        self._pools.close()
        self._close_clients()

    def _close_clients(self) -> None:
        for name in _CLIENTS:
            if name in self.__dict__:
                self.__dict__[name].close()

    @staticmethod
    async def _run(pool: ThreadPoolExecutor, call: Callable[[], T]) -> T:
        with translated():
            return await asyncio.get_running_loop().run_in_executor(pool, call)

    def _s3(self, read_timeout: float, attempts: int | None = None) -> Any:
        style: Any = "path" if self.endpoint.endpoint_url else "auto"
        config = self._config(read_timeout, self.endpoint.s3_concurrency, attempts).merge(
            # Parts carry a CRC32 that S3 verifies. Hashing them once more for the signature would be
            # most of what sending them costs: docs/decisions/0004-boto3-in-threads.md has the numbers.
            Config(s3={"addressing_style": style, "payload_signing_enabled": False})
        )
        return self._client("s3", config)

    def _client(self, service: str, config: Any) -> Any:
        make: Any = self._session.client
        with self._pools.making, translated():
            return make(service, endpoint_url=self.endpoint.endpoint_url, config=config)

    def _telling_config(self) -> Any:
        # Soon given up: whoever calls tries again, and a gateway that stops does not wait for these.
        return self._config(min(self.endpoint.read_timeout_seconds, 10), pool=2, attempts=2)

    def _config(
        self, read_timeout: float, pool: int, attempts: int | None = None, mode: str = "standard"
    ) -> Any:
        make: Any = Config  # the published types lag behind the options
        return make(
            connect_timeout=self.endpoint.connect_timeout_seconds,
            read_timeout=read_timeout,
            # botocore's `max_attempts` would count the retries alone.
            retries={"mode": mode, "total_max_attempts": attempts or self.endpoint.max_attempts},
            max_pool_connections=pool,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            # Nothing in the environment may redirect a stated endpoint; to AWS, a proxy may be the way.
            ignore_configured_endpoint_urls=True,
            proxies={} if self.endpoint.endpoint_url else None,
            parameter_validation=True,
        )


class ActingClients(AwsClients):
    """
    Clients of S3 with the credentials of a session, in the threads of others.

    Those for parts are made when they are first asked for: most sessions send small files.
    """

    def close(self) -> None:
        """Let go of connections; what is under way still ends."""
        self._close_clients()


class _Given(CredentialProvider):
    """Has the credentials already."""

    METHOD = CANONICAL_NAME = "given"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        return self._credentials


def _session(endpoint: AwsEndpoint) -> boto3.Session:
    core = botocore.session.Session()
    if endpoint.access_key_id:
        # A profile of the environment says whose credentials to use. Ours are given: it is not asked,
        # and if there is no such profile, that stops nobody.
        core = botocore.session.Session({"profile": (None, None, None, None)})
    with translated():
        return boto3.Session(
            aws_access_key_id=endpoint.access_key_id,
            aws_secret_access_key=endpoint.secret_access_key,
            region_name=endpoint.region,
            botocore_session=core,
        )


def profile_session(profile: str, region: str | None) -> boto3.Session:
    """
    Return a session of a profile that was named; credentials and Region of the environment are not asked.

    Raises:
        InvalidSettings: There is no such profile, or no Region.
    """
    core = botocore.session.Session(profile=profile)
    try:
        region = region or core.get_scoped_config().get("region")
    except ProfileNotFound as error:
        hint = "aws configure list-profiles shows those there are"
        raise InvalidSettings(f"there is no AWS profile {profile}", hint=hint) from error
    if region is None:
        raise InvalidSettings(f"the AWS profile {profile} names no Region", hint="name one: --region REGION")
    return boto3.Session(botocore_session=core, region_name=region)
