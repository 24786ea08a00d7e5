"""The rule of ``simulation`` over schedules that hypothesis draws, and makes as small as they can be when they fail."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.property import simulation
from tests.property.simulation import CHANGES, FILTERS, GLITCHES, RELEASES, Change, Glitch, Schedule

REQUESTS = st.integers(1, 45)

CHANGE = st.builds(
    Change,
    request=REQUESTS,
    kind=st.sampled_from(CHANGES),
    roll=st.integers(0, 1 << 16),
    after=st.booleans(),
)
GLITCH = st.builds(Glitch, request=REQUESTS, kind=st.sampled_from(GLITCHES), times=st.integers(1, 3))
SCHEDULE = st.builds(
    Schedule,
    seed=st.integers(0, 1 << 16),
    release=st.sampled_from(RELEASES),
    users=st.integers(3, 40),
    groups=st.integers(1, 12),
    ties=st.sampled_from([0, 4, 12]),
    memberships_per_user=st.sampled_from([0.0, 0.3, 2.0]),
    everybody_in_a_group=st.booleans(),
    page_size=st.integers(2, 12),
    concurrency=st.integers(1, 5),
    expression=st.sampled_from(sorted(FILTERS)),
    with_groups=st.booleans(),
    changes=st.lists(CHANGE, max_size=12).map(tuple),
    glitches=st.lists(GLITCH, max_size=3).map(tuple),
)


@given(SCHEDULE)
@settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
def test_no_schedule_makes_a_set_say_complete_that_is_not(schedule: Schedule) -> None:
    """Whatever happens at whatever request, a set that says complete is."""
    outcome = simulation.run(schedule)
    assert not outcome.wrongs(), outcome.told()
