"""A host or worker that is told to end by signals misses none, whenever they come and whichever thread is awake."""

import json
import subprocess
import sys
from itertools import combinations_with_replacement
from pathlib import Path

import pytest

from tests.processes import bound

_MOMENTS = ("starting", "serving", "stopping")
_ENDED_WELL = ["starting", "serving", "stopping", "hurried", 0]


@pytest.mark.parametrize(
    ("first", "second"),
    [pair for pair in combinations_with_replacement(_MOMENTS, 2) if pair[0] != "stopping"],
)
def test_no_signal_is_missed(first: str, second: str) -> None:
    """A first signal ends a worker and a second hurries it, each while it starts, serves or stops, also at once."""
    rounds = 30 if first == second == "serving" else 3
    lines = f"{json.dumps([first, second])}\n" * rounds
    told = subprocess.run(
        bound([sys.executable, "-m", "tests.host.told_process"]),
        cwd=Path(__file__).parents[2],
        input=lines,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [json.loads(line) for line in told.stdout.splitlines()] == [_ENDED_WELL] * rounds
