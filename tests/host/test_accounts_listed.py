"""Accounts are found and listed by their username, with the last login."""

import pytest

from openlane_authentik import Schema
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.lists import Record, list_records
from tests.host.in_process import changes_of, sync_now
from tests.host.scripted import scripted
from tests.support import SimulatedClock

_LONG = "ü" * 3_999 + "z"
_LOGIN = "2026-01-02T03:04:05.000000Z"


def _listed(host: Host, installation_id: str, search: str = "", as_of: int | None = None) -> dict[str, Record]:
    found: dict[str, Record] = {}
    mark = None
    while True:
        page = list_records(
            host.database, Schema.ACCOUNT, installation_id, search=search, as_of=as_of, after=mark, limit=1
        )
        found |= {record.external_id: record for record in page.items}
        mark = page.next
        if mark is None:
            return found


def test_a_username_finds_its_account(host: Host, clock: SimulatedClock) -> None:
    """In any script and case, however long; now and as of the run that knew it; an account may have none."""
    opened, script, saved = scripted(host)
    names = {"a": "Åsa.Öberg", "b": "ΟΔΥΣΣΕΥΣ", "c": "x_100%", "d": _LONG, "e": None}
    script.accounts = {
        f"id-{key}": {"display_name": f"Person {key}"} | ({"secondary_key": name} if name else {})
        for key, name in names.items()
    }
    script.accounts["id-a"]["last_login_at"] = _LOGIN
    sync_now(opened, saved.id)
    everybody = _listed(opened, saved.id)
    assert {key.removeprefix("id-"): record.username for key, record in everybody.items()} == names
    assert {record.last_login_at for record in everybody.values()} == {_LOGIN, None}
    for search, expected in (("åSA.ö", "a"), ("οδυσσευς", "b"), ("X_1", "c"), ("0%", "c"), (_LONG.upper(), "d")):
        for as_of in (None, 1):
            assert set(_listed(opened, saved.id, search, as_of)) == {f"id-{expected}"}, (search, as_of)
    script.accounts["id-a"]["secondary_key"] = "renamed"
    clock.elapsed += 60
    sync_now(opened, saved.id)
    assert not _listed(opened, saved.id, "åsa")
    assert _listed(opened, saved.id, "åsa", 1)["id-a"].username == "Åsa.Öberg"
    assert [line.fields for line in changes_of(opened, saved.id, kind="changed")] == [["secondary_key"]]


@pytest.mark.parametrize("name", ["x" * 4000, "Ä" * 4000, "👩" * 4000])
def test_a_page_goes_on_behind_the_longest_names(host: Host, name: str) -> None:
    """Names that begin with the same thousands of characters are each listed once; a mark fits into an address."""
    opened, script, saved = scripted(host)
    script.accounts = {f"u{number}": {"display_name": f"{name}{number % 3}"} for number in range(9)}
    script.accounts["first"], script.accounts["last"] = {"display_name": "A"}, {"display_name": "\U0010fffd"}
    sync_now(opened, saved.id)
    for limit in (1, 2, 4):
        found: list[str] = []
        mark: str | None = None
        while True:
            page = list_records(opened.database, Schema.ACCOUNT, saved.id, after=mark, limit=limit)
            found += [record.external_id for record in page.items]
            mark = page.next
            if mark is None:
                break
            assert len(mark) < 2000
        assert sorted(found) == sorted(script.accounts)
        assert (found[0], found[-1]) == ("first", "last")


def test_who_is_renamed_between_two_pages_hides_nobody(host: Host) -> None:
    """Where the record that a page ended with is not as it was, others may come twice, and none is left out."""
    opened, script, saved = scripted(host)
    script.accounts = {f"u{number}": {"display_name": "x" * 300 + str(number)} for number in range(6)}
    sync_now(opened, saved.id)
    page = list_records(opened.database, Schema.ACCOUNT, saved.id, limit=3)
    script.accounts[page.items[-1].external_id] = {"display_name": "Somebody else"}
    sync_now(opened, saved.id)
    rest = list_records(opened.database, Schema.ACCOUNT, saved.id, after=page.next, limit=100)
    assert {"u3", "u4", "u5"} <= {record.external_id for record in rest.items}
