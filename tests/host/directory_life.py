"""Days of a directory, seeded: people come and go, networks fail, tokens lose their visibility, operators decide.

The life changes a fake authentik, lets the host sync it, and holds what the host then says against what is true.
"""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from openlane_authentik import Schema
from openlane_authentik.host.attention import confirm, dismiss, list_attention
from openlane_authentik.host.errors import UnconfirmedScopeError
from openlane_authentik.host.host import Host
from openlane_authentik.host.runs import Run
from openlane_authentik.testing import Directory, FakeAuthentik, Fault
from tests.host.in_process import (
    InProcess,
    Records,
    changes_of,
    replay,
    save_in_process,
    save_meanwhile,
    stored,
    sync_now,
    with_definition,
)
from tests.host.support import row_of
from tests.host.true_directory import FILTERS, Keys, Truth
from tests.support import SimulatedClock

RELEASES: Final = ("2025.12", "2026.2", "2025.8", "2025.6", "2023.10")
_FEW_DAYS: Final = 5 * 86400
_MOST_REQUESTS: Final = 40
_FEW_USERS: Final = 8


class Life:
    """One directory, one host that syncs it, and what is known to be true."""

    def __init__(self, host: Host, seed: int) -> None:
        clock = host.clock
        assert isinstance(clock, SimulatedClock)
        self._clock = clock
        self._chance = random.Random(f"life {seed}")
        self.release = RELEASES[seed % len(RELEASES)]
        self._directory = Directory.generate(
            users=self._chance.randint(12, 45),
            groups=self._chance.randint(3, 7),
            seed=seed,
            memberships_per_user=1.5,
            clock=clock.now,
        )
        self._fake = FakeAuthentik(self._directory, release=self.release, sleep=clock.sleep)
        self._fake.token("viewer", expiring=False)
        self._fake.token("object_level", expiring=False)
        self._own = {self._fake.tokens.account(kind) for kind in ("viewer", "object_level")}
        self._theirs = set().union(*(self._directory.all_groups_of(pk) for pk in self._own))
        self._integration = InProcess(self._fake, clock)
        self._host = with_definition(host, self._integration)
        self._names = self._runs = 0
        self._input: dict[str, Any] = {}
        self._truth = Truth(self._directory)
        self._id = save_in_process(self._host, self._fake, config=self._config).id
        self._replayed: Records = {schema: {} for schema in Schema}
        self._out: Records = {schema: {} for schema in Schema}
        self._past: dict[int, Records] = {}
        self.counts: dict[str, int] = {}

    @property
    def _config(self) -> dict[str, Any]:
        return {"pageSize": 10, "fullSyncIntervalSeconds": _FEW_DAYS}

    def live(self, days: int) -> None:
        """Let so many days pass."""
        for _ in range(days):
            for _ in range(self._chance.choice([1, 1, 2])):
                self._clock.elapsed += self._chance.choice([20, 4000, 40_000])
                self._pass_some_time()
                self._sync()
                self._decide()
        for number in range(1, max(self._past) + 1):
            assert stored(self._host, self._id, as_of=number) == self._past[number], f"as of run {number}"

    # What happens between two runs

    def _pass_some_time(self) -> None:
        for _ in range(self._chance.randint(0, 5)):
            self._happen()
        if len(self._users()) < _FEW_USERS:
            # A firm that hires again.
            for _ in range(self._chance.randint(5, 30)):
                self._join()
        if self._chance.random() < 0.03:
            leavers = self._users()
            for pk in self._chance.sample(leavers, int(len(leavers) * self._chance.choice([0.4, 0.7, 1]))):
                self._directory.delete_user(pk)
        if self._chance.random() < 0.06:
            self._input = self._another_input()
            self._save()
        self._clock.elapsed += self._chance.choice([0, 0.4, 90])

    def _another_input(self) -> dict[str, Any]:
        user_input: dict[str, Any] = {"filterExpr": self._chance.choice(list(FILTERS))}
        if self._chance.random() < 0.3:
            user_input["disableGroupSync"] = True
        return user_input

    def _save(self) -> None:
        # Nothing is saved of a token that may not look.
        self._fake.tokens.permit("viewer", *_SEES_ALL)
        asyncio.run(self._save_meanwhile())

    async def _save_meanwhile(self) -> None:
        save = partial(save_meanwhile, self._host, self._fake, installation_id=self._id, config=self._config)
        try:
            await save(user_input=self._input)
        except UnconfirmedScopeError as told:
            self._count("scope confirmed")
            await save(user_input=self._input, confirmed=told.records)
        self._clock.elapsed += 1

    def _happen(self) -> None:
        """Change one thing, whichever."""
        # No two edits of one user are saved in the same microsecond.
        self._clock.elapsed += 0.001
        kinds: list[Callable[[], object]] = [
            self._join,
            self._join,
            lambda: self._to_user(self._directory.delete_user),
            lambda: self._to_user(lambda pk: self._directory.update_user(pk, name=self._new_name())),
            lambda: self._to_user(lambda pk: self._directory.update_user(pk, email=f"{self._new_name()}@Example.test")),
            lambda: self._to_user(lambda pk: self._directory.update_user(pk, is_active=False)),
            lambda: self._to_user(self._directory.set_active_by_email_verification),
            lambda: self._to_user(self._directory.log_in),
            lambda: self._to_user(
                lambda pk: self._directory.update_user(pk, type=self._chance.choice(["internal", "external"]))
            ),
            lambda: self._to_user(lambda pk: self._directory.set_user_groups(pk, self._some(self._groups()))),
            lambda: self._to_both(self._directory.add_member),
            lambda: self._to_both(self._directory.remove_member),
            lambda: self._directory.create_group(self._new_name(), users=self._some(self._users())),
            lambda: self._to_group(lambda group: self._directory.rename_group(group, self._new_name())),
            self._close_a_group,
        ]
        self._chance.choice(kinds)()

    def _join(self) -> None:
        self._directory.create_user(
            username=f"user-{self._new_name()}",
            name=self._new_name(),
            type=self._chance.choice(["internal", "internal", "external", "service_account"]),
            groups=self._some(self._groups()),
        )

    def _close_a_group(self) -> None:
        if len(self._groups()) > 1:
            self._to_group(self._directory.delete_group)

    def _to_user(self, change: Callable[[int], object]) -> None:
        if users := self._users():
            change(self._chance.choice(users))

    def _to_group(self, change: Callable[[str], object]) -> None:
        if groups := self._groups():
            change(self._chance.choice(groups))

    def _to_both(self, change: Callable[[str, int], object]) -> None:
        self._to_group(lambda group: self._to_user(lambda pk: change(group, pk)))

    def _users(self) -> list[int]:
        return [pk for pk in self._directory.users if pk not in self._own]

    def _groups(self) -> list[str]:
        return sorted(self._directory.groups.keys() - self._theirs)

    def _some(self, things: list[Any]) -> list[Any]:
        return self._chance.sample(things, min(len(things), self._chance.randint(0, 3)))

    def _most(self, things: list[Any]) -> list[Any]:
        return [thing for thing in things if self._chance.random() < 0.9]

    def _new_name(self) -> str:
        self._names += 1
        return f"{self._chance.choice(['Sales', 'Ärzte', 'a', 'Z'])} {self._names}"

    # A run, and what may go wrong in it

    def _sync(self) -> None:
        if row_of(self._host, self._id).status == "ERRORED":
            self._save()
        self._fake.requests.clear()
        quiet = self._mishap()
        self._truth.watch(self._input)
        before = stored(self._host, self._id)
        of_the_run = self._input
        run = sync_now(self._host, self._id)
        # What was to happen at a request that was never sent does not happen at all.
        self._runs += 1
        self._fake.clear_faults()
        self._integration.kind = self._integration.meanwhile = None
        self._check(run, before, of_the_run, quiet=quiet)

    def _mishap(self) -> bool:
        """Prepare what goes wrong in the next run; return whether the directory is left alone meanwhile."""
        nth, roll = self._chance.randint(1, _MOST_REQUESTS), self._chance.random()
        if roll < 0.15:
            for _ in range(self._chance.randint(1, 6)):
                self._fake.before(self._chance.randint(1, _MOST_REQUESTS), partial(self._meanwhile, self._runs))
            return False
        if roll < 0.2:
            self._fake.inject(Fault.status(503), nth=nth, times=None)
        elif roll < 0.3:
            fault = self._chance.choice(
                [Fault.status(429), Fault.reset(), Fault.cut_body(), Fault.truncated_json(), Fault.pointing_back()]
            )
            self._fake.inject(fault, nth=nth, times=self._chance.randint(1, 3))
        elif roll < 0.36:
            self._integration.kind = "object_level"
            # Nearly all, so that no limit of the breaker would keep those from being removed who are not seen.
            seen = [self._most(list(there)) for there in (self._directory.users, self._directory.groups)]
            self._fake.token("object_level", visible_users=seen[0], visible_groups=seen[1])
        elif roll < 0.38:
            self._fake.tokens.permit("viewer")
        elif roll < 0.42:
            self._integration.meanwhile = self._change_meanwhile
        return True

    async def _change_meanwhile(self) -> None:
        """Save other settings, or the same ones, while a run is under way that began with those before."""
        self._count("saved meanwhile")
        self._input = self._chance.choice([self._input, self._another_input()])
        await self._save_meanwhile()

    def _meanwhile(self, run: int, _directory: Directory) -> None:
        if run == self._runs:
            self._happen()
            self._truth.note()

    def _decide(self) -> None:
        """Be the operator, who looks at a question sooner or later, and confirms none while the schedule stands."""
        for question in list_attention(self._host, self._id):
            roll = self._chance.random()
            if roll < 0.5 and row_of(self._host, self._id).status != "ERRORED":
                confirm(self._host, self._id, question.id)
                self._count("confirmed")
            elif roll < 0.6:
                dismiss(self._host, self._id, question.id)

    # What must be so after it

    def _check(self, run: Run, before: Records, of_the_run: dict[str, Any], *, quiet: bool) -> None:
        after = stored(self._host, self._id)
        lines = changes_of(self._host, self._id, run_id=run.id)
        self._replayed = replay(self._replayed, lines, self._out)
        assert self._replayed == after, "the change log tells another directory"
        self._past[run.number] = after
        keys: Keys = {schema: set(there) for schema, there in after.items()}
        accounts, groups = keys[Schema.ACCOUNT], keys[Schema.GROUP]
        assert all((uid, "") in accounts and (group, "") in groups for uid, group in keys[Schema.MEMBERSHIP])
        ended = {schema: set(before[schema]) - keys[schema] for schema in Schema}
        for line in lines:
            key = (line.external_id, line.group_id or "")
            self._count(line.kind)
            if line.kind == "removed":
                assert key not in self._truth.at_source_always[Schema(line.schema)], f"{line} is still there"
            elif line.kind == "out_of_scope":
                held = self._truth.held_always[Schema(line.schema)]
                assert key not in self._truth.always[Schema(line.schema)] | held, f"{line} is still in scope"
        if run.status == "FAILED":
            assert after == before
            self._count(f"failed {run.error and run.error['code']}")
            return
        self._count(f"{run.mode} {run.exit_code}{'' if quiet else ' changing'}")
        questions = list_attention(self._host, self._id)
        if any(question.run_id == run.id for question in questions):
            self._count("asking")
            assert not any(ended.values()), "nothing ends with a run that asks"
        if run.exit_code:
            return
        # A filter that can match no group proves nothing of groups, and yet the run is as complete as it can be.
        whole = set() if questions else {schema for schema in Schema if (run.sets or {}).get(schema, _PROVEN)["proven"]}
        assert all(self._truth.always[schema] <= keys[schema] for schema in Schema)
        stale = {schema: self._truth.stale(schema, keys[schema]) for schema in whole}
        assert not any(stale.values()), stale
        for schema in whole:
            # Memberships of whom the filter keeps out are known again when these come back.
            if schema is not Schema.MEMBERSHIP and (schema is Schema.ACCOUNT or not of_the_run.get("disableGroupSync")):
                assert self._out[schema].keys() <= self._truth.at_source_ever[schema], "gone, and still out of scope"
        if quiet:
            assert not (wrong := self._truth.wrongs(after, whole)), (run.mode, wrong)

    def _count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


# Of a set that was not asked for, of which nothing is to be there.
_PROVEN: Final = {"proven": True}
_SEES_ALL: Final = ("view_user", "view_group")
