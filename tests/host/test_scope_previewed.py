"""What a save would take out of the directory is counted first, and more than the limits has to be confirmed."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest

from openlane_authentik import Schema
from openlane_authentik.emit.filter_copy import FilterCopy
from openlane_authentik.host.database.connections import reading
from openlane_authentik.host.errors import UnconfirmedScopeError
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import disconnect, get_installation
from openlane_authentik.host.installations.rotation import rotate
from openlane_authentik.host.runs.concerns import list_concerns
from openlane_authentik.host.store.filter_copies import read_copies
from openlane_authentik.host.vault import Vault
from openlane_authentik.host.vault.keys import GivenKeys, new_key
from openlane_authentik.operations.filter_copy import read_copy
from tests.host.firm import Firm
from tests.host.searching import every_column, found_in
from tests.support import SimulatedClock

_TYPO = "payload.is_activ == true"
_EVERYTHING = 16 + 2 + 27
_FILTERS = {
    _TYPO: _EVERYTHING,
    "payload.type == 'intern'": _EVERYTHING,
    "!payload.name.startsWith('staff')": 12 + 24,
    "!has(payload.type) || payload.type != 'internal'": 12 + 24,
    "!payload.name.startsWith('Sales')": 1 + 15,
    "has(payload.username)": 2 + 27,
    "size(payload.avatar) > 5000 || size(payload.groups) > 5": _EVERYTHING,
}


@pytest.fixture
def firm(host: Host, clock: SimulatedClock) -> Firm:
    """Return a firm that was synced twice: in full, and by a delta that brought somebody."""
    firm = Firm(host, clock, guests=2)
    firm.sync()
    firm.hire("guest-2", "external", firm.sales)
    firm.sync()
    assert firm.mode == "delta"
    assert firm.there() == {Schema.ACCOUNT: 16, Schema.GROUP: 2, Schema.MEMBERSHIP: 27}
    return firm


def _refused(firm: Firm, **request: Any) -> UnconfirmedScopeError:
    """Save without the word that is needed; return the refusal."""
    with pytest.raises(UnconfirmedScopeError) as refused:
        firm.save(**{"confirmed": 0} | request)
    return refused.value


def _copies(firm: Firm) -> Sequence[FilterCopy]:
    with reading(firm.host.database) as held:
        return read_copies(held, firm.host.vault, firm.saved.id)


def _read_lists(firm: Firm, before: int) -> bool:
    """Whether authentik was asked for more than one record at once since, as no health check does."""
    return any(info.rows > 1 for info in firm.fake.requests[before:])


@pytest.mark.parametrize("expression", _FILTERS)
@pytest.mark.parametrize("kept", [True, False], ids=["by copy", "live"])
def test_what_is_told_at_the_save_is_what_the_next_run_drops(
    host: Host, clock: SimulatedClock, expression: str, *, kept: bool
) -> None:
    """The refusal tells how many records; confirmed, the next run logs exactly so many as out of scope."""
    firm = Firm(host, clock, keep_filter_copy=kept)
    firm.sync()
    refused = _refused(firm, keep_filter_copy=kept, user_input={"filterExpr": expression})
    assert (refused.records, refused.code, refused.status) == (_FILTERS[expression], "scope_unconfirmed", 409)
    assert f"{refused.records:,} records" in str(refused)
    assert firm.sync() == {}
    firm.save(keep_filter_copy=kept, user_input={"filterExpr": expression}, confirmed=refused.records)
    logged = list(firm.sync().values())
    assert logged == ["out_of_scope"] * refused.records


def test_a_refused_save_stores_nothing(firm: Firm) -> None:
    """Filter, name, limits and copies are what they were, and the next run drops nobody."""
    before, copies = get_installation(firm.host, firm.saved.id), _copies(firm)
    refused = _refused(firm, user_input={"filterExpr": _TYPO, "name": "Other"}, breaker_share=0.3)
    assert "16 of 16 accounts" in str(refused)
    assert "is_activ" in str(refused)
    assert get_installation(firm.host, firm.saved.id) == before
    assert _copies(firm) == copies
    assert firm.sync() == {}


def test_a_smaller_number_confirms_nothing(firm: Firm) -> None:
    """Who confirmed so many, and not more, did not mean more; the number told, or a larger one, does."""
    assert _refused(firm, user_input={"filterExpr": _TYPO}, confirmed=_EVERYTHING - 1).records == _EVERYTHING
    firm.save(user_input={"filterExpr": _TYPO}, confirmed=_EVERYTHING)


def test_what_the_limits_allow_is_not_asked_about(firm: Firm) -> None:
    """Three guests and their memberships of sixteen accounts: as few as a run may remove unasked go by the save alone.

    With a smaller limit the same save is asked about.
    """
    few = {"user_input": {"filterExpr": "!has(payload.type) || payload.type == 'internal'"}}
    refused = _refused(firm, **few, breaker_share=0.1, breaker_least=1)
    firm.save(**few, confirmed=0)
    assert len(firm.sync()) == refused.records


def test_switching_groups_off_is_counted(firm: Firm) -> None:
    """Groups and memberships that are synced no more go out of scope, whatever the filter keeps."""
    refused = _refused(firm, user_input={"disableGroupSync": True})
    assert "2 of 2 groups, 27 of 27 memberships" in str(refused)
    firm.save(user_input={"disableGroupSync": True}, confirmed=refused.records)
    assert list(firm.sync().values()) == ["out_of_scope"] * refused.records


def test_a_save_that_leaves_the_scope_alone_is_not_counted(firm: Firm) -> None:
    """Name and limits change nothing of whom is synced: neither the copies nor authentik's lists are looked at."""
    firm.save(user_input={"filterExpr": _TYPO}, confirmed=_EVERYTHING)
    firm.sync()
    before = len(firm.fake.requests)
    firm.save(user_input={"filterExpr": _TYPO, "name": "Other"}, breaker_share=0.3, confirmed=0)
    assert not _read_lists(firm, before)


def test_a_filter_is_judged_on_the_copy_and_authentik_is_not_read(firm: Firm) -> None:
    """By copies no list is read; switched off there are none, and the lists are read."""
    before = len(firm.fake.requests)
    _refused(firm, user_input={"filterExpr": _TYPO})
    assert not _read_lists(firm, before)
    firm.save(keep_filter_copy=False)
    assert _copies(firm) == []
    before = len(firm.fake.requests)
    _refused(firm, user_input={"filterExpr": _TYPO}, keep_filter_copy=False)
    assert _read_lists(firm, before)
    firm.sync()
    assert _copies(firm) == []


def test_a_copy_holds_everybody_whom_the_filter_leaves_out(firm: Firm) -> None:
    """A whole sync replaces all copies, a delta adds one; together they are the directory at authentik."""
    assert [copy.whole for copy in _copies(firm)] == [True, False]
    firm.save(user_input={"filterExpr": "payload.type == 'external'"})
    firm.sync()
    (whole,) = _copies(firm)
    assert {raw["uid"] for raw in read_copy([whole.accounts])} == {
        user["uid"] for user in firm.directory.users.values()
    }
    refused = _refused(firm, user_input={"filterExpr": "payload.type == 'internal'"}, breaker_share=0, breaker_least=1)
    assert refused.records == 3


def test_who_is_out_of_scope_is_nowhere_readable(firm: Firm, database_url: str) -> None:
    """Copy and checkpoint hold them, and lie sealed in the database."""
    firm.save(user_input={"filterExpr": "!payload.username.startsWith('secret')"})
    firm.hire("secret-person", "internal", firm.everybody, name="Sealed Name", email="sealed@firm.example")
    firm.sync()
    copied = [raw["email"] for raw in read_copy([copy.accounts for copy in _copies(firm)])]
    assert "sealed@firm.example" in copied
    places = every_column(database_url)
    assert found_in(places, ["staff-1"])
    hidden = ["secret-person", firm.uid("secret-person"), "Sealed Name", "sealed@firm.example"]
    assert found_in(places, hidden) == {}


def test_disconnecting_deletes_the_copies(firm: Firm) -> None:
    """As it does the token. Connected again the filter is counted on what authentik answers."""
    disconnect(firm.host, firm.saved.id)
    assert _copies(firm) == []
    before = len(firm.fake.requests)
    assert _refused(firm, user_input={"filterExpr": _TYPO}).records == _EVERYTHING
    assert _read_lists(firm, before)


def test_a_new_key_seals_copies_and_checkpoint_anew(firm: Firm) -> None:
    """After a rotation they open with the new key alone, so that the next run is a delta as ever."""
    before = _copies(firm)
    rotate(firm.host)
    assert _copies(firm) == before
    firm.sync()
    assert firm.mode == "delta"


def test_a_copy_that_does_not_open_is_not_needed(firm: Firm) -> None:
    """With another key than it was sealed with authentik is read, and the next whole sync makes a new copy."""
    firm.host = dataclasses.replace(firm.host, vault=Vault(GivenKeys(new_key())))
    before = len(firm.fake.requests)
    assert _refused(firm, user_input={"filterExpr": _TYPO}).records == _EVERYTHING
    assert _read_lists(firm, before)


def test_a_first_run_that_keeps_nobody_needs_attention(host: Host, clock: SimulatedClock) -> None:
    """Before the first sync nothing can be counted, so the save passes; what came of it is told until it is mended."""
    firm = Firm(host, clock, user_input={"filterExpr": _TYPO})
    warned = {warning["code"] for warning in get_installation(host, firm.saved.id).filter_warnings}
    assert warned == {"filter_unknown_field", "filter_never_matches"}
    firm.sync()
    (concern,) = get_installation(host, firm.saved.id).concerns
    assert (concern.code, concern.schema) == ("nobody_kept", Schema.ACCOUNT)
    assert "none of 16 accounts" in concern.message
    firm.save(user_input={"filterExpr": "has(payload.pk)"})
    firm.sync()
    assert get_installation(host, firm.saved.id).concerns == []
    with reading(host.database) as held:
        assert [one.code for one in list_concerns(held, firm.saved.id, until=1)] == ["nobody_kept"]
