"""When a request is sent again, after how long, and how often in one run.

A request is sent again several times after an error that may pass by itself. After any other error it is sent again
once: one odd answer of a proxy, or of a server about to stop, must not end a run, let alone call for a person. So an
error that ends a run was seen twice for the same request. A page or an object that is gone is an ordinary answer and
believed at once. ``Repeat`` (``errors``) tells which error is which.
"""

import random
from dataclasses import dataclass, field
from typing import Final

from tenacity import AsyncRetrying, RetryCallState
from tenacity.wait import wait_base, wait_random_exponential

from openlane_authentik.clock import Clock
from openlane_authentik.errors import DeadlineError, IntegrationError, Repeat, TryAgainError

ATTEMPTS: Final = 6
FIRST_WAIT_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 30.0
LONGEST_RETRY_AFTER_SECONDS: Final = 120.0
RUN_BUDGET_SECONDS: Final = 600.0


@dataclass(slots=True)
class RetryBudget:
    """What one run may spend on waiting: a sum over all its requests, and never past its deadline.

    Attributes:
        clock: Waits and tells the time.
        deadline: The monotonic second at which the run must have ended.
        attempts: How often one request is sent at most while its errors may pass by themselves.
        waited_seconds: Spent so far.
        retries: Requests sent again so far.
    """

    clock: Clock
    deadline: float
    attempts: int = ATTEMPTS
    waited_seconds: float = field(default=0.0)
    retries: int = field(default=0)

    async def wait(self, seconds: float) -> None:
        """Wait before the next attempt.

        Raises:
            DeadlineError: The run would be over before.
        """
        if self.clock.monotonic() + seconds >= self.deadline:
            raise DeadlineError("the run's time limit would pass while waiting to send a request again")
        self.waited_seconds += seconds
        self.retries += 1
        await self.clock.sleep(seconds)

    @property
    def spent(self) -> bool:
        """Whether the run has waited as long as it may."""
        return self.waited_seconds >= RUN_BUDGET_SECONDS


class _WaitAsAsked(wait_base):
    """Full jitter on an exponential, or at least what ``Retry-After`` asks for, capped."""

    def __init__(self) -> None:
        self._jitter = wait_random_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)

    def __call__(self, retry_state: RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        asked = error.retry_after if isinstance(error, TryAgainError) else None
        if asked is None:
            return self._jitter(retry_state)
        # A second at most on top, so that clients that were all told the same do not come back together.
        return min(asked, LONGEST_RETRY_AFTER_SECONDS) + random.uniform(0.0, 1.0)  # noqa: S311 - no secret


class _SendAgain:
    """Whether one request is sent again after its latest error."""

    def __init__(self, budget: RetryBudget, surrender: tuple[type[IntegrationError], ...]) -> None:
        self._budget = budget
        self._surrender = surrender
        self._doubted = False

    def __call__(self, retry_state: RetryCallState) -> bool:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if not isinstance(error, IntegrationError) or isinstance(error, self._surrender):
            return False
        if error.repeat is Repeat.ONCE:
            confirmed, self._doubted = self._doubted, True
            return not confirmed
        may_pass = error.repeat is Repeat.OFTEN
        return may_pass and retry_state.attempt_number < self._budget.attempts and not self._budget.spent


def retrying(budget: RetryBudget, surrender: tuple[type[IntegrationError], ...] = ()) -> AsyncRetrying:
    """Return the loop that sends one request, again where its error says it may help.

    Args:
        budget: Of the run.
        surrender: Errors left to the caller at once, who expects them or knows a better request to send.
    """
    return AsyncRetrying(sleep=budget.wait, wait=_WaitAsAsked(), retry=_SendAgain(budget, surrender))
