"""How many requests may be under way at a time: fewer after every sign that the server has enough."""

import asyncio
from types import TracebackType


class Pace:
    """A limit on requests under way that only ever falls, down to one, within a run.

    Entered before a request is sent, and left when its answer is there.

    Attributes:
        limit: How many may be under way.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._free = asyncio.Semaphore(limit)
        self._too_many = 0

    async def __aenter__(self) -> None:
        await self._free.acquire()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._too_many:
            self._too_many -= 1
        else:
            self._free.release()

    def slow_down(self) -> None:
        """Halve the limit, as after 429 or 503; requests under way are left to end."""
        fewer = max(1, self.limit // 2)
        self._too_many += self.limit - fewer
        self.limit = fewer
