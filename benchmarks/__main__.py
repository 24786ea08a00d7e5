"""The command: run the rounds, print the tables."""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from benchmarks import __doc__ as description
from benchmarks.hotspots import print_profile
from benchmarks.lab import BrokenRunError
from benchmarks.report import as_json, as_markdown
from benchmarks.rounds import Sample, Series, run_size, tell_on_stderr
from benchmarks.subjects import SUBJECTS

_SIZES: Final = (1_000, 10_000, 100_000)
_MODELLED: Final = (1_000, 10_000)
_QUICK_SIZES: Final = (100, 300)
_QUICK_SPEED: Final = 50.0
_GROUPS: Final = {1_000: 50, 10_000: 500, 100_000: 2_000}
_FEWEST_GROUPS: Final = 10
_USERS_A_GROUP: Final = 20
_MOST_GROUPS: Final = 2_000
_RUNS: Final = 5
_RUNS_OF_MANY: Final = 3
_MANY: Final = 50_000
_PROFILED: Final = 10_000
_MINUTES: Final = 25.0


def main() -> int:
    """Run what the arguments ask for; 0, or 1 when a run failed."""
    given = _arguments()
    if given.profile:
        users = given.sizes[0] if given.sizes else _PROFILED
        print_profile(users, groups_for(users), given.top, given.subject)
        return 0
    try:
        samples = asyncio.run(_measure(given))
    except BrokenRunError as error:
        tell_on_stderr(f"failed: {error}")
        return 1
    sys.stdout.write(as_markdown(samples))
    if given.json:
        given.json.write_bytes(as_json(samples))
    return 0


async def _measure(given: argparse.Namespace) -> list[Sample]:
    sizes = given.sizes or (_QUICK_SIZES if given.quick else _SIZES)
    modelled = sizes if given.quick and given.modelled is None else given.modelled
    speed = given.speed or (_QUICK_SPEED if given.quick else 1.0)
    deadline = time.monotonic() + given.minutes * 60
    samples: list[Sample] = []
    for users in sizes:
        groups = groups_for(users)
        runs = given.runs or (1 if given.quick else _RUNS_OF_MANY if users > _MANY else _RUNS)
        series = [Series(users, groups, None, runs)]
        if users in (_MODELLED if modelled is None else modelled):
            series.append(Series(users, groups, speed, runs))
        samples += await run_size(users, groups, series, deadline, tell_on_stderr)
    return samples


def groups_for(users: int) -> int:
    """Return how many groups a directory of this size has."""
    return _GROUPS.get(users, min(_MOST_GROUPS, max(_FEWEST_GROUPS, users // _USERS_A_GROUP)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=_numbers, metavar="N,N", help="users; 1000,10000,100000")
    parser.add_argument("--modelled", type=_numbers, metavar="N,N", help="of these, on the modelled server too")
    parser.add_argument("--runs", type=int, metavar="N", help="rounds; 5, and 3 above 50,000 users")
    parser.add_argument("--speed", type=float, metavar="X", help="the modelled server's; 1 is as measured")
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="after which no round is begun; 25")
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: shows only that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="every run and all ratios")
    parser.add_argument("--profile", action="store_true", help="where the CPU time of a full sync goes")
    parser.add_argument("--subject", choices=SUBJECTS, default=SUBJECTS[0], help="whose profile; ours")
    parser.add_argument("--top", type=int, default=40, metavar="N", help="functions in the profile; 40")
    return parser.parse_args()


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",") if number)


if __name__ == "__main__":
    sys.exit(main())
