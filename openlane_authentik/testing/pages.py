"""Page numbers and page sizes as authentik reads them, and the pages it writes."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from openlane_authentik.testing.reading import Parameters
from openlane_authentik.testing.releases import Release


class InvalidPageError(Exception):
    """The page asked for does not exist."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of ``count`` rows."""

    number: int
    size: int
    count: int

    @property
    def total(self) -> int:
        """How many pages there are: one at least, even of no rows."""
        return max(1, -(-self.count // self.size))

    @property
    def first(self) -> int:
        """The number of rows before this page."""
        return (self.number - 1) * self.size

    def pagination(self) -> dict[str, int]:
        """The page as lists describe it: page numbers, 0 for none; positions from 1, 0 and 0 when empty."""
        return {
            "next": self.number + 1 if self.number < self.total else 0,
            "previous": self.number - 1,
            "count": self.count,
            "current": self.number,
            "total_pages": self.total,
            "start_index": self.first + 1 if self.count else 0,
            "end_index": min(self.first + self.size, self.count),
        }


def asked_page(parameters: Parameters, count: int, release: Release) -> Page:
    """The page a request asks for: sizes above the maximum are clamped, 0, negative and junk give the default.

    Raises:
        InvalidPageError: past the end, below 1, or no number (``last`` is one).
    """
    size = _number(parameters.get("page_size", ("",))[-1])
    if size is None or size < 1:
        size = release.default_page_size
    elif release.max_page_size is not None:
        size = min(size, release.max_page_size)
    text = parameters.get("page", ("",))[-1] or "1"
    page = Page(1, size, count)
    number = page.total if text == "last" else _number(text)
    if number is None or not 1 <= number <= page.total:
        raise InvalidPageError(text)
    return Page(number, size, count)


def written_page(page: Page, results: Sequence[bytes], release: Release, suggestions: bytes = b"{}") -> bytes:
    """A list as JSON; ``autocomplete`` exists since 2025.8, and carries suggestions from 2026.2 on."""
    pagination = msgspec.json.encode(page.pagination())
    end = b'],"autocomplete":' + suggestions + b"}" if release.change_tracking else b"]}"
    return b'{"pagination":' + pagination + b',"results":[' + b",".join(results) + end


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None
