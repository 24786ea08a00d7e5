"""Weeks of a directory whose ids change, seeded: whatever a run proves, whoever decides, each person is there once."""

import random
from typing import Any

import msgspec
import pytest

from openlane_authentik import Schema
from openlane_authentik.emit.envelope import Removed
from openlane_authentik.host.attention import confirm, dismiss, list_attention
from openlane_authentik.host.host import Host
from tests.host.in_process import Records, changes_of, episodes, replay, stored, sync_now
from tests.host.scripted import scripted
from tests.host.support import row_of
from tests.support import SimulatedClock

_RUNS = 14


class _Life:
    """A directory, and an integration that tells of it what one with a checkpoint knows: by number, the id before."""

    def __init__(self, host: Host, clock: SimulatedClock, seed: int) -> None:
        self._chance, self._clock = random.Random(f"identity {seed}"), clock
        self._host, self._script, saved = scripted(host, breaker_least=3)
        self._id = saved.id
        # By a person's number the id now, and since when the host has them there.
        self._uids: dict[int, str] = {}
        self._since: dict[int, str] = {}
        self._persons: dict[str, int] = {}
        self._known: dict[int, tuple[str, bool]] = {}
        self._groups = ["g0", "g1", "g2"]
        # Whom the filter keeps out.
        self._hidden: set[int] = set()
        self._held: set[tuple[int, str]] = set()
        self._replayed: Records = {schema: {} for schema in Schema}
        self._out: Records = {schema: {} for schema in Schema}
        self._past: dict[int, Records] = {}
        self.seen: set[str] = set()
        for _ in range(12):
            self._join()

    def live(self) -> None:
        for _ in range(_RUNS):
            self._clock.elapsed += self._chance.choice([60, 86_400])
            self._pass_some_time()
            self._sync()
            self._decide()
        for number, then in self._past.items():
            assert stored(self._host, self._id, as_of=number) == then

    def _join(self) -> None:
        person = len(self._persons) + 1000
        self._become(person)
        self._held |= {(person, group) for group in self._groups if self._chance.random() < 0.6}

    def _become(self, person: int) -> None:
        uid = f"{self._chance.randrange(16**6):06x}-{len(self._persons)}"
        self._uids[person] = uid
        self._persons[uid] = person

    def _pass_some_time(self) -> None:
        for _ in range(self._chance.randint(0, 2)):
            self._join()
        for person in self._some(0.05):
            del self._uids[person]
        # Without a checkpoint nobody could tell who they were.
        if row_of(self._host, self._id).checkpoint is not None:
            for person in self._some(self._chance.choice([0, 0.1, 1])):
                self._become(person)
        for person in self._some(0.2):
            self._held ^= {(person, self._chance.choice(self._groups))}
        self._hidden ^= set(self._some(0.05))
        if self._chance.random() < 0.1:
            self._groups = [*self._groups[1:], f"{self._groups[-1]}x"]

    @property
    def _in_scope(self) -> dict[int, str]:
        return {person: uid for person, uid in self._uids.items() if person not in self._hidden}

    @property
    def _pairs(self) -> set[tuple[str, str]]:
        there = self._in_scope
        return {(there[one], group) for one, group in self._held if one in there and group in self._groups}

    def _some(self, share: float) -> list[int]:
        return [person for person in self._uids if self._chance.random() < share]

    def _sync(self) -> None:
        script, chance = self._script, self._chance
        knows = row_of(self._host, self._id).checkpoint is not None
        script.accounts = {uid: {"display_name": f"Person {person}"} for person, uid in self._in_scope.items()}
        script.groups = {group: {"display_name": group} for group in self._groups}
        script.memberships = self._pairs
        in_scope = self._in_scope
        ended = [one for known in self._known.items() if (one := self._ended(*known)) is not None]
        script.left_out = {Schema.ACCOUNT: [(uid,) for person, uid in self._uids.items() if person not in in_scope]}
        script.removed = script.told = None
        mode = "full"
        if knows and chance.random() < 0.5:
            mode, script.removed = "delta", ended
            known = {uid for uid, hidden in self._known.values() if not hidden}
            script.accounts = {uid: fields for uid, fields in script.accounts.items() if uid not in known}
            script.left_out = {}
        elif knows:
            # Of a full set those that the filter keeps out are told by themselves.
            script.told = [one for one in ended if one.evidence != "out_of_scope"]
        trouble = chance.choice(["", "", "", "", "failed", "unproven", "accounts unproven"])
        script.failed = {Schema.ACCOUNT: 1} if trouble == "failed" else {}
        unproven = {"unproven": tuple(Schema), "accounts unproven": (Schema.ACCOUNT,)}.get(trouble, ())
        script.reasons = {schema: ["users_kept_changing"] for schema in unproven}
        before = stored(self._host, self._id)
        run = sync_now(self._host, self._id)
        assert run.status == "COMPLETED", run.error
        self.seen |= {mode, trouble}
        self._check(run, before, trouble)
        self._known = {person: (uid, person in self._hidden) for person, uid in self._uids.items()}
        if row_of(self._host, self._id).checkpoint is None:
            self._known = {}

    def _ended(self, person: int, before: tuple[str, bool]) -> Removed | None:
        now, (uid, was_hidden) = self._uids.get(person), before
        if now == uid:
            goes = person in self._hidden and not was_hidden
            return Removed(resource=uid, evidence="out_of_scope") if goes else None
        return Removed(resource=uid, evidence="replaced" if now else "absent", successor=now)

    def _check(self, run: Any, before: Records, trouble: str) -> None:
        after = stored(self._host, self._id)
        lines = changes_of(self._host, self._id, run_id=run.id)
        self._replayed = replay(self._replayed, lines, self._out)
        assert self._replayed == after
        self._past[run.number] = after
        self.seen |= {line.kind for line in lines}
        there = [self._persons[uid] for uid, _ in after[Schema.ACCOUNT]]
        assert len(there) == len(set(there)), "a person is there twice"
        for uid, group in after[Schema.MEMBERSHIP]:
            assert (uid, "") in after[Schema.ACCOUNT]
            assert (group, "") in after[Schema.GROUP]
        for line in lines:
            if line.kind == "removed" and line.schema == "DirectoryAccount":
                assert self._persons[line.external_id] not in self._uids, "removed, and there under another id"
        asked = list_attention(self._host, self._id)
        self.seen |= {"asked"} if asked else set()
        if trouble:
            ended = {uid for uid, _ in before[Schema.ACCOUNT].keys() - after[Schema.ACCOUNT].keys()}
            assert ended <= {uid for person, uid in self._uids.items() if person in self._hidden}
        elif asked:
            assert all(before[schema].keys() <= after[schema].keys() for schema in Schema), "nothing ends with it"
        else:
            assert {uid for uid, _ in after[Schema.ACCOUNT]} == set(self._in_scope.values())
            assert set(after[Schema.MEMBERSHIP]) == self._pairs
        # Whom the filter keeps out meanwhile has their access without a break.
        kept = {person: since for person, since in self._since.items() if person in self._uids}
        self._since = {person: self._since.get(person, run.started_at) for person in there} | kept
        for uid, _ in after[Schema.ACCOUNT]:
            newest = episodes(self._host, Schema.ACCOUNT, uid)[-1]
            assert newest.first_seen_at == self._since[self._persons[uid]], "since is broken"
            assert msgspec.json.decode(newest.record)["display_name"] == f"Person {self._persons[uid]}"

    def _decide(self) -> None:
        for question in list_attention(self._host, self._id):
            roll = self._chance.random()
            if roll < 0.6:
                confirm(self._host, self._id, question.id)
            elif roll < 0.75:
                dismiss(self._host, self._id, question.id)


@pytest.mark.parametrize(
    "seeds",
    [pytest.param(range(2), id="the first"), pytest.param(range(2, 12), id="the others", marks=pytest.mark.soak)],
)
def test_each_person_is_there_once_whatever_happens(host: Host, clock: SimulatedClock, seeds: range) -> None:
    """Full or delta, proven or not, asked, confirmed or dismissed: nobody is there twice, and since is unbroken."""
    seen: set[str] = set()
    for seed in seeds:
        life = _Life(host, clock, seed)
        life.live()
        seen |= life.seen
    # Few of the first have somebody come back.
    assert "returned" in seen or len(seeds) < 5
    assert seen >= {
        *("full", "delta", "failed", "unproven", "accounts unproven", "asked"),
        *("added", "removed", "out_of_scope", "in_scope", "replaced", "succeeded"),
    }
