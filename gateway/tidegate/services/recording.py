"""Writing the end of an upload to its record, until it is certain that it is there or nobody can tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tidegate.core.errors import GatewayError, OutcomeUnknown
from tidegate.core.transfers import TransferRecord, TransferStatus
from tidegate.ports.transfer_log import TransferLog


@dataclass(frozen=True, slots=True)
class Recording:
    """One record of this gateway's, and the state it is to have."""

    log: TransferLog
    record: TransferRecord
    to: TransferStatus

    async def write(self, write: Callable[[], Awaitable[None]]) -> None:
        """
        Run the write; after an error ask the record, and write once more where it is ours still.

        That is safe, because the conditions of the write let it take effect only once.

        Raises:
            OutcomeUnknown: The record is open still, cannot be read, or is somebody else's.
        """
        try:
            await write()
        except GatewayError as error:
            if await self._is_there(error):
                return
            await self._once_more(write)

    async def _once_more(self, write: Callable[[], Awaitable[None]]) -> None:
        # The record is ours still and says no: a conflict, or a request that never arrived.
        try:
            await write()
        except GatewayError as error:
            if not await self._is_there(error):
                raise OutcomeUnknown(f"the record is open still after: {error}") from error

    async def _is_there(self, error: GatewayError) -> bool:
        try:
            transfer = (await self.log.story(self.record.log_id)).transfer
        except GatewayError as second:
            raise OutcomeUnknown(f"{error}; then reading the record: {second}") from error
        if transfer.owner != self.record.owner:
            raise OutcomeUnknown(f"the record is {transfer.status} and not ours after: {error}") from error
        return transfer.status is self.to
