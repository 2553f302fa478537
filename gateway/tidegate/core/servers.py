"""Servers as the directory keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from tidegate.core.tags import Tags


@dataclass(frozen=True, slots=True)
class Server:
    """What is kept of a server; everything else of it is in the settings of its gateways."""

    server_id: str
    tags: Tags = ()
