"""The public face of the testing package."""

import subprocess
import sys

from openlane_authentik import testing


def test_all_names_what_is_public() -> None:
    """`__all__` is sorted as ruff sorts it and names only what is there."""
    assert set(testing.__all__) == {
        "KINDS",
        "RELEASES",
        "Clock",
        "Cost",
        "Directory",
        "FakeAuthentik",
        "FakeTransport",
        "Fault",
        "Hook",
        "Pending",
        "Release",
        "RequestInfo",
        "Server",
        "Snapshot",
        "ToldDate",
        "measured_cost",
        "serve",
    }
    assert all(hasattr(testing, name) for name in testing.__all__)


def test_importing_it_needs_no_server() -> None:
    """Nothing of uvicorn is loaded before `serve`: the extra is for who serves over HTTP."""
    program = "import sys, openlane_authentik.testing; print([n for n in sys.modules if n.startswith('uvicorn')])"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
