"""``openlane-authentik demo``: asks nothing, ends by itself, and is understood by a newcomer."""

import gzip
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.command import environment, names_in, run

_FOLDER = Path(__file__).parents[1] / "recordings" / "directory"


def _recorded(name: str) -> list[dict[str, object]]:
    with gzip.open(_FOLDER / f"{name}.ndjson.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_the_demo_ends_by_itself(tmp_path: Path) -> None:
    """It checks, syncs, shows the first records and where the output is, and exits 0."""
    ran = run("demo", cwd=tmp_path)
    assert ran.returncode == 0
    output = tmp_path / "demo-output" / "directory.ndjson"
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert lines[-1]["status"] == "COMPLETED"
    assert "demo-output/directory.ndjson" in ran.stdout
    assert "healthy" in ran.stdout
    assert "external_id" in ran.stdout
    assert lines[0]["resource"] in ran.stdout
    for schema in ("DirectoryAccount", "DirectoryGroup", "DirectoryMembership"):
        assert schema in ran.stdout
    assert names_in(tmp_path) == ["demo-output"]


def test_the_demo_ends_with_a_host_on_a_schedule(tmp_path: Path) -> None:
    """A host has synced twice by its schedule, and the change log tells who left, was renamed, came and moved.

    However often it is run: everything is made anew, and nothing is left running.
    """
    first, ran = run("demo", cwd=tmp_path), run("demo", cwd=tmp_path)
    assert (first.returncode, first.stderr, ran.returncode, ran.stderr) == (0, "", 0, "")
    said = ran.stdout.split("5. Meanwhile in authentik:\n")[1]
    leaves, marries, _, moves = said.splitlines()[:4]
    leaver = leaves.strip().removesuffix(" leaves")
    renamed = marries.split(" is called ")[1]
    mover, teams = moves.strip().split(" moves from ")
    log = [re.sub(r"\s{2,}", "|", line.strip()) for line in said.splitlines()]
    for line in (
        f"2|removed|account|{leaver}",
        f"2|changed|account|{renamed}|display_name",
        "2|added|account|Jo Newcomer",
        f"2|removed|membership|{mover} in {teams.split(' to ')[0]}",
        f"2|added|membership|{mover} in {teams.split(' to ')[1]}",
    ):
        assert line in log
    assert "=> run 2 COMPLETED, by schedule, delta" in said
    host = tmp_path / "demo-output" / "demo-host"
    with closing(sqlite3.connect(host / "host.sqlite")) as held:
        assert held.execute("SELECT status, trigger FROM sync_run").fetchall() == [("COMPLETED", "schedule")] * 2
        (present,) = held.execute("SELECT count(*) FROM account WHERE removed_at IS NULL").fetchone()
    # One left, and one came.
    assert f"DirectoryAccount      {present}" in ran.stdout


def test_the_demo_without_the_host_says_what_to_install(tmp_path: Path) -> None:
    """The plugin's half of the demo works where the host is not installed."""
    code = (
        "import sys\n"
        "sys.modules['dbos'] = None\n"
        "sys.argv = ['openlane-authentik', 'demo']\n"
        "from openlane_authentik.cli import main\n"
        "main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment()
    )
    assert ran.returncode == 0, ran.stderr
    assert "pip install 'openlane-authentik[host]'" in ran.stdout


def test_the_demo_ignores_the_environment(tmp_path: Path) -> None:
    """Whatever is set for a real authentik, or as proxy, the demo reads its own fake."""
    env = environment(
        AUTHENTIK_BASE_URL="https://auth.invalid",
        AUTHENTIK_TOKEN="t",
        HTTP_PROXY="http://127.0.0.1:1",
        http_proxy="http://127.0.0.1:1",
        ALL_PROXY="http://127.0.0.1:1",
        OPENLANE_HOST_DATABASE_URL="postgresql://host@db.invalid/host",
        OPENLANE_HOST_LISTEN_PORT="none",
        OPENLANE_HOST_CONFIG="/nowhere/host.toml",
    )
    assert run("demo", cwd=tmp_path, env=env).returncode == 0


def test_the_demo_reads_a_folder_of_raw_records(tmp_path: Path) -> None:
    """``--directory`` serves recorded records: every account, group and membership of them comes out."""
    users, groups = _recorded("users"), _recorded("groups")
    output = tmp_path / "out.ndjson"
    ran = run("demo", "--directory", _FOLDER, "--output", output)
    assert ran.returncode == 0
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    resources = {line["resource"] for line in lines if line.get("schema") == "DirectoryAccount" and "payload" in line}
    assert resources >= {user["uid"] for user in users}
    emitted = {line["schema"]: line["counts"]["emitted"] for line in lines if line["type"] == "payloadSet"}
    assert emitted["DirectoryGroup"] >= len(groups)
    assert emitted["DirectoryMembership"] > 0


def test_the_demo_filters(tmp_path: Path) -> None:
    """``--filter`` keeps internal accounts alone, fails nothing, and warns of groups."""
    output = tmp_path / "out.ndjson"
    ran = run("demo", "--filter", "payload.type == 'internal'", "--output", output)
    assert ran.returncode == 0
    lines = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert {line["payload"]["type"] for line in lines if line["type"] == "envelope"} == {"internal"}
    assert all(line["counts"]["failed"] == 0 for line in lines if line["type"] == "payloadSet")
    assert "filter_never_matches" in ran.stdout


@pytest.mark.parametrize("content", [None, b"not gzip", b"{}\n", b'{"pk": 1}\n', b"[1]\n", b"\xff\n"])
def test_a_folder_without_raw_records_is_told(tmp_path: Path, content: bytes | None) -> None:
    """A folder that lacks the files, or holds something else in them, is a setting to correct."""
    folder = tmp_path / "folder"
    folder.mkdir()
    if content is not None:
        shutil.copy(_FOLDER / "groups.ndjson.gz", folder)
        (folder / "users.ndjson").write_bytes(content)
    ran = run("demo", "--directory", folder, cwd=tmp_path)
    assert ran.returncode == 78
    assert "error:" in ran.stderr
    assert names_in(tmp_path) == ["folder"]


@pytest.mark.parametrize("where", ["file/out.ndjson", "file/deeper/out.ndjson", "folder"])
def test_an_unwritable_output_of_the_demo_is_told(tmp_path: Path, where: str) -> None:
    """An output that cannot be written is told by its code, as for a sync."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    ran = run("demo", "--output", tmp_path / where)
    assert ran.returncode == 78
    assert "[output_unwritable]" in ran.stderr
