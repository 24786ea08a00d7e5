"""The README and the guides are run: their commands, their output, their Python, their filters and tables of codes."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openlane_authentik import errors
from openlane_authentik.directory.completeness import Reason
from openlane_authentik.errors import CredentialError, EndpointError, TryAgainError
from openlane_authentik.filter import compile_filter
from openlane_authentik.operations.health_report import FINDINGS
from openlane_authentik.records.fields import KNOWN_FIELDS
from openlane_authentik.testing import Directory, FakeAuthentik, Server, serve
from tests.documents import ROOT, blocks, read

# In the order in which a reader meets their commands.
GUIDES = ("docs/how-to/sync-changes.md", "docs/how-to/run-a-host.md", "docs/how-to/read-changes.md")
COMMAND = Path(sys.executable).with_name("openlane-authentik")
# What no request of a health check can come to.
ONLY_WHILE_SYNCING = {"page_gone", "not_found", "deadline_exceeded"}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A fake authentik behind a real HTTP server."""
    with serve(FakeAuthentik(Directory.generate(users=60, groups=8, seed=5))) as running:
        yield running


def _codes(cell: str) -> set[str]:
    return set(re.findall(r"`([a-z_]+)`", cell))


def test_the_demo_prints_what_the_readme_shows(tmp_path: Path) -> None:
    """Every line of the README's demo comes out of the demo, in that order, up to the dots."""
    shown = blocks("console", "README.md")[0].splitlines()
    assert shown[0] == "$ make demo"
    assert "openlane-authentik demo" in (ROOT / "Makefile").read_text(encoding="utf-8")
    printed = subprocess.run([COMMAND, "demo"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    # The fake's token always has the same number of days left.
    lines = [re.sub(r"20\d\d-\d\d-\d\d$", "2027-06-11", line.rstrip()) for line in printed.stdout.splitlines()]
    assert lines[: len(shown) - 2] == shown[1:-1]
    assert shown[-1] == "..."
    assert (tmp_path / "demo-output" / "directory.ndjson").stat().st_size > 0


def test_the_readme_commands_work_as_written(server: Server, tmp_path: Path) -> None:
    """Health, a first sync, a sync of changes and the host's commands run with a token file and end with 0."""
    (tmp_path / "token.txt").write_text(server.fake.token("viewer") + "\n", encoding="utf-8")
    commands = "".join(blocks("sh", "README.md", *GUIDES)).replace("https://auth.example.com", server.url)
    assert "--checkpoint state.bin" in commands
    script = commands.replace("openlane-authentik ", f"{COMMAND} ")
    result = subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "share")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "=> healthy" in result.stdout
    for name in ("directory.ndjson", "changes.ndjson", "state.bin", "who-has-what.csv", "share/openlane/host.sqlite"):
        assert (tmp_path / name).stat().st_size > 0


@pytest.mark.parametrize("page", ["use-in-python", "write-a-sink", "test-against-the-fake"])
def test_the_python_of_a_guide_works_as_written(page: str, server: Server, tmp_path: Path) -> None:
    """Each example syncs with no more than the address and the token put in."""
    (program,) = blocks("python", f"docs/how-to/{page}.md")
    program = program.replace("https://auth.example.com", server.url)
    program = program.replace('"..."', repr(server.fake.token("viewer")))
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "COMPLETED" in result.stdout


def test_the_tutorial_works_as_written(tmp_path: Path) -> None:
    """From a fake that it starts to the accounts in a host, with the commands in their order."""
    fake, *others = blocks("sh", "docs/tutorial.md")
    assert fake.endswith(" > fake.env &\n")
    # A person reads on while the fake starts, and ends it by its number in the terminal.
    begun = f"trap 'kill $!' EXIT\n{fake}while ! grep -q TOKEN fake.env; do :; done\n"
    script = (begun + "".join(others)).replace(".venv/bin/openlane-authentik", str(COMMAND))
    result = subprocess.run(
        ["/bin/sh", "-e", "-c", script.replace(".venv/bin/python", sys.executable)],
        cwd=tmp_path,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "share")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert "=> healthy" in result.stdout
    assert (tmp_path / "directory.ndjson").stat().st_size > 0


def test_the_filters_of_the_guide_compile_and_spare_groups() -> None:
    """Every filter of the table compiles and can match both kinds of record."""
    rows = re.findall(r"^\| `(.*?)` \|", read("docs/how-to/filter.md"), flags=re.MULTILINE)
    assert len(rows) >= 3
    for row in rows:
        compiled = compile_filter(row.replace(r"\|", "|"), KNOWN_FIELDS)
        assert not compiled.never_matches
        assert not compiled.warnings


def test_a_guide_explains_every_code_of_the_health_check() -> None:
    """The table has exactly the codes that a health check can give."""
    told = set(re.findall(r"^\| `([a-z_]+)` \|", read("docs/how-to/health-check.md"), re.MULTILINE))
    raised = {
        error.code
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, EndpointError | CredentialError | TryAgainError)
        and error not in (EndpointError, CredentialError, TryAgainError)
    }
    assert told == (raised - ONLY_WHILE_SYNCING) | set(FINDINGS)


def test_a_page_tells_every_reason_and_what_stops_a_sync() -> None:
    """The table of faults names every reason a set can be unproven for, and codes that exist."""
    told = _codes(read("docs/explanation/failures.md"))
    known = {error.code for error in vars(errors).values() if isinstance(error, type) and hasattr(error, "code")}
    fields = {"rangesReread", "failedBy", "method", "uid", "pk"}
    assert set(Reason) <= told
    assert told - fields <= known | set(Reason)
