"""What is read of the directory: lists, the change log and exports, now and as of any run."""

import csv
import io
import random
from typing import Any

import msgspec
import pytest

from openlane_authentik import Schema
from openlane_authentik.host.database.tables import sync_run
from openlane_authentik.host.errors import InvalidRequestError, UnknownRecordError
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.export import ExportFormat, export
from openlane_authentik.host.store.lists import Record, list_changes, list_records
from tests.host.in_process import changes_of, episodes, stored, sync_now
from tests.host.running import look_up
from tests.host.scripted import Script, scripted
from tests.support import SimulatedClock


def _pages(host: Host, schema: Schema, installation_id: str, limit: int, **which: Any) -> list[Record]:
    """Read a list to its end, some records at a time."""
    found: list[Record] = []
    mark = None
    while True:
        page = list_records(host.database, schema, installation_id, after=mark, limit=limit, **which)
        assert len(page.items) <= limit
        found += page.items
        if page.next is None:
            return found
        mark = page.next


def _ids(records: list[Record]) -> list[str]:
    return [record.external_id for record in records]


def _found(host: Host, installation_id: str, search: str, **which: Any) -> set[str]:
    return set(_ids(_pages(host, Schema.ACCOUNT, installation_id, 2, search=search, **which)))


def _model(script: Script) -> dict[Schema, set[tuple[str, str]]]:
    return {
        Schema.ACCOUNT: {(key, "") for key in script.accounts},
        Schema.GROUP: {(key, "") for key in script.groups},
        Schema.MEMBERSHIP: set(script.memberships),
    }


def _lived(host: Host, clock: SimulatedClock) -> tuple[Host, str, dict[int, Any], dict[int, Any]]:
    """Return an installation with twelve runs, and by run what it should know and what it knew right after it."""
    chance = random.Random(5)
    opened, script, saved = scripted(host, breaker_share=1.0)
    script.people(30, groups=3)
    true, then = {}, {}
    for number in range(1, 13):
        for uid in chance.sample(sorted(script.accounts), 4):
            script.drop(uid)
        for who in chance.sample(range(40), 4):
            script.accounts[f"u{who:03}"] = {"display_name": f"Person {who} of run {number}"}
            script.memberships |= {(f"u{who:03}", chance.choice(sorted(script.groups)))}
        script.groups["g1"] = {"display_name": f"Group of run {number}"}
        clock.elapsed += 60
        run = sync_now(opened, saved.id)
        assert run.number == number
        true[number], then[number] = _model(script), stored(opened, saved.id)
    return opened, saved.id, true, then


def test_the_directory_as_of_each_run_is_what_it_was(host: Host, clock: SimulatedClock) -> None:
    """As of any past run the directory is what it was right after it, record by record, in lists of any page size."""
    opened, installation_id, true, then = _lived(host, clock)
    for number, model in true.items():
        past = stored(opened, installation_id, as_of=number)
        assert past == then[number]
        assert {schema: set(records) for schema, records in past.items()} == model
        for schema in Schema:
            records = _pages(opened, schema, installation_id, 7, as_of=number)
            keys = [(record.external_id, record.group_id or "") for record in records]
            assert len(keys) == len(set(keys))
            assert set(keys) == model[schema]
            since = {key: _since(opened, schema, number, *key) for key in keys}
            assert {key: one.first_seen_at for key, one in zip(keys, records, strict=True)} == since


def _since(host: Host, schema: Schema, number: int, external_id: str, group_id: str) -> str:
    """Return when the episode began that was there with a run."""
    began = {look.number: look.completed_at or "" for look in look_up(host.database, sync_run)}
    rows = episodes(host, schema, external_id, group_id)
    since: str = max(row.first_seen_at for row in rows if row.first_seen_at <= began[number])
    return since


def test_lists_give_every_record_once(host: Host, clock: SimulatedClock) -> None:
    """Page by page, whatever the size of a page, each record comes once and in order: by name and then id."""
    opened, installation_id, true, _ = _lived(host, clock)
    for schema in Schema:
        whole = _pages(opened, schema, installation_id, 1000)
        assert {(record.external_id, record.group_id or "") for record in whole} == true[12][schema]
        for limit in (1, 2, 5, len(whole)):
            assert _pages(opened, schema, installation_id, limit) == whole
    names = [
        msgspec.json.decode(record.record)["display_name"]
        for record in _pages(opened, Schema.ACCOUNT, installation_id, 9)
    ]
    assert names == sorted(names, key=str.casefold)


def test_memberships_are_listed_by_account_and_by_group(host: Host, clock: SimulatedClock) -> None:
    """Asked of one account or one group the list has its memberships and no other, with both ids in the record."""
    opened, installation_id, true, _ = _lived(host, clock)
    pairs = true[12][Schema.MEMBERSHIP]
    uid = min(pairs)[0]
    for which, expected in (
        ({"account": uid}, {pair for pair in pairs if pair[0] == uid}),
        ({"group": "g1"}, {pair for pair in pairs if pair[1] == "g1"}),
    ):
        records = _pages(opened, Schema.MEMBERSHIP, installation_id, 3, **which)
        assert {(record.external_id, record.group_id) for record in records} == expected
        told = [msgspec.json.decode(record.record) for record in records]
        assert {(one["directory_account_id"], one["directory_group_id"]) for one in told} == expected


def test_a_search_takes_every_character_as_it_is(host: Host, clock: SimulatedClock) -> None:
    """Case does not matter in any script; percent, underscore and slashes are characters like others, as of any run."""
    opened, script, saved = scripted(host)
    names = {
        "a": "Ünal ÖZTÜRK",
        "b": "ΟΔΥΣΣΕΥΣ",
        "c": "100% Sure",
        "d": "100 Percent",
        "e": "snake_case",
        "f": "snakeXcase",
        "g": "Straße",
        "h": "back\\slash/es",
        "i": "Иван",
        "j": "",
    }
    script.accounts = {f"id-{key}": {"display_name": name} for key, name in names.items()}
    sync_now(opened, saved.id)
    script.accounts["id-i"] = {"display_name": "Пётр"}
    clock.elapsed += 60
    sync_now(opened, saved.id)
    for search, expected in (
        ("öztürk", "a"),
        ("ünAL ö", "a"),
        ("οδυσσευς", "b"),
        ("100%", "c"),
        ("100", "cd"),
        ("E_c", "e"),
        ("STRASSE", "g"),
        ("k\\s", "h"),
        ("h/e", "h"),
        ("ПЁТР", "i"),
        ("иван", ""),
        ("ID-J@EXAMPLE", "j"),
        ("%", "c"),
        ("_", "e"),
        ("", "abcdefghij"),
    ):
        assert _found(opened, saved.id, search) == {f"id-{key}" for key in expected}, search
        assert _found(opened, saved.id, search, as_of=2) == {f"id-{key}" for key in expected}, search
    assert _found(opened, saved.id, "ИВАН", as_of=1) == {"id-i"}
    assert {line.external_id for line in changes_of(opened, saved.id, search="ПЁТР")} == {"id-i"}


def test_changes_are_listed_by_run_record_and_kind(host: Host, clock: SimulatedClock) -> None:
    """The log answers when a person was deactivated, and which run saw it; page by page each line comes once."""
    opened, installation_id, _, _ = _lived(host, clock)
    lines = changes_of(opened, installation_id)
    assert [line.run_number for line in lines] == sorted(line.run_number for line in lines)
    uid = next(line.external_id for line in lines if line.kind == "returned")
    of_it = changes_of(opened, installation_id, external_id=uid, schema=Schema.ACCOUNT)
    assert of_it == [line for line in lines if (line.schema, line.external_id) == ("DirectoryAccount", uid)]
    removed = [line for line in of_it if line.kind == "removed"]
    assert all(line.before is not None and line.after is None for line in removed)
    assert changes_of(opened, installation_id, kind="removed") == [line for line in lines if line.kind == "removed"]
    run_id = lines[-1].run_id
    some: list[Any] = []
    mark = None
    while True:
        page = list_changes(opened.database, installation_id, run_id=run_id, after=mark, limit=3)
        some += page.items
        if (mark := page.next) is None:
            break
    assert some == [line for line in lines if line.run_id == run_id]


def test_what_does_not_exist_is_said_so(host: Host, clock: SimulatedClock) -> None:
    """A run that never was, and a mark of another list or of nobody's making, are refused, and not answered wrongly."""
    opened, installation_id, _, _ = _lived(host, clock)
    for never in (0, 13):
        with pytest.raises(UnknownRecordError, match=f"run {never}"):
            list_records(opened.database, Schema.ACCOUNT, installation_id, as_of=never)
        with pytest.raises(UnknownRecordError, match=f"run {never}"):
            list(export(opened.database, installation_id, ExportFormat.CSV, as_of=never))
    mark = list_records(opened.database, Schema.MEMBERSHIP, installation_id, limit=1).next
    huge = list_changes(opened.database, installation_id, limit=1).next
    assert huge is not None
    for wrong in (mark, huge, "", "x", "%%%", "ünicode"):
        with pytest.raises(InvalidRequestError):
            list_records(opened.database, Schema.ACCOUNT, installation_id, after=wrong)
    with pytest.raises(InvalidRequestError):
        list_changes(opened.database, installation_id, after=mark)


def _exported(host: Host, installation_id: str, as_of: int | None = None) -> list[dict[str, str]]:
    """Export as CSV; what NDJSON says must be the same."""
    text = b"".join(export(host.database, installation_id, ExportFormat.CSV, as_of=as_of)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    lines = b"".join(export(host.database, installation_id, ExportFormat.NDJSON, as_of=as_of)).splitlines()
    about, *told = map(msgspec.json.decode, lines)
    assert about["export"]["rows"] == len(told)
    people = [{key: row[key] for key in row if not key.startswith("export")} for row in rows if row["accountId"]]
    assert [{key: value.removeprefix("'") for key, value in row.items()} for row in people] == [
        {key: value or "" for key, value in line.items()} for line in told
    ]
    return people


def test_an_export_says_who_has_what_now_and_then(host: Host, clock: SimulatedClock) -> None:
    """Every account has a line for each group, one without a group if it has none; names are those of the run."""
    opened, installation_id, true, then = _lived(host, clock)
    for as_of in (None, 1, 7, 12):
        number = as_of or 12
        rows = _exported(opened, installation_id, as_of)
        pairs = true[number][Schema.MEMBERSHIP]
        without = {uid for uid, _ in true[number][Schema.ACCOUNT]} - {uid for uid, _ in pairs}
        assert sorted((row["accountId"], row["groupId"]) for row in rows) == sorted(
            pairs | {(uid, "") for uid in without}
        )
        for row in rows:
            assert row["displayName"] == then[number][Schema.ACCOUNT][row["accountId"], ""]["display_name"]
            if row["groupId"] == "g1":
                assert row["groupName"] == f"Group of run {number}"
            assert bool(row["since"]) == bool(row["groupId"])


def test_an_export_is_harmless_in_a_spreadsheet(host: Host) -> None:
    """A cell that a spreadsheet would run as a formula is led by an apostrophe; NDJSON gives it as it is."""
    opened, script, saved = scripted(host)
    wild = ["=HYPERLINK(1)", "+1", "-1", "@SUM", "\tx", "\rx", 'quote "and", comma', "two\nlines", "plain"]
    script.accounts = {f"u{number}": {"display_name": name} for number, name in enumerate(wild)}
    script.groups = {"g": {"display_name": "=cmd|' /C calc'!A0"}}
    script.memberships = {("u8", "g")}
    sync_now(opened, saved.id)
    rows = _exported(opened, saved.id)
    assert [row["displayName"] for row in rows] == [f"'{name}" for name in wild[:6]] + wild[6:]
    assert rows[-1]["groupName"] == "'=cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("a;=cmd", "a;'=cmd"),
        ("a\t+1", "a\t'+1"),
        ("a\n@SUM", "a\n'@SUM"),
        ("\n=1", "'\n'=1"),
        (" =1", "' =1"),
        ('"=1', "'\"=1"),
        ("\uff1d1", "'\uff1d1"),
        ("a,\uff0b1", "a,'\uff0b1"),
        ("\uff0d1;\uff201", "'\uff0d1;'\uff201"),
        ("O'Brien; Müller-Lüdenscheidt", "O'Brien; Müller-Lüdenscheidt"),
        ("a-b+c=d@e", "a-b+c=d@e"),
    ],
)
def test_no_separator_of_any_country_lets_a_formula_through(host: Host, name: str, cell: str) -> None:
    """Wherever a spreadsheet may begin a cell an apostrophe stands before a formula, and nowhere else."""
    opened, script, saved = scripted(host)
    script.accounts = {"u1": {"display_name": name}}
    sync_now(opened, saved.id)
    text = b"".join(export(opened.database, saved.id, ExportFormat.CSV)).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["displayName"] == cell


def test_an_export_of_nobody_is_a_header(host: Host) -> None:
    """Before the first run there is nobody to tell of."""
    opened, _, saved = scripted(host)
    assert _exported(opened, saved.id) == []
    header = b"".join(export(opened.database, saved.id, ExportFormat.CSV))
    assert header.startswith(b"\xef\xbb\xbfaccountId,displayName,email,accountType,status,groupId,groupName,")
