"""What is measured: each module reads the whole directory and writes envelopes, in a way of its own.

Each has a ``prepare(job)`` that does what is not measured (the first request of its HTTP client, a first compilation of
its filter) and gives the work that is.
"""

from collections.abc import Callable
from typing import Final

from benchmarks.job import Job

Work = Callable[[], None]

SUBJECTS: Final = ("ours", "official", "floor")


def prepare(job: Job) -> Work:
    """Get a subject ready; only what it needs is imported."""
    match job.subject:
        case "ours":
            from benchmarks.subjects import ours  # noqa: PLC0415 - one subject's imports must not burden another

            return ours.prepare(job)
        case "official":
            from benchmarks.subjects import official  # noqa: PLC0415

            return official.prepare(job)
        case "floor":
            from benchmarks.subjects import floor  # noqa: PLC0415

            return floor.prepare(job)
        case _:
            raise ValueError(f"{job.subject!r} is none of {', '.join(SUBJECTS)}")
