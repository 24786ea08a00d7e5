"""Read the body of an answer: decompressed piece by piece, and never past a limit."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Final

from openlane_authentik.errors import AnswerTooLargeError, BrokenAnswerError, UnexpectedAnswerError

ACCEPTED_CODINGS: Final = "gzip, deflate"
PIECE_BYTES: Final = 256 * 1024

_GZIP: Final = 16 + zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS
_RAW: Final = -zlib.MAX_WBITS
_ZLIB_HEADER_BYTES: Final = 2


async def read_body(chunks: AsyncIterator[bytes], coding: str, most: int, path: str) -> bytearray:
    """Read a body to its end, decompressed.

    Decompression stops one byte past the limit, and the event loop gets a turn after every piece of ``PIECE_BYTES``: a
    small chunk may decompress to a thousand times its size.

    Args:
        chunks: What comes over the wire.
        coding: The value of ``Content-Encoding``: ``gzip``, ``deflate`` (RFC 9110, section 8.4.1) or none.
        most: How many bytes it may have, decompressed.
        path: Of the request, for messages.

    Raises:
        AnswerTooLargeError: It has more bytes.
        BrokenAnswerError: It cannot be decompressed, or does not end where it should.
        UnexpectedAnswerError: It has a coding that was not asked for.
    """
    expansion = _expansion(coding, path)
    body = bytearray()
    try:
        async for chunk in chunks:
            rest: bytes | None = chunk
            while rest is not None:
                piece, rest = expansion.expand(rest, min(PIECE_BYTES, most + 1 - len(body)))
                body += piece
                if len(body) > most:
                    raise AnswerTooLargeError(f"an answer of {path} is larger than {most / 1024**2:.1f} MiB")
                if rest is not None:
                    await asyncio.sleep(0)
    except zlib.error as error:
        raise BrokenAnswerError(f"an answer of {path} cannot be decompressed") from error
    if not expansion.ended:
        raise BrokenAnswerError(f"an answer of {path} ends within its compression, or after it")
    return body


class _Identity:
    """A body that travels as it is."""

    ended = True

    def expand(self, data: bytes, _most: int) -> tuple[bytes, None]:
        """Return the data as it is: it is in memory already."""
        return data, None


class _Inflation:
    """A body compressed with gzip, zlib (RFC 1950) or plain deflate (RFC 1951), which some call ``deflate``, too."""

    def __init__(self, window_bits: int | None) -> None:
        self._inflate = None if window_bits is None else zlib.decompressobj(window_bits)
        self._head = b""
        self._came = False

    @property
    def ended(self) -> bool:
        """Whether the compressed data ended with the last byte that came; a body without any bytes counts as ended."""
        if not self._came:
            return True
        return self._inflate is not None and self._inflate.eof and not self._inflate.unused_data

    def expand(self, data: bytes, most: int) -> tuple[bytes, bytes | None]:
        """Return at most ``most`` decompressed bytes, and the data left over; None when more must come first."""
        self._came = self._came or bool(data)
        if self._inflate is None:
            self._head += data
            if len(self._head) < _ZLIB_HEADER_BYTES:
                return b"", None
            data, self._head = self._head, b""
            self._inflate = zlib.decompressobj(_ZLIB if _is_zlib(data) else _RAW)
        piece = self._inflate.decompress(data, most)
        rest = self._inflate.unconsumed_tail
        more = rest or len(piece) == most
        return piece, rest if more and not self._inflate.eof else None


def _expansion(coding: str, path: str) -> _Identity | _Inflation:
    match coding.strip().lower():
        case "" | "identity":
            return _Identity()
        case "gzip" | "x-gzip":
            return _Inflation(_GZIP)
        case "deflate":
            return _Inflation(None)
        case _:
            raise UnexpectedAnswerError(f"an answer of {path} is compressed in a way that was not asked for")


def _is_zlib(data: bytes) -> bool:
    """Whether two bytes are a header of RFC 1950, section 2.2: the method, and a check over both."""
    return data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2], "big") % 31 == 0
