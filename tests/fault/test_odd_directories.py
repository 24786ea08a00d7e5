"""Directories and servers as no administrator would wish for: ties, missing stamps, mixed uids, endless pages."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import msgspec
import pytest

from openlane_authentik import DirectorySyncConfig, Schema
from openlane_authentik.testing import Directory, Fault, Snapshot
from openlane_authentik.testing.answers import Answer
from openlane_authentik.testing.faults import Outcome
from tests.fault.test_evidence import changed, people, removed
from tests.support import World

ONE_STAMP = "2027-05-01T10:00:00Z"


def _same(world: World, field: str) -> None:
    for pk in list(world.directory.users):
        world.directory.update_user(pk, **{"last_updated": ONE_STAMP, field: ONE_STAMP})


@pytest.mark.parametrize("field", ["last_updated", "date_joined"])
def test_one_stamp_for_everybody_costs_no_page(field: str) -> None:
    """After an upgrade or a change by SQL all share a stamp: deltas find edits and deletions, and read no tie."""
    world = World(users=900)
    _same(world, field)
    checkpoint = world.proven()
    edited, gone = people(world)[4:6]
    uid = world.directory.users[gone]["uid"]
    world.directory.update_user(edited, name="Edited")
    world.directory.delete_user(gone)
    world.fake.requests.clear()
    result = world.sync(checkpoint)
    assert (result.run.mode, result.run.exit_code) == ("delta", 0)
    assert (changed(world), removed(world)) == ([edited], [(uid, "absent")])
    again = world.sync(result.checkpoint)
    assert (again.run.mode, changed(world)) == ("delta", [])
    assert sum(request.rows for request in world.fake.requests if request.path.endswith("/users/")) < 900


def _altered(change: Callable[[dict[str, Any]], None]) -> Callable[[Answer], Outcome]:
    """Alter every page of users."""

    def alter(answer: Answer) -> Outcome:
        told = msgspec.json.decode(answer.body)
        change(told)
        return Outcome(replace(answer, body=msgspec.json.encode(told)))

    return alter


def _is_users(path: str, _query: object) -> bool:
    return path.endswith("/core/users/")


@pytest.mark.parametrize("field", ["last_updated", "last_login"])
@pytest.mark.parametrize("stamp", [None, "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.999999-01:00", "never"])
@pytest.mark.parametrize("share", [1, 2, 1000])
def test_stamps_that_are_none_raise_nothing(field: str, stamp: str | None, share: int) -> None:
    """With everybody, half of all or one user without a usable stamp a sync comes to its end, and says what it may."""
    world = World("2026.2", users=300)

    def spoil(told: dict[str, Any]) -> None:
        for row in told["results"]:
            row[field] = stamp if row["pk"] % share == 0 else row[field]

    world.fake.inject(Fault("spoilt stamps", _altered(spoil)), when=_is_users, times=None)
    result = world.sync()
    assert result.run.exit_code in {0, 75}
    if result.checkpoint is not None:
        assert world.sync(result.checkpoint).run.exit_code in {0, 75}


def test_two_hundred_types_raise_nothing() -> None:
    """A server that tells a type for each user is read to its end."""
    world = World("2026.2", users=300)

    def spoil(told: dict[str, Any]) -> None:
        # A type that it does not know it refuses.
        for row in told.get("results", ()):
            row["type"] = f"type-{row['pk']}"

    world.fake.inject(Fault("many types", _altered(spoil)), when=_is_users, times=None)
    assert world.sync().run.exit_code in {0, 75}


@pytest.mark.parametrize("checkpointed", [True, False])
def test_mixed_uids_replace_nobody_and_prove_nothing_false(checkpointed: bool) -> None:  # noqa: FBT001 - of a table
    """Uids that change for some requests and come back are of two servers: a run that saw both replaces nobody."""
    world = World(users=62)
    checkpoint = world.proven() if checkpointed else None
    snapshot = world.directory.snapshot()
    for first in range(3, 24, 2):
        begun = len(world.fake.requests)
        world.fake.before(begun + first, lambda directory: directory.renew_uids())
        world.fake.before(begun + first + 5, partial(_restore, snapshot))
        config = DirectorySyncConfig(page_size=20)
        result = world.sync(checkpoint, config=config)
        world.directory.restore(snapshot)
        assert not removed(world), first
        there = {user["uid"] for user in world.directory.users.values()}
        shown = {envelope.resource for envelope in world.sink.of(Schema.ACCOUNT)}
        if checkpointed and result.run.exit_code == 0:
            assert shown <= there, first


def _restore(snapshot: Snapshot, directory: Directory) -> None:
    directory.restore(snapshot)


@pytest.mark.parametrize(("release", "path"), [("2025.6", "/core/users/"), ("2026.2", "/core/groups/")])
def test_a_list_without_end_is_not_read_without_end(release: str, path: str) -> None:
    """A cache that gives page 1 whatever is asked, and claims 200,000 pages, costs a bounded number of requests."""
    world = World(release, users=60)

    def endless(told: dict[str, Any]) -> None:
        told["pagination"] |= {"next": 2, "count": 20_000_000, "total_pages": 200_000}

    first_page = Fault("endless", _altered(endless), lambda parameters: {**parameters, "page": ("1",)})
    world.fake.inject(
        first_page,
        when=lambda asked, query: asked.endswith(path) and query.get("page_size") == ("100",),
        times=None,
    )
    assert world.sync().run.exit_code == 75
    assert len(world.fake.requests) < 600


def test_a_user_of_a_higher_key_than_at_the_beginning_joined_meanwhile() -> None:
    """A group that names a user no list shows speaks against the set, unless the key is above the highest there was."""
    for pk, exit_code in ((2, 75), (999_999, 0)):
        world = World(users=60)

        def name(told: dict[str, Any], pk: int = pk) -> None:
            for row in told["results"]:
                row["users"] = [*row["users"], pk]

        world.fake.inject(
            Fault("unlisted", _altered(name)), when=lambda path, _: path.endswith("/core/groups/"), times=None
        )
        assert world.sync().run.exit_code == exit_code
