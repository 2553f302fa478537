"""A partner of the gateway under test, with a key to log in with."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tidegate.core.errors import AlreadyExists
from tidegate.core.homes import home_from_target
from tidegate.core.users import User, check_user_name
from tidegate.local.key_files import ensure_key_pair
from tidegate.services.users import Users

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Partner:
    """
    Whoever logs in.

    Args:
        private_key_path: In OpenSSH's form, without passphrase, readable by its owner only.
        public_key: Its other half, as a line of `authorized_keys`.
        home: The `/bucket/prefix` the partner sees as `/`.
    """

    user_name: str
    private_key_path: Path
    public_key: str
    home: str


def ensure_partner(users: Users, user_name: str, home: str, keys: Path) -> Partner:
    """
    Return the partner, made if it is missing. One that is there keeps its home and its keys.

    Args:
        home: The `/bucket/prefix` of a partner that has to be made.
        keys: Directory of key pairs, one folder a partner; a pair that is there is used.

    Raises:
        InvalidName: No partner can be called so.
    """
    private = keys / check_user_name(user_name) / "id_ed25519"
    public = ensure_key_pair(private, f"{user_name}@tidegate")

    async def make() -> User:
        try:
            return await users.add(user_name, home_from_target(home), [public])
        except AlreadyExists:
            with suppress(AlreadyExists):
                await users.add_key(user_name, public)
            return await users.get(user_name)

    return Partner(user_name, private, public, _run(make()).home.target)


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine in a thread of its own: the caller may be inside an event loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
