"""One page of one of authentik's lists, its shape verified."""

from dataclasses import dataclass
from typing import Any, Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.request import Params
from openlane_authentik.errors import AnswerTooLargeError, NotAuthentikError, RequestTimeoutError
from openlane_authentik.log import get_logger

RawRecord = dict[str, Any]
"""A user or a group as authentik gave it."""

_log = get_logger()
SMALLEST_PAGE: Final = 10


@dataclass(frozen=True, slots=True)
class Page:
    """A page as authentik gave it.

    Attributes:
        rows: The raw records.
        count: How many rows the whole list has, by the same filters, at this moment.
        next: The number of the next page; 0 when this is the last.
        total_pages: How many pages of this size the list has.
    """

    rows: list[RawRecord]
    count: int
    next: int
    total_pages: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A list as far as it was read.

    Attributes:
        rows: The raw records.
        count: How many rows the server says the whole list has.
        whole: Whether all of it was read.
    """

    rows: list[RawRecord]
    count: int
    whole: bool


class PageSize:
    """How many rows to ask for at a time: halved whenever a page takes too long or is too large."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    @property
    def can_shrink(self) -> bool:
        """Whether a smaller page is worth asking for."""
        return self.rows > SMALLEST_PAGE

    def shrink(self) -> bool:
        """Halve it; false when it is as small as it gets."""
        if not self.can_shrink:
            return False
        self.rows = max(SMALLEST_PAGE, self.rows // 2)
        return True


async def read_page(client: AuthentikClient, path: str, params: Params, size: PageSize) -> Page:
    """Read one page of an offset list, asked for once at this size if it is too slow or too large.

    The caller then shrinks the size and begins anew.

    Args:
        client: Of this run.
        path: Of the list, below ``/api/v3/``.
        params: Filters, ordering and page number.
        size: How many rows to ask for; the server may clamp it.

    Raises:
        InvalidPageError: The page is past the end of the list.
        NotAuthentikError: JSON came, but no page, or one of more rows than asked for.
        IntegrationError: See ``AuthentikClient.get``.
    """
    surrender = (RequestTimeoutError, AnswerTooLargeError) if size.can_shrink else ()
    answer = await client.get_page(path, params, size.rows, surrender=surrender)
    told, rows = answer.data.pagination, answer.data.rows
    page = Page(rows, told.count, told.next, told.total_pages)
    _log.info("page read", list=path, rows=len(page.rows), count=page.count, seconds=round(answer.seconds, 3))
    return page


async def read_first_page(client: AuthentikClient, path: str, params: Params, size: PageSize) -> Page:
    """Read the first page of what a filter leaves, smaller and smaller while it times out or is too large.

    Only for reads that begin anew at every request: a page number means other rows at another size.
    """
    while True:
        try:
            return await read_page(client, path, params, size)
        except (RequestTimeoutError, AnswerTooLargeError):
            if not size.shrink():
                raise


async def read_pages(client: AuthentikClient, path: str, params: Params, most: int) -> Listed:
    """Read the first pages of an offset list, at most ``most`` of 100 rows, without any proof that it stood still.

    Raises:
        IntegrationError: See ``read_page``.
    """
    rows: list[RawRecord] = []
    count = 0
    for number in range(1, most + 1):
        page = await read_page(client, path, {**params, "page": number}, PageSize(100))
        rows += page.rows
        count = page.count
        if page.next != number + 1:
            return Listed(rows, count, whole=page.next == 0)
    return Listed(rows, count, whole=False)


async def read_user(client: AuthentikClient, pk: int) -> RawRecord:
    """Read one user.

    Raises:
        NotFoundError: It does not exist, or the token may not see it.
        NotAuthentikError: JSON came, but not this user.
        IntegrationError: See ``AuthentikClient.get``.
    """

    def shape(data: Any) -> RawRecord:
        if isinstance(data, dict) and user_pk(data) == pk:
            return data
        raise NotAuthentikError("core/users/ answered JSON that is not the user asked for")

    return (await client.get(f"core/users/{pk}/", shape=shape)).data


def user_pk(raw: RawRecord) -> int | None:
    """Return the key of a raw user; None if it is missing or not a 64-bit integer, as authentik's keys are."""
    pk = raw.get("pk")
    return pk if type(pk) is int and -(2**63) <= pk < 2**63 else None


async def read_count(client: AuthentikClient, path: str, params: Params) -> int:
    """Count the rows that a filter leaves, which costs the server little (0.07 s measured)."""
    return (await read_page(client, path, params, PageSize(1))).count
