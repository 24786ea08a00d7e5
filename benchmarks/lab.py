"""Starts the server and the subjects as processes, talks to them by lines, and ends them by their own process."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from benchmarks.job import Job, Measured, Served
from benchmarks.server import Address

_START_SECONDS: Final = 300.0
_ANSWER_SECONDS: Final = 60.0
_END_SECONDS: Final = 30.0
_LONGEST_LINE: Final = 1024 * 1024


class BrokenRunError(Exception):
    """A process ended, or kept silent for too long; what it had to say is on standard error."""


class _Talker:
    """A process that is told lines and answers lines."""

    def __init__(self, process: Process, name: str) -> None:
        self._process = process
        self._name = name

    @classmethod
    async def start(cls, module: str, *arguments: str) -> Self:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, stdin=PIPE, stdout=PIPE, limit=_LONGEST_LINE
        )
        return cls(process, module)

    def say(self, line: bytes) -> None:
        if self._process.stdin is None:  # pragma: no cover - it was started with one
            raise BrokenRunError(f"{self._name} has no standard input")
        self._process.stdin.write(line + b"\n")

    async def hear(self, seconds: float) -> bytes:
        if self._process.stdout is None:  # pragma: no cover - it was started with one
            raise BrokenRunError(f"{self._name} has no standard output")
        try:
            line = await asyncio.wait_for(self._process.stdout.readline(), seconds)
        except TimeoutError as error:
            raise BrokenRunError(f"{self._name} said nothing for {seconds:.0f} s") from error
        if not line:
            raise BrokenRunError(f"{self._name} ended before it answered")
        return line

    async def end(self) -> None:
        """Close its standard input, which ends it; kill it when it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _END_SECONDS)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class FakeServer:
    """The fake in its process, for as long as the block lasts.

    Args:
        users: How many it has.
        groups: How many it has.
        memberships: How many a user has, that in the group of everybody not counted.

    Attributes:
        address: Where it is.
    """

    def __init__(self, users: int, groups: int, memberships: float = 4.0) -> None:
        self.address = Address("", "")
        self._arguments = (f"--users={users}", f"--groups={groups}", f"--memberships={memberships}")
        self._talker: _Talker | None = None

    async def __aenter__(self) -> Self:
        self._talker = await _Talker.start("benchmarks.server", *self._arguments)
        try:
            self.address = msgspec.json.decode(await self._talker.hear(_START_SECONDS), type=Address)
        except BaseException:
            await self._talker.end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._talker is not None:
            await self._talker.end()

    async def set_speed(self, speed: float | None) -> None:
        """Let requests cost what the model says, so many times as fast; None for nothing."""
        await self._command("cost off" if speed is None else f"cost {speed}")

    async def change(self, updated: int, deleted: int) -> None:
        """Rename and delete so many users, chosen at random."""
        await self._command(f"change {updated} {deleted}")

    async def log_in(self, share: float) -> None:
        """Let a share of the users log in."""
        await self._command(f"login {share}")

    async def drift(self, deleted: int) -> None:
        """Let so many users vanish behind the reader of the next run."""
        await self._command(f"drift {deleted}")

    async def move_clock(self, seconds: float) -> None:
        """Let its clock move on, so that a delta does not meet what was changed before the last run."""
        await self._command(f"later {seconds}")

    async def served(self) -> Served:
        """Return what it was asked since this was last called."""
        return msgspec.convert(await self._command("served"), Served)

    async def _command(self, line: str) -> Any:
        if self._talker is None:
            raise BrokenRunError("the server was not started")
        self._talker.say(line.encode())
        return msgspec.json.decode(await self._talker.hear(_ANSWER_SECONDS))


async def run_subject(job: Job, server: FakeServer, seconds: float) -> tuple[Measured, Served]:
    """Run one subject in a fresh process.

    Args:
        job: What to run.
        server: The server it is pointed at.
        seconds: How long it may take.

    Raises:
        BrokenRunError: It failed or took longer.
    """
    talker = await _Talker.start("benchmarks.subject")
    try:
        talker.say(msgspec.json.encode(job))
        if (await talker.hear(_START_SECONDS)).strip() != b"ready":
            raise BrokenRunError(f"{job.subject} did not get ready")
        await server.served()
        talker.say(b"go")
        measured = msgspec.json.decode(await talker.hear(seconds), type=Measured)
        return measured, await server.served()
    finally:
        await talker.end()
