"""Importing: a record, and what it owes, for an object that no partner uploaded."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from tidegate.core.deliveries import DeliveryTarget, owed
from tidegate.core.errors import ChangedMeanwhile, NotFound
from tidegate.core.homes import USER_NAME_VARIABLE
from tidegate.core.ids import GatewayId, LogId
from tidegate.core.imports import OWN_KEYS, import_id, import_record, is_foreign
from tidegate.core.objects import Location, StoredObject
from tidegate.core.routes import Route
from tidegate.ports.clock import Clock
from tidegate.ports.objects import ObjectStore
from tidegate.ports.transfer_log import Story, TransferLog
from tidegate.services.intake import Landing
from tidegate.services.versions import is_overtaken


@dataclass(frozen=True, slots=True)
class Imports:
    """
    Imports foreign objects.

    Args:
        sources: Buckets from which objects are imported.
        server_id: Under which the records are kept.
    """

    store: ObjectStore
    log: TransferLog
    clock: Clock
    landing: Landing
    sources: Collection[str]
    server_id: str
    gateway_id: GatewayId

    def refusal(self, stored: StoredObject) -> str | None:
        """Return why this object is not imported; None if it is."""
        location = stored.location
        if not is_foreign(stored) or import_id(stored) is None:
            return "it is a copy that a gateway made"
        if location.bucket not in self.sources:
            return "uploads do not land in this bucket"
        if any(_is_in(target, location) for target in self.landing.targets):
            return "it lies where deliveries go"
        if location.key.startswith(OWN_KEYS):
            return "it is tidegate's own"
        # An empty object of such a name is how a directory is kept.
        return "it is a directory" if location.key.endswith("/") else None

    async def story_of(self, stored: StoredObject) -> Story:
        """
        Return the story of the object's import, which begins here unless there is one already.

        Only for what `refusal` does not refuse. Any number of callers get the same record.
        """
        log_id = import_id(stored)
        if log_id is None:
            raise NotFound(f"{stored.location} cannot be imported")
        try:
            return await self.log.story(log_id)
        except NotFound:
            pass
        with suppress(ChangedMeanwhile):  # somebody was faster, or our own first answer was lost
            await self._begin(log_id, stored)
        return await self.log.story(log_id)

    async def _begin(self, log_id: LogId, stored: StoredObject) -> None:
        now, targets = self.clock.now(), self._targets(stored.location)
        record = import_record(
            log_id,
            stored,
            self.server_id,
            self.gateway_id,
            now,
            tuple(target.name for target in targets),
            superseded=await is_overtaken(self.store, stored),
        )
        await self.log.start_completed(
            record, owed(log_id, stored.location, stored.version_id, stored.etag, targets, now)
        )

    def _targets(self, location: Location) -> tuple[DeliveryTarget, ...]:
        """Return the targets of the first route that leads to where the object lies; else all."""
        routes = self.landing.routes.routes
        found = next((route for route in routes if _leads_to(route, location)), None)
        return self.landing.targets if found is None else self.landing.targets_of(found)


def _is_in(target: DeliveryTarget, location: Location) -> bool:
    return target.bucket == location.bucket and location.key.startswith(target.prefix)


def _leads_to(route: Route, location: Location) -> bool:
    if route.target is None:
        return False
    # What stands before the variable holds for every partner.
    fixed, variable, _ = f"{route.target}/".partition(USER_NAME_VARIABLE)
    return f"/{location.bucket}/{location.key}".startswith(fixed if variable else f"{route.target}/")
