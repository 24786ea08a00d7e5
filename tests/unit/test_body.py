"""A body is decompressed in bounded pieces, in every coding that is asked for, and never past its limit."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.authentik.body import PIECE_BYTES, read_body
from openlane_authentik.errors import (
    AnswerTooLargeError,
    BrokenAnswerError,
    IntegrationError,
    UnexpectedAnswerError,
)

_PLENTY: Final = 1 << 24
_decompressobj: Final = zlib.decompressobj


def _plain_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


CODINGS: Final[dict[str, tuple[str, Callable[[bytes], bytes]]]] = {
    "none": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": (" X-GZIP ", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "plain deflate": ("deflate", _plain_deflate),
}


def _read(packed: Iterable[bytes], coding: str, most: int = _PLENTY) -> bytes:
    async def chunks() -> AsyncIterator[bytes]:
        for chunk in packed:
            yield chunk

    return bytes(asyncio.run(read_body(chunks(), coding, most, "core/users/")))


def _cut(packed: bytes, size: int) -> list[bytes]:
    return [packed[start : start + size] for start in range(0, len(packed), size)]


@pytest.mark.parametrize("coding", CODINGS)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.binary(max_size=2000), st.integers(1, 50), st.integers(0, 300))
def test_a_body_is_what_was_packed(coding: str, data: bytes, size: int, repeats: int) -> None:
    """In every coding, in chunks of any size, the body is what it was; an empty one needs no compression."""
    name, pack = CODINGS[coding]
    whole = data + b"x" * repeats
    assert _read(_cut(pack(whole), size), name) == whole
    assert _read([], name) == b""


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("length", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_a_body_may_be_as_large_as_its_limit_and_no_larger(coding: str, length: int) -> None:
    """A body of exactly the limit is read; one byte more is too large."""
    name, pack = CODINGS[coding]
    assert _read([pack(b"x" * length)], name, length) == b"x" * length
    with pytest.raises(AnswerTooLargeError):
        _read([pack(b"x" * (length + 1))], name, length)


class _Counting:
    """A decompressor that counts what it gives."""

    given = 0
    largest = 0

    def __init__(self, window_bits: int) -> None:
        self._inner = _decompressobj(window_bits)

    def decompress(self, data: bytes, most: int) -> bytes:
        piece = self._inner.decompress(data, most)
        _Counting.given += len(piece)
        _Counting.largest = max(_Counting.largest, len(piece))
        return piece

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unconsumed_tail(self) -> bytes:
        return self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


@pytest.mark.parametrize("coding", ["gzip", "zlib", "plain deflate"])
def test_decompression_stops_at_the_limit(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what opens to more, one byte beyond the limit is opened, in pieces; the event loop gets a turn after each."""
    _Counting.given = _Counting.largest = 0
    monkeypatch.setattr(zlib, "decompressobj", _Counting)
    name, pack = CODINGS[coding]
    packed, most, turns = pack(b"{}," * 10_000_000), 5 * PIECE_BYTES, 0

    async def read() -> None:
        async def chunks() -> AsyncIterator[bytes]:
            yield packed

        async def count() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        try:
            await read_body(chunks(), name, most, "core/users/")
        finally:
            counting.cancel()

    with pytest.raises(AnswerTooLargeError):
        asyncio.run(read())
    assert _Counting.given == most + 1
    assert _Counting.largest <= PIECE_BYTES
    assert turns >= 5


@pytest.mark.parametrize(
    "coding",
    [
        "br",
        "zstd",
        "compress",
        "gzip, gzip",
        "gzip,deflate",
        "gzip;q=1",
        "\x00",
        "\uff47\uff5a\uff49\uff50",
        "aws-chunked",
    ],
)
def test_a_coding_that_was_not_asked_for_is_refused(coding: str) -> None:
    """Whatever else a proxy makes of a body is no answer that was asked for."""
    with pytest.raises(UnexpectedAnswerError):
        _read([b"{}"], coding)


@pytest.mark.parametrize("coding", ["gzip", "zlib", "plain deflate"])
def test_what_ends_elsewhere_than_it_should_is_broken(coding: str) -> None:
    """Cut anywhere, with anything after its end, or not compressed at all, it is broken, and never a shorter body."""
    name, pack = CODINGS[coding]
    packed = pack(b'{"pagination": {}, "results": []}' * 9)
    for end in range(1, len(packed)):
        with pytest.raises(BrokenAnswerError):
            _read([packed[:end]], name)
    for more in (b"\x00", b"{}", packed):
        for chunks in ([packed + more], [packed, more]):
            with pytest.raises(BrokenAnswerError):
                _read(chunks, name)
    with pytest.raises(BrokenAnswerError):
        _read([b'{"results": []}'], name)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.binary(min_size=1, max_size=200), st.sampled_from(["gzip", "deflate", ""]), st.integers(0, 400))
def test_any_bytes_are_a_body_or_an_error_with_a_name(data: bytes, coding: str, most: int) -> None:
    """Whatever comes, what is given is within the limit, and what is raised is an integration error."""
    try:
        assert len(_read([data], coding, most)) <= most
    except IntegrationError as error:
        assert error.code in {"broken_answer", "answer_too_large"}  # noqa: PT017 - either way is right
