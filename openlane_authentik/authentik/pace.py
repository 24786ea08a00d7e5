"""How many requests may be under way at a time: fewer after every sign that the server has enough."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Pace:
    """A limit on requests under way that only ever falls, down to one, within a run."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._under_way = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait until one more request may be sent, and hold its place."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._under_way < self.limit)
            self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            async with self._changed:
                self._changed.notify_all()

    def slow_down(self) -> None:
        """Halve the limit, as after 429 or 503."""
        self.limit = max(1, self.limit // 2)
