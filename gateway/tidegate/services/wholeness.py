"""What speaks against taking a file for whole when its client sends CLOSE."""

from __future__ import annotations

from tidegate.core.errors import GatewayError, Incomplete, OutOfOrderWrite
from tidegate.core.objects import StoredObject
from tidegate.core.parts import PartBuffer


def why_not_whole(
    path: str, buffer: PartBuffer, received: int, announced: int, adds_to: StoredObject | None
) -> GatewayError | None:
    """
    Return what is missing; None: nothing is.

    Args:
        received: Bytes without a gap, those that were there before the client came included.
        announced: The size the client has said its file has; 0 if it has not.
        adds_to: The file whose beginning was kept.
    """
    if buffer.has_gap:
        return OutOfOrderWrite(f"{path}: bytes from {buffer.end} never came")
    if received < announced:
        return Incomplete(f"{path}: {received} bytes of {announced} announced ones came")
    if adds_to is not None and received < adds_to.size and announced != received:
        return Incomplete(
            f"{path}: written up to {received} of {adds_to.size} bytes, and nothing was said of the rest",
            hint="S3 cannot keep what is behind: send the whole file, or set its size",
        )
    return None
