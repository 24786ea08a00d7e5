"""What the tests of the host's commands begin with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik, serve
from tests.e2e.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A place with a small directory."""
    with serve(FakeAuthentik(Directory.generate(users=40, groups=5, seed=3))) as server:
        yield Desk(server, tmp_path)
