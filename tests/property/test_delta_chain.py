"""A copy that applies every delta is the directory, whatever happens between the syncs and during them."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest

from openlane_authentik import DirectorySyncConfig, Schema, SyncResult, UserInput
from openlane_authentik.errors import CredentialError
from openlane_authentik.testing import Directory, FakeAuthentik, Pending
from tests.support import KeepingSink, SimulatedClock, connect

# What no cursor covers: it is brought up to date by the next full sync, as the README says.
UNTRACED = {"is_superuser", "roles", "roles_obj", "groups_obj"}
_NARROWED = 0.1
_REMEMBERED = 0.9
_DISTURBED = 0.15
_BY_REPLICA = 0.3
_UPHEAVED = 0.3
_LARGE = 0.3
_WITHOUT_GROUPS = 0.2
_LOGIN_FILTER = {"2026.2", "2026.5"}
_NAMING_ROLES = {"2025.12", *_LOGIN_FILTER}

Change = Callable[[Directory], object]
RUN_TIMES = {"last_seen_at", "observed_at"}


# Filters that keep nobody, or fail on some; each is mended sooner or later.
_MISTYPED = [
    "payload.is_activ == true",
    "payload.type == 'intern'",
    "!has(payload.attributes.level) || payload.attributes.level < 5",
    "resource < '8' || !has(payload.attributes.level) || payload.attributes.level < 5",
    "has(payload.groups) && (!has(payload.attributes.level) || payload.attributes.level < 5)",
    "payload.attributes.level < 5",
]
_MISTYPES = 0.6
_RETYPED = 0.2
_LEVELS = [1, 9, "high"]


class Copy:
    """What a host that applies each run would hold: of what is held back, what it had."""

    def __init__(self) -> None:
        self.accounts: dict[str, dict[str, Any]] = {}
        self.payloads: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, dict[str, Any]] = {}
        self.memberships: set[tuple[str, str]] = set()

    def apply(self, sink: KeepingSink) -> None:
        sent = {envelope.resource: envelope for envelope in sink.of(Schema.ACCOUNT)}
        closing = sink.closings[Schema.ACCOUNT]
        held_back = {uid for (uid,) in sink.held_back.get(Schema.ACCOUNT, ())}
        if closing.read_complete and not closing.delta:
            # Who is left out or gone is no more in scope.
            self.accounts = {uid: record for uid, record in self.accounts.items() if uid in held_back}
            self.payloads = {uid: payload for uid, payload in self.payloads.items() if uid in held_back}
        self.accounts |= {uid: _stable(envelope.record) for uid, envelope in sent.items()}
        self.payloads |= {uid: dict(envelope.payload) for uid, envelope in sent.items()}
        for removed in closing.removed or ():
            self.accounts.pop(removed.resource, None)
            self.payloads.pop(removed.resource, None)
        if Schema.GROUP in sink.closings and sink.closings[Schema.GROUP].read_complete:
            stays = {pk for (pk,) in sink.held_back.get(Schema.GROUP, ())} & self.groups.keys()
            told = {envelope.resource: _stable(envelope.record) for envelope in sink.of(Schema.GROUP)}
            self.groups = {pk: self.groups[pk] for pk in stays} | told
        if Schema.MEMBERSHIP in sink.closings and sink.closings[Schema.MEMBERSHIP].read_complete:
            named = set(sink.held_back.get(Schema.MEMBERSHIP, ()))
            self.memberships = {
                (uid, group)
                for uid, group in self.memberships
                if (uid, group) in named or (uid in held_back and group in self.groups)
            } | set(sink.memberships())

    def without(self, sink: KeepingSink) -> "Copy":
        """Return what the copy holds beside that which this run holds back."""
        held_back = _sets(sink.held_back)
        accounts, groups = ({key for (key,) in held_back[schema]} for schema in (Schema.ACCOUNT, Schema.GROUP))
        rest = Copy()
        rest.accounts = {uid: record for uid, record in self.accounts.items() if uid not in accounts}
        rest.payloads = {uid: payload for uid, payload in self.payloads.items() if uid not in accounts}
        rest.groups = {pk: record for pk, record in self.groups.items() if pk not in groups}
        named = held_back[Schema.MEMBERSHIP]
        rest.memberships = {pair for pair in self.memberships - named if pair[0] not in accounts}
        return rest


def _sets(named: dict[Schema, list[tuple[str, ...]]]) -> dict[Schema, set[Any]]:
    return {schema: set(named.get(schema, ())) for schema in Schema}


def _stable(record: Any) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in RUN_TIMES}


async def _sync(
    fake: FakeAuthentik, clock: SimulatedClock, user_input: UserInput, checkpoint: bytes | None, kind: str = "viewer"
) -> tuple[SyncResult, KeepingSink]:
    sink = KeepingSink()
    config = DirectorySyncConfig(page_size=20, full_sync_interval_seconds=1e9)
    result = await connect(fake, kind, clock).directory_sync(sink, user_input, config, checkpoint=checkpoint)
    return result, sink


def _changes(rng: random.Random, directory: Directory, own: set[int], clock: SimulatedClock) -> list[Change]:
    """Return some changes of every kind a directory sees, as they may come between two syncs or during one."""
    # The tokens' own accounts stay, and so do the groups their permissions come from.
    theirs = set().union(*(directory.all_groups_of(pk) for pk in own))
    users = [pk for pk in directory.users if pk not in own]
    groups = [pk for pk in directory.groups if pk not in theirs]
    inactive = [pk for pk in users if not directory.raw_user(pk)["is_active"]]
    past = clock.now() - timedelta(days=rng.randint(1, 2000))

    def some(d: Directory, count: int) -> list[str]:
        return [group for group in rng.sample(groups, min(count, len(groups))) if group in d.groups]

    kinds: list[Callable[[], Change]] = [
        lambda: lambda d: d.create_user(username=f"new-{rng.random()}", groups=some(d, 2)),
        lambda: lambda d: d.create_user(username=f"ldap-{rng.random()}", date_joined=_text(past)),
        lambda: _if_user(rng.choice(users or [0]), lambda d, pk: d.delete_user(pk)),
        lambda: _if_user(rng.choice(users or [0]), lambda d, pk: d.update_user(pk, name=f"Name {rng.random()}")),
        lambda: _if_user(rng.choice(users or [0]), lambda d, pk: d.update_user(pk, is_active=rng.random() < 0.5)),
        lambda: _if_user(
            rng.choice(users or [0]), lambda d, pk: d.update_user(pk, type=rng.choice(["internal", "external"]))
        ),
        lambda: _if_user(rng.choice(users or [0]), lambda d, pk: d.update_user(pk, date_joined=_text(past))),
        lambda: _if_user(rng.choice(inactive or users or [0]), lambda d, pk: d.set_active_by_email_verification(pk)),
        lambda: _if_user(rng.choice(users or [0]), lambda d, pk: d.log_in(pk)),
        lambda: _if_user(rng.choice(users or [0]), lambda d, pk: d.set_user_groups(pk, some(d, 3))),
        lambda: _if_both(rng, users, groups, lambda d, pk, g: d.add_member(g, pk)),
        lambda: _if_both(rng, users, groups, lambda d, pk, g: d.remove_member(g, pk)),
        lambda: (
            lambda d: d.create_group(
                f"group-{rng.random()}", users=[pk for pk in rng.sample(users, min(3, len(users))) if pk in d.users]
            )
        ),
        lambda: _if_group(rng.choice(groups or [""]), lambda d, g: d.rename_group(g, f"Renamed {rng.random()}")),
        lambda: _if_group(rng.choice(groups or [""]), lambda d, g: d.delete_group(g)),
    ]
    return [rng.choice(kinds)() for _ in range(rng.randint(0, 6))]


class _Meanwhile:
    """Changes that come while a sync runs; those it did not live to see never come."""

    def __init__(self, changes: list[Change]) -> None:
        self.over = False
        self.changes: list[Change] = [partial(self._come, change) for change in changes]

    def _come(self, change: Change, directory: Directory) -> None:
        if not self.over:
            change(directory)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _if_user(pk: int, change: Callable[[Directory, int], object]) -> Change:
    return lambda directory: change(directory, pk) if pk in directory.users else None


def _if_group(pk: str, change: Callable[[Directory, str], object]) -> Change:
    return lambda directory: change(directory, pk) if pk in directory.groups else None


def _if_both(
    rng: random.Random, users: list[int], groups: list[str], change: Callable[[Directory, int, str], object]
) -> Change:
    user, group = rng.choice(users or [0]), rng.choice(groups or [""])
    return lambda d: change(d, user, group) if user in d.users and group in d.groups else None


async def _truth(fake: FakeAuthentik, clock: SimulatedClock, user_input: UserInput) -> tuple[Copy, KeepingSink]:
    """Return the directory as a full sync of a quiet server tells it."""
    truth = Copy()
    _, sink = await _sync(fake, clock, user_input, None)
    truth.apply(sink)
    return truth, sink


def _payloads(copy: Copy, release: str) -> dict[str, dict[str, Any]]:
    # Without groups nobody tells that a group was given to a user from the group's side.
    aside = UNTRACED | (set() if release in _LOGIN_FILTER else {"last_login"}) | (set() if copy.groups else {"groups"})
    return {
        uid: {key: value for key, value in payload.items() if key not in aside}
        for uid, payload in copy.payloads.items()
    }


def _records(copy: Copy, release: str) -> dict[str, dict[str, Any]]:
    aside = set() if release in _LOGIN_FILTER else {"last_login_at"}
    return {uid: {k: v for k, v in record.items() if k not in aside} for uid, record in copy.accounts.items()}


class Chain:
    """A directory that lives, a server to which things happen, and syncs of it, one after the other."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.release = rng.choice(["2025.8", "2025.12", "2026.2", "2026.5"])
        self.clock = clock = SimulatedClock()

        async def no_wait(seconds: float) -> None:
            clock.elapsed += seconds

        users = rng.randint(250, 700) if rng.random() < _LARGE else rng.randint(5, 150)
        self.directory = Directory.generate(users=users, groups=rng.randint(2, 12), seed=seed, clock=clock.now)
        self.fake = FakeAuthentik(self.directory, release=self.release, sleep=no_wait)
        filters = [
            "",
            "",
            "!has(payload.is_active) || payload.is_active",
            "!has(payload.groups) || size(payload.groups) > 1",
        ]
        self.user_input = UserInput(filter_expr=rng.choice(filters), disable_group_sync=rng.random() < _WITHOUT_GROUPS)
        # Of its own, so that a chain is told by its seed whatever filters there are.
        self.typing = typing = random.Random(f"filters {seed}")
        self.filters = [self.user_input.filter_expr]
        if typing.random() < _MISTYPES:
            self.filters += typing.sample(_MISTYPED, typing.randint(1, 3))
        self.copy = Copy()
        self.checkpoint: bytes | None = None
        for kind in ("viewer", "object_level"):
            # No clock of the server ends it.
            self.fake.token(kind, expiring=False)
        self.own = {self.fake.tokens.account(kind) for kind in ("viewer", "object_level")}
        # On whom a filter for the level always fails.
        self.failing = self.directory.create_user(username="always-fails", attributes={"level": "high"})
        self.own.add(self.failing)
        self.backups = [self.directory.snapshot()]
        self.pending: list[Pending[object]] = []
        self.disturbance = _Meanwhile([])
        # Whether logins may be known by the next full sync only: too many, or stamped by a clock that was set.
        self.logins_owed = False

    def retype(self) -> None:
        """Let the filter be mistyped or mended, and the levels change that it may ask for."""
        typing, directory = self.typing, self.directory
        if len(self.filters) == 1:
            return
        if typing.random() < _RETYPED:
            self.user_input = self.user_input.model_copy(update={"filter_expr": typing.choice(self.filters)})
        others = sorted(directory.users.keys() - self.own)
        for pk in typing.sample(others, min(2, len(others))):
            directory.update_user(pk, attributes={"level": typing.choice(_LEVELS)})
        if directory.groups:
            directory.update_group(
                typing.choice(sorted(directory.groups)), attributes={"level": typing.choice(_LEVELS)}
            )

    def upheave(self) -> None:
        """Let something happen to the server between two syncs."""
        rng, directory = self.rng, self.directory
        users = [pk for pk in directory.users if pk not in self.own]
        for pending in self.pending:
            pending.commit()
        self.pending.clear()
        match rng.choice(["clock", "late", "late", "restore", "uids", "logins", "date"]):
            case "clock":
                self.logins_owed = True
                directory.set_clock(timedelta(seconds=rng.choice([0, -200, -5000, -(10**7), 200, 5000, 10**8])))
            case "late" if users:
                pk = rng.choice(users)
                self.pending.append(directory.begin(lambda d: d.update_user(pk, name=f"Late {rng.random()}")))
                self.pending.append(directory.begin(lambda d: d.create_user(username=f"late-{rng.random()}")))
            case "restore":
                directory.restore(rng.choice(self.backups))
            case "uids":
                directory.renew_uids()
            case "logins":
                for pk in users[:: rng.choice([1, 2, 5])]:
                    directory.log_in(pk)
            case _:
                skew = timedelta(seconds=rng.choice([-(10**8), -500, 500, 10**8]))
                self.fake.told_date = lambda now: now + skew
        self.backups.append(directory.snapshot())

    def disturb(self) -> set[str]:
        """Let visibility be lost, or a replica answer, during the next sync; return who is there all the while."""
        rng = self.rng
        first = rng.randint(1, 40)
        last = first + rng.choice([1, 2, 5, 12, 40])
        if rng.random() < _BY_REPLICA:
            self.fake.replica = self.directory.snapshot()
            self.fake.reads_replica = lambda request: first <= request.number < last
            self.directory.update_user(rng.choice(sorted(self.own)), name=f"After the replica {rng.random()}")
        else:
            self.disturbance = _Meanwhile([lambda _: self.fake.narrow(), lambda _: self.fake.widen()])
            for request, change in zip((first, last), self.disturbance.changes, strict=True):
                self.fake.before(request, change)
        return {user["uid"] for user in self.directory.users.values()}

    def calm(self) -> None:
        """End what ``disturb`` began, or would have begun later."""
        self.fake.replica = None
        self.disturbance.over = True
        self.fake.widen()

    async def step(self) -> str:
        """Let time pass and things happen, and sync once; return how it was synced."""
        rng, directory, fake, clock = self.rng, self.directory, self.fake, self.clock
        clock.elapsed += rng.choice([0.3, 5, 70, 4000])
        for change in _changes(rng, directory, self.own, clock):
            change(directory)
        self.retype()
        if rng.random() < _UPHEAVED:
            self.upheave()
        clock.elapsed += rng.choice([0, 0.4, 90])
        fake.requests.clear()
        during = _Meanwhile(_changes(rng, directory, self.own, clock) if rng.random() < 0.5 else [])
        for change in during.changes:
            fake.before(rng.randint(1, 25), change)
        kind = "object_level" if rng.random() < _NARROWED else "viewer"
        there = self.disturb() if (disturbed := rng.random() < _DISTURBED) else set()
        given = self.checkpoint if rng.random() < _REMEMBERED else None
        try:
            result, sink = await _sync(fake, clock, self.user_input, given, kind)
        except CredentialError as error:
            # Visibility lost for good while it is needed fails the run, and nothing of it counts.
            assert disturbed, error  # noqa: PT017 - only then it may
            return f"failed:{error.code}"
        finally:
            during.over = True
            self.calm()
        self.copy.apply(sink)
        self.checkpoint = result.checkpoint
        left = bool(sink.closings[Schema.ACCOUNT].evidence["loginsLeft"])
        self.logins_owed = left or self._logins_ahead() or (self.logins_owed and result.run.mode == "delta")
        if kind == "object_level":
            assert result.run.exit_code == (77 if self.release in _NAMING_ROLES else 75)
            assert not any(closing.read_complete or closing.delta for closing in sink.closings.values())
        if disturbed:
            self._hold_disturbed(sink, there & {user["uid"] for user in directory.users.values()})
        elif kind == "viewer" and not during.changes:
            assert result.run.exit_code == 0, msgspec.json.encode(sink.closings)
            await self._hold_against_truth(result.run.mode, sink)
        return f"{result.run.mode}:{result.run.full_reason}"

    def _logins_ahead(self) -> bool:
        """Whether a login is stamped after the server's present time, so that the next ones are stamped before it."""
        now = _text(self.directory.clock())
        return any((user["last_login"] or "") > now for user in self.directory.users.values())

    def _hold_disturbed(self, sink: KeepingSink, there: set[str]) -> None:
        closing = sink.closings[Schema.ACCOUNT]
        claimed = {removed.resource for removed in closing.removed or () if removed.evidence == "absent"}
        assert not claimed & there, f"{len(claimed & there)} removed who are there"
        if closing.snapshot_complete and not self.user_input.filter_expr:
            assert there <= {envelope.resource for envelope in sink.of(Schema.ACCOUNT)}

    async def _hold_against_truth(self, mode: str, sink: KeepingSink) -> None:
        truth, told = await _truth(self.fake, self.clock, self.user_input)
        assert _sets(sink.held_back) == _sets(told.held_back)
        directory, copy = self.directory, self.copy.without(told)
        assert self.copy.accounts.keys() <= {user["uid"] for user in directory.users.values()}
        assert self.copy.groups.keys() <= directory.groups.keys()
        release = "2025.12" if self.logins_owed else self.release
        copied, true = _records(copy, release), _records(truth, release)
        assert copied.keys() == true.keys(), (mode, copied.keys() ^ true.keys())
        assert copied == true, [(copied[uid], true[uid]) for uid in true if copied[uid] != true[uid]][:2]
        assert _payloads(copy, release) == _payloads(truth, release)
        assert copy.groups == truth.groups
        assert copy.memberships == truth.memberships


async def _chain(seed: int) -> list[str]:
    chain = Chain(seed)
    return [await chain.step() for _ in range(8)]


@pytest.mark.parametrize("seed", range(20))
def test_a_copy_that_applies_every_delta_is_the_directory(seed: int) -> None:
    """After each sync of a quiet server the copy equals what a full sync tells, but for what no cursor covers."""
    asyncio.run(_chain(seed))


@pytest.mark.soak
@pytest.mark.parametrize("first", range(20, 220, 20))
def test_a_copy_that_applies_every_delta_is_the_directory_many_times(first: int) -> None:
    """The same for many more chains."""
    for seed in range(first, first + 20):
        asyncio.run(_chain(seed))
