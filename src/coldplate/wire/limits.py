"""How much a job's inputs may unfold into, and the two bounded readers that everything goes through."""

from __future__ import annotations

import base64
import binascii
import zlib

from coldplate.errors import BadInput, LimitExceeded

MIB = 1 << 20
TOTAL = 256 * MIB  # bytes that all blobs of one job may inflate to
RATIO = 100  # inflated over deflated bytes of one blob
# below this any ratio is fine: long Trotter circuits and sweeps of zeros deflate far better than that
FLOOR = 16 * MIB
LEVEL = 6  # of compression in results


class Budget:
    """What is left of the bytes that one job's blobs may take up in memory.

    Args:
        total: Bytes at the start.
    """

    def __init__(self, total: int = TOTAL):
        self.left = total

    def spend(self, size: int) -> None:
        """Take bytes from what is left.

        Raises:
            LimitExceeded: There are not as many left.
        """
        if size > self.left:
            raise LimitExceeded(
                f"The job's inputs take more than {TOTAL // MIB} MiB when they are unpacked.",
                solution="Split the job into smaller ones.",
            )
        self.left -= size

    def inflate(self, deflated: bytes) -> bytes:
        """The bytes of one zlib stream, never holding more than they may be.

        Raises:
            BadInput: It is not one whole zlib stream.
            LimitExceeded: It inflates to more than is left, or more than `RATIO` times its size.
        """
        most = min(self.left, max(FLOOR, RATIO * len(deflated)))
        stream = zlib.decompressobj()
        try:
            found = stream.decompress(deflated, most + 1)
        except zlib.error as error:
            raise BadInput(f"Compressed data is damaged: {error}.") from None
        if len(found) > most:
            raise LimitExceeded(
                f"Compressed data of {len(deflated)} bytes unpacks to more than {most} bytes.",
                solution="Split the job into smaller ones.",
            )
        if not stream.eof or stream.unused_data:
            raise BadInput("Compressed data is cut off, or goes on after its end.")
        self.spend(len(found))
        return found


def unbase64(text: object) -> bytes:
    """The bytes of a base64 text with the standard alphabet and padding, nothing else.

    Raises:
        BadInput: It is not base64, or not text.
    """
    if not isinstance(text, str):
        raise BadInput(f"Base64 text is expected, not {type(text).__name__}.")
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise BadInput(f"Not base64: {text[:40]!r}.") from None


def inflated(text: object, budget: Budget) -> bytes:
    """The bytes of a base64 text of one zlib stream; for errors see `unbase64` and `Budget.inflate`."""
    return budget.inflate(unbase64(text))


def deflated(raw: bytes) -> str:
    """Bytes as a base64 text of one zlib stream; the level is fixed, so equal bytes give equal text."""
    return base64.b64encode(zlib.compress(raw, LEVEL)).decode("ascii")
