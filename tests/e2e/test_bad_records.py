"""Records no real authentik should give: counted, reported, and never the end of a run."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik import Schema
from openlane_authentik.directory.completeness import Reason
from openlane_authentik.testing import Directory, FakeAuthentik, Fault, serve
from openlane_authentik.testing.faults import Outcome
from tests.e2e.command import environment, run
from tests.support import KeepingSink, SimulatedClock, run_sync

_RELEASES = ["2025.4", "2025.12"]
_USERS = "core/users/"
_GROUPS = "core/groups/"
Change = Callable[[list[dict[str, Any]]], object]


def _directory(users: int = 40) -> Directory:
    return Directory.generate(users=users, groups=5, seed=8)


def _changing(change: Change) -> Fault:
    """Return a fault that changes the rows of every page of a list."""

    def apply(answer: Any) -> Outcome:
        page = json.loads(answer.body)
        if page.get("results"):
            change(page["results"])
        return Outcome(replace(answer, body=json.dumps(page).encode()))

    return Fault("changed rows", apply)


def _changed(at: str, change: Change, release: str) -> FakeAuthentik:
    fake = FakeAuthentik(_directory(), release=release)
    fake.token("viewer")
    fake.inject(_changing(change), when=lambda path, _query: path.endswith(at), times=None)
    return fake


def _synced(fake: FakeAuthentik, kind: str = "viewer") -> KeepingSink:
    _, sink = asyncio.run(run_sync(fake, kind=kind, clock=SimulatedClock()))
    return sink


def _set_on(key: Any, /, **fields: Any) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["pk"] == key:
                row.update(fields)

    return change


def _take_from(pk: Any, field: str) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            if row["pk"] == pk:
                row.pop(field, None)
                return

    return change


@pytest.mark.parametrize("release", _RELEASES)
@pytest.mark.parametrize("how", ["missing", "null", "number", "empty"])
def test_a_user_without_uid_is_counted_failed(release: str, how: str) -> None:
    """It is failed by ``no_uid``, all others are emitted, accounts and memberships are incomplete, exit 75."""
    pk = sorted(_directory().users)[4]
    bad = {"null": None, "number": 7, "empty": ""}
    change = _take_from(pk, "uid") if how == "missing" else _set_on(pk, uid=bad[how])
    fake = _changed(_USERS, change, release)
    sink = _synced(fake)
    accounts = sink.closings[Schema.ACCOUNT]
    assert accounts.failed_by == {"no_uid": 1}
    assert accounts.counts.emitted == len(fake.directory.users) - 1
    assert (accounts.snapshot_complete, accounts.reasons) == (False, [Reason.RECORDS_FAILED])
    assert sink.closings[Schema.GROUP].snapshot_complete
    assert not sink.closings[Schema.MEMBERSHIP].snapshot_complete
    assert sink.runs[0].exit_code == 75


@pytest.mark.parametrize("release", _RELEASES)
def test_a_user_without_pk_is_counted_failed(release: str) -> None:
    """It is failed by ``no_pk`` once, however often it is read; the rest goes on, the snapshot is incomplete."""
    pk = sorted(_directory().users)[4]
    fake = _changed(_USERS, _take_from(pk, "pk"), release)
    sink = _synced(fake)
    accounts = sink.closings[Schema.ACCOUNT]
    assert accounts.failed_by == {"no_pk": 1}
    assert not accounts.snapshot_complete
    assert len(sink.of(Schema.ACCOUNT)) >= len(fake.directory.users) - 1
    assert sink.runs[0].exit_code == 75


@pytest.mark.parametrize("release", _RELEASES)
@pytest.mark.parametrize("pk", ["missing", None, "", 7])
def test_a_group_without_pk_is_counted_failed(release: str, pk: Any) -> None:
    """It is failed by ``no_pk``, other groups and their memberships are emitted, the sets are incomplete."""
    wanted = sorted(_directory().groups)[2]
    change = _take_from(wanted, "pk") if pk == "missing" else _set_on(wanted, pk=pk)
    fake = _changed(_GROUPS, change, release)
    sink = _synced(fake)
    groups = sink.closings[Schema.GROUP]
    assert groups.failed_by == {"no_pk": 1}
    assert groups.counts.emitted == len(fake.directory.groups) - 1
    assert sink.closings[Schema.ACCOUNT].snapshot_complete
    assert not groups.snapshot_complete
    assert not sink.closings[Schema.MEMBERSHIP].snapshot_complete
    assert sink.runs[0].exit_code == 75
    assert not [group for _, group in sink.memberships() if group == wanted]


@pytest.mark.parametrize("release", _RELEASES)
@pytest.mark.parametrize(("at", "schema"), [(_USERS, Schema.ACCOUNT), (_GROUPS, Schema.GROUP)])
def test_duplicate_rows_are_emitted_once_and_prove_nothing(release: str, at: str, schema: Schema) -> None:
    """A row that comes twice is one record, and a list whose count does not fit its rows is not proven."""

    def twice(rows: list[dict[str, Any]]) -> None:
        rows[-1] = rows[0]

    fake = _changed(at, twice, release)
    sink = _synced(fake)
    resources = [envelope.resource for envelope in sink.of(schema)]
    assert len(resources) == len(set(resources))
    assert len(set(sink.memberships())) == len(sink.memberships())
    assert not sink.closings[schema].snapshot_complete
    assert sink.runs[0].exit_code == 75


def test_a_group_cycle_is_no_trouble() -> None:
    """Groups that are each other's parents, and a group that is its own, are read like any others."""
    directory = _directory()
    one, other, alone = sorted(directory.groups)[:3]
    directory.set_parents(one, [other])
    directory.set_parents(other, [one])
    directory.set_parents(alone, [alone])
    sink = _synced(FakeAuthentik(directory), kind="viewer_via_group")
    assert sink.runs[0].exit_code == 0
    assert len(sink.of(Schema.GROUP)) == len(directory.groups)


def test_a_member_told_twice_is_one_membership() -> None:
    """A group that is named twice by a user, and a user twice by a group, are one membership."""

    def twice(field: str) -> Change:
        return lambda rows: [row.update({field: row[field] * 2}) for row in rows]

    for at, field in ((_USERS, "groups"), (_GROUPS, "users")):
        fake = _changed(at, twice(field), "2025.12")
        sink = _synced(fake)
        assert len(sink.memberships()) == len(set(sink.memberships()))


@pytest.mark.parametrize("release", _RELEASES)
@pytest.mark.parametrize(
    "field", ["groups", "type", "email", "path", "date_joined", "last_updated", "attributes", "name"]
)
@pytest.mark.parametrize("how", ["missing", "null", "wrong type"])
def test_a_user_that_lacks_anything_else_is_emitted(release: str, field: str, how: str) -> None:
    """What is missing, null or of another type but an identifier fails no account and no run."""
    pk = sorted(_directory().users)[4]
    change = _take_from(pk, field) if how == "missing" else _set_on(pk, **{field: None if how == "null" else 7})
    fake = _changed(_USERS, change, release)
    sink = _synced(fake)
    assert sink.runs[0].exit_code in (0, 75)
    assert sink.closings[Schema.ACCOUNT].counts.emitted == len(fake.directory.users)
    records = [envelope.record for envelope in sink.of(Schema.ACCOUNT)]
    assert all(record.get(key) != "" for record in records for key in ("added_at", "organization_unit"))


@pytest.mark.parametrize("field", ["users", "name", "attributes", "is_superuser"])
@pytest.mark.parametrize("how", ["missing", "null", "wrong type"])
def test_a_group_that_lacks_anything_else_is_emitted(field: str, how: str) -> None:
    """What is missing, null or of another type but the identifier fails no group and no run."""
    pk = sorted(_directory().groups)[1]
    change = _take_from(pk, field) if how == "missing" else _set_on(pk, **{field: None if how == "null" else "x"})
    fake = _changed(_GROUPS, change, "2025.12")
    sink = _synced(fake)
    assert sink.runs[0].exit_code in (0, 75)
    assert sink.closings[Schema.GROUP].counts.emitted == len(fake.directory.groups)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1601-01-01T00:00:00Z"])
@pytest.mark.parametrize("share", ["one", "all"])
def test_dates_at_the_ends_of_time_are_read(moment: str, share: str) -> None:
    """Users whose ``date_joined`` a directory mapping set to the first or last moment there is are read like others."""
    directory = _directory(users=150)
    for pk in sorted(directory.users)[: 1 if share == "one" else None]:
        directory.update_user(pk, date_joined=moment)
    sink = _synced(FakeAuthentik(directory))
    assert sink.runs[0].exit_code == 0
    assert len(sink.of(Schema.ACCOUNT)) == len(directory.users)


def test_large_attributes_are_read() -> None:
    """A page of users with 1 MB of attributes each is read; nothing is cut."""
    directory = _directory()
    large = {"notes": "x" * 1_000_000}
    for pk in sorted(directory.users)[:20]:
        directory.update_user(pk, attributes=large)
    sink = _synced(FakeAuthentik(directory))
    assert sink.runs[0].exit_code == 0
    assert sum(envelope.record["metadata"] == large for envelope in sink.of(Schema.ACCOUNT)) == 20


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(deadline=None, derandomize=True, max_examples=30)
@given(_TEXT, _TEXT, st.dictionaries(_TEXT, _TEXT | st.integers() | st.none(), max_size=3), _TEXT)
def test_any_unicode_comes_out_as_it_went_in(name: str, email: str, attributes: dict[str, Any], group: str) -> None:
    """Names, e-mails, attributes and group names of any characters, U+0000 and astral ones included, are unchanged."""
    directory = Directory.generate(users=4, groups=2, seed=8)
    user, group_pk = min(directory.users), min(directory.groups)
    directory.update_user(user, name=name, email=email, attributes=attributes)
    directory.rename_group(group_pk, group)
    sink = _synced(FakeAuthentik(directory))
    assert sink.runs[0].exit_code == 0
    raw = {envelope.payload["pk"]: envelope for envelope in sink.of(Schema.ACCOUNT)}[user]
    assert (raw.payload["name"], raw.payload["email"], raw.payload["attributes"]) == (name, email, attributes)
    assert raw.record["canonical_email"] == email.lower()
    assert {e.resource: e.record["display_name"] for e in sink.of(Schema.GROUP)}[group_pk] == group


def test_a_failed_record_exits_75_and_the_output_says_why(tmp_path: Path) -> None:
    """Through the command line, too: the rest is written, the closing names the cause, the exit code is 75."""
    pk = sorted(_directory().users)[4]
    fake = _changed(_USERS, _take_from(pk, "uid"), "2025.12")
    output = tmp_path / "out.ndjson"
    with serve(fake) as server:
        env = environment(AUTHENTIK_BASE_URL=server.url, AUTHENTIK_TOKEN=fake.token())
        ran = run("sync", "--output", output, env=env)
    assert ran.returncode == 75
    closings = [line for line in map(json.loads, output.read_text().splitlines()) if line["type"] == "payloadSet"]
    assert closings[0]["failedBy"] == {"no_uid": 1}
    assert "records_failed" in ran.stderr
