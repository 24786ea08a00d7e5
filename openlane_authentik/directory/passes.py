"""Read a list by page numbers, over and over, until two passes in a row prove that nothing slipped through.

Page numbers lose rows: a row deleted behind the reader moves all later rows up by one, past the border of a page
that was already read. One pass therefore proves nothing. Two do, if each had the same count on every page, no key
twice and as many keys as the count said, and both have the same keys: a row missed by the second would have its
place taken by one that is gone since the first, which the second cannot have seen.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import msgspec

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import Page, PageSize, RawRecord, read_page
from openlane_authentik.authentik.request import Params
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.errors import AnswerTooLargeError, InvalidPageError, RequestTimeoutError, TryAgainError

# Takes rows, some of them perhaps again, and tells how many were new.
Accept = Callable[[list[RawRecord]], Awaitable[int]]

MOST_PASSES: Final = 6


def record_key(row: RawRecord) -> Any:
    """Identify a row by its ``pk``, or for want of one by its whole content."""
    pk = row.get("pk")
    return pk if type(pk) is int or isinstance(pk, str) else msgspec.json.encode(row)


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

    @classmethod
    def proven(cls, keys: Iterable[Any]) -> "Pass":
        """Return the pass that an earlier run has proven."""
        known = frozenset(keys)
        return cls(known, len(known), steady=True)

    def proves(self, before: "Pass | None") -> bool:
        """Whether this pass and the one before it prove that the keys are the whole list."""
        return before is not None and self.steady and before.steady and self.keys == before.keys


class PagedList:
    """One of authentik's lists, read by page numbers.

    Attributes:
        passes: How many were read so far.
        last: The last of them; may be set beforehand, to what is known already.
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
            before, self.last = self.last, await self._read_pass(accept)
            self.passes += 1
            if self.last.proves(before):
                return True
        return False

    async def _read_pass(self, accept: Accept) -> Pass:
        while True:
            reading = _Reading(accept)
            await self._read_into(reading, 1)
            rest = (partial(self._read_into, reading, number) for number in reading.later_pages())
            await side_by_side(rest, self._width)
            if reading.too_slow is None:
                return reading.ended()
            # The pages of another size are other pages: the pass begins anew.
            if not self._size.shrink():
                raise reading.too_slow

    async def _read_into(self, reading: "_Reading", number: int) -> None:
        # Neither error may end the pages beside this one, whose rows may be on their way to the sink.
        try:
            page = await read_page(self._client, self._path, {**self._params, "page": number}, self._size)
        except InvalidPageError:
            reading.lost_a_page = True
        except (RequestTimeoutError, AnswerTooLargeError) as error:
            reading.too_slow = error
        else:
            await reading.take(page, number)


class _Reading:
    """One pass as it is being read."""

    def __init__(self, accept: Accept) -> None:
        self.total_pages = 1
        self.lost_a_page = False
        self.too_slow: TryAgainError | None = None
        self._accept = accept
        self._keys: set[Any] = set()
        self._rows = 0
        self._counts: set[int] = set()
        self._in_order = True

    def later_pages(self) -> Iterator[int]:
        """Return the numbers of the pages after the first, until reading on is of no use, however many there may be."""
        for number in range(2, self.total_pages + 1):
            if self.lost_a_page or self.too_slow is not None or not self._in_order:
                return
            yield number

    async def take(self, page: Page, number: int) -> None:
        """Take a page that was read."""
        if number == 1:
            self.total_pages = page.total_pages
        self._in_order &= page.next == (0 if number == page.total_pages else number + 1)
        self._counts.add(page.count)
        self._rows += len(page.rows)
        self._keys.update(map(record_key, page.rows))
        await self._accept(page.rows)

    def ended(self) -> Pass:
        """Return what the pass found."""
        count = max(self._counts, default=0)
        as_counted = len(self._counts) == 1 and self._rows == len(self._keys) == count
        return Pass(frozenset(self._keys), count, as_counted and self._in_order and not self.lost_a_page)
