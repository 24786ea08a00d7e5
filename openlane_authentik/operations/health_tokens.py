"""When the token in use expires, as far as it can be told.

``core/tokens/`` lists the tokens of the account without their keys, so it does not show which one is in use. It lists
expired tokens too (2026.2 deletes one on its first use, 2026.5 keeps it).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.pages import read_pages

EXPIRY_NOTICE: Final = timedelta(days=7)
_MOST_PAGES: Final = 10


@dataclass(frozen=True, slots=True)
class Candidates:
    """The tokens that may be the one in use.

    Attributes:
        ends: When those of them expire that do, the earliest first, in UTC.
        lasting: How many of them have no expiry.
        soon: Whether one of them expires within ``EXPIRY_NOTICE``.
        whole: Whether all pages of the list were read.
    """

    ends: tuple[datetime, ...]
    lasting: int
    soon: bool
    whole: bool

    def told(self) -> str:
        """Say when the token in use expires, or what can be said of it."""
        many = len(self.ends) + self.lasting
        among = "" if self.whole else " among those that were looked through"
        if many == 0:
            return f"authentik lists no API token of the account that is still valid{among}"
        if not self.ends:
            return f"no API token of the account expires{among}"
        first = self._written(self.ends[0])
        if many == 1 and self.whole:
            return f"the API token in use expires at {first}"
        last = f", the last at {self._written(self.ends[-1])}" if len(self.ends) > 1 else ""
        never = f", {self.lasting} never" if self.lasting else ""
        return (
            f"one of {many} API tokens of the account{among} expires at {first}{last}{never}; "
            "which is in use cannot be told"
        )

    def _written(self, end: datetime) -> str:
        return f"{end:%Y-%m-%d %H:%M} UTC" if self.soon else f"{end:%Y-%m-%d}"


async def read_candidates(client: AuthentikClient, account: int, server_time: datetime | None) -> Candidates:
    """Read which tokens may be the one in use: API tokens of the account that have not expired.

    The token in use has not expired, since it let the request for this list in. A token counts as expired only by both
    clocks, this machine's and the server's: one of them may be wrong, or a proxy's. For the same reason a token that
    expires soon by either clock expires soon.

    Args:
        client: Of this check.
        account: The token's own.
        server_time: What an earlier answer told; None if none did.

    Raises:
        IntegrationError: See ``AuthentikClient.get``.
    """
    moments = [client.clock.now(), *([server_time] if server_time is not None else [])]
    ends: list[datetime] = []
    lasting = 0
    listed = await read_pages(client, "core/tokens/", {}, _MOST_PAGES)
    for row in listed.rows:
        if row.get("user") != account or row.get("intent") != "api":
            continue
        end = _end_of(row)
        if end is None:
            lasting += 1
        elif end >= min(moments):
            ends.append(end)
    soon = any(timedelta() <= end - moment <= EXPIRY_NOTICE for end in ends for moment in moments)
    return Candidates(tuple(sorted(ends)), lasting, soon, listed.whole)


def _end_of(token: dict[str, Any]) -> datetime | None:
    """Return when a token expires; None when it does not, or does not say so in a form that is known."""
    if token.get("expiring") is not True:
        return None
    try:
        end = datetime.fromisoformat(token["expires"])
        return end.astimezone(UTC) if end.tzinfo else end.replace(tzinfo=UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
