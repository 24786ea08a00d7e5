"""What the package offers, and what importing it must not cost."""

import inspect
import subprocess
import sys
from importlib.metadata import version
from importlib.resources import files

import pytest

import openlane_authentik
from openlane_authentik import testing

_PUBLIC = [
    "AuthentikCredential",
    "AuthentikIntegration",
    "DirectorySyncConfig",
    "Envelope",
    "HealthReport",
    "InstallationMetadata",
    "IntegrationError",
    "NdjsonSink",
    "PayloadSetClosing",
    "PayloadSetsSink",
    "Schema",
    "Sink",
    "SyncResult",
    "SyncRun",
    "UserInput",
    "parse_credential",
    "parse_directory_sync_config",
    "parse_user_input",
]
_TESTING = [
    "Clock",
    "Cost",
    "Directory",
    "FakeAuthentik",
    "FakeTransport",
    "Fault",
    "Hook",
    "Pending",
    "KINDS",
    "RELEASES",
    "Release",
    "RequestInfo",
    "Server",
    "Snapshot",
    "ToldDate",
    "measured_cost",
    "serve",
]


def _loaded_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stderr == ""
    return set(ran.stdout.split())


def test_the_public_names_are_these() -> None:
    """``__all__`` is what others may build on: a name is added here when it is meant to stay."""
    assert sorted(openlane_authentik.__all__) == sorted(_PUBLIC)
    assert sorted(testing.__all__) == sorted(_TESTING)


@pytest.mark.parametrize("name", _PUBLIC)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    """Each name of ``__all__`` exists and says in a docstring of its own what it is."""
    assert inspect.getdoc(getattr(openlane_authentik, name))


@pytest.mark.parametrize(
    "statement", ["import openlane_authentik", "from openlane_authentik.definition import definition"]
)
def test_importing_loads_neither_the_parser_nor_the_command_line(statement: str) -> None:
    """A host that loads the plugin pays for no CEL parser, no command line and no server."""
    # Rich and Click are loaded by httpx and structlog themselves where they are installed.
    heavy = {"celpy", "lark", "typer", "uvicorn", "hypothesis", "authentik_client"}
    assert not heavy & _loaded_by(statement)


def test_a_blank_filter_loads_no_parser() -> None:
    """Who sets no filter never loads the CEL parser."""
    statement = (
        "from openlane_authentik import UserInput; from openlane_authentik.operations.scope import Scope; "
        "Scope(UserInput())"
    )
    assert not {"celpy", "lark"} & _loaded_by(statement)


def test_importing_sets_no_logging_up() -> None:
    """A library leaves the host's logging alone: no handler, no level."""
    code = (
        "import logging, openlane_authentik\n"
        "root, own = logging.getLogger(), logging.getLogger('openlane_authentik')\n"
        "print(root.handlers, root.level, own.handlers, own.level)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split("\n")[0] == "[] 30 [] 0"


def test_the_package_is_typed() -> None:
    """``py.typed`` ships with the package."""
    assert (files("openlane_authentik") / "py.typed").is_file()
    assert version("openlane-authentik")
