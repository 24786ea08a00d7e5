"""What a filter or a switch drops has left the scope; only what the directory has no more was removed."""

import pytest

from openlane_authentik import Schema
from openlane_authentik.emit.envelope import Removed
from openlane_authentik.host.attention import list_attention
from openlane_authentik.host.host import Host
from openlane_authentik.host.store.lists import list_records
from tests.host.firm import Firm
from tests.host.in_process import (
    changes_of,
    episodes,
    kinds_of,
    stored,
    sync_now,
)
from tests.host.scripted import scripted
from tests.support import SimulatedClock

INTERNAL = "!has(payload.type) || payload.type == 'internal'"
ONLY_INTERNAL = "payload.type == 'internal'"
WITHOUT_SALES = "!payload.name.startsWith('Sales')"
EVERY_RUN_FULL = {"fullSyncIntervalSeconds": 0}


@pytest.fixture
def firm(host: Host, clock: SimulatedClock) -> Firm:
    """Return a firm that was synced once, whole."""
    firm = Firm(host, clock)
    firm.sync()
    assert firm.there() == {Schema.ACCOUNT: 16, Schema.GROUP: 2, Schema.MEMBERSHIP: 27}
    return firm


def test_what_a_changed_filter_drops_left_the_scope(firm: Firm) -> None:
    """A filter that drops guests: they and their memberships left the scope, though the breaker would count them."""
    firm.save(user_input={"filterExpr": INTERNAL}, breaker_share=0, breaker_least=1)
    logged = firm.sync()
    assert set(logged.values()) == {"out_of_scope"}
    dropped = {f"guest-{number}" for number in range(3)}
    assert {key[1] for key in logged if key[0] == "DirectoryMembership"} == {firm.uid(name) for name in dropped}
    (episode,) = episodes(firm.host, Schema.ACCOUNT, firm.uid("guest-1"))
    assert (episode.removed_at, episode.out_of_scope_at) == (None, firm.host.now())
    assert list_attention(firm.host, firm.saved.id, status=None) == []


def test_who_is_deleted_while_the_filter_changes_was_removed(firm: Firm) -> None:
    """In the run of a changed filter who is kept out left the scope, and who is no more at the source was removed."""
    guest, staff = firm.uid("guest-1"), firm.uid("staff-3")
    firm.directory.delete_user(firm.people["guest-1"])
    firm.directory.delete_user(firm.people["staff-3"])
    still_there = firm.uid("guest-2")
    firm.save(user_input={"filterExpr": INTERNAL})
    logged = firm.sync()
    assert {logged["DirectoryAccount", uid, ""] for uid in (guest, staff)} == {"removed"}
    assert {logged["DirectoryMembership", uid, firm.sales] for uid in (guest, staff)} == {"removed"}
    assert logged["DirectoryAccount", still_there, ""] == "out_of_scope"
    assert logged["DirectoryMembership", still_there, firm.sales] == "out_of_scope"


@pytest.mark.parametrize("mode", ["delta", "full"])
def test_who_no_longer_matches_the_filter_left_the_scope(host: Host, clock: SimulatedClock, mode: str) -> None:
    """A person whose type changes so that the same filter drops them left the scope, in full and in delta runs."""
    config = EVERY_RUN_FULL if mode == "full" else {}
    firm = Firm(host, clock, user_input={"filterExpr": INTERNAL}, config=config)
    firm.sync()
    firm.directory.update_user(firm.people["staff-3"], type="external")
    leaver = firm.uid("staff-4")
    firm.directory.delete_user(firm.people["staff-4"])
    logged = firm.sync()
    assert firm.mode == mode
    expected = {}
    for uid, how in ((firm.uid("staff-3"), "out_of_scope"), (leaver, "removed")):
        expected[("DirectoryAccount", uid, "")] = how
        expected |= {("DirectoryMembership", uid, group): how for group in (firm.everybody, firm.sales)}
    # The groups have one member less.
    expected |= {("DirectoryGroup", group, ""): "changed" for group in (firm.everybody, firm.sales)}
    assert logged == expected
    firm.directory.update_user(firm.people["staff-3"], type="internal")
    assert set(firm.sync().values()) == {"in_scope"}
    (episode,) = episodes(firm.host, Schema.ACCOUNT, firm.uid("staff-3"))
    assert (episode.removed_at, episode.out_of_scope_at) == (None, None)


@pytest.mark.parametrize("mode", ["delta", "full"])
def test_a_group_that_the_filter_drops_takes_its_memberships_along(
    host: Host, clock: SimulatedClock, mode: str
) -> None:
    """A group renamed so that the filter drops it left the scope with its memberships; its members stay."""
    config = EVERY_RUN_FULL if mode == "full" else {}
    firm = Firm(host, clock, user_input={"filterExpr": WITHOUT_SALES}, config=config)
    firm.directory.rename_group(firm.sales, "Trade")
    firm.sync()
    firm.directory.rename_group(firm.sales, "Sales again")
    logged = firm.sync()
    assert firm.mode == mode
    assert set(logged.values()) == {"out_of_scope"}
    assert {key[0] for key in logged} == {"DirectoryGroup", "DirectoryMembership"}
    assert firm.there() == {Schema.ACCOUNT: 16, Schema.GROUP: 1, Schema.MEMBERSHIP: 12}


@pytest.mark.parametrize("gone", ["account", "group"])
def test_a_membership_of_what_is_no_more_was_removed(firm: Firm, gone: str) -> None:
    """Where the account is removed and the group only left the scope, or the other way, the membership was removed."""
    if gone == "account":
        uid, group = firm.uid("staff-1"), firm.sales
        firm.directory.delete_user(firm.people["staff-1"])
        firm.save(user_input={"filterExpr": WITHOUT_SALES})
    else:
        uid, group = firm.uid("guest-1"), firm.sales
        firm.directory.delete_group(firm.sales)
        firm.save(user_input={"filterExpr": INTERNAL}, breaker_share=1.0)
    logged = firm.sync()
    assert logged["DirectoryMembership", uid, group] == "removed"


def test_a_switch_takes_groups_out_of_the_scope(firm: Firm) -> None:
    """With groups no more synced groups and memberships left the scope; switched on again they return."""
    firm.save(user_input={"disableGroupSync": True})
    logged = firm.sync()
    assert (len(logged), set(logged.values())) == (29, {"out_of_scope"})
    assert firm.there() == {Schema.ACCOUNT: 16, Schema.GROUP: 0, Schema.MEMBERSHIP: 0}
    assert firm.sync() == {}
    firm.save(user_input={})
    logged = firm.sync()
    assert (len(logged), set(logged.values())) == (29, {"in_scope"})
    (episode,) = episodes(firm.host, Schema.MEMBERSHIP, firm.uid("guest-1"), firm.sales)
    assert (episode.episode, episode.removed_at, episode.out_of_scope_at) == (1, None, None)


def test_a_filter_that_can_match_no_group_takes_them_out_of_the_scope(firm: Firm) -> None:
    """Groups lack what the filter asks for: their set proves nothing, and yet they were seen and kept out."""
    firm.save(user_input={"filterExpr": ONLY_INTERNAL})
    logged = firm.sync()
    assert set(logged.values()) == {"out_of_scope"}
    assert firm.there() == {Schema.ACCOUNT: 12, Schema.GROUP: 0, Schema.MEMBERSHIP: 0}
    firm.save(user_input={})
    assert set(firm.sync().values()) == {"in_scope"}


def test_who_was_not_named_is_not_said_to_be_removed(host: Host) -> None:
    """Where an integration does not name whom its filter kept out, nobody can tell: they left the scope."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    sync_now(opened, saved.id)
    script.drop("u003")
    script.left_out = {Schema.ACCOUNT: [("u003",)]}
    script.unnamed = True
    run = sync_now(opened, saved.id)
    assert set(kinds_of(changes_of(opened, saved.id, run_id=run.id)).values()) == {"out_of_scope"}


def test_the_evidence_of_a_delta_tells_removed_from_out_of_scope(host: Host) -> None:
    """What a delta calls absent was removed, anything else left the scope; memberships go the way of their account."""
    opened, script, saved = scripted(host)
    script.people(30, groups=1)
    sync_now(opened, saved.id)
    kept = script.memberships - {("u001", "g0"), ("u002", "g0"), ("u003", "g0")}
    script.accounts, script.memberships = {}, kept
    script.removed = [Removed(resource="u001", evidence="absent"), Removed(resource="u002", evidence="out_of_scope")]
    run = sync_now(opened, saved.id)
    assert kinds_of(changes_of(opened, saved.id, run_id=run.id)) == {
        ("DirectoryAccount", "u001", ""): "removed",
        ("DirectoryAccount", "u002", ""): "out_of_scope",
        ("DirectoryMembership", "u001", "g0"): "removed",
        ("DirectoryMembership", "u002", "g0"): "out_of_scope",
        ("DirectoryMembership", "u003", "g0"): "removed",
    }
    assert len(stored(opened, saved.id)[Schema.ACCOUNT]) == 28


@pytest.mark.parametrize("mode", ["delta", "full"])
def test_who_leaves_while_out_of_scope_was_removed(host: Host, clock: SimulatedClock, mode: str) -> None:
    """A person deleted while the filter keeps them out is logged as removed with all they had, as a delta or a full."""
    config = EVERY_RUN_FULL if mode == "full" else {}
    firm = Firm(host, clock, config=config)
    firm.sync()
    firm.save(user_input={"filterExpr": INTERNAL}, config=config)
    firm.sync()
    uid = firm.uid("guest-1")
    firm.directory.delete_user(firm.people["guest-1"])
    logged = firm.sync()
    assert firm.mode == mode
    assert logged.pop(("DirectoryGroup", firm.sales, "")) == "changed"
    assert logged == {("DirectoryAccount", uid, ""): "removed", ("DirectoryMembership", uid, firm.sales): "removed"}
    (line,) = changes_of(firm.host, firm.saved.id, external_id=uid, kind="removed", schema=Schema.ACCOUNT)
    assert line.before is not None
    firm.save(user_input={}, config=config)
    assert uid not in {key[1] for key in firm.sync()}


def test_groups_deleted_while_they_are_not_synced_were_removed(firm: Firm) -> None:
    """What is gone when groups are synced again was removed; what is there has been there since it was first seen."""
    first = episodes(firm.host, Schema.MEMBERSHIP, firm.uid("staff-1"), firm.everybody)[0].first_seen_at
    firm.save(user_input={"disableGroupSync": True})
    firm.sync()
    firm.directory.delete_group(firm.sales)
    firm.directory.remove_member(firm.everybody, firm.people["staff-2"])
    firm.save(user_input={}, breaker_share=1.0)
    logged = firm.sync()
    assert logged["DirectoryGroup", firm.sales, ""] == logged["DirectoryMembership", firm.uid("guest-1"), firm.sales]
    assert logged["DirectoryGroup", firm.sales, ""] == "removed"
    assert logged["DirectoryMembership", firm.uid("staff-2"), firm.everybody] == "removed"
    assert logged["DirectoryMembership", firm.uid("staff-1"), firm.everybody] == "in_scope"
    (episode,) = episodes(firm.host, Schema.MEMBERSHIP, firm.uid("staff-1"), firm.everybody)
    assert episode.first_seen_at == first


def test_since_is_unbroken_by_our_own_settings_as_of_any_run(firm: Firm) -> None:
    """Now and as of each run lists say since when the present access is there; a real return begins anew."""
    guest, leaver = firm.uid("guest-1"), firm.people["staff-1"]
    first = episodes(firm.host, Schema.MEMBERSHIP, guest, firm.sales)[0].first_seen_at
    firm.directory.remove_member(firm.sales, leaver)
    firm.save(user_input={"filterExpr": "payload.is_activ == true"}, breaker_share=1.0)
    firm.sync()
    assert firm.there() == {Schema.ACCOUNT: 0, Schema.GROUP: 0, Schema.MEMBERSHIP: 0}
    firm.directory.add_member(firm.sales, leaver)
    firm.save(user_input={})
    firm.sync()
    firm.directory.remove_member(firm.sales, leaver)
    firm.sync()
    firm.directory.add_member(firm.sales, leaver)
    firm.sync()
    staff = firm.uid("staff-1")
    told = {
        as_of: {
            (record.external_id, record.group_id): record.first_seen_at
            for record in list_records(
                firm.host.database, Schema.MEMBERSHIP, firm.saved.id, as_of=as_of, limit=1000
            ).items
        }
        for as_of in (None, 1, 2, 3, 4, 5)
    }
    assert told[2] == {}
    assert {told[as_of][guest, firm.sales] for as_of in (None, 1, 3, 4, 5)} == {first}
    assert (told[3][staff, firm.sales], (staff, firm.sales) in told[4]) == (first, False)
    assert told[5] == told[None]
    assert (told[5][staff, firm.sales] or "") > first


def test_a_mistyped_filter_hides_no_later_removal(firm: Firm) -> None:
    """A filter that keeps nobody takes everybody out of scope; who is deleted meanwhile is removed all the same."""
    firm.save(user_input={"filterExpr": "payload.is_activ == true"}, breaker_share=1.0)
    assert set(firm.sync().values()) == {"out_of_scope"}
    uid = firm.uid("staff-5")
    firm.directory.delete_user(firm.people["staff-5"])
    logged = firm.sync()
    assert {kind for key, kind in logged.items() if key[1] == uid} == {"removed"}
    firm.save(user_input={})
    assert set(firm.sync().values()) == {"in_scope"}


@pytest.mark.parametrize("mode", ["delta", "full"])
def test_a_record_that_fails_holds_back_itself_and_nobody_else(host: Host, clock: SimulatedClock, mode: str) -> None:
    """What is had of a person on whom the filter fails stays, memberships too; others are removed; the run exits 0."""
    config = EVERY_RUN_FULL if mode == "full" else {}
    filter_expr = "!payload.name.startsWith('Odd') || int(payload.name) > 0"
    firm = Firm(host, clock, user_input={"filterExpr": filter_expr}, config=config)
    firm.sync()
    odd = firm.uid("staff-1")
    firm.directory.update_user(firm.people["staff-1"], name="Odd")
    leaver = firm.uid("staff-2")
    firm.directory.delete_user(firm.people["staff-2"])
    logged = firm.sync()
    assert firm.mode == mode
    assert {kind for key, kind in logged.items() if key[1] == leaver} == {"removed"}
    assert odd not in {key[1] for key in logged}
    (episode,) = episodes(firm.host, Schema.ACCOUNT, odd)
    assert (episode.removed_at, episode.out_of_scope_at) == (None, None)
    firm.directory.delete_user(firm.people["staff-1"])
    assert {kind for key, kind in firm.sync().items() if key[1] == odd} == {"removed"}


def test_removals_of_who_is_out_of_scope_are_asked_about_too(host: Host, clock: SimulatedClock) -> None:
    """Many deleted while the filter keeps them out wait for an operator, as others do."""
    firm = Firm(host, clock, staff=2, guests=30)
    firm.sync()
    firm.save(user_input={"filterExpr": INTERNAL}, breaker_share=0.2, breaker_least=5)
    firm.sync()
    for number in range(20):
        firm.directory.delete_user(firm.people[f"guest-{number}"])
    firm.sync()
    (question,) = list_attention(firm.host, firm.saved.id)
    assert question.counts["DirectoryAccount"]["removed"] == 20
    assert len(episodes(firm.host, Schema.ACCOUNT, firm.uid("guest-25"))) == 1
