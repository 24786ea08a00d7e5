"""Read a list by page numbers, over and over, until two passes in a row prove that nothing slipped through.

Page numbers lose rows: a row deleted behind the reader moves all later rows up by one, past the border of a page
that was already read. One pass therefore proves nothing. Two do, if each had the same count on every page, no key
twice and as many keys as the count said, and both have the same keys: a row missed by the second would have its
place taken by one that is gone since the first, which the second cannot have seen.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from openlane_authentik.authentik.client import AuthentikClient, Params
from openlane_authentik.authentik.pages import Page, PageSize, RawRecord, read_page
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.errors import AnswerTooLargeError, InvalidPageError, RequestTimeoutError

# Takes rows, some of them perhaps again, and tells how many were new.
Accept = Callable[[list[RawRecord]], Awaitable[int]]

MOST_PASSES: Final = 6


def record_key(row: RawRecord) -> Any:
    """Identify a row by its ``pk``, or for want of one by its whole content."""
    pk = row.get("pk")
    return pk if isinstance(pk, int | str) else msgspec.json.encode(row)


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass over a list found.

    Attributes:
        keys: Of the rows read.
        count: What the first page said the list has.
        steady: Whether the count stayed, no key came twice and there are as many keys as counted.
    """

    keys: frozenset[Any]
    count: int
    steady: bool

    def proves(self, before: "Pass | None") -> bool:
        """Whether this pass and the one before it prove that the keys are the whole list."""
        return before is not None and self.steady and before.steady and self.keys == before.keys


class PagedList:
    """One of authentik's lists, read by page numbers.

    Attributes:
        passes: How many were read so far.
        last: The last of them.
    """

    def __init__(self, client: AuthentikClient, path: str, params: Params, page_size: int, width: int) -> None:
        self.passes = 0
        self.last: Pass | None = None
        self._client = client
        self._path = path
        self._params = params
        self._size = PageSize(page_size)
        self._width = width

    async def read_until_proven(self, accept: Accept) -> bool:
        """Read passes until two in a row are proof; false when the list never stood still for that long.

        Args:
            accept: Takes every row of every pass, in no particular order; the same row comes again in every pass.

        Raises:
            IntegrationError: See ``AuthentikClient.get``.
        """
        for _ in range(MOST_PASSES):
            if await self.read_once_more(accept):
                return True
        return False

    async def read_once_more(self, accept: Accept) -> bool:
        """Read one more pass; true when it and the one before it are proof."""
        before = self.last
        self.last = await self._read_pass(accept)
        self.passes += 1
        return self.last.proves(before)

    async def _read_pass(self, accept: Accept) -> Pass:
        while True:
            reading = _Reading(accept)
            try:
                first = await self._page(1)
                await reading.take(first, 1)
                rest = (partial(self._read_into, reading, number) for number in range(2, first.total_pages + 1))
                await side_by_side(rest, self._width)
            except InvalidPageError:
                return reading.ended(steady=False)
            except (RequestTimeoutError, AnswerTooLargeError):
                # The pages of another size are other pages: the pass begins anew.
                if not self._size.shrink():
                    raise
            else:
                return reading.ended(steady=True)

    async def _read_into(self, reading: "_Reading", number: int) -> None:
        await reading.take(await self._page(number), number)

    async def _page(self, number: int) -> Page:
        return await read_page(self._client, self._path, {**self._params, "page": number}, self._size)


class _Reading:
    def __init__(self, accept: Accept) -> None:
        self._accept = accept
        self._keys: set[Any] = set()
        self._rows = 0
        self._counts: set[int] = set()
        self._in_order = True

    async def take(self, page: Page, number: int) -> None:
        last = number == page.total_pages
        self._in_order &= page.next == (0 if last else number + 1)
        self._counts.add(page.count)
        self._rows += len(page.rows)
        self._keys.update(map(record_key, page.rows))
        await self._accept(page.rows)

    def ended(self, *, steady: bool) -> Pass:
        count = max(self._counts, default=0)
        as_counted = len(self._counts) == 1 and self._rows == len(self._keys) == count
        return Pass(frozenset(self._keys), count, steady and as_counted and self._in_order)
