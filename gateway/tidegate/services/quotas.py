"""
How much of this gateway one address or one partner may take: places for connections, and bytes a second.

All counts are of this gateway alone, in memory. A partner that uses two gateways has twice as much.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_network
from weakref import WeakValueDictionary

from tidegate.core.proxy_protocol import plain_address
from tidegate.ports.clock import Clock

TOO_MANY_HERE = "too many connections to this gateway"
TOO_MANY_FROM_ADDRESS = "too many connections from this address"


@dataclass(frozen=True, slots=True)
class PlaceLimits:
    """How many connections there may be at the same time."""

    connections: int
    per_address: int
    per_partner: int


def household(address: str) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 that one IPv6 customer is given."""
    try:
        plain = plain_address(address)
    except ValueError:
        return address  # such as "unknown", where the peer had gone already
    if isinstance(plain, IPv6Address):
        return str(ip_network((plain, 64), strict=False))
    return str(plain)


class Places:
    """The connections there are, by address and by partner. Not thread-safe: belongs to the event loop."""

    def __init__(self, limits: PlaceLimits) -> None:
        self.limits = limits
        self.taken = 0
        self._addresses: Counter[str] = Counter()
        self._partners: Counter[str] = Counter()

    def refusal(self, address: str) -> str:
        """Say why this address gets no further connection now; empty if it does."""
        if self.taken >= self.limits.connections:
            return TOO_MANY_HERE
        if self._addresses[household(address)] >= self.limits.per_address:
            return TOO_MANY_FROM_ADDRESS
        return ""

    def enter(self, address: str) -> None:
        """Count a connection, until `leave` is called with the same address."""
        self.taken += 1
        self._addresses[household(address)] += 1

    def leave(self, address: str) -> None:
        """End what `enter` began."""
        self.taken -= 1
        _take_one(self._addresses, household(address))

    def log_in(self, partner: str) -> bool:
        """Count a login until `log_out`; False, and nothing is counted, if the partner has too many."""
        if self._partners[partner] >= self.limits.per_partner:
            return False
        self._partners[partner] += 1
        return True

    def log_out(self, partner: str) -> None:
        """End what `log_in` began."""
        _take_one(self._partners, partner)

    @property
    def names_count(self) -> int:
        """How many addresses and partners are remembered: none once everybody has left."""
        return len(self._addresses) + len(self._partners)


def _take_one(counter: Counter[str], name: str) -> None:
    counter[name] -= 1
    if counter[name] <= 0:
        del counter[name]


class Rate:
    """
    A token bucket that holds one second's bytes, and whose users wait rather than being refused.

    Who comes is served at once if there are bytes, and otherwise in the order of coming. It begins
    empty: a partner gains nothing by leaving and coming back.
    """

    def __init__(self, bytes_per_second: int, clock: Clock) -> None:
        self.bytes_per_second = bytes_per_second
        self._clock = clock
        self._left = 0.0  # below zero: promised to those who wait
        self._at = clock.monotonic()

    async def take(self, count: int) -> None:
        """Return when `count` bytes more may pass; any number of them."""
        now = self._clock.monotonic()
        filled = self._left + (now - self._at) * self.bytes_per_second
        self._at, self._left = now, min(filled, self.bytes_per_second) - count
        if self._left < 0:
            try:
                await self._clock.sleep(-self._left / self.bytes_per_second)
            except asyncio.CancelledError:
                self._left += count  # they did not pass, and the partner's other sessions need not pay
                raise


class Allowance:
    """How fast the sessions of one partner may go, all of them together; None is as fast as they can."""

    def __init__(self, uploads: Rate | None, downloads: Rate | None) -> None:
        self.uploads = uploads
        self.downloads = downloads


class Rates:
    """The allowances of the partners that are here: one each, for as long as somebody holds it."""

    def __init__(self, uploads: int | None, downloads: int | None, clock: Clock) -> None:
        self._bytes_per_second = (uploads, downloads)
        self._clock = clock
        self._partners: WeakValueDictionary[str, Allowance] = WeakValueDictionary()

    def of(self, partner: str) -> Allowance:
        """Return the allowance that all connections of the partner share."""
        allowance = self._partners.get(partner)
        if allowance is None:
            uploads, downloads = (each and Rate(each, self._clock) for each in self._bytes_per_second)
            allowance = self._partners[partner] = Allowance(uploads or None, downloads or None)
        return allowance
