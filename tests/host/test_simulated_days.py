"""Many seeded days of a directory: after every complete run the host has what is true, and its log says how it came.

What happens is in ``directory_life``, what is true in ``true_directory``; a sample runs with every test run.
"""

import pytest

from openlane_authentik.host.host import Host
from tests.host.directory_life import Life

SAMPLE_DAYS = 30
DAYS = 300


def test_the_directory_and_its_log_equal_the_model(host: Host) -> None:
    """After each complete run directory, history and replayed log are the model; nobody there is removed."""
    Life(host, seed=1).live(SAMPLE_DAYS)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(2, 4))
def test_the_directory_and_its_log_equal_the_model_for_long(host: Host, seed: int) -> None:
    """The same for 300 days, with every release in the sample, and with all that can happen in it."""
    life = Life(host, seed)
    life.live(DAYS)
    happened = life.counts
    assert sum(count for what, count in happened.items() if what.startswith("full 0")) > 30, happened
    assert happened.get("asking", 0) > 0, happened
    assert happened.get("confirmed", 0) > 0, happened
    assert happened.get("scope confirmed", 0) > 0, happened
    assert happened.get("saved meanwhile", 0) > 0, happened
