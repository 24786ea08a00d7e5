"""The servers that tests start: one that dies fails one test at most, and none outlives the run, however that ends."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.command import environment
from tests.host.running import wait_until
from tests.processes import SETPRIV

_ROOT: Final = Path(__file__).parents[2]
_DYING: Final = """
import os
import signal

import pytest

ON_POSTGRESQL = pytest.mark.parametrize("make_database", ["postgresql"], indirect=True)


def kill(server):
    os.kill(server.process_id(), signal.SIGKILL)


@ON_POSTGRESQL
def test_in_which_it_dies(engine, postgresql_server):
    kill(postgresql_server)


@ON_POSTGRESQL
def test_after_it(engine):
    engine.connect().close()


def test_between_uses(postgresql_server):
    kill(postgresql_server)


@ON_POSTGRESQL
def test_after_that(engine):
    engine.connect().close()
"""
_WAITING: Final = """
import threading
from pathlib import Path

import pytest

from openlane_authentik.host.configuration import HostSettings
from tests.host.killing import Workers
from tests.host.service import service_env, serving
from tests.host.test_pages import chromium
from tests.host.test_worker_processes import host, records, start_worker


@pytest.mark.parametrize("make_database", ["postgresql"], indirect=True)
def test_waits(database_url, make_database, tmp_path, chromium, start_worker):
    start_worker()
    chromium.new_page().goto("data:text/html,here")
    with Workers() as workers, serving(service_env(tmp_path / "served", make_database(True)), tmp_path / "log"):
        workers.start(HostSettings(data_dir=tmp_path / "forked", database_url=make_database(True)))
        Path("ready").touch()
        threading.Event().wait()
"""
Run = subprocess.Popen[str]
# A process by its id and the time it began, as ids are used again.
Started = tuple[int, str]


@contextmanager
def running(program: str, *arguments: str) -> Iterator[tuple[Run, Path]]:
    """Run tests of a text, in a process group and a folder for temporary files of their own; return both."""
    # Near the root, as the path of a socket may be no longer than 107 characters.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "temporary").mkdir()
        (folder / "test_program.py").write_text(program)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.host.conftest"]
        command += ["-c", str(_ROOT / "pyproject.toml"), f"--basetemp={folder / 'base'}", *arguments]
        run = subprocess.Popen(
            [*command, str(folder / "test_program.py")],
            cwd=folder,
            env=environment(TMPDIR=str(folder / "temporary"), PYTHONPATH=str(_ROOT), HOME=os.environ["HOME"]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            process_group=0,
        )
        try:
            yield run, folder
        finally:
            if run.poll() is None:
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate()


def test_server_that_dies_fails_the_test_it_died_in_and_no_other() -> None:
    """The failure has the server's log, and whoever uses it next finds a new one, as after a death between tests."""
    with running(_DYING) as (run, _):
        told = run.communicate(timeout=300)[0]
    assert re.search(r"4 passed, 1 error in", told), told
    assert "ERROR at teardown of test_in_which_it_dies[postgresql]" in told
    assert "the PostgreSQL server died during this test; it said:" in told
    assert "database system is ready to accept connections" in told


@pytest.mark.skipif(SETPRIV is None, reason="needs setpriv, of util-linux")
@pytest.mark.parametrize(
    ("kill", "arguments"),
    [
        pytest.param(os.kill, (), id="process", marks=pytest.mark.soak),
        pytest.param(os.kill, ("-n", "1"), id="controller"),
        pytest.param(os.killpg, ("-n", "1"), id="group", marks=pytest.mark.soak),
    ],
)
def test_no_process_outlives_a_run_that_is_killed(kill: Callable[[int, int], None], arguments: tuple[str, ...]) -> None:
    """PostgreSQL, workers, what workers were forked from, hosts and Chromium end, and leave no folder behind."""
    with running(_WAITING, *arguments) as (run, folder):

        def is_ready() -> bool:
            assert run.poll() is None, run.communicate()[0]
            return any(folder.rglob("ready"))

        wait_until(is_ready, 300)
        started = _below(run.pid)
        names = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid, _ in started]
        for kind in ("/postgres ", "worker_process", "doomed_worker", "host serve", "chromium", "postgresql_keeper"):
            assert any(kind in name for name in names), (kind, names)
        kill(run.pid, signal.SIGKILL)
        run.wait()
        try:
            wait_until(lambda: not [one for one in started if _is_there(one)], 60)
        except AssertionError as error:
            left = [names[number] for number, one in enumerate(started) if _is_there(one)]
            error.add_note(json.dumps(left, indent=1))
            for pid, _ in filter(_is_there, started):
                os.kill(pid, signal.SIGKILL)
            raise
        assert [entry.name for entry in (folder / "temporary").iterdir() if entry.name != ".lockfile"] == []


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/pid/stat from the third on, the state (proc(5)); none if the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _below(pid: int) -> list[Started]:
    """Return all processes that a process started, and that those did."""
    stats = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found = {pid}
    while more := {child for child, stat in stats.items() if stat and int(stat[1]) in found} - found:
        found |= more
    return [(one, stats[one][19]) for one in found - {pid}]


def _is_there(started: Started) -> bool:
    pid, begun = started
    stat = _stat(pid)
    return bool(stat) and stat[0] != "Z" and stat[19] == begun
