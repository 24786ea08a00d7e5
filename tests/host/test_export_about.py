"""An export says in itself of what it is."""

import csv
import io
from typing import Any

import msgspec

from openlane_authentik import Schema
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.export import ExportFormat, export
from tests.host.in_process import sync_now
from tests.host.scripted import Script, save_scripted, scripted
from tests.host.support import ORGANISATION
from tests.support import SimulatedClock

_FILTER = "payload.type == 'internal'"


def _lines(host: Host, installation_id: str, as_of: int | None = None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what NDJSON says of itself, and its lines."""
    text = b"".join(export(host.database, installation_id, ExportFormat.NDJSON, as_of=as_of, clock=host.clock))
    first, *rest = map(msgspec.json.decode, text.splitlines())
    return first["export"], rest


def _table(host: Host, installation_id: str, as_of: int | None = None) -> list[dict[str, str]]:
    chunks = export(host.database, installation_id, ExportFormat.CSV, as_of=as_of, clock=host.clock)
    return list(csv.DictReader(io.StringIO(b"".join(chunks).decode("utf-8-sig"))))


def _lived(host: Host, clock: SimulatedClock) -> tuple[Host, Script, str]:
    """Return an installation whose first run was filtered and proven, and whose second was neither."""
    opened, script, saved = scripted(host, name="Main", user_input={"filterExpr": _FILTER})
    script.people(3, groups=2)
    script.accounts["u000"] |= {"secondary_key": "ada", "last_login_at": "2026-01-02T03:04:05.000000Z"}
    script.memberships -= {("u002", "g0"), ("u002", "g1")}
    sync_now(opened, saved.id)
    save_scripted(opened, saved.id, name="Main")
    script.reasons = {Schema.MEMBERSHIP: ["page_drift"]}
    clock.elapsed += 60
    sync_now(opened, saved.id)
    return opened, script, saved.id


def test_an_export_says_of_what_it_is(host: Host, clock: SimulatedClock) -> None:
    """Directory, run, instant, the filter of that run, and the proof of each set; now, and as of a past run."""
    opened, _, one = _lived(host, clock)
    now, lines = _lines(opened, one)
    assert {key: now[key] for key in ("organisation", "installation", "installationId", "directory")} == {
        "organisation": ORGANISATION,
        "installation": "Main",
        "installationId": one,
        "directory": one,
    }
    assert (now["writtenAt"], now["asOf"], now["run"], now["filter"]) == (opened.now(), "now", 2, "")
    assert now["groupsSynced"] is True
    assert now["proof"]["DirectoryAccount"] == {"proven": True, "reasons": []}
    assert now["proof"]["DirectoryMembership"] == {"proven": False, "reasons": ["page_drift"]}
    assert now["rows"] == len(lines) == 5
    then, _ = _lines(opened, one, 1)
    assert (then["asOf"], then["run"], then["filter"]) == ("run 1", 1, _FILTER)
    assert then["runEndedAt"] < now["runEndedAt"]
    assert all(proof["proven"] for proof in then["proof"].values())
    assert "lastLoginAt" in then["notKnown"]


def test_a_table_says_it_beside_every_row(host: Host, clock: SimulatedClock) -> None:
    """The first line is the header, every other one is a row of people, and each tells what NDJSON tells once."""
    opened, _, one = _lived(host, clock)
    rows = _table(opened, one)
    assert [row["accountId"] for row in rows] == ["u000", "u000", "u001", "u001", "u002"]
    assert (rows[0]["username"], rows[0]["lastLoginAt"]) == ("ada", "2026-01-02T03:04:05.000000Z")
    about, _ = _lines(opened, one)
    for row in rows:
        assert row["exportInstallationId"] == one
        assert (row["exportRun"], row["exportRunEndedAt"]) == ("2", about["runEndedAt"])
        assert row["exportProof"].endswith("DirectoryMembership not proven (page_drift)")
        assert row["exportRows"] == "5"
    assert {row["exportFilter"] for row in _table(opened, one, 1)} == {_FILTER}


def test_a_directory_without_groups_says_so(host: Host) -> None:
    """An account without a group means something else where groups are not read."""
    opened, script, saved = scripted(host)
    script.people(1)
    script.synced = (Schema.ACCOUNT,)
    sync_now(opened, saved.id)
    about, _ = _lines(opened, saved.id)
    assert about["groupsSynced"] is False
    assert set(about["proof"]) == {"DirectoryAccount"}


def test_an_export_of_nobody_still_says_of_what_it_is(host: Host) -> None:
    """Before the first run there is no run to name; one line without an account tells the rest."""
    opened, _, saved = scripted(host, name="Main")
    about, lines = _lines(opened, saved.id)
    assert lines == []
    assert (about["installation"], about["run"], about["proof"], about["rows"]) == ("Main", None, None, 0)
    (row,) = _table(opened, saved.id)
    assert (row["accountId"], row["exportInstallation"], row["exportRun"]) == ("", "Main", "")


def test_a_run_that_failed_is_not_named(host: Host, clock: SimulatedClock) -> None:
    """What is shown after a run that failed is of the run before."""
    opened, script, one = _lived(host, clock)
    script.error = OSError()
    sync_now(opened, one)
    assert _lines(opened, one)[0]["run"] == 2
