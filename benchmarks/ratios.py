"""Medians, the ratios that are asked about, and how cost grows with the directory.

A ratio is the median of the ratios of each round, whose runs were taken one after the other.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Final

from benchmarks.rounds import (
    DELTA,
    DELTA_CHANGED,
    DELTA_DELETED,
    DELTA_LOGINS,
    DRIFT,
    EVERYDAY_FILTERED,
    FILTERED,
    FLOOR,
    FULL,
    OFFICIAL,
    REMEMBERED,
    Case,
    Sample,
)

Metric = Callable[[Sample], float]

METRICS: Final[dict[str, Metric]] = {
    "wall": lambda sample: sample.measured.wall,
    "CPU": lambda sample: sample.cpu,
    "memory": lambda sample: float(sample.measured.memory),
    "requests": lambda sample: float(sample.served.requests),
    "bytes": lambda sample: float(sample.served.bytes),
    "server work": lambda sample: sample.served.work,
    "written": lambda sample: float(sample.measured.output_bytes),
}


@dataclass(frozen=True, slots=True)
class Question:
    """A ratio that is asked about.

    Attributes:
        metric: A name of ``METRICS``.
        over, under: The cases above and below the line.
        modelled: Whether it is asked on the modelled server.
        wanted: What must be shown at 10,000 users, "" for nothing.
    """

    metric: str
    over: Case
    under: Case
    modelled: bool = False
    wanted: str = ""


QUESTIONS: Final = (
    Question("CPU", OFFICIAL, FULL, wanted="at least 4"),
    Question("CPU", FULL, FLOOR, wanted="at most 1.8"),
    Question("CPU", FILTERED, FULL, wanted="below 1.1"),
    Question("CPU", EVERYDAY_FILTERED, FULL),
    Question("CPU", REMEMBERED, FULL),
    Question("CPU", OFFICIAL, DELTA),
    Question("memory", OFFICIAL, FULL, wanted="at least 5"),
    Question("bytes", OFFICIAL, FULL),
    Question("requests", FULL, OFFICIAL),
    Question("requests", DELTA, OFFICIAL, wanted="at most 0.5; 0.1 at 100,000"),
    Question("requests", DELTA_CHANGED, OFFICIAL, wanted="at most 0.5; 0.1 at 100,000"),
    Question("server work", OFFICIAL, FULL),
    Question("server work", OFFICIAL, DELTA),
    Question("server work", OFFICIAL, DELTA_CHANGED),
    Question("wall", OFFICIAL, REMEMBERED, modelled=True, wanted="at least 1.7"),
    Question("wall", OFFICIAL, DELTA, modelled=True, wanted="at least 15"),
    Question("wall", OFFICIAL, DELTA_CHANGED, modelled=True, wanted="at least 10"),
    Question("wall", REMEMBERED, DELTA_DELETED, modelled=True, wanted="at least 6"),
    Question("wall", DELTA_LOGINS, REMEMBERED, modelled=True, wanted="at most 0.5"),
    Question("wall", DRIFT, REMEMBERED, modelled=True, wanted="at most 1.2"),
)


@dataclass(frozen=True, slots=True)
class Ratio:
    """The answer at one size: the median over the rounds, and the least and the greatest of them."""

    users: int
    value: float
    least: float
    greatest: float


def sizes(samples: list[Sample]) -> list[int]:
    """Return the sizes that were run, the smallest first."""
    return sorted({sample.users for sample in samples})


def middle(samples: list[Sample], case: Case, users: int, metric: str, *, modelled: bool) -> float | None:
    """Return the median of a metric over the rounds; None when the case was not run."""
    found = [METRICS[metric](sample) for sample in _of(samples, case, users, modelled=modelled)]
    return median(found) if found else None


def answers(samples: list[Sample], question: Question) -> Iterator[Ratio]:
    """Answer a question at each size at which both of its cases were run."""
    metric = METRICS[question.metric]
    for users in sizes(samples):
        over, under = (
            {sample.round: metric(sample) for sample in _of(samples, case, users, modelled=question.modelled)}
            for case in (question.over, question.under)
        )
        found = [over[number] / under[number] for number in over.keys() & under.keys() if under[number]]
        if found:
            yield Ratio(users, median(found), min(found), max(found))


@dataclass(frozen=True, slots=True)
class Growth:
    """How a case's cost on the idle server grows from one size to the next.

    Attributes:
        case: The name of the case.
        users: The two sizes.
        cpu_times, memory_times: How many times as much the greater size takes.
        cpu_exponent: The power of the number of users that CPU time grows with: 1 is in proportion.
        cpu_a_user: Seconds of CPU time for each user on top.
        memory_a_user: Bytes of peak memory for each user on top.
    """

    case: str
    users: tuple[int, int]
    cpu_times: float
    memory_times: float
    cpu_exponent: float
    cpu_a_user: float
    memory_a_user: float


def growth(samples: list[Sample], case: Case) -> Iterator[Growth]:
    """Compare each size with the next."""
    found = sizes(samples)
    for less, more in pairwise(found):
        cpu = [middle(samples, case, users, "CPU", modelled=False) for users in (less, more)]
        memory = [middle(samples, case, users, "memory", modelled=False) for users in (less, more)]
        match (*cpu, *memory):
            case (float(cpu_less), float(cpu_more), float(memory_less), float(memory_more)) if cpu_less and memory_less:
                times = cpu_more / cpu_less
                yield Growth(
                    case.name,
                    (less, more),
                    times,
                    memory_more / memory_less,
                    math.log(times) / math.log(more / less),
                    (cpu_more - cpu_less) / (more - less),
                    (memory_more - memory_less) / (more - less),
                )


def _of(samples: list[Sample], case: Case, users: int, *, modelled: bool) -> list[Sample]:
    return [
        sample
        for sample in samples
        if sample.case == case.name and sample.users == users and (sample.speed is not None) is modelled
    ]
