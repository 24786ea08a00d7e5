"""What the tests share that kill workers: a source that stays where it is, workers, and databases to copy."""

import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, cast
from uuid import uuid4

import psycopg
import sqlalchemy as sa

from openlane_authentik.host.configuration import HostSettings
from openlane_authentik.testing import Directory, FakeAuthentik, Fault, serve
from tests.host.running import wait_until
from tests.processes import bound

ROOT: Final = Path(__file__).parents[2]
USERS: Final = 60
GROUPS: Final = 8


class Source:
    """A fake authentik at an address that stays, so that a copied installation finds it; made anew as often as asked.

    Attributes:
        url: Where it is.
        fake: The fake that answers now.
        token: Which it takes.
        released: Lets go of the answer that is held.
    """

    base_path = ""

    def __init__(self) -> None:
        self.url = ""
        self.released = threading.Event()
        self.renew()

    def renew(self) -> None:
        """Be as in the beginning."""
        self.released.clear()
        self.fake = FakeAuthentik(Directory.generate(users=USERS, groups=GROUPS, seed=11), sleep=self._until_released)
        self.token = self.fake.token("viewer")
        self._own = self.fake.tokens.account("viewer")

    @property
    def directory(self) -> Directory:
        """Who is there."""
        return self.fake.directory

    def hold(self, nth: int) -> None:
        """Keep one answer back, that to the n-th request from now, until ``released``."""
        self.fake.inject(Fault.slow(1), nth=len(self.fake.requests) + nth)

    async def _until_released(self, _seconds: float) -> None:
        while not self.released.is_set():  # noqa: ASYNC110 - a thread sets it
            await asyncio.sleep(0.01)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.fake(scope, receive, send)

    def live(self, rng: random.Random) -> None:
        """Let a day of its life pass: people come, go, change and move, and so do groups."""
        directory = self.directory
        theirs = directory.all_groups_of(self._own)
        users = [pk for pk in directory.users if pk != self._own]
        # Not those of nearly everybody: a breaker is not what is tested here.
        groups = [pk for pk in list(directory.groups)[2:] if pk not in theirs]
        gone, renamed, ended, moved = rng.sample(users, 4)
        directory.delete_user(gone)
        directory.update_user(renamed, name=f"Name {rng.random()}")
        directory.update_user(ended, is_active=not directory.raw_user(ended)["is_active"])
        directory.set_user_groups(moved, rng.sample(groups, 2))
        directory.create_user(username=f"new-{rng.random()}", groups=rng.sample(groups, 2))
        directory.rename_group(rng.choice(groups), f"Renamed {rng.random()}")
        directory.create_group(f"group-{rng.random()}", users=rng.sample([renamed, ended, moved], 2))
        for _ in range(3):
            directory.add_member(rng.choice(groups), rng.choice([pk for pk in users if pk != gone]))


@contextmanager
def serving_source() -> Iterator[Source]:
    """Serve a source until the block ends."""
    source = Source()
    with serve(cast("FakeAuthentik", source)) as server:
        source.url = server.url
        try:
            yield source
        finally:
            source.released.set()


class Workers:
    """Forks workers from a process that is warm; see ``doomed_worker``."""

    def __init__(self) -> None:
        self._left: set[int] = set()

    def __enter__(self) -> Self:
        command = bound([sys.executable, "-m", "tests.host.doomed_worker"])
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill_all()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def start(
        self,
        settings: HostSettings,
        *,
        trace: Path | None = None,
        at: tuple[str, str, int] | None = None,
        **changed: Any,
    ) -> int:
        """Start a worker on a host; return its id."""
        given = {"data_dir": str(settings.data_dir), "database_url": settings.database_url, "tick_seconds": 0.2}
        pid: int = self._ask(settings=given | changed, trace=trace and str(trace), at=at)["pid"]
        self._left.add(pid)
        return pid

    def ended(self, pid: int) -> int | None:
        """Return the status with which a worker ended, below 0 the signal; None while it is there."""
        status: int | None = self._ask(ended=pid)["status"]
        if status is not None:
            self._left.discard(pid)
        return status

    def kill(self, pid: int) -> None:
        """End a worker by SIGKILL."""
        os.kill(pid, signal.SIGKILL)  # waited for by its parent only when asked: the id is its own until then
        wait_until(lambda: self.ended(pid) is not None)

    def kill_if_there(self, pid: int) -> None:
        """End a worker by SIGKILL that may have ended itself so."""
        if pid in self._left:
            self.kill(pid)

    def kill_all(self) -> None:
        """End all workers that are there."""
        for pid in list(self._left):
            self.kill(pid)

    def terminate(self, pid: int) -> None:
        """End a worker in an orderly way."""
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: self.ended(pid) is not None)

    def is_frozen(self, pid: int) -> bool:
        """Return whether a worker was stopped by a signal."""
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def wake(self, pid: int, trace: Path) -> None:
        """Let a worker go on that froze."""
        Path(f"{trace}.woken").touch()
        os.kill(pid, signal.SIGCONT)

    def _ask(self, **given: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(given) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


@dataclass(frozen=True, slots=True)
class Place:
    """Where a host lies that no process has open, to be copied: its folder, and its database if that is elsewhere."""

    data_dir: Path
    database_url: str | None

    @property
    def settings(self) -> HostSettings:
        """Return the settings that open it."""
        return HostSettings(data_dir=self.data_dir, database_url=self.database_url)

    def copied(self) -> "Place":
        """Copy it."""
        data_dir = self.data_dir.with_name(uuid4().hex)
        shutil.copytree(self.data_dir, data_dir)
        if self.database_url is None:
            return Place(data_dir, None)
        url = sa.make_url(self.database_url)
        name = f"test_{uuid4().hex}"
        _administer(url, f"CREATE DATABASE {name} TEMPLATE {url.database} STRATEGY FILE_COPY")
        return Place(data_dir, url.set(database=name).render_as_string(hide_password=False))

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.data_dir)
        if self.database_url is not None:
            url = sa.make_url(self.database_url)
            _administer(url, f"DROP DATABASE {url.database} WITH (FORCE)")


def count_points(trace: Path) -> Counter[str]:
    """Count the points of each phase that a worker noted."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    return Counter(json.loads(line)[0] for line in lines)


def _administer(url: sa.URL, statement: Any) -> None:
    address = url.set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as held:
        held.execute(statement)
