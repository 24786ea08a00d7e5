"""Where the CPU time of a full sync goes, by room and by function.

Samples are taken every few milliseconds of CPU time, as often as the system's clock allows, and each is counted for
the Python function at work, with the C code it calls and the garbage collection it set off. Unlike a tracing profiler
this makes no call dearer than another, so that the shares are those of an undisturbed run.
"""

import asyncio
import signal
import sys
import tempfile
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from benchmarks.job import Job
from benchmarks.lab import FakeServer
from benchmarks.measure import cpu_seconds
from benchmarks.subjects import SUBJECTS, Work, prepare

_SAMPLE_SECONDS: Final = 0.001
_RUNS: Final = 5
_PACKAGE: Final = "openlane_authentik"
_JSON: Final = {
    ("answers.py", "_decode"): "JSON: decode pages",
    ("ndjson.py", "accept"): "JSON: encode envelopes and write them",
    ("context.py", "profile_hash"): "JSON: encode what is hashed, and hash it",
    ("index.py", "_identity"): "JSON: identities kept for memberships",
    ("floor.py", "_write_users"): "JSON: decode, encode and write users",
}
_LIBRARIES: Final = ("httpx", "httpcore", "h11", "anyio", "asyncio", "tenacity", "structlog", "logging", "msgspec")

Place = tuple[str, str, str]
"""A room, a file with its line, and a function."""


def print_profile(users: int, groups: int, top: int, subject: str = SUBJECTS[0]) -> None:
    """Sample full syncs of so many users from an idle server, and print rooms and functions.

    Args:
        users: How many the directory has.
        groups: How many the directory has.
        top: How many functions are shown.
        subject: Whose CPU time.
    """
    with tempfile.TemporaryDirectory(prefix="openlane-bench-") as folder, asyncio.Runner() as runner:
        server = runner.run(FakeServer(users, groups).__aenter__())
        try:
            address = server.address
            job = Job(subject=subject, url=address.url, token=address.token, output=str(Path(folder) / "envelopes"))
            samples, seconds = _sampled(prepare(job))
        finally:
            runner.run(server.__aexit__(None, None, None))
    _print(samples, seconds / users, top)


def _sampled(work: Work) -> tuple[Counter[Place], float]:
    samples: Counter[Place] = Counter()

    def take(_signal: int, frame: FrameType | None) -> None:
        if frame is not None:
            samples[_place(frame)] += 1

    work()
    before = signal.signal(signal.SIGPROF, take)
    cpu = cpu_seconds()
    signal.setitimer(signal.ITIMER_PROF, _SAMPLE_SECONDS, _SAMPLE_SECONDS)
    try:
        for _ in range(_RUNS):
            work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return samples, (cpu_seconds() - cpu) / _RUNS


def _place(frame: FrameType) -> Place:
    code = frame.f_code
    path = Path(code.co_filename)
    return _room(path, code.co_name), f"{'/'.join(path.parts[-2:])}:{code.co_firstlineno}", code.co_name


def _room(path: Path, function: str) -> str:
    if json := _JSON.get((path.name, function)):
        return json
    if _PACKAGE in path.parts:
        below = path.parts[path.parts.index(_PACKAGE) + 1 :]
        return f"{_PACKAGE}/{below[0].removesuffix('.py')}"
    return next((library for library in _LIBRARIES if library in path.parts), "other")


def _print(samples: Counter[Place], seconds_a_user: float, top: int) -> None:
    total = samples.total()
    rooms: Counter[str] = Counter()
    for (room, _, _), count in samples.items():
        rooms[room] += count
    out = sys.stdout
    a_sample = 1e6 * seconds_a_user / total
    out.write(f"{1e6 * seconds_a_user:.1f} us of CPU time a user; {total} samples in {_RUNS} runs\n\n")
    out.write("   share us a user\n")
    for room, count in rooms.most_common():
        out.write(f"{count / total:8.1%} {count * a_sample:9.2f}    {room}\n")
    out.write("\n")
    for (room, file, function), count in samples.most_common(top):
        out.write(f"{count / total:8.1%} {count * a_sample:9.2f}    {room:40} {file} {function}\n")
