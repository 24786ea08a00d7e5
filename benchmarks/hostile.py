"""What answers cost that no authentik gives: how long the event loop stands still at most, and the peak of memory.

Each in a process of its own, which asks for one page of 100 users, and is answered out of thin air.
"""

import asyncio
import gzip
import json
import logging
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import Final

import httpx

from benchmarks.measure import measured
from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import PageSize, read_page
from openlane_authentik.authentik.transport import open_http
from openlane_authentik.clock import SystemClock
from openlane_authentik.errors import IntegrationError
from openlane_authentik.log import configure_logging

_ROWS: Final = 100
_OPENED: Final = 150_000_000
_CHUNK: Final = 64 * 1024
_TICK_SECONDS: Final = 0.001
_MEGA: Final = 1e6
_HEAD: Final = b'{"pagination":{"next":0,"count":100,"total_pages":1},"results":['


class _Answering(httpx.AsyncBaseTransport):
    """Answers every request with the same chunks."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]], coding: str) -> None:
        self._chunks = chunks
        self._headers = {"content-type": "application/json", "content-encoding": coding}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer."""
        return httpx.Response(200, headers=self._headers, stream=_Stream(self._chunks()), request=request)


class _Stream(httpx.AsyncByteStream):
    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
            await asyncio.sleep(0)


def _flood(value: bytes, size: int, end: bytes = b"{}]}") -> Iterator[bytes]:
    yield _HEAD
    piece = value * (_CHUNK // len(value))
    for _ in range(size // len(piece)):
        yield piece
    yield end


def _record(value: bytes, size: int) -> Iterator[bytes]:
    chunks = _flood(value, size, b"0]}]}")
    yield next(chunks) + b'{"pk":1,"attributes":['
    yield from chunks


def _packed(packed: bytes) -> Iterator[bytes]:
    yield from (packed[start : start + _CHUNK] for start in range(0, len(packed), _CHUNK))


def _page() -> Iterator[bytes]:
    users = (
        {"pk": pk, "name": "x" * 30, "attributes": {"a": list(range(20))}, "avatar": "y" * 1900} for pk in range(_ROWS)
    )
    yield _HEAD + b",".join(json.dumps(user).encode() for user in users) + b"]}"


def _gzipped() -> Callable[[], Iterator[bytes]]:
    return partial(_packed, gzip.compress(b"".join(_flood(b"{},", _OPENED)), 6))


CASES: Final[dict[str, tuple[Callable[[], Callable[[], Iterator[bytes]]], str]]] = {
    "a page of 100 users": (lambda: _page, ""),
    "half a million rows": (lambda: partial(_flood, b"{},", 1_500_000), ""),
    "7 million rows": (lambda: partial(_flood, b"{},", 22_000_000), ""),
    "50 million rows": (lambda: partial(_flood, b"{},", _OPENED), ""),
    "a small gzip that opens to 50 million rows": (_gzipped, "gzip"),
    "one record of 5 million lists": (lambda: partial(_record, b"[],", 16_000_000), ""),
    "one record of 8 million numbers": (lambda: partial(_record, b"1,", 16_000_000), ""),
    "one record of 16 MB of text": (lambda: partial(_record, b'"' + b"x" * 8_000 + b'",', 16_000_000), ""),
}


def main() -> int:
    """Run every case, each in its own process, and print a table; or the one case that is named."""
    if sys.argv[1:]:
        _measure(sys.argv[1])
        return 0
    sys.stdout.write("| an answer of | ends in | longest stall ms | peak MB |\n|---|---|---:|---:|\n")
    for name in CASES:
        sys.stdout.write(asyncio.run(_child(name)))
    return 0


async def _child(name: str) -> str:
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.hostile", name, stdout=PIPE)
    told, _ = await child.communicate()
    return told.decode()


def _measure(name: str) -> None:
    make, coding = CASES[name]
    chunks = make()
    configure_logging(secrets=(), as_json=False, level=logging.CRITICAL)
    seen: list[tuple[str, float]] = []
    usage = measured(lambda: seen.append(asyncio.run(_ask(_Answering(chunks, coding)))))
    (ending, stall) = seen[0]
    sys.stdout.write(f"| {name} | {ending} | {stall * 1000:.0f} | {usage.memory / _MEGA:.0f} |\n")


async def _ask(transport: httpx.AsyncBaseTransport) -> tuple[str, float]:
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_TICK_SECONDS)
            longest = max(longest, time.perf_counter() - before - _TICK_SECONDS)

    http = open_http("https://authentik.example.test", "token", connections=1, transport=transport)
    async with AuthentikClient(http, clock=SystemClock(), concurrency=1, timeout_seconds=600.0) as client:
        ticking = asyncio.create_task(tick())
        try:
            ending = f"{len((await read_page(client, 'core/users/', {}, PageSize(_ROWS))).rows)} rows"
        except IntegrationError as error:
            ending = f"`{error.code}`"
        ticking.cancel()
    return ending, longest


if __name__ == "__main__":
    sys.exit(main())
