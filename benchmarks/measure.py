"""What a piece of work takes of the machine: wall time, CPU time of the process, and peak memory above what was there.

The peak of a process includes its imports, which may have needed more than the work does. Linux can start a new peak
(``/proc/self/clear_refs``); elsewhere the peak is that of the whole process and may be told too low.
"""

import gc
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")
_NEW_PEAK: Final = "5"


@dataclass(frozen=True, slots=True)
class Usage:
    """What the work took: seconds, seconds, and bytes."""

    wall: float
    cpu: float
    memory: int


def measured(work: Callable[[], object]) -> Usage:
    """Do the work once and tell what it took."""
    gc.collect()
    before = _start_new_peak()
    cpu, wall = cpu_seconds(), time.perf_counter()
    work()
    wall, cpu = time.perf_counter() - wall, cpu_seconds() - cpu
    return Usage(wall, cpu, max(0, _peak() - before))


def cpu_seconds() -> float:
    """User and system time of this process so far, all its threads together."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _start_new_peak() -> int:
    try:
        _CLEAR.write_text(_NEW_PEAK)
        return _status("VmRSS")
    except OSError:
        return _peak_of_process()


def _peak() -> int:
    try:
        return _status("VmHWM")
    except OSError:
        return _peak_of_process()


def _status(field: str) -> int:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"{_STATUS} has no {field}")


def _peak_of_process() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
