"""Where the host keeps its data: the same place whatever folder a command is typed in."""

import json
from pathlib import Path

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik, serve
from tests.e2e.command import environment, names_in, run


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """Return the environment of a user who set nothing."""
    return environment(XDG_DATA_HOME=str(tmp_path / "share"))


def test_a_host_is_found_from_any_folder(tmp_path: Path, env: dict[str, str]) -> None:
    """Connected in one folder, a directory is listed in another; neither folder has anything of it."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.mkdir()
    other.mkdir()
    with serve(FakeAuthentik(Directory.generate(users=5, groups=2, seed=1))) as server:
        env |= {"AUTHENTIK_BASE_URL": server.url, "AUTHENTIK_TOKEN": server.fake.token()}
        assert run("host", "connect", "--name", "here", env=env, cwd=one).returncode == 0
    ran = run("host", "list", "--json", env=env, cwd=other)
    assert [connected["name"] for connected in json.loads(ran.stdout)] == ["here"]
    assert names_in(one) == names_in(other) == []
    assert str(tmp_path / "share" / "openlane") in ran.stderr
    assert "host.key" in names_in(tmp_path / "share" / "openlane")


def test_a_folder_of_before_is_found_and_named(tmp_path: Path, env: dict[str, str]) -> None:
    """Where ``openlane-data`` lies beside the command it is used, and the log says which folder that is."""
    (tmp_path / "openlane-data").mkdir(mode=0o700)
    ran = run("host", "list", env=env, cwd=tmp_path)
    assert ran.returncode == 0
    assert str(tmp_path / "openlane-data") in ran.stderr
    assert "host.key" in names_in(tmp_path / "openlane-data")
    assert not (tmp_path / "share").exists()
