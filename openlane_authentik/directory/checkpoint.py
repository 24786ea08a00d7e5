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

from openlane_authentik.directory.index import DirectoryIndex

VERSION: Final = 2
# Columns are written as the machine has them; a checkpoint of another byte order is another format.
_MAGIC: Final = f"openlane-authentik checkpoint {VERSION} {sys.byteorder}\n".encode()
_DIGEST_BYTES: Final = 32
_SIZE_BYTES: Final = 8
_BLOCK_BYTES: Final = 64 * 1024
# What reading something else than a checkpoint may raise, though its digest is right.
_NO_CHECKPOINT: Final = (
    LookupError,
    MemoryError,
    OverflowError,
    TypeError,
    ValueError,
    zlib.error,
    msgspec.MsgspecError,
)


class CheckpointError(Exception):
    """A checkpoint cannot be used, for a reason with a stable code."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Bounds(msgspec.Struct, frozen=True):
    """What a checkpoint holds for; when one of these changed it holds for nothing.

    Attributes:
        instance: Which authentik, by its address.
        account: The ``uid`` of the token's own account: authentik makes it of the account's ``pk`` and the id of its
            installation, so that another one means another token, or another directory at the same address.
        scope: Fingerprint of filter and switches.
    """

    instance: str
    account: str
    scope: str


@dataclass(slots=True)
class Checkpoint:
    """What is known of the directory, proven.

    Attributes:
        bounds: What it holds for.
        taken_at: This machine's clock when the run that proved it began. It chooses where new stamps are looked for,
            and proves nothing.
        full_at: The same for the last full sync.
        logins_from: The ``last_login`` from which logins have to be read, in microseconds; None to read none.
        groups: The ``pk`` of every group; None when groups are not synced.
        outdated: Users who were read again after their account was handed over, so that it is to be handed over anew.
        index: Every user.
    """

    bounds: Bounds
    taken_at: datetime
    full_at: datetime
    logins_from: int | None
    groups: list[str] | None
    outdated: list[int]
    index: DirectoryIndex

    def to_bytes(self) -> bytes:
        """Return it in the form ``from_bytes`` reads."""
        names, chunks = self.index.freeze()
        head = msgspec.msgpack.encode(
            {
                "bounds": self.bounds,
                "takenAt": self.taken_at,
                "fullAt": self.full_at,
                "loginsFrom": self.logins_from,
                "groups": self.groups,
                "outdated": self.outdated,
                "index": names,
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
    def from_bytes(cls, content: bytes) -> "Checkpoint":
        """Read a checkpoint.

        Raises:
            CheckpointError: It is damaged or of another version.
        """
        if not content.startswith(_MAGIC):
            raise CheckpointError("checkpoint_unreadable")
        start = len(_MAGIC) + _DIGEST_BYTES
        packed = memoryview(content)[start:]
        if hashlib.sha256(packed).digest() != content[len(_MAGIC) : start]:
            raise CheckpointError("checkpoint_damaged")
        try:
            return cls._unpack(_Unpacking(packed))
        except _NO_CHECKPOINT as error:
            raise CheckpointError("checkpoint_damaged") from error.with_traceback(None)

    @classmethod
    def _unpack(cls, unpacking: "_Unpacking") -> "Checkpoint":
        head = msgspec.msgpack.decode(unpacking.take(int.from_bytes(unpacking.take(_SIZE_BYTES), "big")))
        return cls(
            bounds=msgspec.convert(head["bounds"], Bounds),
            taken_at=head["takenAt"],
            full_at=head["fullAt"],
            logins_from=head["loginsFrom"],
            groups=head["groups"],
            outdated=head["outdated"],
            index=DirectoryIndex.thaw(head["index"], unpacking.take, unpacking.rest()),
        )

    def holds_for(self, bounds: Bounds) -> str | None:
        """Return None if it holds for these bounds, else the stable code of what differs."""
        for name, code in (
            ("instance", "instance_changed"),
            ("account", "account_changed"),
            ("scope", "scope_changed"),
        ):
            if getattr(self.bounds, name) != getattr(bounds, name):
                return code
        return None


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
        """Return what is left."""
        yield self.take(len(self._ready))
        while self._unpack():
            yield self.take(len(self._ready))

    def _unpack(self) -> bool:
        if not self._packed:
            return False
        self._ready += self._unpacker.decompress(self._packed[:_BLOCK_BYTES])
        self._packed = self._packed[_BLOCK_BYTES:]
        return True
