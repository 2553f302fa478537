"""
boto3 as a guest in somebody else's process: what their environment says of AWS is neither read nor changed.

A test suite may run under a profile, a proxy or an endpoint of its own. None of it is meant for the
gateway under test, and a profile that is not there would even keep boto3 from being used at all.
"""

from __future__ import annotations

import os
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from tidegate.adapters.aws.clients import AwsEndpoint


def guest_session(endpoint: AwsEndpoint) -> boto3.Session:
    """Return a session for this endpoint alone. Its clients hang for no longer than the endpoint says."""
    unread = {"profile": None, "config_file": os.devnull, "credentials_file": os.devnull}
    core: Any = botocore.session.Session({name: (None, None, value, None) for name, value in unread.items()})
    make: Any = Config  # the published types lag behind the options
    core.set_default_client_config(
        make(
            connect_timeout=endpoint.connect_timeout_seconds,
            read_timeout=endpoint.read_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": endpoint.max_attempts},
            s3={"addressing_style": "path"},
            proxies={},
            ignore_configured_endpoint_urls=True,
            use_fips_endpoint=False,
            use_dualstack_endpoint=False,
        )
    )
    return boto3.Session(
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        region_name=endpoint.region,
        botocore_session=core,
    )


def guest_client(session: boto3.Session, service: str, endpoint: AwsEndpoint) -> Any:
    """Return a client of any service at the endpoint. Whoever makes it closes it."""
    make: Any = session.client
    return make(service, endpoint_url=endpoint.endpoint_url)
