"""A seeded simulation of a directory that changes, and a network that fails, while it is being read.

A schedule says what happens at which request. The world carries it out and remembers who and what was there the whole
time; the reader under test says what it saw and what it claims. ``Outcome.wrongs`` holds one against the other.

    python -m tests.property.simulation 17        runs seed 17 again and tells what happened
"""

import asyncio
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import httpx

from openlane_authentik import DirectorySyncConfig, Envelope, IntegrationError, Schema, UserInput
from openlane_authentik.testing import Directory, FakeAuthentik, Fault, RequestInfo
from openlane_authentik.testing.faults import Outcome as Answered
from openlane_authentik.testing.reading import Parameters
from tests.support import KeepingSink, SimulatedClock, connect

RELEASES: Final = ("2023.10", "2025.6", "2025.12", "2026.2")
SECONDS_A_REQUEST: Final = 0.05
BULK_IMPORT: Final = "2023-05-17T09:30:00Z"
LONG_AGO: Final = datetime(2012, 1, 1, tzinfo=UTC)

USER_CHANGES: Final = (
    "create_user",
    "create_user_with_an_old_date",
    "create_user_in_the_tie",
    "create_member",
    "delete_user",
    "delete_user_already_read",
    "delete_users_already_read",
    "rename_user",
    "deactivate_user",
    "verify_email",
    "log_in",
    "move_user_behind_the_reader",
    "move_user",
    "exchange_user",
    "move_user_under_cover",
    "touch_many",
)
GROUP_CHANGES: Final = (
    "join_from_group",
    "leave_from_group",
    "set_groups_from_user",
    "rejoin",
    "create_group",
    "delete_group",
    "rename_group",
    "nest_group",
    "exchange_group",
)
CHANGES: Final = USER_CHANGES + GROUP_CHANGES

# What happens to the server, and to what the token may see, rather than to the directory.
UPHEAVALS: Final = (
    "commit_late",
    "set_clock",
    "lose_visibility",
    "read_a_replica",
    "restore_a_backup",
    "renew_uids",
    "log_in_many",
)
DATES: Final[dict[str, Callable[[datetime], datetime | None]]] = {
    "true": lambda now: now,
    "ahead": lambda now: now + timedelta(days=3000),
    "a little ahead": lambda now: now + timedelta(minutes=9),
    "behind": lambda now: now - timedelta(days=3000),
    "none": lambda _: None,
}

# Changes that no count gives away, or that shift what is still to be read.
SHARP: Final = ("exchange_user", "move_user_under_cover", "delete_user_already_read", "exchange_group", "delete_group")

# Faults after which the same request is sent again.
RETRIED: Final = (
    "429",
    "429 seconds",
    "429 date",
    "502",
    "503",
    "503 seconds",
    "504",
    "reset",
    "dropped",
    "cut body",
    "cut header",
    "truncated json",
    "too slow",
)
# Faults that look like a good answer.
MISLEADING: Final = ("pointing back", "pointing to 1", "ignored filter", "clamp 1", "clamp 3")
HARMLESS: Final = ("slow",)
GLITCHES: Final = RETRIED + MISLEADING + HARMLESS

# As many as any sync must bear without a word: see ``Schedule.must_complete``.
MOST_RETRIED: Final = 5
MOST_MISLEADING: Final = 2

Record = dict[str, Any]
Keep = Callable[[Record, str], bool]


def _keep_all(_record: Record, _resource: str) -> bool:
    return True


FILTERS: Final[dict[str, Keep]] = {
    "": _keep_all,
    "!has(payload.type) || payload.type == 'internal'": lambda record, _: record.get("type", "internal") == "internal",
    "!has(payload.is_active) || payload.is_active": lambda record, _: record.get("is_active", True) is True,
    "!payload.name.startsWith('Sales')": lambda record, _: not record["name"].startswith("Sales"),
    "!resource.startsWith('a')": lambda _, resource: not resource.startswith("a"),
}


@dataclass(frozen=True)
class Change:
    """Something that happens to the directory just before, or just after, a request is answered."""

    request: int
    kind: str
    roll: int = 0
    after: bool = False


@dataclass(frozen=True)
class Glitch:
    """Something that happens to the answers of so many requests, from one on."""

    request: int
    kind: str
    times: int = 1


@dataclass(frozen=True)
class Schedule:
    """All that is not the reader's doing in one run."""

    seed: int
    release: str
    users: int
    groups: int = 8
    ties: int = 0
    memberships_per_user: float = 2.0
    everybody_in_a_group: bool = True
    page_size: int = 10
    concurrency: int = 4
    expression: str = ""
    with_groups: bool = True
    date: str = "true"
    own_clock: timedelta = timedelta()
    changes: tuple[Change, ...] = ()
    glitches: tuple[Glitch, ...] = ()

    @property
    def must_complete(self) -> bool:
        """Whether nothing in it is an excuse: a quiet directory, and few faults."""
        retried = sum(glitch.times for glitch in self.glitches if glitch.kind in RETRIED)
        misleading = sum(glitch.times for glitch in self.glitches if glitch.kind in MISLEADING)
        return not self.changes and retried <= MOST_RETRIED and misleading <= MOST_MISLEADING


def drawn(seed: int) -> Schedule:
    """Draw a schedule: the same for the same seed."""
    chance = random.Random(f"schedule {seed}")
    release = RELEASES[seed % len(RELEASES)]
    users = chance.choice([chance.randrange(20, 80), chance.randrange(80, 200), chance.randrange(200, 400)])
    page_size = chance.randrange(5, 41)
    if chance.random() < 0.12:
        # Enough for several spans to be read side by side.
        users, page_size = chance.randrange(1000, 2300), chance.randrange(60, 101)
    ties = chance.choice([0, 0, 0, page_size // 2, page_size + 1, min(users, page_size * 3)])
    groups = chance.choice([chance.randrange(2, 30), page_size * 3])
    # About as many as a clean run needs: visibility and counts, pages (twice where there is no keyset), groups.
    passes = 1 if release in {"2025.12", "2026.2"} else 2
    requests = 12 + passes * (users // page_size) + 2 * (groups // page_size + 1)
    changes = _drawn_changes(chance, requests)
    upheavals = _drawn_upheavals(chance, requests)
    return Schedule(
        seed=seed,
        release=release,
        users=users,
        groups=groups,
        ties=ties,
        memberships_per_user=chance.choice([0.0, 0.3, 2.0, 6.0]),
        everybody_in_a_group=chance.random() < 0.3,
        page_size=page_size,
        concurrency=chance.choice([1, 2, 4, 4, 8]),
        expression=chance.choice(["", "", *FILTERS]),
        with_groups=chance.random() < 0.7,
        date=chance.choice(["true", "true", *DATES]),
        own_clock=timedelta(seconds=chance.choice([0, 0, 0, 400, -400, 10**8, -(10**8)])),
        changes=(*changes, *upheavals),
        glitches=_drawn_glitches(chance, requests),
    )


def _drawn_changes(chance: random.Random, requests: int) -> tuple[Change, ...]:
    number = chance.choice([0, 1, 2, 4, 8, 16, 40])
    # Few kinds a schedule make sharper stories than a little of everything; so does a short time.
    kinds = chance.sample(CHANGES, chance.choice([1, 2, 4, len(CHANGES)]))
    if chance.random() < 0.5:
        kinds = [chance.choice(SHARP)]
    first = chance.randrange(1, requests)
    last = chance.choice([first + 3, first + requests // 3, requests + requests // 2])
    return tuple(
        Change(
            request=chance.randrange(min(first, last), max(first, last) + 1),
            kind=chance.choice(kinds),
            roll=chance.randrange(1 << 30),
            after=chance.random() < 0.5,
        )
        for _ in range(number)
    )


def _drawn_upheavals(chance: random.Random, requests: int) -> tuple[Change, ...]:
    return tuple(
        Change(
            request=chance.randrange(1, requests + requests // 4),
            kind=chance.choice(UPHEAVALS),
            roll=chance.randrange(1 << 30),
            after=chance.random() < 0.5,
        )
        for _ in range(chance.choice([0, 0, 0, 1, 1, 2, 4]))
    )


def _drawn_glitches(chance: random.Random, requests: int) -> tuple[Glitch, ...]:
    number = chance.choice([0, 0, 1, 2, 4])
    return tuple(
        Glitch(chance.randrange(1, requests + requests // 4), chance.choice(GLITCHES), chance.choice([1, 1, 1, 2, 3]))
        for _ in range(number)
    )


def clamp(rows: int) -> Fault:
    """A server that gives fewer rows a page than it was asked for."""

    def ask(parameters: Parameters) -> Parameters:
        asked = parameters.get("page_size", ("100",))[-1]
        return {**parameters, "page_size": (str(min(int(asked), rows)),)}

    return Fault(f"clamp {rows}", Answered, ask)


def fault_named(kind: str, now: datetime) -> Fault:
    """Make the fault of a kind of glitch."""
    made: dict[str, Callable[[], Fault]] = {
        "429": lambda: Fault.status(429),
        "429 seconds": lambda: Fault.status(429, retry_after=7),
        "429 date": lambda: Fault.status(429, retry_after=now + timedelta(seconds=20)),
        "503 seconds": lambda: Fault.status(503, retry_after=3),
        "reset": Fault.reset,
        "dropped": Fault.dropped,
        "cut body": Fault.cut_body,
        "cut header": lambda: Fault.cut_body(0.0),
        "truncated json": Fault.truncated_json,
        "too slow": lambda: Fault.slow(61.0),
        "slow": lambda: Fault.slow(20.0),
        "pointing back": Fault.pointing_back,
        "pointing to 1": lambda: Fault.pointing_back(1),
        "ignored filter": Fault.ignored_filter,
        "clamp 1": lambda: clamp(1),
        "clamp 3": lambda: clamp(3),
    }
    return made[kind]() if kind in made else Fault.status(int(kind))


class RestlessClock(SimulatedClock):
    """Simulated time in which whoever waits comes back in a drawn order, so that answers overtake each other."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._chance = random.Random(f"order {seed}")

    async def sleep(self, seconds: float) -> None:
        """Let the time pass, and others go first."""
        self.elapsed += seconds
        for _ in range(self._chance.randrange(1, 8)):
            await asyncio.sleep(0)


class PatientSink(KeepingSink):
    """A sink that takes a while, as one that writes to a database would."""

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Take the envelopes, after a while."""
        for _ in range(3):
            await asyncio.sleep(0)
        await super().accept(envelopes)


class RunawayError(AssertionError):
    """A reader sent far more requests than any sync needs: it would never end."""


@dataclass
class Seen:
    """What a reader has handed over, and what it claims of it."""

    emitted: dict[Schema, list[Any]] = field(default_factory=lambda: {schema: [] for schema in Schema})
    complete: dict[Schema, bool] = field(default_factory=dict)
    reasons: dict[Schema, list[str]] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    failure: str | None = None


class World:
    """The fake, what happens to it, and the memory of what was there all the time."""

    def __init__(self, schedule: Schedule, clock: SimulatedClock, seen: Seen) -> None:
        self.schedule = schedule
        self.clock = clock
        self.seen = seen
        self.directory = Directory.generate(
            schedule.users,
            schedule.groups,
            schedule.seed,
            memberships_per_user=schedule.memberships_per_user,
            ties=schedule.ties,
            clock=clock.now,
        )
        if not schedule.everybody_in_a_group and schedule.groups > 1:
            self.directory.delete_group(list(self.directory.groups)[1])
        self.fake = FakeAuthentik(
            self.directory, release=schedule.release, sleep=clock.sleep, cost=self._cost, workers=64
        )
        self.fake.told_date = DATES[schedule.date]
        self.directory.set_clock(-schedule.own_clock)
        # No clock of the server ends it.
        self.fake.token(expiring=False)
        # Without them the token would be worth nothing: another story.
        self._account = self.fake.tokens.account("viewer")
        self._role_groups = {
            group for group in self.directory.groups if self.directory.memberships.holds(self._account, group)
        }
        self._keep = FILTERS[schedule.expression]
        self._most_requests = 400 + 60 * (schedule.users // schedule.page_size + schedule.groups)
        self._names = 0
        self._backup = self.directory.snapshot()
        self.there = self._everybody()
        self.always = self._now()
        self.ever = {schema: set(keys) for schema, keys in self.always.items()}
        for change in schedule.changes:
            plan = self.fake.after if change.after else self.fake.before
            plan(change.request, partial(self._apply, change))
        for glitch in schedule.glitches:
            self.fake.inject(fault_named(glitch.kind, clock.now()), nth=glitch.request, times=glitch.times)

    def _cost(self, request: RequestInfo) -> float:
        if request.number > self._most_requests:
            raise RunawayError(f"{request.number} requests, and no end")
        return SECONDS_A_REQUEST

    # What is there at this moment, by the keys a host would know it by

    def _now(self) -> dict[Schema, set[Any]]:
        directory, keep = self.directory, self._keep
        kept = {pk: user["uid"] for pk, user in directory.users.items() if keep(user, user["uid"])}
        groups = {pk for pk, group in directory.groups.items() if keep(group, pk)}
        memberships = {
            (uid, group)
            for pk, uid in kept.items()
            for group in directory.memberships.rights_of(pk)
            if group in groups and keep(directory.users[pk], group)
        }
        return {Schema.ACCOUNT: set(kept.values()), Schema.GROUP: groups, Schema.MEMBERSHIP: memberships}

    def _everybody(self) -> set[str]:
        return {user["uid"] for user in self.directory.users.values()}

    def _note(self) -> None:
        self.there &= self._everybody()
        for schema, keys in self._now().items():
            self.always[schema] &= keys
            self.ever[schema] |= keys

    # What happens

    def _apply(self, change: Change, _directory: Directory) -> None:
        chance = random.Random(change.roll)
        getattr(self, f"_{change.kind}")(chance)
        self._note()

    def _later(self, chance: random.Random, most: int, then: Callable[[], object]) -> None:
        """Let something happen a few requests from now."""

        def happen(_directory: Directory) -> None:
            then()
            self._note()

        self.fake.before(len(self.fake.requests) + chance.randrange(1, most), happen)

    def _users(self) -> list[int]:
        return [pk for pk in self.directory.users if pk != self._account]

    def _groups(self) -> list[str]:
        return sorted(self.directory.groups.keys() - self._role_groups)

    def _read(self) -> list[int]:
        uids = set(self.seen.emitted[Schema.ACCOUNT])
        return [pk for pk in self._users() if self.directory.users[pk]["uid"] in uids]

    def _unread(self) -> list[int]:
        uids = set(self.seen.emitted[Schema.ACCOUNT])
        return [pk for pk in self._users() if self.directory.users[pk]["uid"] not in uids]

    def _new_name(self, chance: random.Random) -> str:
        self._names += 1
        return f"{chance.choice(['Sales', 'a', 'M', 'z'])}-{self._names}"

    def _create_user(self, chance: random.Random, **fields: Any) -> int:
        kind = chance.choice(["internal", "internal", "external", "service_account"])
        return self.directory.create_user(username=self._new_name(chance), type=kind, **fields)

    def _commit_late(self, chance: random.Random) -> None:
        users, name = self._users(), self._new_name(chance)
        changes: list[Callable[[Directory], object]] = [lambda d: d.create_user(username=name)]
        if users:
            pk = chance.choice(users)
            changes += [lambda d: d.update_user(pk, name=name), lambda d: d.delete_user(pk)]
        self._later(chance, 40, self.directory.begin(chance.choice(changes)).commit)

    def _set_clock(self, chance: random.Random) -> None:
        self.directory.set_clock(timedelta(seconds=chance.choice([-40_000_000, -9000, -200, 200, 9000, 300_000_000])))

    def _lose_visibility(self, chance: random.Random) -> None:
        self.fake.narrow()
        self._later(chance, chance.choice([2, 6, 20, 60]), self.fake.widen)

    def _read_a_replica(self, chance: random.Random) -> None:
        self.fake.replica = self.directory.snapshot()
        first = len(self.fake.requests) + chance.randrange(0, 12)
        last = first + chance.choice([1, 3, 10, 40])
        self.fake.reads_replica = lambda request: first <= request.number < last

    def _restore_a_backup(self, _chance: random.Random) -> None:
        self.directory.restore(self._backup)

    def _renew_uids(self, _chance: random.Random) -> None:
        self.directory.renew_uids()

    def _log_in_many(self, chance: random.Random) -> None:
        users = self._users()
        for pk in chance.sample(users, len(users) // 2):
            self.directory.log_in(pk)

    def _create_user_with_an_old_date(self, chance: random.Random) -> None:
        joined = LONG_AGO + timedelta(seconds=chance.randrange(440_000_000))
        self._create_user(chance, date_joined=joined.isoformat())

    def _create_user_in_the_tie(self, chance: random.Random) -> None:
        for _ in range(chance.choice([1, 2, 30])):
            self._create_user(chance, date_joined=BULK_IMPORT)

    def _create_member(self, chance: random.Random) -> None:
        if groups := self._groups():
            self._create_user(chance, groups=[chance.choice(groups)])

    def _delete_user(self, chance: random.Random) -> None:
        if users := self._users():
            self.directory.delete_user(chance.choice(users))

    def _delete_user_already_read(self, chance: random.Random) -> bool:
        users = self._read()
        if users:
            self.directory.delete_user(chance.choice(users))
        return bool(users)

    def _delete_users_already_read(self, chance: random.Random) -> None:
        for _ in range(5):
            self._delete_user_already_read(chance)

    def _rename_user(self, chance: random.Random) -> None:
        if users := self._users():
            name = self._new_name(chance)
            self.directory.update_user(chance.choice(users), username=name, name=name)

    def _deactivate_user(self, chance: random.Random) -> None:
        if users := self._users():
            self.directory.update_user(chance.choice(users), is_active=False)

    def _verify_email(self, chance: random.Random) -> None:
        if users := self._users():
            self.directory.set_active_by_email_verification(chance.choice(users))

    def _log_in(self, chance: random.Random) -> None:
        if users := self._users():
            self.directory.log_in(chance.choice(users))

    def _move_user_behind_the_reader(self, chance: random.Random) -> None:
        if users := self._unread():
            joined = LONG_AGO + timedelta(seconds=chance.randrange(1000))
            self.directory.update_user(chance.choice(users), date_joined=joined.isoformat())

    def _move_user(self, chance: random.Random) -> None:
        if users := self._users():
            joined = LONG_AGO + timedelta(seconds=chance.randrange(440_000_000))
            self.directory.update_user(chance.choice(users), date_joined=joined.isoformat())

    def _exchange_user(self, chance: random.Random) -> None:
        # No count tells that anything happened.
        if self._delete_user_already_read(chance):
            if chance.random() < 0.5:
                self._create_user_with_an_old_date(chance)
            else:
                self._create_user(chance)

    def _move_user_under_cover(self, chance: random.Random) -> None:
        if self._unread() and self._delete_user_already_read(chance):
            self._move_user_behind_the_reader(chance)

    def _touch_many(self, chance: random.Random) -> None:
        users = self._users()
        for pk in chance.sample(users, min(len(users), chance.choice([10, 50]))):
            self.directory.update_user(pk, attributes={"touched": chance.randrange(1000)})

    def _join_from_group(self, chance: random.Random) -> None:
        if (users := self._users()) and (groups := self._groups()):
            self.directory.add_member(chance.choice(groups), chance.choice(users))

    def _memberships(self) -> list[tuple[int, str]]:
        groups = set(self._groups())
        held = self.directory.memberships
        return [(pk, group) for pk in self._users() for group in held.rights_of(pk) if group in groups]

    def _leave_from_group(self, chance: random.Random) -> None:
        if pairs := self._memberships():
            user, group = chance.choice(pairs)
            self.directory.remove_member(group, user)

    def _set_groups_from_user(self, chance: random.Random) -> None:
        if (users := self._users()) and (groups := self._groups()):
            wanted = chance.sample(groups, chance.randrange(min(4, len(groups)) + 1))
            self.directory.set_user_groups(chance.choice(users), wanted)

    def _rejoin(self, chance: random.Random) -> None:
        if pairs := self._memberships():
            user, group = chance.choice(pairs)
            self.directory.remove_member(group, user)
            self._note()
            self.directory.add_member(group, user)

    def _create_group(self, chance: random.Random) -> None:
        users = self._users()
        self.directory.create_group(
            self._new_name(chance),
            # Keys of groups are random: a new one may come before those already read.
            pk=_uuid(chance),
            users=chance.sample(users, min(len(users), chance.randrange(5))),
        )

    def _delete_group(self, chance: random.Random) -> None:
        if groups := self._groups():
            # The first in the order of the reader is the one that shifts all others.
            self.directory.delete_group(groups[0] if chance.random() < 0.5 else chance.choice(groups))

    def _rename_group(self, chance: random.Random) -> None:
        if groups := self._groups():
            self.directory.rename_group(chance.choice(groups), self._new_name(chance))

    def _nest_group(self, chance: random.Random) -> None:
        if groups := self._groups():
            self.directory.set_parents(chance.choice(groups), chance.sample(groups, min(len(groups), 2)))

    def _exchange_group(self, chance: random.Random) -> None:
        if self._groups():
            self._delete_group(chance)
            self._create_group(chance)


def _uuid(chance: random.Random) -> str:
    digits = f"{chance.getrandbits(128):032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


Reader = Callable[[World], Awaitable[None]]


async def the_sync(world: World) -> None:
    """Read with the DirectorySync of this package."""
    schedule, seen = world.schedule, world.seen
    sink = _SeenSink(seen)
    integration = connect(world.fake, clock=world.clock)
    user_input = UserInput(filter_expr=schedule.expression, disable_group_sync=not schedule.with_groups)
    config = DirectorySyncConfig(
        page_size=schedule.page_size, concurrency=schedule.concurrency, timeout_seconds=100_000.0
    )
    try:
        await integration.directory_sync(sink, user_input, config)
    except IntegrationError as error:
        seen.failure = error.code
    for schema, closing in sink.closings.items():
        seen.complete[schema] = closing.read_complete
        seen.reasons[schema] = closing.reasons
        seen.removed += [entry.resource for entry in closing.removed or () if entry.evidence == "absent"]
    statuses = [run.status for run in sink.runs]
    assert statuses == (["COMPLETED"] if seen.failure is None else ["FAILED"]), statuses


class _SeenSink(PatientSink):
    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self._seen = seen

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        await super().accept(envelopes)
        for envelope in envelopes:
            key: Any = envelope.resource
            if envelope.schema is Schema.MEMBERSHIP:
                key = (envelope.record["directory_account_id"], envelope.record["directory_group_id"])
            self._seen.emitted[envelope.schema].append(key)


async def naive_reader(world: World) -> None:
    """Read as it is usually done: page after page by number, once; nothing failed, so it is complete."""
    schedule, seen = world.schedule, world.seen
    users: dict[int, str] = {}

    def keep_user(user: Record) -> None:
        users[user["pk"]] = user["uid"]
        seen.emitted[Schema.ACCOUNT].append(user["uid"])

    def keep_group(group: Record) -> None:
        seen.emitted[Schema.GROUP].append(group["pk"])
        seen.emitted[Schema.MEMBERSHIP].extend((users[pk], group["pk"]) for pk in group["users"] if pk in users)

    async with httpx.AsyncClient(
        transport=world.fake.transport(),
        base_url="https://authentik.example.test/api/v3/",
        headers=world.fake.headers(),
    ) as client:
        try:
            await _offset_pages(client, "core/users/", schedule.page_size, keep_user)
            await _offset_pages(client, "core/groups/", schedule.page_size, keep_group)
        except httpx.HTTPError as error:
            seen.failure = type(error).__name__
            return
    seen.complete = dict.fromkeys(Schema, True)


async def _offset_pages(client: httpx.AsyncClient, path: str, size: int, keep: Callable[[Record], None]) -> None:
    page, known = 1, set()
    while page:
        answer = (await client.get(path, params={"page": page, "page_size": size})).raise_for_status().json()
        for row in answer["results"]:
            if row["pk"] not in known:
                known.add(row["pk"])
                keep(row)
        page = answer["pagination"]["next"]


@dataclass(frozen=True)
class Outcome:
    """A run, and what was true."""

    schedule: Schedule
    seen: Seen
    always: dict[Schema, set[Any]]
    ever: dict[Schema, set[Any]]
    there: set[str]
    requests: int

    def wrongs(self) -> list[str]:
        """Everything the reader said that is not so; empty when the claim was a proof."""
        seen = self.seen
        found: list[str] = []
        for schema, keys in seen.emitted.items():
            if twice := len(keys) - len(set(keys)):
                found.append(f"{schema}: {twice} handed over twice")
            if invented := set(keys) - self.ever[schema]:
                found.append(f"{schema}: {len(invented)} never were: {sorted(invented)[:3]}")
            missing = self.always[schema] - set(keys)
            if seen.complete.get(schema) and missing:
                found.append(f"{schema}: FALSE COMPLETE, {len(missing)} missing: {sorted(missing)[:3]}")
        if false := self.there & set(seen.removed):
            found.append(f"{len(false)} removed who are there: {sorted(false)[:3]}")
        if seen.failure is not None and any(seen.complete.values()):
            found.append(f"the run failed ({seen.failure}), a set of it says complete")
        if self.schedule.must_complete and not self.all_complete:
            found.append(f"nothing stood against it: {seen.failure or seen.reasons}")
        return found

    @property
    def all_complete(self) -> bool:
        """Whether every set of the run says complete."""
        sets = Schema if self.schedule.with_groups else (Schema.ACCOUNT,)
        return all(self.seen.complete.get(schema, False) for schema in sets)

    def told(self) -> str:
        """What a person needs to run it again."""
        lines = [
            *self.wrongs(),
            f"{self.requests} requests, claims {self.seen.complete}, failure {self.seen.failure}, {self.seen.reasons}",
            repr(self.schedule),
            f"run it again: python -m tests.property.simulation {self.schedule.seed}",
        ]
        return "\n  ".join(lines)


def run(schedule: Schedule, reader: Reader = the_sync) -> Outcome:
    """Play a schedule before a reader."""
    seen = Seen()
    clock = RestlessClock(schedule.seed)
    world = World(schedule, clock, seen)

    async def play() -> None:
        await reader(world)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left behind: {left}"

    before = random.getstate()
    random.seed(schedule.seed)
    try:
        asyncio.run(play())
    finally:
        random.setstate(before)
    return Outcome(schedule, seen, world.always, world.ever, world.there, len(world.fake.requests))


def failures(seeds: Sequence[int]) -> str:
    """Play the schedules of some seeds; give what went wrong, for people."""
    outcomes = (run(drawn(seed)) for seed in seeds)
    return "\n\n".join(outcome.told() for outcome in outcomes if outcome.wrongs())


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        sys.stdout.write(run(drawn(int(argument))).told() + "\n")
