"""Cut users into spans of a timestamp of about equal size, to be read side by side."""

from functools import partial
from itertools import pairwise
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import PageSize, read_page
from openlane_authentik.directory.keyset import USERS, Span
from openlane_authentik.directory.moments import to_micros
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.errors import InvalidPageError

FEWEST_USERS_A_SPAN: Final = 500


async def plan_spans(client: AuthentikClient, whole: Span, count: int, width: int) -> list[Span]:
    """Return spans that together are the whole one, without gap or overlap: one a request at a time, at most.

    The cuts only share out the work: where they lie exactly proves nothing and may be off.

    Args:
        client: Of this run.
        whole: What to cut.
        count: How many users it has, about.
        width: Requests at a time.
    """
    wanted = min(width, count // FEWEST_USERS_A_SPAN)
    cuts: set[int] = set()

    async def cut_at(position: int) -> None:
        params: dict[str, str | int] = {**whole.params(), "ordering": f"{whole.field},pk", "page": position}
        try:
            page = await read_page(client, USERS, params, PageSize(1))
        except InvalidPageError:
            return
        moments = [to_micros(row.get(whole.field)) for row in page.rows]
        cuts.update(moment for moment in moments if moment is not None and whole.holds(moment))

    await side_by_side((partial(cut_at, count * part // wanted) for part in range(1, wanted)), width)
    bounds = [whole.start, *sorted(cuts - {whole.start}), whole.end]
    return [Span(whole.field, start, end) for start, end in pairwise(bounds)]
