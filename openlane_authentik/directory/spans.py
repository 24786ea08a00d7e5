"""Cut the users into spans of ``date_joined`` of about equal size, to be read side by side."""

from functools import partial
from itertools import pairwise
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import PageSize, read_page
from openlane_authentik.directory.keyset import USERS, Span
from openlane_authentik.directory.moments import to_micros
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.errors import InvalidPageError

JOINED: Final = "date_joined"
FEWEST_USERS_A_SPAN: Final = 500


async def plan_spans(client: AuthentikClient, count: int, width: int) -> list[Span]:
    """Give spans that together hold every moment, without gap or overlap: one a request at a time, at most.

    The cuts only share out the work: where they lie exactly proves nothing and may be off.

    Args:
        client: Of this run.
        count: How many users there are, about.
        width: Requests at a time.
    """
    wanted = min(width, count // FEWEST_USERS_A_SPAN)
    cuts: set[int] = set()

    async def cut_at(position: int) -> None:
        params: dict[str, str | int] = {"ordering": f"{JOINED},pk", "page": position}
        try:
            page = await read_page(client, USERS, params, PageSize(1))
        except InvalidPageError:
            return
        moments = [to_micros(row.get(JOINED)) for row in page.rows]
        cuts.update(moment for moment in moments if moment is not None)

    await side_by_side((partial(cut_at, count * part // wanted) for part in range(1, wanted)), width)
    bounds: list[int | None] = [None, *sorted(cuts), None]
    return [Span(JOINED, start, end) for start, end in pairwise(bounds)]
