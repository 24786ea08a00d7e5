"""The server's clock, as its answers tell it."""

from datetime import datetime, timedelta

import httpx

from openlane_authentik.authentik.answers import http_date
from openlane_authentik.clock import Clock


class ServerTime:
    """Listens to every answer of an HTTP client, refusals included, as one of its ``event_hooks["response"]``.

    A proxy may write a ``Date`` of its own, minutes or years from the clock of authentik.

    Args:
        clock: This machine's.

    Attributes:
        told: The ``Date`` of the newest answer that had one; None before.
        skew: By how much that was ahead of this machine's clock when the answer came.
    """

    told: datetime | None = None
    skew: timedelta | None = None

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def __call__(self, response: httpx.Response) -> None:
        """Take note of an answer."""
        date = http_date(response.headers.get("Date"))
        if date is not None:
            self.told, self.skew = date, date - self._clock.now()
