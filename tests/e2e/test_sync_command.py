"""``openlane-authentik sync`` against a real server: formats, filters, outputs, and every way it can end."""

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik, Fault, serve
from tests.e2e.command import COMMAND, environment, names_in, no_traceback, run, start

_SETS = ["DirectoryAccount", "DirectoryGroup", "DirectoryMembership"]


def _fake(users: int = 120, **changes: Any) -> FakeAuthentik:
    return FakeAuthentik(Directory.generate(users=users, groups=8, seed=3), **changes)


def _env(url: str, fake: FakeAuthentik, kind: str = "viewer", **variables: str) -> dict[str, str]:
    return environment(AUTHENTIK_BASE_URL=url, AUTHENTIK_TOKEN=fake.token(kind), **variables)


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def _counts(lines: list[dict[str, Any]]) -> dict[str, dict[str, int]]:
    return {line["schema"]: line["counts"] for line in lines if line["type"] == "payloadSet"}


def test_lines_go_to_standard_output_and_everything_else_does_not() -> None:
    """Standard output is nothing but the lines, in order; exit 0 means every set is proven."""
    fake = _fake()
    with serve(fake) as server:
        ran = run("sync", env=_env(server.url, fake))
    assert ran.returncode == 0
    lines = _lines(ran.stdout)
    order = [line.get("schema", line["type"]) for line in lines]
    assert list(dict.fromkeys(order)) == [*_SETS, "syncRun"]
    assert lines[-1]["status"] == "COMPLETED"
    assert all(line["snapshotComplete"] for line in lines if line["type"] == "payloadSet")
    directory = fake.directory
    accounts = {
        line["resource"]: line["record"] for line in lines if line.get("schema") == _SETS[0] and "record" in line
    }
    assert set(accounts) == {user["uid"] for user in directory.users.values()}
    memberships = {
        (line["record"]["directory_account_id"], line["resource"])
        for line in lines
        if line.get("schema") == _SETS[2] and "record" in line
    }
    assert memberships == {
        (directory.users[user]["uid"], group)
        for user in directory.users
        for group in directory.raw_user(user)["groups"]
    }


@pytest.mark.parametrize("release", ["2023.10", "2025.4", "2026.2"])
def test_a_file_is_written_whole(tmp_path: Path, release: str) -> None:
    """With ``--output`` the file holds all lines, is its owner's alone, and standard output stays empty."""
    fake = _fake(release=release)
    output = tmp_path / "out.ndjson"
    with serve(fake) as server:
        ran = run("sync", "--output", output, env=_env(server.url, fake))
    assert (ran.returncode, ran.stdout) == (0, "")
    lines = _lines(output.read_text())
    assert lines[-1]["type"] == "syncRun"
    assert _counts(lines)["DirectoryAccount"]["emitted"] == len(fake.directory.users)
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["out.ndjson"]


def test_payload_sets_are_one_array(tmp_path: Path) -> None:
    """``--format payload-sets`` writes the host's array, to a file as to standard output."""
    fake = _fake()
    with serve(fake) as server:
        ran = run("sync", "--format", "payload-sets", env=_env(server.url, fake))
        output = tmp_path / "sets.json"
        also = run("sync", "--format", "payload-sets", "--output", output, env=_env(server.url, fake))
    assert (ran.returncode, also.returncode) == (0, 0)
    assert [found["schema"] for found in json.loads(ran.stdout)] == _SETS
    assert json.loads(output.read_text()) == json.loads(ran.stdout)


def test_the_documented_filter_keeps_people_and_warns_of_groups() -> None:
    """``payload.type == 'internal'`` gives internal accounts, fails nothing, warns of groups, claims none is gone."""
    fake = _fake()
    with serve(fake) as server:
        ran = run("sync", "--filter", "payload.type == 'internal'", env=_env(server.url, fake))
    assert ran.returncode == 0
    lines = _lines(ran.stdout)
    assert {line["payload"]["type"] for line in lines if line["type"] == "envelope"} == {"internal"}
    closings = {line["schema"]: line for line in lines if line["type"] == "payloadSet"}
    assert all(closing["counts"]["failed"] == 0 for closing in closings.values())
    assert closings["DirectoryAccount"]["snapshotComplete"] is True
    assert closings["DirectoryGroup"]["snapshotComplete"] is False
    assert closings["DirectoryGroup"]["reasons"] == ["filter_kept_nothing"]
    assert all(closing["readComplete"] for closing in closings.values())
    never, emptied = lines[-1]["warnings"]
    assert (never["code"], emptied["code"]) == ("filter_never_matches", "filter_kept_nothing")
    assert "!has(payload.type) ||" in never["message"]
    assert "!has(payload.type) ||" in ran.stderr
    assert "all read: filter_kept_nothing" in ran.stderr


def test_a_mistyped_filter_is_warned_of_and_every_record_is_named() -> None:
    """A filter that keeps nobody exits 0, says so on standard error, and has a line for each record left out."""
    fake = _fake()
    with serve(fake) as server:
        ran = run("sync", "--filter", "payload.is_activ == true", env=_env(server.url, fake))
    assert ran.returncode == 0
    lines = _lines(ran.stdout)
    left_out = [line["key"] for line in lines if line["type"] == "leftOut" and line["schema"] == "DirectoryAccount"]
    assert sorted(left_out) == sorted([user["uid"]] for user in fake.directory.users.values())
    assert "did you mean 'is_active'?" in ran.stderr
    assert "[filter_kept_nothing]" in ran.stderr


def test_a_record_on_which_the_filter_fails_is_a_line_and_a_warning() -> None:
    """It is named by a ``heldBack`` line and on standard error, and the sync exits 0."""
    fake = _fake()
    pk = next(iter(fake.directory.users))
    fake.directory.update_user(pk, attributes={"level": "high"})
    expression = "!has(payload.attributes.level) || payload.attributes.level < 5"
    with serve(fake) as server:
        ran = run("sync", "--filter", expression, env=_env(server.url, fake))
    assert ran.returncode == 0
    uid = fake.directory.raw_user(pk)["uid"]
    held_back = [line for line in _lines(ran.stdout) if line["type"] == "heldBack"]
    assert held_back == [{"type": "heldBack", "schema": "DirectoryAccount", "key": [uid]}]
    # Broken over lines as wide as the terminal.
    assert uid in "".join(ran.stderr.split())
    assert "[records_held_back]" in ran.stderr


def test_without_groups_only_accounts_are_sent() -> None:
    """``--disable-group-sync`` sends the account set alone, and needs no permission on groups."""
    fake = _fake()
    with serve(fake) as server:
        ran = run("sync", "--disable-group-sync", env=_env(server.url, fake, "view_user_only"))
    assert ran.returncode == 0
    assert list(_counts(_lines(ran.stdout))) == ["DirectoryAccount"]
    assert not [request for request in fake.requests if request.path.endswith("core/groups/")]


@pytest.mark.parametrize(
    ("expression", "column"),
    [("payload.type = 'x'", 14), ("payload.name == 'x", 17), ("'internal'", 1), ("nope == 1", 1)],
)
def test_a_bad_filter_is_shown_with_a_caret(tmp_path: Path, expression: str, column: int) -> None:
    """A filter that does not compile is shown with a caret at its place, exits 78, and nothing is sent or written."""
    fake = _fake()
    output = tmp_path / "out.ndjson"
    with serve(fake) as server:
        ran = run("sync", "--filter", expression, "--output", output, env=_env(server.url, fake))
    assert ran.returncode == 78
    assert "[filter_invalid]" in ran.stderr
    shown = ran.stderr.splitlines()
    (at,) = [number for number, line in enumerate(shown) if line.strip() == "^"]
    assert shown[at].index("^") - shown[at - 1].index(expression) == column - 1
    assert names_in(tmp_path) == []
    assert not fake.requests


@pytest.mark.parametrize("expression", ["x" * 5000, "(" * 200, "payload.name == '" + "\\n" * 24, "\x01", "'" * 301])
def test_a_hostile_filter_is_refused(expression: str) -> None:
    """A filter that is too long, too deep or made to hang the parser is a configuration error."""
    ran = run("sync", "--filter", expression, env=environment(AUTHENTIK_BASE_URL="https://h", AUTHENTIK_TOKEN="t"))
    assert ran.returncode == 78
    assert ran.stdout == ""


@pytest.mark.parametrize("where", ["missing/out.ndjson", "file/out.ndjson", "folder"])
def test_an_unwritable_output_is_told_before_anything_is_read(tmp_path: Path, where: str) -> None:
    """A folder that is not there, a file for a folder and a folder for a file exit 78 before a request is sent."""
    fake = _fake()
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with serve(fake) as server:
        ran = run("sync", "--output", tmp_path / where, env=_env(server.url, fake))
    assert ran.returncode == 78
    assert "[output_unwritable]" in ran.stderr
    assert names_in(tmp_path) == ["file", "folder"]
    assert not fake.requests


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full here")
def test_a_full_disk_is_told() -> None:
    """When there is no room for the records the command says so and exits 78."""
    fake = _fake()
    with serve(fake) as server, Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [COMMAND, "sync"], stdout=full, stderr=subprocess.PIPE, env=_env(server.url, fake), text=True, check=False
        )
    no_traceback(process.stderr)
    assert process.returncode == 78
    assert "No space left" in process.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["sync", "--nope"],
        ["sync", "--format", "xml"],
        ["sync", "--timeout", "0"],
        ["sync", "--timeout", "soon"],
        ["sync", "--json"],
        ["nope"],
        ["sync", "extra"],
        ["demo", "--token-file", "x"],
    ],
)
def test_wrong_usage_exits_2(arguments: list[str]) -> None:
    """What the command does not know is a usage error, told with a hint."""
    ran = run(*arguments, env=environment(AUTHENTIK_BASE_URL="https://h", AUTHENTIK_TOKEN="t"))
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "--help" in ran.stderr or "Error" in ran.stderr


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "1e400"])
def test_a_timeout_that_is_no_number_of_seconds_is_no_traceback(seconds: str) -> None:
    """An odd time limit is a usage or configuration error, or no limit; never a traceback."""
    env = environment(AUTHENTIK_BASE_URL="https://authentik.invalid", AUTHENTIK_TOKEN="wrong wrong")
    assert run("sync", "--timeout", seconds, env=env).returncode in (2, 77, 78)
    fake = _fake(users=5)
    with serve(fake) as server:
        assert run("sync", "--timeout", seconds, env=_env(server.url, fake)).returncode in (0, 2, 78)


def test_the_run_as_json_for_machines(tmp_path: Path) -> None:
    """``--json`` prints the run's closing line as JSON, alone on standard output."""
    fake = _fake()
    output = tmp_path / "out.ndjson"
    with serve(fake) as server:
        ran = run("sync", "--json", "--output", output, env=_env(server.url, fake))
    assert ran.returncode == 0
    assert json.loads(ran.stdout) == _lines(output.read_text())[-1]


@pytest.mark.parametrize(
    ("kind", "exit_code", "code"),
    [
        ("wrong", 77, "token_rejected"),
        ("none", 77, "no_permission_"),
        ("view_user_only", 77, "no_permission_groups"),
        ("view_group_only", 77, "no_permission_users"),
    ],
)
def test_a_refused_run_leaves_no_file(tmp_path: Path, kind: str, exit_code: int, code: str) -> None:
    """A run that is refused keeps the older file, and says code and remedy on standard error."""
    fake = _fake()
    output = tmp_path / "out.ndjson"
    output.write_text("older")
    with serve(fake) as server:
        ran = run("sync", "--output", output, env=_env(server.url, fake, kind))
    assert ran.returncode == exit_code
    assert f"[{code}" in ran.stderr
    assert output.read_text() == "older"
    assert names_in(tmp_path) == ["out.ndjson"]


@pytest.mark.parametrize("shape", ["ndjson", "payload-sets"])
@pytest.mark.parametrize("nth", [1, 6, 9])
def test_a_run_that_fails_half_way_claims_nothing(tmp_path: Path, shape: str, nth: int) -> None:
    """Wherever a run fails, no line claims completeness, no array ends, and no file is there."""
    fake = _fake()
    fake.inject(Fault.status(500), nth=nth, times=None)
    output = tmp_path / "out"
    with serve(fake) as server:
        to_file = run("sync", "--format", shape, "--output", output, env=_env(server.url, fake))
        ran = run("sync", "--format", shape, env=_env(server.url, fake))
    assert (to_file.returncode, ran.returncode) == (75, 75)
    assert names_in(tmp_path) == []
    if shape == "ndjson":
        lines = _lines(ran.stdout)
        assert lines[-1]["status"] == "FAILED"
        assert not [line for line in lines if line.get("snapshotComplete")]
    else:
        with pytest.raises(json.JSONDecodeError):
            json.loads(ran.stdout)


def test_partial_visibility_exits_77_and_says_so() -> None:
    """Object-level permissions give no complete set, exit 77 and a warning that names the permissions."""
    fake = _fake()
    with serve(fake) as server:
        ran = run("sync", env=_env(server.url, fake, "object_level"))
    assert ran.returncode == 77
    lines = _lines(ran.stdout)
    assert not any(line["snapshotComplete"] for line in lines if line["type"] == "payloadSet")
    assert "partial_visibility" in {warning["code"] for warning in lines[-1]["warnings"]}


def test_http_to_another_host_is_refused_unless_allowed() -> None:
    """Plain http to a host that is not this machine is refused; ``--allow-http`` lets it be tried."""
    env = environment(AUTHENTIK_BASE_URL="http://authentik.invalid", AUTHENTIK_TOKEN="t")
    refused = run("sync", env=env)
    assert refused.returncode == 78
    assert "[base_url_invalid]" in refused.stderr
    assert "dns_failed" in run("health", "--allow-http", env=env).stdout


def _stopped(tmp_path: Path, stop: signal.Signals) -> int:
    """Stop a run by a signal while it reads; return its exit code, and assert that it left no file at all."""
    reached = tmp_path / "reached"
    fake = _fake()
    fake.after(6, lambda _directory: reached.touch())
    fake.inject(Fault.slow(30), nth=6, times=None)
    folder = tmp_path / "folder"
    folder.mkdir()
    # A shell that runs the tests in its background has the interrupt ignored, and so would the command.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with serve(fake) as server:
        process = start(["sync", "--output", str(folder / "out.ndjson")], _env(server.url, fake))
        while not reached.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(stop)
        _, told = process.communicate(timeout=60)
    no_traceback(told)
    assert names_in(folder) == []
    return process.returncode


def test_ctrl_c_exits_130_and_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C ends the run with 130; neither the output nor a half-written file is there."""
    assert _stopped(tmp_path, signal.SIGINT) == 130


def test_being_stopped_leaves_nothing(tmp_path: Path) -> None:
    """The signal by which services and containers are stopped leaves no half-written file of people's data."""
    assert _stopped(tmp_path, signal.SIGTERM) in (143, -signal.SIGTERM)


@pytest.mark.parametrize("shape", ["ndjson", "payload-sets"])
def test_a_reader_that_goes_away_is_no_traceback(shape: str) -> None:
    """Piped into ``head -1`` the command ends with one error line at most."""
    fake = _fake(users=600)
    with serve(fake) as server:
        process = start(["sync", "--format", shape], _env(server.url, fake))
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        told = process.stderr.read()
        process.stderr.close()
        code = process.wait(60)
    no_traceback(told)
    assert code in (75, 78)


def test_the_definition_is_printed_as_json() -> None:
    """``definition`` prints the card, and needs no setting."""
    ran = run("definition", env=environment())
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(ran.stdout)["spec"]["id"] == "def_01K0AUTHENTIK000000000000001"


def test_help_costs_no_parser() -> None:
    """The command line starts without the CEL parser."""
    code = "import sys; import openlane_authentik.cli.app; print('celpy' in sys.modules or 'lark' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


def test_names_in_any_script_come_out_on_any_terminal(tmp_path: Path) -> None:
    """A terminal of another encoding shows what it can, and the file is UTF-8 whatever the terminal is."""
    output = tmp_path / "out.ndjson"
    ran = run("demo", "--output", output, env=environment(PYTHONIOENCODING="ascii"))
    assert ran.returncode == 0
    assert any(ord(character) > 127 for character in output.read_text(encoding="utf-8"))


def test_a_quiet_sync_says_only_what_is_wrong() -> None:
    """Wherever the option stands: nothing on standard error of a sync that proved all, warnings and errors as ever."""
    fake = _fake(20)
    with serve(fake) as server:
        good = run("sync", "--quiet", env=_env(server.url, fake))
        odd = run("--quiet", "sync", "--filter", "payload.is_activ == true", env=_env(server.url, fake))
        bad = run("sync", "--quiet", env=_env(server.url, fake, "none"))
    assert (good.returncode, good.stderr) == (0, "")
    assert _lines(good.stdout)[-1]["status"] == "COMPLETED"
    assert odd.returncode == 0
    assert "[filter_kept_nothing]" in odd.stderr
    assert bad.returncode == 77
    assert "error:" in bad.stderr
