"""Clients that take their time over an export leave database connections to others."""

import asyncio
from collections.abc import Generator

from starlette.types import Message, Scope

from openlane_authentik.host.web.api_directory import Download

_SCOPE: Scope = {"type": "http", "method": "GET", "asgi": {"spec_version": "2.4", "version": "3.0"}}


async def _nothing() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def test_only_so_many_exports_are_read_at_once() -> None:
    """The fifth is refused while nobody reads on; when one has ended, however it did, another one may begin."""
    closed: list[int] = []

    def chunks(number: int) -> Generator[bytes, None, None]:
        try:
            yield b"line\n"
            yield b"line\n"
        finally:
            closed.append(number)

    async def read() -> None:
        statuses: list[int] = []
        begun = asyncio.Queue[None]()
        goes_on = asyncio.Event()

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
            elif message["body"] == b"line\n":
                begun.put_nowait(None)
                await goes_on.wait()

        def one(number: int) -> asyncio.Task[None]:
            return asyncio.create_task(Download(chunks(number), "name", "text/csv")(_SCOPE, _nothing, send))

        slow = [one(number) for number in range(4)]
        for _ in slow:
            await begun.get()
        await one(4)
        assert statuses == [200] * 4 + [429]
        slow[0].cancel()
        await asyncio.wait([slow[0]])
        fifth = one(5)
        await begun.get()
        assert statuses[-1] == 200
        goes_on.set()
        await asyncio.gather(*slow[1:], fifth)

    asyncio.run(read())
    assert sorted(closed) == [0, 1, 2, 3, 5]
