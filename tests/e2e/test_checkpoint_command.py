"""``sync --checkpoint``: a first run, the next of changes only, and what becomes of the file."""

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik, Fault, Server, serve
from tests.e2e.command import environment, names_in, run


@pytest.fixture
def server() -> Iterator[Server]:
    """A fake authentik behind a real HTTP server."""
    with serve(FakeAuthentik(Directory.generate(users=80, groups=8, seed=6))) as running:
        yield running


def _sync(server: Server, folder: Path, *options: str, kind: str = "viewer", code: int = 0) -> dict[str, Any]:
    env = environment(AUTHENTIK_BASE_URL=server.url, AUTHENTIK_TOKEN=server.fake.token(kind))
    arguments = ("sync", "--checkpoint", "state.bin", "--output", "out.ndjson", "--json", *options)
    ran = run(*arguments, env=env, cwd=folder)
    assert ran.returncode == code, ran.stderr
    told: dict[str, Any] = json.loads(ran.stdout) if ran.stdout else {}
    return told


def test_the_second_run_reads_changes_only(server: Server, tmp_path: Path) -> None:
    """The file is made by the first run, used and replaced by the second, and read by its owner alone."""
    assert _sync(server, tmp_path)["fullReason"] == "no_checkpoint"
    state = tmp_path / "state.bin"
    first = state.read_bytes()
    assert state.stat().st_mode & 0o077 == 0
    server.fake.directory.update_user(next(iter(server.fake.directory.users)), name="Renamed")
    assert _sync(server, tmp_path)["mode"] == "delta"
    assert state.read_bytes() != first
    assert "Renamed" in (tmp_path / "out.ndjson").read_text(encoding="utf-8")
    assert names_in(tmp_path) == ["out.ndjson", "state.bin"]


def test_full_reads_everything_and_still_leaves_a_checkpoint(server: Server, tmp_path: Path) -> None:
    """``--full`` does not look at the file, and replaces it."""
    _sync(server, tmp_path)
    before = (tmp_path / "state.bin").read_bytes()
    server.fake.directory.create_user()
    assert _sync(server, tmp_path, "--full")["mode"] == "full"
    assert (tmp_path / "state.bin").read_bytes() != before


def test_a_damaged_file_is_told_and_mended(server: Server, tmp_path: Path) -> None:
    """A file that is no checkpoint means a full run that says so, and a good file after it."""
    (tmp_path / "state.bin").write_text("garbage", encoding="utf-8")
    assert _sync(server, tmp_path)["fullReason"] == "checkpoint_unreadable"
    assert _sync(server, tmp_path)["mode"] == "delta"


def test_a_run_that_proved_nothing_takes_the_checkpoint_away(server: Server, tmp_path: Path) -> None:
    """Its records may have been taken over: only a full run can tell which of them are no more."""
    _sync(server, tmp_path)
    _sync(server, tmp_path, kind="object_level", code=77)
    assert names_in(tmp_path) == ["out.ndjson"]


def test_a_run_that_failed_leaves_the_checkpoint(server: Server, tmp_path: Path) -> None:
    """Nothing was handed over, so the next run begins where this one would have."""
    _sync(server, tmp_path)
    before = (tmp_path / "state.bin").read_bytes()
    server.fake.inject(Fault.html(), nth=4, times=None)
    _sync(server, tmp_path, code=78)
    assert (tmp_path / "state.bin").read_bytes() == before


def test_payload_sets_take_no_checkpoint(server: Server, tmp_path: Path) -> None:
    """The host's array has no place for who is gone: asking for both is wrong usage."""
    _sync(server, tmp_path, "--format", "payload-sets", code=2)
    assert names_in(tmp_path) == []


def test_a_checkpoint_behind_a_link_is_kept_and_removed_there(server: Server, tmp_path: Path) -> None:
    """The file that a link points to is written and taken away; the link stays, even if it points to nothing."""
    (tmp_path / "place").mkdir()
    (tmp_path / "state.bin").symlink_to("place/real.bin")
    _sync(server, tmp_path)
    assert (tmp_path / "place" / "real.bin").is_file()
    _sync(server, tmp_path, kind="object_level", code=77)
    assert names_in(tmp_path / "place") == []
    assert (tmp_path / "state.bin").is_symlink()
    _sync(server, tmp_path, kind="object_level", code=77)


@pytest.mark.parametrize("kind", ["viewer", "object_level"])
def test_a_pipe_or_a_device_keeps_nothing_and_stays(server: Server, tmp_path: Path, kind: str) -> None:
    """Neither is read, waited for, written or removed, whatever the run proved."""
    code = 0 if kind == "viewer" else 77
    os.mkfifo(tmp_path / "state.bin")
    assert _sync(server, tmp_path, kind=kind, code=code)["fullReason"] == "no_checkpoint"
    assert stat.S_ISFIFO((tmp_path / "state.bin").stat().st_mode)
    (tmp_path / "state.bin").unlink()
    (tmp_path / "state.bin").symlink_to("/dev/null")
    _sync(server, tmp_path, kind=kind, code=code)
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_what_cannot_be_a_checkpoint_is_told(server: Server, tmp_path: Path) -> None:
    """A folder, or links in a circle: an error that names it, no traceback, and nothing of it is removed."""
    for is_folder in (True, False):
        state = tmp_path / "state.bin"
        state.mkdir() if is_folder else state.symlink_to("state.bin")
        env = environment(AUTHENTIK_BASE_URL=server.url, AUTHENTIK_TOKEN=server.fake.token())
        ran = run("sync", "--checkpoint", "state.bin", "--output", "out.ndjson", env=env, cwd=tmp_path)
        assert ran.returncode == 78
        assert "state.bin" in ran.stderr
        assert "Traceback" not in ran.stderr
        assert names_in(tmp_path) == ["state.bin"]
        state.rmdir() if is_folder else state.unlink()
