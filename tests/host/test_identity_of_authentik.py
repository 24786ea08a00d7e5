"""The host and the integration together: uids that change for everybody, a restored backup, lost visibility."""

import pytest

from openlane_authentik import Schema
from openlane_authentik.host.attention import confirm
from openlane_authentik.host.host import Host
from openlane_authentik.testing import Directory, FakeAuthentik
from tests.host.asked import one_question
from tests.host.in_process import (
    InProcess,
    changes_of,
    episodes,
    kinds_of,
    save_in_process,
    stored,
    sync_now,
    with_definition,
)
from tests.support import SimulatedClock


def _connected(host: Host, clock: SimulatedClock) -> tuple[Host, FakeAuthentik, str]:
    directory = Directory.generate(users=60, groups=12, seed=3, clock=clock.now)
    fake = FakeAuthentik(directory, release="2026.5", sleep=clock.sleep)
    fake.token("viewer", expiring=False)
    opened = with_definition(host, InProcess(fake, clock))
    return opened, fake, save_in_process(opened, fake).id


def test_an_upgrade_that_changes_every_uid_is_one_question(host: Host, clock: SimulatedClock) -> None:
    """Nobody is removed or there twice; once confirmed, each person goes on under the new uid, with "since" kept."""
    opened, fake, installation_id = _connected(host, clock)
    sync_now(opened, installation_id)
    before = {pk: user["uid"] for pk, user in fake.directory.users.items()}
    since = {pk: episodes(opened, Schema.ACCOUNT, uid)[0].first_seen_at for pk, uid in before.items()}
    fake.directory.renew_uids()
    after = {pk: user["uid"] for pk, user in fake.directory.users.items()}
    clock.elapsed += 3600
    run = sync_now(opened, installation_id)
    assert (run.mode, run.full_reason, run.exit_code) == ("full", "account_changed", 0)
    question = one_question(opened, installation_id)
    assert {uid for uid, _ in stored(opened, installation_id)[Schema.ACCOUNT]} == set(before.values())
    confirm(opened, installation_id, question.id)
    clock.elapsed += 3600
    run = sync_now(opened, installation_id)
    assert {uid for uid, _ in stored(opened, installation_id)[Schema.ACCOUNT]} == set(after.values())
    kinds = set(kinds_of(changes_of(opened, installation_id, run_id=run.id)).values())
    assert kinds == {"replaced", "succeeded"}
    for pk, uid in after.items():
        (episode,) = episodes(opened, Schema.ACCOUNT, uid)
        assert (episode.predecessor, episode.first_seen_at) == (before[pk], since[pk])


@pytest.mark.parametrize("length", [1, 4, 11])
def test_visibility_lost_and_regained_during_a_delta_removes_nobody(
    host: Host, clock: SimulatedClock, length: int
) -> None:
    """Whenever visibility is lost during a run and however soon it is back, everybody who is there stays."""
    opened, fake, installation_id = _connected(host, clock)
    sync_now(opened, installation_id)
    there = stored(opened, installation_id)[Schema.ACCOUNT].keys()
    for first in range(2, 26, 4):
        begun = len(fake.requests)
        fake.before(begun + first, lambda _: fake.narrow())
        fake.before(begun + first + length, lambda _: fake.widen())
        clock.elapsed += 60
        sync_now(opened, installation_id)
        fake.widen()
        assert stored(opened, installation_id)[Schema.ACCOUNT].keys() == there


def test_a_restored_backup_is_told_as_it_is(host: Host, clock: SimulatedClock) -> None:
    """Who came since the backup is removed, who was deleted since it returns, and each change is told once."""
    opened, fake, installation_id = _connected(host, clock)
    sync_now(opened, installation_id)
    backup = fake.directory.snapshot()
    gone = next(pk for pk in fake.directory.users if pk != fake.tokens.account("viewer"))
    gone_uid = fake.directory.users[gone]["uid"]
    clock.elapsed += 60
    fake.directory.delete_user(gone)
    new = fake.directory.create_user(username="newcomer")
    new_uid = fake.directory.users[new]["uid"]
    sync_now(opened, installation_id)
    fake.directory.restore(backup)
    clock.elapsed += 60
    run = sync_now(opened, installation_id)
    assert run.exit_code == 0
    lines = {line.external_id: line.kind for line in changes_of(opened, installation_id, run_id=run.id)}
    assert (lines[gone_uid], lines[new_uid]) == ("returned", "removed")
    true = {user["uid"] for user in fake.directory.users.values()}
    assert {uid for uid, _ in stored(opened, installation_id)[Schema.ACCOUNT]} == true
