"""What the API of a gateway of one's own may not do."""

from __future__ import annotations

import pytest

from tidegate.adapters.memory.directory import MemoryUserDirectory
from tidegate.control import refuse_configured
from tidegate.core.servers import Server
from tidegate.faces.control.errors import ApiError


async def test_no_configured_server_is_deleted() -> None:
    """Nor that of another gateway over the same directory: its users and host keys would be gone with it."""
    directory = MemoryUserDirectory()
    made, gone = "s-00000000000000003", "s-00000000000000004"
    for configured in ("s-00000000000000001", "s-00000000000000002"):
        await directory.register_server(configured)
    await directory.add_server(Server(made))
    may_delete = refuse_configured(directory)
    for configured in ("s-00000000000000001", "s-00000000000000002"):
        with pytest.raises(ApiError, match="configuration"):
            await may_delete(configured)
    await may_delete(made)
    await may_delete(gone)
