"""``openlane-authentik host sync``, ``worker`` and ``serve``: what runs, what ends it, and what takes it over."""

import json
import re
import signal
import socket
from pathlib import Path

import pytest

from openlane_authentik.testing import Fault
from tests.e2e.command import no_traceback, start
from tests.e2e.desk import Desk, get, listening

_REFUSED = json.dumps({"detail": "Token invalid/expired"})


# Syncing


@pytest.mark.parametrize(
    ("fault", "exit_code", "code"),
    [(Fault.status(500), 75, "server_failed"), (Fault.status(403, body=_REFUSED), 77, "token_rejected")],
)
def test_a_run_that_fails_exits_as_its_error_does(desk: Desk, fault: Fault, exit_code: int, code: str) -> None:
    """What time mends exits 75, what a person must mend stops it with its own code; the list tells both."""
    desk.connect("--name", "Main")
    desk.fake.inject(fault, times=None)
    failed = desk.run("sync", "Main")
    assert failed.returncode == exit_code
    assert f"[{code}]" in failed.stdout
    listed = desk.run("list").stdout
    assert ("ERRORED" in listed) is (exit_code == 77)
    assert f"[{code}]" in listed


def test_removals_beyond_the_limit_wait_for_a_person(desk: Desk) -> None:
    """The list says what needs attention, ``attention`` whom it is about, and confirming removes exactly those."""
    desk.connect("--name", "Main", "--disable-group-sync")
    desk.run("sync", "Main")
    users = desk.fake.directory.users
    gone = {users[pk]["uid"]: pk for pk in list(users)[:15]}
    desk.fake.directory.delete_users(gone.values())
    asked = desk.run("sync", "Main")
    assert "needs attention: 15 of" in asked.stdout
    assert "needs attention: 15 of" in desk.run("list").stdout
    (question,) = desk.json("attention", "Main")
    assert {record["externalId"] for record in question["records"]} == set(gone)
    shown = desk.run("attention", "Main").stdout
    assert all(uid in shown for uid in gone)
    listed = question["attention"]["id"]
    assert desk.run("attention", "Main", "--confirm", listed, "--dismiss", listed).returncode == 2
    assert desk.run("attention", "Main", "--confirm", "none").returncode == 78
    assert desk.run("attention", "Main", "--confirm", listed).returncode == 0
    assert desk.run("sync", "Main").returncode == 0
    removed = desk.json("changes", "Main", "--kind", "removed")["items"]
    assert {change["externalId"] for change in removed} == set(gone)
    assert "Nothing needs attention" in desk.run("attention", "Main").stdout


def test_ctrl_c_ends_the_run_and_the_next_one_works(desk: Desk) -> None:
    """Interrupted it exits 130: the run is closed with the reason, nothing of it is kept, and another can start."""
    desk.connect("--name", "Main")
    desk.fake.inject(Fault.slow(30), nth=4, times=None)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    process = start(["host", "sync", "Main"], desk.env())
    desk.await_run(1, "RUNNING")
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    no_traceback(told)
    assert process.returncode == 130
    details = desk.json("runs", "Main", "1")
    assert (details["status"], details["error"]["code"]) == ("FAILED", "run_interrupted")
    assert desk.json("changes", "Main")["items"] == []
    desk.fake.clear_faults()
    assert desk.run("sync", "Main").returncode == 0


def test_a_killed_sync_is_taken_over_by_the_next(desk: Desk) -> None:
    """A run whose process was killed is not lost: the next command makes a new attempt of the same run."""
    desk.connect("--name", "Main")
    desk.fake.inject(Fault.slow(30), nth=4, times=None)
    process = start(["host", "sync", "Main"], desk.env())
    desk.await_run(1, "RUNNING")
    process.kill()
    process.communicate(timeout=60)
    desk.fake.clear_faults()
    again = desk.run("sync", "Main")
    assert again.returncode == 0
    assert "=> run 1 COMPLETED, attempt 2" in again.stdout
    outcomes = [attempt["outcome"] for attempt in desk.json("runs", "Main", "1")["attempts"]]
    assert outcomes == ["lost", "completed"]


# Services


def test_a_worker_that_lives_is_given_the_work(desk: Desk) -> None:
    """``sync`` waits for the worker that lives; a second worker is refused, and a signal ends it with 0."""
    desk.connect("--name", "Main")
    with desk.running("worker") as worker:
        first = desk.await_run(1, "COMPLETED")
        assert first["trigger"] == "schedule"
        second = desk.run("worker")
        assert second.returncode == 75
        assert "[host_running]" in second.stderr
        synced = desk.run("sync", "Main")
        assert synced.returncode == 0
        assert "=> run 2 COMPLETED" in synced.stdout
    assert worker.returncode == 0
    workers = {desk.json("runs", "Main", number)["workerId"] for number in ("1", "2")}
    assert workers == {first["worker_id"]}
    lines = [json.loads(line) for line in desk.said.splitlines() if line.startswith('{"event"')]
    taken_over = [line for line in lines if line["event"] == "run taken over"]
    assert {line["run_id"] for line in taken_over} >= {first["id"]}
    assert all(line["installation_id"] for line in taken_over)
    assert desk.token not in desk.said


def test_a_host_serves_and_works_in_one_process(desk: Desk) -> None:
    """It says where it listens and where its token is, answers whoever has that, runs what is due, and ends with 0."""
    desk.connect("--name", "Main")
    with desk.running("serve", OPENLANE_HOST_LISTEN_PORT="0") as host:
        address, lines = listening(host)
        token_file = desk.data / "api-token"
        assert str(token_file) in lines[-1]
        token = token_file.read_text().strip()
        assert get(address, "/healthz")[0] == 200
        assert get(address, "/v1/integrations")[0] == 401
        assert get(address, "/v1/integrations/providers", token)[0] == 200
        desk.await_run(1, "COMPLETED")
    desk.said += "".join(lines)
    assert host.returncode == 0
    assert "run taken over" in desk.said
    for secret in (token, desk.token, (desk.data / "host.key").read_text().strip()):
        assert secret not in desk.said


def test_an_api_without_a_worker_leaves_the_work(desk: Desk) -> None:
    """With ``--no-worker`` nothing runs in it, and a worker beside it takes what is due."""
    desk.connect("--name", "Main")
    settings = {"OPENLANE_HOST_LISTEN_PORT": "0", "OPENLANE_HOST_API_TOKEN": "an-api-token-of-this-test"}
    with desk.running("serve", "--no-worker", **settings) as host:
        address, lines = listening(host)
        assert "OPENLANE_HOST_API_TOKEN" in lines[-1]
        with desk.running("worker"):
            desk.await_run(1, "COMPLETED")
        assert get(address, "/v1/integrations/providers", settings["OPENLANE_HOST_API_TOKEN"])[0] == 200
    assert host.returncode == 0
    assert not (desk.data / "api-token").exists()
    assert settings["OPENLANE_HOST_API_TOKEN"] not in desk.said + "".join(lines)


def test_an_address_that_is_taken_is_told(desk: Desk) -> None:
    """A port that another has is a setting to correct, and nothing was begun."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = desk.run("serve", OPENLANE_HOST_LISTEN_PORT=str(taken.getsockname()[1]))
    assert refused.returncode == 78
    assert "[host_setting_invalid]" in refused.stderr


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_a_worker_that_is_stopped_gives_its_run_back(desk: Desk, command: str) -> None:
    """Told twice to end, it ends at once with 0, and the next start makes a new attempt of what it was on."""
    desk.connect("--name", "Main")
    desk.fake.inject(Fault.slow(60), nth=4, times=None)
    with desk.running(command, OPENLANE_HOST_LISTEN_PORT="0") as worker:
        desk.await_run(1, "RUNNING")
        # Two kinds, as a second of the same kind could come before the first was handled, and be one with it.
        worker.send_signal(signal.SIGTERM)
        worker.send_signal(signal.SIGINT)
        worker.wait(60)
    assert worker.returncode == 0
    assert desk.await_run(1, "PENDING")["attempt"] == 2
    desk.fake.clear_faults()
    assert "=> run 1 COMPLETED, attempt 2" in desk.run("sync", "Main").stdout


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_one_thread_takes_all_signals_that_end_a_service(desk: Desk, command: str) -> None:
    """SIGTERM and SIGINT are blocked in every thread but the one that waits for them, so that none is swallowed."""
    desk.connect("--name", "Main")
    both = 1 << signal.SIGTERM - 1 | 1 << signal.SIGINT - 1
    with desk.running(command, OPENLANE_HOST_LISTEN_PORT="0") as service:
        desk.await_run(1, "COMPLETED")
        statuses = [(task / "status").read_text() for task in Path(f"/proc/{service.pid}/task").iterdir()]
    masks = [int(re.findall(r"^SigBlk:\s*(\w+)$", status, re.MULTILINE)[0], 16) for status in statuses]
    assert sorted(mask & both for mask in masks) == [0] + [both] * (len(masks) - 1)
    assert service.returncode == 0


def test_key_and_tables_are_looked_after(desk: Desk) -> None:
    """Rotation seals anew with a new key and leaves the host working; migrating twice changes nothing."""
    assert "brought from step none" in desk.run("migrate").stdout
    assert "already" in desk.run("migrate").stdout
    desk.connect("--name", "Main")
    key = (desk.data / "host.key").read_text()
    rotated = desk.run("rotate-key")
    assert rotated.returncode == 0
    assert "1 credentials" in rotated.stdout
    assert (desk.data / "host.key").read_text() != key
    assert desk.run("sync", "Main").returncode == 0
    (desk.data / "host.key").write_text(key)
    refused = desk.run("list")
    assert refused.returncode == 78
    assert "[key_wrong]" in refused.stderr
    assert key.strip() not in desk.said


def test_a_wrong_setting_is_told_without_its_value(desk: Desk) -> None:
    """Every command names a setting that it cannot use, and exits 78."""
    refused = desk.run("list", OPENLANE_HOST_KEY="s3cret-that-is-no-key")
    assert refused.returncode == 78
    assert "OPENLANE_HOST_KEY" in refused.stderr
    nowhere = desk.run("list", OPENLANE_HOST_DATABASE_URL="mysql://host:s3cret@db.example.test/host")
    assert nowhere.returncode == 78
    assert "s3cret" not in desk.said
