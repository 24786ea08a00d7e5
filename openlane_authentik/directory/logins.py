"""Who logged in since the last run, from authentik 2026.2 on: a login moves ``last_login`` and no other stamp."""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import PageSize
from openlane_authentik.directory.counting import Question, count_users
from openlane_authentik.directory.keyset import Span, UnsteadyTieError, walk
from openlane_authentik.directory.moments import moment_micros
from openlane_authentik.directory.side_by_side import side_by_side
from openlane_authentik.directory.spans import plan_spans
from openlane_authentik.directory.users import Accounts, take_news

LOGIN: Final = "last_login"
_LOOK_BACK: Final = timedelta(minutes=5)
_TRUSTED_AHEAD: Final = 86_400 * 1_000_000
# A bound all the same: without one the list holds those, too, who never logged in.
_BEFORE_ANY: Final = 0


def logins_from(newest: int | None, began: datetime, seconds: float) -> int:
    """Return the ``last_login`` from which the next run has to read.

    Logins prove nothing about who is there, so it is enough to go on from the newest login, less the length of this run
    and five minutes. If that lies more than a day ahead of this machine's clock, an error of some clock left it there,
    and this machine's clock takes its place.

    Args:
        newest: The newest ``last_login`` known, in microseconds.
        began: This machine's clock when this run began.
        seconds: How long this run took.
    """
    if newest is None:
        return _BEFORE_ANY
    now = moment_micros(began) + round(seconds * 1_000_000)
    start = newest if newest <= now + _TRUSTED_AHEAD else now
    return start - round((timedelta(seconds=seconds) + _LOOK_BACK).total_seconds() * 1_000_000)


async def read_logins(client: AuthentikClient, accounts: Accounts, since: int, page_size: int, width: int) -> int:
    """Read who logged in since a moment, several spans side by side.

    Args:
        client: Of this run.
        accounts: Takes who is not known so.
        since: In microseconds.
        page_size: Rows asked for at a time.
        width: Requests at a time.

    Returns:
        How many were left to the next full sync: all, if they are more than half of everybody and reading them would
        cost as much as that.

    Raises:
        FilterIgnoredError: The server does not honour the filter.
        IntegrationError: See ``AuthentikClient.get``.
    """
    whole, size = Span(LOGIN, since), PageSize(page_size)
    number = await count_users(client, Question(whole))
    if number > len(accounts.index) // 2:
        return number
    left = 0

    async def read(span: Span) -> None:
        nonlocal left
        try:
            async for rows in walk(client, span, size, width):
                await take_news(accounts, rows)
        except UnsteadyTieError:
            left += 1

    await side_by_side((partial(read, span) for span in await plan_spans(client, whole, number, width)), width)
    return left
