"""What the gateways of one process share, and what each is given of its own to listen with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tidegate.observation import Observation
from tidegate.services.buffers import BufferBudget
from tidegate.services.deliveries import DeliveryWorker
from tidegate.settings.model import Settings


@dataclass(frozen=True, slots=True)
class HostKeySources:
    """Files, or keys in the clear: those a server shows, and those it will show once these are gone."""

    shown: Sequence[Path | bytes]
    waiting: Sequence[bytes] = ()


class Memory:
    """What the buffers of a process may take together, however many servers it listens for."""

    def __init__(self, settings: Settings) -> None:
        self.uploads = BufferBudget(settings.uploads.buffer_budget_bytes)
        self.downloads = BufferBudget(settings.downloads.buffer_budget_bytes)


@dataclass(frozen=True, slots=True)
class Shared:
    """What a gateway gets from the first one of its process."""

    memory: Memory
    worker: DeliveryWorker
    observation: Observation
