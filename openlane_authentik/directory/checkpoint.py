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
        head = msgspec.msgpack.encode(
            {
                "bounds": self.bounds,
                "cursor": self.cursor,
                "fullAt": self.full_at,
                "groups": self.groups,
                "outdated": self.outdated,
                "roster": self.roster.freeze(),
            }
        )
        # The fastest level: it halves the work, and columns of numbers and JSON shrink to a quarter all the same.
        packer = zlib.compressobj(level=1)
        packed = [packer.compress(len(head).to_bytes(8, "big") + head)]
        packed += map(packer.compress, self.roster.identities())
        packed.append(packer.flush())
        digest = hashlib.sha256()
        for part in packed:
            digest.update(part)
        return b"".join([_MAGIC, digest.digest(), *packed])

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
        chunks = _unpacked(packed)
        first = bytearray(next(chunks))
        size = 8 + int.from_bytes(first[:8], "big")
        while len(first) < size:
            first += next(chunks)
        head = msgspec.msgpack.decode(first[8:size])
        if (told := msgspec.convert(head["bounds"], Bounds)) != bounds:
            raise CheckpointError("instance_changed" if told.instance != bounds.instance else "scope_changed")
        return cls(
            bounds=bounds,
            cursor=head["cursor"],
            full_at=head["fullAt"],
            groups=head["groups"],
            outdated=head["outdated"],
            roster=Roster.thaw(head["roster"], _joined(bytes(first[size:]), chunks)),
        )


def _unpacked(packed: memoryview) -> Iterator[bytes]:
    unpacker = zlib.decompressobj()
    for start in range(0, len(packed), 65536):
        yield unpacker.decompress(packed[start : start + 65536])
    yield unpacker.flush()


def _joined(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
