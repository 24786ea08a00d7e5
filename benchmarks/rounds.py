"""Which subjects run in what order: round by round at each size, on the idle server and on the modelled one."""

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.job import EVERYDAY, KEEP_ALL, Job, Measured, Served
from benchmarks.lab import BrokenRunError, FakeServer, run_subject

_CLOCK_STEP_SECONDS: Final = 600.0
_SHORTEST_LIMIT_SECONDS: Final = 120.0
_LIMIT_SECONDS_A_USER: Final = 0.02


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table.

    Attributes:
        name: As the table calls it.
        subject: A name of ``SUBJECTS``.
        filter_expr: The filter of ``ours``.
        remember: Whether it leaves a checkpoint.
        delta: Whether it goes on from the checkpoint that the last run left.
        changed, deleted: How many users are changed and deleted just before it.
        logins: The share of users who log in just before it.
        drift: How many users are deleted behind the reader while it reads.
    """

    name: str
    subject: str
    filter_expr: str = ""
    remember: bool = False
    delta: bool = False
    changed: int = 0
    deleted: int = 0
    logins: float = 0.0
    drift: int = 0


FULL: Final = Case("ours, full", "ours")
REMEMBERED: Final = Case("ours, full, with a checkpoint", "ours", remember=True)
FLOOR: Final = Case("floor", "floor")
OFFICIAL: Final = Case("official", "official")
FILTERED: Final = Case("ours, filter that keeps all", "ours", KEEP_ALL)
EVERYDAY_FILTERED: Final = Case("ours, everyday filter", "ours", EVERYDAY)
DELTA: Final = Case("ours, delta, nobody changed", "ours", remember=True, delta=True)
DELTA_CHANGED: Final = Case(
    "ours, delta, 10 changed, 2 deleted", "ours", remember=True, delta=True, changed=10, deleted=2
)
DELTA_DELETED: Final = Case("ours, delta, 3 deleted", "ours", remember=True, delta=True, deleted=3)
DELTA_LOGINS: Final = Case("ours, delta, 30 % logged in", "ours", remember=True, delta=True, logins=0.3)
DRIFT: Final = Case("ours, full, 12 deleted meanwhile", "ours", remember=True, drift=12)

ON_IDLE: Final = (FULL, FLOOR, OFFICIAL, FILTERED, EVERYDAY_FILTERED, REMEMBERED, DELTA, DELTA_CHANGED)
ON_MODELLED: Final = (REMEMBERED, OFFICIAL, DELTA, DELTA_CHANGED, DELTA_DELETED, DELTA_LOGINS, DRIFT)
CASES: Final = tuple(dict.fromkeys((*ON_IDLE, *ON_MODELLED)))
_SAME_ENVELOPES: Final = (FULL, FLOOR, OFFICIAL, FILTERED, REMEMBERED)


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One run as the results keep it.

    Attributes:
        case: The name of its case.
        users, groups: The size of the directory, the account that the token belongs to not counted.
        speed: How many times as fast as the model the server was; None on the idle one.
        round: Counted from 1.
        measured: What the subject took.
        served: What the server saw.
    """

    case: str
    users: int
    groups: int
    speed: float | None
    round: int
    measured: Measured
    served: Served

    @property
    def cpu(self) -> float:
        """Seconds of CPU time without the compilation of the filter."""
        return self.measured.cpu - self.measured.compile_cpu


@dataclass(frozen=True, slots=True)
class Series:
    """Rounds at one size on one kind of server.

    Attributes:
        users, groups: How many the directory has.
        speed: Of the modelled server; None for the idle one.
        rounds: How many.
    """

    users: int
    groups: int
    speed: float | None
    rounds: int

    @property
    def cases(self) -> tuple[Case, ...]:
        """What runs in each round, in this order."""
        return ON_IDLE if self.speed is None else ON_MODELLED


async def run_size(
    users: int, groups: int, series: list[Series], deadline: float, tell: Callable[[str], None]
) -> list[Sample]:
    """Run all rounds at one size on one server.

    Args:
        users: How many the directory has.
        groups: How many the directory has.
        series: On the idle and on the modelled server.
        deadline: The monotonic second after which no round is begun but the first of each series.
        tell: Is told of each run.

    Raises:
        BrokenRunError: A run failed, took too long, or wrote other envelopes than the others.
    """
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="openlane-bench-") as folder:
        tell(f"{users:,} users: starting the server")
        async with FakeServer(users, groups) as server:
            # The server writes each record for the first time, which later runs must not wait for.
            await run_subject(_job(FLOOR, server, Path(folder), 0), server, _limit(users, None))
            for one in series:
                for number in range(1, one.rounds + 1):
                    if number > 1 and time.monotonic() > deadline:
                        tell("the time is up: no further rounds")
                        break
                    samples += await _round(one, number, server, Path(folder), tell)
    return samples


async def _round(
    series: Series, number: int, server: FakeServer, folder: Path, tell: Callable[[str], None]
) -> list[Sample]:
    samples: list[Sample] = []
    expected: dict[str, int] | None = None
    requests = 0
    for case in series.cases:
        await server.set_speed(series.speed)
        if case.subject == "ours":
            await server.move_clock(_CLOCK_STEP_SECONDS)
        if case.changed or case.deleted:
            await server.change(case.changed, case.deleted)
        if case.logins:
            await server.log_in(case.logins)
        if case.drift:
            await server.drift(case.drift)
        measured, served = await run_subject(
            _job(case, server, folder, requests), server, _limit(series.users, series.speed)
        )
        requests = served.requests if case is FULL else requests
        if case in _SAME_ENVELOPES:
            expected = expected or dict(measured.envelopes)
            if measured.envelopes != expected:
                raise BrokenRunError(f"{case.name} wrote {measured.envelopes}, not {expected}")
        sample = Sample(
            case=case.name,
            users=series.users,
            groups=series.groups,
            speed=series.speed,
            round=number,
            measured=measured,
            served=served,
        )
        samples.append(sample)
        tell(_line(sample, series))
    return samples


def _job(case: Case, server: FakeServer, folder: Path, requests: int) -> Job:
    checkpoint = str(folder / "checkpoint")
    return Job(
        subject=case.subject,
        url=server.address.url,
        token=server.address.token,
        output=str(folder / "envelopes.ndjson"),
        filter_expr=case.filter_expr,
        checkpoint=checkpoint if case.delta else "",
        new_checkpoint=checkpoint if case.remember else "",
        requests=requests,
    )


def _limit(users: int, speed: float | None) -> float:
    return _SHORTEST_LIMIT_SECONDS + _LIMIT_SECONDS_A_USER * users * (1 + 1 / speed if speed else 1)


def _line(sample: Sample, series: Series) -> str:
    server = "idle" if sample.speed is None else f"modelled x{sample.speed:g}"
    took = f"{sample.measured.wall:7.2f} s, CPU {sample.cpu:6.2f} s"
    return f"{sample.users:,} users, {server}, {sample.round}/{series.rounds}: {took}  {sample.case}"


def tell_on_stderr(line: str) -> None:
    """Show how far the bench is, apart from its results."""
    sys.stderr.write(f"{line}\n")
