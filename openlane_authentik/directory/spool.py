"""Bytes that wait, one piece after the other: in memory while they are little, then in a temporary file."""

import tempfile
from collections.abc import Iterable, Iterator
from os import SEEK_END
from typing import Final

_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024
_BLOCK_BYTES: Final = 64 * 1024


class Spool:
    """Pieces of bytes; each is found by its place and its size.

    Attributes:
        end: The place of the next piece.
    """

    def __init__(self) -> None:
        self.end = 0
        # The last pieces, on their way to the file.
        self._unwritten = bytearray()
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - see ``close``

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def add(self, piece: bytes) -> None:
        """Add a piece at ``end``."""
        self._unwritten += piece
        self.end += len(piece)
        if len(self._unwritten) > _BLOCK_BYTES:
            self._write()

    def read(self, at: int, size: int) -> bytes:
        """Return one piece."""
        self._write()
        self._file.seek(at)
        return self._file.read(size)

    def read_in_order(self, places: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """Return the pieces at these places, which ascend: one read of the file serves some hundred of them."""
        block, block_at = b"", 0
        for at, size in places:
            first = at - block_at
            if first < 0 or first + size > len(block):
                block, block_at, first = self.read(at, max(_BLOCK_BYTES, size)), at, 0
            yield block[first : first + size]

    def freeze(self) -> Iterator[bytes]:
        """Return everything, chunk by chunk, for ``thaw``."""
        self._write()
        self._file.seek(0)
        while chunk := self._file.read(_BLOCK_BYTES):
            yield chunk

    def thaw(self, chunks: Iterable[bytes]) -> None:
        """Take what was frozen."""
        self._file.writelines(chunks)
        self.end = self._file.tell()

    def _write(self) -> None:
        if self._unwritten:
            self._file.seek(0, SEEK_END)
            self._file.write(self._unwritten)
            self._unwritten.clear()
