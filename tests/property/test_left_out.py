"""Whom the filter does not keep is named: handed over, left out and held back are together all there is."""

import asyncio
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik import Schema, SyncRun, UserInput
from openlane_authentik.testing import RELEASES, Directory, FakeAuthentik
from tests.support import KeepingSink, SimulatedClock, run_sync

_ATOMS = (
    "payload.type == 'internal'",
    "!has(payload.type) || payload.type != 'external'",
    "has(payload.is_active) && payload.is_active",
    "payload.is_superuser == true",
    "payload.name.contains('a')",
    "payload.name.startsWith('B')",
    "has(payload.groups) && size(payload.groups) > 2",
    "has(payload.email) && payload.email.endsWith('.com')",
    "resource.startsWith('a')",
    "resource < '8'",
    "resource.contains('3')",
    "payload.pk < 20",  # fails on groups, whose key is a text
    "payload.users.size() > 1",
    "payload.is_activ == true",  # a typo
    "payload.attributes.x.y == 1",  # fails on some users and some groups
    "resource == 'x' || payload.attributes.x.y == 1",
    "resource != 'x' && resource > '8' || payload.attributes.x > 1",
    "true",
)
Keys = set[tuple[str, ...]]
FILTERS = st.recursive(
    st.sampled_from(_ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) && ({pair[1]})"),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}) || ({pair[1]})"),
        inner.map(lambda expression: f"!({expression})"),
    ),
    max_leaves=4,
)


@cache
def _fake(release: str, seed: int) -> FakeAuthentik:
    fake = FakeAuthentik(Directory.generate(users=40, groups=9, seed=seed), release=release)
    fake.token("viewer_via_group")
    directory = fake.directory
    for pk in list(directory.users)[::7]:
        directory.update_user(pk, attributes={"x": 1 if pk % 2 else {"y": 1}})
    for group in list(directory.groups)[::3]:
        directory.update_group(group, attributes={"x": {"y": 1} if seed == 1 else "text"})
    return fake


@settings(max_examples=120, deadline=None)
@given(
    expression=FILTERS,
    release=st.sampled_from(sorted(RELEASES)),
    seed=st.integers(1, 3),
    without_groups=st.booleans(),
)
def test_handed_over_left_out_and_held_back_are_all_there_is(
    expression: str, release: str, seed: int, *, without_groups: bool
) -> None:
    """Of a quiet directory every record is handed over, or named as left out or held back; none is two of these.

    A membership is named only when its account is handed over and its group is not left out: without them there is
    none, and with its account it is held back. Whatever the filter does everything was read, and the run exits 0.
    """
    fake = _fake(release, seed)
    directory = fake.directory
    user_input = UserInput(filter_expr=expression, disable_group_sync=without_groups)
    run, sink = asyncio.run(run_sync(fake, kind="viewer_via_group", user_input=user_input, clock=SimulatedClock()))
    kept, _, _ = _check(sink, Schema.ACCOUNT, {(user["uid"],) for user in directory.users.values()})
    if not without_groups:
        some, _, held_back = _check(sink, Schema.GROUP, {(pk,) for pk in directory.groups})
        memberships: Keys = {
            (user["uid"], group)
            for pk, user in directory.users.items()
            for group in directory.memberships.rights_of(pk)
            if (user["uid"],) in kept and (group,) in some | held_back
        }
        _check(sink, Schema.MEMBERSHIP, memberships)
    _check_claims(run, sink)


def _check(sink: KeepingSink, schema: Schema, there: Keys) -> tuple[Keys, Keys, Keys]:
    """Hold what became of a kind against what is there; return what was handed over, left out and held back."""
    emitted: list[tuple[str, ...]] = [(envelope.resource,) for envelope in sink.of(schema)]
    if schema is Schema.MEMBERSHIP:
        emitted = list(sink.memberships())
    left_out, held_back = sink.left_out.get(schema, []), sink.held_back.get(schema, [])
    named = [*emitted, *left_out, *held_back]
    assert len(named) == len(set(named))
    assert set(named) == there
    counts = sink.closings[schema].counts
    assert len(emitted) == counts.emitted
    if schema is not Schema.MEMBERSHIP:
        assert (len(left_out), len(held_back)) == (counts.filtered, counts.failed)
    return set(emitted), set(left_out), set(held_back)


def _check_claims(run: SyncRun, sink: KeepingSink) -> None:
    """Hold what is claimed against what became of the records."""
    assert run.exit_code == 0
    assert all(closing.read_complete for closing in sink.closings.values())
    warned = {warning.code: warning.message for warning in run.warnings}
    for schema, closing in sink.closings.items():
        counts = closing.counts
        own = {"records_held_back"} if counts.failed else set()
        own |= {"filter_kept_nothing"} if counts.filtered and not counts.emitted else set()
        assert all(f"{schema}" in warned[reason] for reason in own)
        assert set(closing.reasons) >= own
        assert closing.snapshot_complete == (not closing.reasons)
        if schema is not Schema.MEMBERSHIP:
            assert set(closing.reasons) == own
    reasons = {reason for closing in sink.closings.values() for reason in closing.reasons}
    assert reasons == warned.keys() & {"records_held_back", "filter_kept_nothing"}
