"""Writing and reading the copy that a filter is previewed on.

A part is zlib over lines of ``[pk, fields]``, and ``[pk, null]`` for who is gone. Of several lines with the same ``pk``
the last one holds, within a part and over all parts.
"""

import zlib
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from openlane_authentik.authentik.pages import RawRecord

# Pictures, and what other fields say already: a filter that names one of these is judged on what authentik answers.
NOT_HELD: Final = frozenset(
    {
        "avatar",
        "children_obj",
        "groups_obj",
        "inherited_roles_obj",
        "parents_obj",
        "roles_obj",
        "users_obj",
    }
)
_BLOCK_BYTES: Final = 64 * 1024
_encoder = msgspec.json.Encoder()
_lines = msgspec.json.Decoder(tuple[int | str, msgspec.Raw])
_decoder = msgspec.json.Decoder()
_GONE: Final = b"null"


class CopyWriter:
    """Packs records as they are read."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(level=1)
        self._packed = bytearray()
        self._written = False

    def add(self, pk: int | str, raw: RawRecord) -> None:
        """Write what a filter may name of a record."""
        self._write([pk, {name: value for name, value in raw.items() if name not in NOT_HELD}])

    def drop(self, pk: int | str) -> None:
        """Write that a record is gone."""
        self._write([pk, None])

    def to_bytes(self) -> bytes:
        """Return the part; empty when nothing was written. To be asked once."""
        self._packed += self._packer.flush()
        return bytes(self._packed) if self._written else b""

    def _write(self, line: list[object]) -> None:
        self._packed += self._packer.compress(_encoder.encode(line) + b"\n")
        self._written = True


def read_copy(parts: Sequence[bytes]) -> Iterator[RawRecord]:
    """Return each record that is there, the parts given from the oldest to the newest.

    Raises:
        ValueError: A part is damaged.
    """
    last: dict[int | str, int] = {}
    for number, (pk, _) in enumerate(_read(parts)):
        last[pk] = number
    for number, (pk, fields) in enumerate(_read(parts)):
        if last[pk] == number and bytes(fields) != _GONE:
            yield _decoder.decode(fields)


def _read(parts: Sequence[bytes]) -> Iterator[tuple[int | str, msgspec.Raw]]:
    for part in parts:
        unpacker = zlib.decompressobj()
        rest = b""
        try:
            for begin in range(0, len(part), _BLOCK_BYTES):
                *lines, rest = (rest + unpacker.decompress(part[begin : begin + _BLOCK_BYTES])).split(b"\n")
                for line in lines:
                    yield _lines.decode(line)
        except (zlib.error, msgspec.DecodeError) as error:
            raise ValueError("the copy is damaged") from error
        if part and not unpacker.eof:
            raise ValueError("the copy is cut off")
