"""``python -m openlane_authentik.testing`` and ``--version``: what one tries the package with, and which one it is."""

import signal
import subprocess
import sys
from importlib import metadata

import pytest

from tests.e2e.command import environment, run


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_fake_runs_until_it_is_told_to_end(ending: signal.Signals) -> None:
    """It prints an address and a token with which a health check passes, and ends in order by either signal."""
    command = [sys.executable, "-m", "openlane_authentik.testing", "--users", "30", "--groups", "3"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as fake:
        try:
            assert fake.stdout is not None
            told = dict(fake.stdout.readline().rstrip("\n").split("=", 1) for _ in range(2))
            assert told["AUTHENTIK_BASE_URL"].startswith("http://127.0.0.1:")
            ran = run("health", env=environment(**told))
            assert ran.returncode == 0, ran.stdout + ran.stderr
            fake.send_signal(ending)
            assert fake.wait(60) == 0
            assert fake.stderr is not None
            assert fake.stderr.read() == ""
        finally:
            fake.kill()


def test_the_version_is_that_of_the_package() -> None:
    """``--version`` prints it and nothing else."""
    ran = run("--version", env=environment())
    assert (ran.returncode, ran.stdout) == (0, f"openlane-authentik {metadata.version('openlane-authentik')}\n")
