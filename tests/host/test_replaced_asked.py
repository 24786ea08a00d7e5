"""Many replaced accounts are one question; while a replacement waits, each person is in the lists once, as before."""

from typing import Any

import pytest

from openlane_authentik import Schema
from openlane_authentik.emit.envelope import Removed
from openlane_authentik.host.attention import Attention, confirm, dismiss, list_attention, list_candidates
from openlane_authentik.host.host import Host
from tests.host.asked import listed, one_question, removed
from tests.host.in_process import changes_of, episodes, kinds_of, replay, stored, sync_now
from tests.host.scripted import Script, scripted
from tests.host.support import row_of
from tests.support import SimulatedClock


def _renewed(script: Script, count: int = 60) -> dict[str, str]:
    return {uid: f"new-{uid}" for uid in list(script.accounts)[:count]}


def _asking(host: Host, mode: str = "full", **request: Any) -> tuple[Host, Script, str, Attention]:
    """Return a directory of 60 people who all came back under other ids, and what is asked of it."""
    opened, script, saved = scripted(host, **request)
    script.people(60, groups=2)
    sync_now(opened, saved.id)
    host.clock.elapsed += 60  # type: ignore[attr-defined]
    told = script.replace(_renewed(script))
    script.accounts["joiner"] = {"display_name": "Joiner"}
    script.memberships.add(("joiner", "g0"))
    script.told, script.removed = (told, None) if mode == "full" else (None, told)
    run = sync_now(opened, saved.id)
    script.told = script.removed = None
    question = one_question(opened, saved.id)
    assert (run.status, run.mode, question.run_id) == ("COMPLETED", mode, run.id)
    return opened, script, saved.id, question


def _old_ids() -> set[str]:
    return {f"u{number:03}" for number in range(60)}


def _there(host: Host, installation_id: str) -> set[str]:
    return {uid for uid, _ in stored(host, installation_id)[Schema.ACCOUNT]}


@pytest.mark.parametrize("mode", ["full", "delta"])
def test_everybody_under_another_id_is_one_question(host: Host, mode: str) -> None:
    """The operator reads how many come back, with the exact list; each person is there once meanwhile, as before."""
    opened, script, installation_id, question = _asking(host, mode)
    assert question.message == (
        "needs attention: 60 accounts, 120 memberships come back under another identifier: "
        "the directory was restored or upgraded"
    )
    assert {
        name: (count["present"], count["removed"], count["replaced"], count["tripped"])
        for name, count in question.counts.items()
    } == {"DirectoryAccount": (60, 0, 60, True), "DirectoryMembership": (120, 0, 120, False)}
    assert len(listed(opened, installation_id, question.id)) == question.records == 180
    first = list_candidates(opened, installation_id, question.id, limit=1)[0]
    assert (first.display_name, first.kind, first.successor) == ("Person 0", "replaced", "new-u000")
    # Who is new and nobody's successor is added as ever.
    assert _there(opened, installation_id) == _old_ids() | {"joiner"}
    pairs = {pair[0] for pair in stored(opened, installation_id)[Schema.MEMBERSHIP]}
    assert pairs == _old_ids() | {"joiner"}
    # Only a full run finds again who is no more.
    assert row_of(opened, installation_id).checkpoint is None
    # The same again is the same question, though the run knows nothing of the old ids any more.
    run = sync_now(opened, installation_id)
    assert (run.mode, one_question(opened, installation_id).id) == ("full", question.id)
    assert _there(opened, installation_id) == _old_ids() | {"joiner"}
    assert run.counts is not None
    counts = run.counts["DirectoryAccount"]
    assert (counts["emitted"], counts["withheld"], counts["confirmed"]) == (61, 60, 1)
    assert script.seen[-1] is None


@pytest.mark.parametrize("knows", [True, False])
def test_a_confirmed_list_is_carried_out_by_the_next_proof(host: Host, clock: SimulatedClock, knows: bool) -> None:  # noqa: FBT001 - of a table
    """Confirmed, the accounts go on with their histories, whether or not that run knows the old ids; once only."""
    opened, script, installation_id, question = _asking(host)
    before = episodes(opened, Schema.ACCOUNT, "u007")[0].first_seen_at
    confirm(opened, installation_id, question.id)
    clock.elapsed += 60
    script.reasons = {schema: ["partial_visibility"] for schema in Schema}
    run = sync_now(opened, installation_id)
    assert changes_of(opened, installation_id, run_id=run.id) == []
    script.reasons = {}
    if knows:
        script.told = [Removed(resource=uid, evidence="replaced", successor=f"new-{uid}") for uid in _old_ids()]
    run = sync_now(opened, installation_id)
    logged = kinds_of(changes_of(opened, installation_id, run_id=run.id))
    assert sorted(logged.values()) == ["replaced"] * 180 + ["succeeded"] * 180
    assert _there(opened, installation_id) == {f"new-{uid}" for uid in _old_ids()} | {"joiner"}
    (successor,) = episodes(opened, Schema.ACCOUNT, "new-u007")
    (held,) = episodes(opened, Schema.MEMBERSHIP, "new-u007", "g1")
    assert (successor.predecessor, successor.first_seen_at, held.first_seen_at) == ("u007", before, before)
    history = changes_of(opened, installation_id, external_id="new-u007", schema=Schema.ACCOUNT)
    assert [line.kind for line in history] == ["added", "replaced", "succeeded"]
    assert [one.status for one in list_attention(opened, installation_id, status=None)] == ["applied"]
    lines = changes_of(opened, installation_id)
    assert replay({schema: {} for schema in Schema}, lines) == stored(opened, installation_id)
    # It was good for once.
    script.told = script.replace({f"new-{uid}": f"newer-{uid}" for uid in _old_ids()})
    sync_now(opened, installation_id)
    assert one_question(opened, installation_id).id != question.id


def test_a_dismissed_list_leaves_everybody_as_they_were(host: Host) -> None:
    """Dismissed, nobody is replaced, and nobody is there twice; a later run that finds it so again asks again."""
    opened, _, installation_id, question = _asking(host)
    assert dismiss(opened, installation_id, question.id).status == "dismissed"
    sync_now(opened, installation_id)
    assert one_question(opened, installation_id).id != question.id
    assert _there(opened, installation_id) == _old_ids() | {"joiner"}


def test_the_old_ids_coming_back_resolve_the_question(host: Host) -> None:
    """When the backup is put right and the accounts are there under their own ids again, nothing is asked any more."""
    opened, script, installation_id, question = _asking(host)
    script.people(60, groups=2)
    run = sync_now(opened, installation_id)
    (resolved,) = list_attention(opened, installation_id, status=None)
    assert (resolved.id, resolved.status) == (question.id, "resolved")
    # The joiner is gone with the backup.
    assert {key[1] for key in removed(opened, installation_id, run)} == {"joiner"}
    script.drop("u001")
    run = sync_now(opened, installation_id)
    assert {key[1] for key in removed(opened, installation_id, run)} == {"u001"}, "what was told of it is forgotten"


def test_a_confirmed_replacement_is_no_licence_to_remove(host: Host) -> None:
    """When the successors are gone by the next run the accounts would be removed, which is another question."""
    opened, script, installation_id, question = _asking(host)
    confirm(opened, installation_id, question.id)
    script.drop(*[uid for uid in script.accounts if uid != "joiner"])
    run = sync_now(opened, installation_id)
    assert removed(opened, installation_id, run) == set()
    asked = one_question(opened, installation_id)
    assert asked.message == "needs attention: 60 of 61 accounts, 120 of 121 memberships would be removed"
    assert _there(opened, installation_id) == _old_ids() | {"joiner"}


def test_removals_beside_replacements_are_in_the_same_question(host: Host) -> None:
    """Of a run that would replace too many nothing ends: who is gone is on the same list, and told apart."""
    opened, script, saved = scripted(host)
    script.people(60)
    sync_now(opened, saved.id)
    script.drop("u059")
    script.told = script.replace(_renewed(script, 30))
    run = sync_now(opened, saved.id)
    question = one_question(opened, saved.id)
    assert question.message == (
        "needs attention: 30 accounts come back under another identifier: the directory was restored or upgraded; "
        "1 of 60 accounts would be removed"
    )
    assert changes_of(opened, saved.id, run_id=run.id) == []
    kinds = {one.external_id: one.kind for one in list_candidates(opened, saved.id, question.id)}
    assert (kinds.pop("u059"), set(kinds.values())) == ("removed", {"replaced"})
    confirm(opened, saved.id, question.id)
    run = sync_now(opened, saved.id)
    assert removed(opened, saved.id, run) == {("DirectoryAccount", "u059", "")}
    assert run.counts is not None
    assert run.counts["DirectoryAccount"]["replaced"] == 30


@pytest.mark.parametrize(("replaced", "asks"), [(12, False), (13, True)])
def test_replaced_accounts_have_the_limits_of_removals(host: Host, replaced: int, asks: bool) -> None:  # noqa: FBT001 - of a table
    """Up to the limits it goes through unasked, however many the memberships; above, it is asked about."""
    opened, script, saved = scripted(host)
    script.people(60)
    script.groups = {f"g{number}": {"display_name": "Group"} for number in range(5)}
    script.memberships = {(uid, group) for uid in list(script.accounts)[:12] for group in script.groups}
    sync_now(opened, saved.id)
    script.told = script.replace(_renewed(script, replaced))
    run = sync_now(opened, saved.id)
    assert bool(list_attention(opened, saved.id)) == asks
    assert run.counts is not None
    assert run.counts["DirectoryAccount"]["replaced"] == (0 if asks else replaced)


@pytest.mark.parametrize("whose", ["its own", "another's"])
def test_a_failed_record_leaves_a_replaced_person_there_once(host: Host, clock: SimulatedClock, whose: str) -> None:
    """In a run with a failed record nothing ends: the successor waits until a run proves that it may go on."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    first = sync_now(opened, saved.id)
    clock.elapsed += 60
    script.told, script.failed = script.replace({"u003": "b"}), {Schema.ACCOUNT: 1}
    of_b = script.accounts["b"], {pair for pair in script.memberships if pair[0] == "b"}
    if whose == "its own":
        script.drop("b")
    run = sync_now(opened, saved.id)
    assert changes_of(opened, saved.id, run_id=run.id) == []
    assert ("u003", "g0") in stored(opened, saved.id)[Schema.MEMBERSHIP]
    script.accounts["b"], script.memberships = of_b[0], script.memberships | of_b[1]
    script.told, script.failed = None, {}
    run = sync_now(opened, saved.id)
    assert script.seen[-1] is None
    assert set(kinds_of(changes_of(opened, saved.id, run_id=run.id)).values()) == {"replaced", "succeeded"}
    (held,) = episodes(opened, Schema.MEMBERSHIP, "b", "g0")
    assert held.first_seen_at == first.started_at


def test_what_an_unproven_set_tells_is_no_end(host: Host, clock: SimulatedClock) -> None:
    """Unproven, it ends nothing; what it received of who was gone at its end is not taken over, nor a successor."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    first = sync_now(opened, saved.id)
    clock.elapsed += 60
    script.accounts["u001"] = {"display_name": "Renamed"}
    script.accounts["new"] = {"display_name": "New"}
    script.memberships.add(("new", "g0"))
    told = [Removed(resource=uid, evidence="absent") for uid in ("u001", "new", "u002")]
    script.told = [*told, *script.replace({"u003": "b"})]
    script.left_out = {Schema.ACCOUNT: [("u002",)]}
    script.drop("u002")
    script.reasons = {Schema.ACCOUNT: ["users_kept_changing"]}
    run = sync_now(opened, saved.id)
    assert changes_of(opened, saved.id, run_id=run.id) == []
    assert _there(opened, saved.id) == {f"u{number:03}" for number in range(20)}
    for uid in ("u001", "u003"):
        (episode,) = episodes(opened, Schema.ACCOUNT, uid)
        assert episode.last_confirmed_run_id == first.id
    assert ("u003", "g0") in stored(opened, saved.id)[Schema.MEMBERSHIP]


def test_a_run_with_a_failed_record_confirms_nobody_it_calls_gone(host: Host, clock: SimulatedClock) -> None:
    """A proven delta beside a group that failed ends nobody; whom it calls absent it has not seen either."""
    opened, script, saved = scripted(host)
    script.people(20, groups=1)
    first = sync_now(opened, saved.id)
    clock.elapsed += 60
    script.accounts, script.failed = {}, {Schema.GROUP: 1}
    script.removed = [Removed(resource="u001", evidence="absent")]
    run = sync_now(opened, saved.id)
    confirmed = {uid: episodes(opened, Schema.ACCOUNT, uid)[0].last_confirmed_run_id for uid in ("u001", "u002")}
    assert confirmed == {"u001": first.id, "u002": run.id}
