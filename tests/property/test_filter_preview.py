"""What a preview names is what the next sync leaves out, whether it judges by a copy or reads authentik."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik import Schema, UserInput
from openlane_authentik.emit.filter_copy import FilterCopy
from openlane_authentik.operations.filter_copy import NOT_HELD, CopyWriter, read_copy
from openlane_authentik.testing import RELEASES, Directory
from tests.property.test_left_out import FILTERS
from tests.support import KeepingSink, World, connect

_KIND = "viewer"
Named = dict[Schema, set[tuple[str, ...]]]


def _change(directory: Directory, rng: random.Random) -> None:
    """Hire, let go, rename and move some people, and begin, end and rename groups."""
    people = sorted(pk for pk, user in directory.users.items() if user["type"] in ("internal", "external"))
    for pk in rng.sample(people, 6):
        directory.update_user(
            pk, type=rng.choice(["internal", "external"]), attributes={"x": rng.choice([1, {"y": 1}])}
        )
    for pk in rng.sample(people, 2):
        directory.delete_user(pk)
    hired = directory.create_user(username=f"hired-{rng.random()}", name=rng.choice("AaBb"), type="internal")
    # Without the group that holds the tokens' role they see nothing.
    groups = sorted(pk for pk, group in directory.groups.items() if not group["name"].startswith("Holders of "))
    ended, renamed, joined = rng.sample(groups, 3)
    directory.set_user_groups(hired, {joined, directory.create_group(f"{rng.choice('ABab')}-{rng.random()}")})
    directory.delete_group(ended)
    directory.update_group(renamed, name=f"B-{rng.random()}")


def _copied(
    world: World, user_input: UserInput, copies: list[FilterCopy], checkpoint: bytes | None
) -> tuple[list[FilterCopy], bytes | None]:
    """Sync, and give the copies that are kept then, with the checkpoint."""
    world.clock.elapsed += 300
    sync = connect(world.fake, _KIND, world.clock).directory_sync
    result = asyncio.run(sync(KeepingSink(), user_input, checkpoint=checkpoint, filter_copy=True))
    copy = result.filter_copy
    assert copy is not None
    return [copy] if copy.whole else [*copies, copy], result.checkpoint


def _previewed(world: World, user_input: UserInput, copies: Sequence[FilterCopy] = ()) -> tuple[Named, int]:
    """Return what is named, and how many requests that took."""
    sink = KeepingSink()
    before = len(world.fake.requests)
    integration = connect(world.fake, _KIND, world.clock)
    synced = asyncio.run(integration.preview_filter(sink, user_input, copies=copies))
    assert synced == ([Schema.ACCOUNT] if user_input.disable_group_sync else list(Schema))
    return {schema: set(sink.left_out.get(schema, ())) for schema in Schema}, len(world.fake.requests) - before


@settings(max_examples=60, deadline=None)
@given(
    of_the_runs=FILTERS,
    tried=FILTERS,
    release=st.sampled_from(sorted(RELEASES)),
    seed=st.integers(),
    deltas=st.integers(0, 3),
    without_groups=st.booleans(),
)
def test_a_preview_names_what_the_next_sync_leaves_out(
    of_the_runs: str, tried: str, release: str, seed: int, deltas: int, *, without_groups: bool
) -> None:
    """By the copies of a full sync and all deltas since, and read from authentik: both name what a full sync does.

    Whatever filter the copies were made under, since they hold those too whom that one left out. By the copies
    authentik is not asked.
    """
    world, rng = World(release, users=40), random.Random(seed)
    of_all = UserInput(filter_expr=of_the_runs)
    copies, checkpoint = _copied(world, of_all, [], None)
    for _ in range(deltas):
        _change(world.directory, rng)
        copies, checkpoint = _copied(world, of_all, copies, checkpoint)

    user_input = UserInput(filter_expr=tried, disable_group_sync=without_groups)
    world.sync(user_input=user_input, kind=_KIND)
    left_out = {schema: set(world.sink.left_out.get(schema, ())) for schema in Schema}
    assert _previewed(world, user_input)[0] == left_out
    assert _previewed(world, user_input, copies) == (left_out, 0)


def test_a_delta_keeps_the_copy_before_it() -> None:
    """The copies of deltas are few lines beside the whole one, and together they are everybody who is there."""
    world = World(users=40)
    copies, checkpoint = _copied(world, UserInput(), [], None)
    _change(world.directory, random.Random(1))
    copies, checkpoint = _copied(world, UserInput(), copies, checkpoint)
    assert [copy.whole for copy in copies] == [True, False]
    assert {raw["uid"] for raw in read_copy([copy.accounts for copy in copies])} == {
        user["uid"] for user in world.directory.users.values()
    }
    quiet, _ = _copied(world, UserInput(), copies, checkpoint)
    assert quiet[-1].accounts == b""


@pytest.mark.parametrize("name", sorted(NOT_HELD))
def test_a_filter_that_names_what_no_copy_holds_is_read_from_authentik(name: str) -> None:
    """As is one that takes the whole payload: what a copy cannot show is never guessed from it."""
    world = World(users=20)
    copies, _ = _copied(world, UserInput(), [], None)
    for expression in (f"!has(payload.{name}) || size(payload.{name}) == 0", f"'{name}' in payload"):
        _, requests = _previewed(world, UserInput(filter_expr=expression), copies)
        assert requests > 0


def test_groups_switched_on_again_are_read_from_authentik() -> None:
    """A copy of a sync without groups tells nothing of them."""
    world = World(users=20)
    without, _ = _copied(world, UserInput(disable_group_sync=True), [], None)
    assert _previewed(world, UserInput(disable_group_sync=True), without)[1] == 0
    assert _previewed(world, UserInput(), without)[1] > 0


def test_a_copy_without_its_whole_one_is_not_judged_by() -> None:
    """What only tells who changed is no copy of everybody."""
    world = World(users=20)
    copies, checkpoint = _copied(world, UserInput(), [], None)
    copies, _ = _copied(world, UserInput(), copies, checkpoint)
    assert _previewed(world, UserInput(), copies[1:])[1] > 0


@given(cut=st.integers(0, 10_000), flipped=st.integers(0, 255))
def test_a_damaged_copy_is_refused(cut: int, flipped: int) -> None:
    """Cut off or altered anywhere, it raises ``ValueError`` or still reads as what it was; nobody is left out of it."""
    writer = CopyWriter()
    people = [{"pk": pk, "name": f"person {pk * 7919 % 1000}"} for pk in range(200)]
    for pk, raw in enumerate(people):
        writer.add(pk, raw)
    whole = writer.to_bytes()
    assert list(read_copy([whole])) == people
    at = 1 + cut % (len(whole) - 1)
    for damaged in (whole[:at], whole[:at] + bytes([flipped]) + whole[at + 1 :]):
        if damaged != whole:
            with pytest.raises(ValueError, match=r"damaged|cut off"):
                list(read_copy([damaged]))
