"""The fake authentik as a process: where it is on standard output, commands on standard input, one line each.

    cost off          it answers at once from now on
    cost 10           it costs what the model says, ten times as fast
    served            what it was asked since this was last said: requests, bytes, modelled seconds of work
    change 10 2       ten users are renamed and two deleted, chosen at random, the same every time
    login 0.3         this share of the users logs in
    drift 12          so many users are deleted behind the next full sync, when it is about half through
    later 600         its clock moves on by so many seconds

Each is answered by a line of JSON. It ends with its standard input.
"""

import argparse
import random
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

import msgspec

from benchmarks.job import Served
from benchmarks.model import WORKERS, ModelledCost, is_count, is_look, modelled_seconds
from openlane_authentik.testing import Directory, FakeAuthentik, serve

_SEED: Final = 20251204
# The newest form of the API, whose logins can be filtered.
_RELEASE: Final = "2026.5"
_SPANS: Final = 4
_ROWS_A_PAGE: Final = 100
_FIRST_REQUESTS: Final = 15


class Address(msgspec.Struct, frozen=True):
    """Where a fake is, and what lets one in."""

    url: str
    token: str


class _Clock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class _Commands:
    def __init__(self, fake: FakeAuthentik, cost: ModelledCost, clock: _Clock, changeable: list[int]) -> None:
        self._fake = fake
        self._cost = cost
        self._clock = clock
        self._changeable = changeable
        self._chance = random.Random(_SEED)  # noqa: S311 - a reproducible choice, no secret
        self._changes = 0

    def run(self, words: list[str]) -> object:
        match words:
            case ["cost", "off"]:
                self._cost.speed = None
            case ["cost", speed]:
                self._cost.speed = float(speed)
            case ["served"]:
                return self._served()
            case ["change", updated, deleted]:
                self._change(int(updated), int(deleted))
            case ["login", share]:
                self._log_in(float(share))
            case ["drift", number]:
                self._drift(int(number))
            case ["later", seconds]:
                self._clock.ahead += timedelta(seconds=float(seconds))
            case _:
                return "what?"
        return "ok"

    def _served(self) -> Served:
        with self._fake.directory.lock:
            asked = [*self._fake.requests]
            self._fake.requests.clear()
        return Served(
            requests=len(asked),
            bytes=sum(request.size for request in asked),
            work=sum(map(modelled_seconds, asked)),
            looks=sum(map(is_look, asked)),
            counts=sum(map(is_count, asked)),
        )

    def _log_in(self, share: float) -> None:
        with self._fake.directory.lock:
            for pk in self._chance.sample(self._changeable, round(share * len(self._changeable))):
                self._fake.directory.log_in(pk)

    def _drift(self, number: int) -> None:
        # A full sync reads the users in four spans, each from its oldest on: the oldest of each are behind it soon.
        users = self._fake.directory.users
        in_order = sorted(self._changeable, key=lambda pk: users[pk]["date_joined"])
        quarter = len(in_order) // _SPANS
        gone = [
            in_order[span * quarter + step] for step in range(1, 1 + -(-number // _SPANS)) for span in range(_SPANS)
        ]
        half = len(users) // _ROWS_A_PAGE // 2 + _FIRST_REQUESTS
        for place, pk in enumerate(gone[:number]):
            self._fake.before(half + place, partial(_delete, pk))
        self._changeable = [pk for pk in self._changeable if pk not in gone[:number]]

    def _change(self, updated: int, deleted: int) -> None:
        chosen = self._chance.sample(self._changeable, updated + deleted)
        self._changes += 1
        with self._fake.directory.lock:
            for pk in chosen[:updated]:
                self._fake.directory.update_user(pk, name=f"Changed {self._changes}")
            self._fake.directory.delete_users(chosen[updated:])
        gone = set(chosen[updated:])
        self._changeable = [pk for pk in self._changeable if pk not in gone]


def _delete(pk: int, directory: Directory) -> None:
    directory.delete_user(pk)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.server", description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--groups", type=int, default=50)
    parser.add_argument("--memberships", type=float, default=4.0, help="a user, the group of everybody not counted")
    given = parser.parse_args()
    clock, cost = _Clock(), ModelledCost()
    directory = Directory.generate(
        given.users,
        given.groups,
        _SEED,
        memberships_per_user=given.memberships,
        plain_usernames=True,
        clock=clock,
    )
    # Not the account that the token makes: deleting it would take the token.
    changeable = list(directory.users)
    fake = FakeAuthentik(directory, release=_RELEASE, cost=cost, workers=WORKERS)
    token = fake.token("viewer")
    commands = _Commands(fake, cost, clock, changeable)
    encode = msgspec.json.Encoder().encode
    with serve(fake) as server:
        _say(encode(Address(server.url, token)))
        for line in sys.stdin:
            _say(encode(commands.run(line.split())))


def _say(line: bytes) -> None:
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
