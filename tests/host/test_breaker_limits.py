"""When a run is too much for the breaker: shares and numbers, empty sets, and tokens that see less than all."""

import pytest

from openlane_authentik import Schema
from openlane_authentik.host.attention import list_attention
from openlane_authentik.host.host import Host
from openlane_authentik.testing import Directory, FakeAuthentik
from tests.host.asked import listed, missing, one_question, removed
from tests.host.in_process import InProcess, save_in_process, stored, sync_now, with_definition
from tests.host.scripted import save_scripted, scripted
from tests.support import SimulatedClock


@pytest.mark.parametrize("empty", list(Schema))
def test_an_empty_set_removes_nothing(host: Host, empty: Schema) -> None:
    """A set that was not empty and now is removes nothing of any kind, however few its records and wide the limits."""
    opened, script, saved = scripted(host, breaker_share=1.0, breaker_least=1000)
    script.people(3, groups=1)
    sync_now(opened, saved.id)
    if empty is Schema.ACCOUNT:
        script.accounts = {}
    if empty in {Schema.ACCOUNT, Schema.GROUP}:
        script.groups = {} if empty is Schema.GROUP else script.groups
    script.memberships = set()
    run = sync_now(opened, saved.id)
    assert removed(opened, saved.id, run) == set()
    question = one_question(opened, saved.id)
    assert question.counts[empty.value]["tripped"]
    assert listed(opened, saved.id, question.id) == missing(opened, saved.id, script)


@pytest.mark.parametrize(
    ("present", "gone", "share", "least", "asks"),
    [
        (100, 20, 0.2, 10, False),  # exactly 20 %
        (100, 21, 0.2, 10, True),
        (45, 9, 0.2, 10, False),
        (44, 9, 0.2, 10, False),  # more than 20 %, and fewer than 10
        (44, 10, 0.2, 10, True),
        (50, 10, 0.2, 10, False),  # 10, and exactly 20 %
        (50, 11, 0.2, 10, True),
        (100, 1, 0.0, 1, True),
        (100, 50, 0.5, 1, False),
        (100, 51, 0.5, 1, True),
        (100, 99, 1.0, 1, False),
        (100, 29, 0.29, 1, False),  # 0.29 * 100 is a little less than 29
    ],
)
def test_the_limits_are_exact(host: Host, present: int, gone: int, share: float, least: int, asks: bool) -> None:  # noqa: FBT001 - of a table
    """A run asks when it would remove more than the share, and at least so many, as each installation has it."""
    opened, script, saved = scripted(host, breaker_share=share, breaker_least=least)
    script.people(present)
    sync_now(opened, saved.id)
    script.drop(*list(script.accounts)[:gone])
    run = sync_now(opened, saved.id)
    assert bool(list_attention(opened, saved.id)) == asks
    assert len(removed(opened, saved.id, run)) == (0 if asks else gone)


def test_limits_hold_for_each_schema(host: Host) -> None:
    """Too many memberships alone keep accounts from being removed too, as nothing of any kind is."""
    opened, script, saved = scripted(host)
    script.people(60, groups=2)
    sync_now(opened, saved.id)
    script.drop("u001")
    script.memberships = {pair for pair in script.memberships if pair[1] == "g0"}
    run = sync_now(opened, saved.id)
    counts = one_question(opened, saved.id).counts
    assert {name: count["tripped"] for name, count in counts.items()} == {
        "DirectoryAccount": False,
        "DirectoryMembership": True,
    }
    assert removed(opened, saved.id, run) == set()
    save_scripted(opened, saved.id, breaker_share=0.6)
    assert ("DirectoryAccount", "u001", "") in removed(opened, saved.id, sync_now(opened, saved.id))


@pytest.mark.parametrize("kind", ["object_level", "internal_sa_none", "view_user_only", "none", "viewer"])
def test_whatever_a_token_sees_nobody_is_removed(host: Host, clock: SimulatedClock, kind: str) -> None:
    """A token of partial or no visibility removes nobody and the run says why; a true loss of two thirds asks first."""
    directory = Directory.generate(users=60, groups=9, seed=8, clock=clock.now)
    fake = FakeAuthentik(directory, sleep=clock.sleep)
    fake.token("viewer")
    fake.token(kind)
    integration = InProcess(fake, clock)
    opened = with_definition(host, integration)
    saved = save_in_process(opened, fake)
    sync_now(opened, saved.id)
    there = {schema: records.keys() for schema, records in stored(opened, saved.id).items()}
    integration.kind = kind
    if kind == "viewer":
        own = fake.tokens.account("viewer")
        directory.delete_users([pk for pk in directory.users if pk != own][:40])
    clock.elapsed += 600
    run = sync_now(opened, saved.id)
    assert {schema: records.keys() for schema, records in stored(opened, saved.id).items()} == there
    told = f"{run.warnings} {run.error}"
    why = {
        "object_level": "partial_visibility",
        "internal_sa_none": "partial_visibility",
        "view_user_only": "no_permission_groups",
        "none": "no_permission_groups",
    }
    if kind == "viewer":
        assert run.mode == "delta"
        assert one_question(opened, saved.id).counts["DirectoryAccount"]["removed"] == 40
    else:
        assert why[kind] in told
