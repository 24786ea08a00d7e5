"""What the tests of the fake share: one request without a socket, a clock that stands still."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest

from openlane_authentik.testing import FakeAuthentik

Ask: TypeAlias = Callable[..., tuple[int, Any]]


def _ask(fake: FakeAuthentik, target: str, kind: str = "viewer", method: str = "GET") -> tuple[int, Any]:
    path, _, query = target.partition("?")
    answer = fake.respond(method, path, query, fake.headers(kind)).answer
    is_json = answer.content_type.startswith("application/json")
    return answer.status, json.loads(answer.body) if is_json else answer.body.decode()


@pytest.fixture
def ask() -> Ask:
    """Sends one GET with the token of a kind; answers the status and the body, decoded when it is JSON."""
    return _ask


@dataclass
class StandingClock:
    """Tells the same time until told to pass some."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def pass_by(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> StandingClock:
    """A clock for directories, at noon on 1 March 2026."""
    return StandingClock()
