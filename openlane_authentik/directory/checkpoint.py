"""What a sync remembers for the next one, so that it need read only what changed; opaque to whoever keeps it.

It holds people's names and addresses as the records do, and is to be kept like them.
"""

import hashlib
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from openlane_authentik.directory.roster import Roster

VERSION: Final = 1
# Columns are written as the machine has them; a checkpoint of another byte order is another format.
_MAGIC: Final = f"openlane-authentik checkpoint {VERSION} {sys.byteorder}\n".encode()
_DIGEST_BYTES: Final = 32
_SIZE_BYTES: Final = 8
_BLOCK_BYTES: Final = 64 * 1024


class CheckpointError(Exception):
    """A checkpoint cannot be used, for a reason with a stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Bounds(msgspec.Struct, frozen=True):
    """What a checkpoint holds for; when one of these changed it holds for nothing.

    Attributes:
        instance: Which authentik.
        scope: Fingerprint of filter and switches.
    """

    instance: str
    scope: str


@dataclass(slots=True)
class Checkpoint:
    """What is known of the directory as of ``cursor``.

    Attributes:
        bounds: What it holds for.
        cursor: The server's clock when the run began that proved this.
        full_at: The same for the last full sync.
        groups: The ``pk`` of every group; None when groups are not synced.
        outdated: Users who were read again after their account was handed over, so that it is to be handed over anew.
        roster: Every user.
    """

    bounds: Bounds
    cursor: datetime
    full_at: datetime
    groups: list[str] | None
    outdated: list[int]
    roster: Roster

    def to_bytes(self) -> bytes:
        """Give it in the form ``from_bytes`` reads."""
        names, chunks = self.roster.freeze()
        head = msgspec.msgpack.encode(
            {
                "bounds": self.bounds,
                "cursor": self.cursor,
                "fullAt": self.full_at,
                "groups": self.groups,
                "outdated": self.outdated,
                "roster": names,
            }
        )
        # The fastest level: it halves the work, and columns of numbers and JSON shrink to a quarter all the same.
        packer = zlib.compressobj(level=1)
        packed = bytearray(packer.compress(len(head).to_bytes(_SIZE_BYTES, "big") + head))
        for chunk in chunks:
            packed += packer.compress(chunk)
        packed += packer.flush()
        return b"".join([_MAGIC, hashlib.sha256(packed).digest(), packed])

    @classmethod
    def from_bytes(cls, content: bytes, bounds: Bounds) -> "Checkpoint":
        """Read a checkpoint that holds for these bounds.

        Raises:
            CheckpointError: It is damaged, of another version, or holds for other bounds.
        """
        if not content.startswith(_MAGIC):
            raise CheckpointError("checkpoint_unreadable")
        start = len(_MAGIC) + _DIGEST_BYTES
        packed = memoryview(content)[start:]
        if hashlib.sha256(packed).digest() != content[len(_MAGIC) : start]:
            raise CheckpointError("checkpoint_damaged")
        unpacking = _Unpacking(packed)
        head = msgspec.msgpack.decode(unpacking.take(int.from_bytes(unpacking.take(_SIZE_BYTES), "big")))
        if (told := msgspec.convert(head["bounds"], Bounds)) != bounds:
            raise CheckpointError("instance_changed" if told.instance != bounds.instance else "scope_changed")
        return cls(
            bounds=bounds,
            cursor=head["cursor"],
            full_at=head["fullAt"],
            groups=head["groups"],
            outdated=head["outdated"],
            roster=Roster.thaw(head["roster"], unpacking.take, unpacking.rest()),
        )


class _Unpacking:
    """Gives what was packed piece by piece, never whole."""

    def __init__(self, packed: memoryview) -> None:
        self._unpacker = zlib.decompressobj()
        self._packed = packed
        self._ready = bytearray()

    def take(self, size: int) -> bytes:
        """Give so many of the next bytes."""
        while len(self._ready) < size and self._unpack():
            pass
        taken = bytes(self._ready[:size])
        del self._ready[:size]
        return taken

    def rest(self) -> Iterator[bytes]:
        """Give what is left."""
        yield self.take(len(self._ready))
        while self._unpack():
            yield self.take(len(self._ready))

    def _unpack(self) -> bool:
        if not self._packed:
            return False
        self._ready += self._unpacker.decompress(self._packed[:_BLOCK_BYTES])
        self._packed = self._packed[_BLOCK_BYTES:]
        return True
