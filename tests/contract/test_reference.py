"""The documentation is built from the code, strictly, and lacks nothing of it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from docs.reference import generate
from openlane_authentik.cli.app import app
from openlane_authentik.directory.completeness import Reason
from openlane_authentik.errors import IntegrationError
from openlane_authentik.host.configuration import PREFIX, HostSettings
from openlane_authentik.host.web.app import OPERATIONS
from openlane_authentik.operations.health_report import FINDINGS
from openlane_authentik.schema_files import schema_files
from tests.documents import ROOT, read


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The documentation as a site."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr + built.stdout
    return folder


def test_the_site_is_built_strictly(site: Path) -> None:
    """No link and no anchor is broken, and each page of the reference is there."""
    for page in generate.pages():
        assert (site / page).with_suffix(".html").exists()


def test_the_site_needs_no_network(site: Path) -> None:
    """No page loads a script, a style, a font or a picture from elsewhere."""
    loaded = re.compile(r"""<(?:script|img|iframe)[^>]*\ssrc=["']?(?:https?:)?//|<link[^>]*href=["']?(?:https?:)?//""")
    for page in site.rglob("*.html"):
        assert not loaded.search(page.read_text(encoding="utf-8")), page


def _commands(command: object, name: str) -> dict[str, list[str]]:
    assert isinstance(command, TyperCommand | TyperGroup)
    options = [option for parameter in command.params for option in parameter.opts]
    found = {name: options}
    for below, one in getattr(command, "commands", {}).items():
        found |= _commands(one, f"{name} {below}")
    return found


def test_the_reference_has_every_command_and_option() -> None:
    """As ``--help`` has."""
    parts = re.split(r"^##+ ", generate.commands(), flags=re.MULTILINE)
    told = {part.partition("\n")[0].strip("`"): part for part in parts}
    found = _commands(typer.main.get_command(app), "openlane-authentik")
    assert len(found) > 15
    for name, options in found.items():
        for option in options:
            assert option in told[name], f"{name} {option}"


def test_the_reference_has_every_setting_with_its_meaning() -> None:
    """Each setting of the host is a row, and none is without words."""
    rows = dict(re.findall(rf"^\| `({PREFIX}\w+)` \| .*? \| (.*) \|$", generate.settings(), flags=re.MULTILINE))
    assert set(rows) == {f"{PREFIX}{name.upper()}" for name in HostSettings.model_fields}
    assert all(rows.values())


def _all_errors(error: type[IntegrationError]) -> set[str]:
    return {error.code}.union(*(_all_errors(one) for one in error.__subclasses__()))


def test_the_reference_has_every_code() -> None:
    """Of errors of the package, of sets, and of findings."""
    told = set(re.findall(r"^\| `([a-z_]+)` \|", generate.codes(), flags=re.MULTILINE))
    of_tests = {error.code for error in _defined_in_tests(IntegrationError)}
    assert told >= (_all_errors(IntegrationError) - of_tests) | set(Reason) | set(FINDINGS)


def _defined_in_tests(error: type[IntegrationError]) -> set[type[IntegrationError]]:
    own = set() if error.__module__.startswith("openlane_authentik") else {error}
    return own.union(*(_defined_in_tests(one) for one in error.__subclasses__()))


def test_the_reference_has_every_schema_and_operation() -> None:
    """Each file of ``schemas/``, and each method of each address."""
    schemas = generate.schemas()
    for file in schema_files():
        assert f"## {file}\n" in schemas
    api = generate.api()
    for operation in OPERATIONS:
        assert f"## {operation.method} {operation.path}\n" in api


def test_the_reference_has_the_events_of_the_log() -> None:
    """Those of the plugin and of the host, each with its level."""
    told = generate.log()
    for event in ("sync started", "worker started", "run failed"):
        assert f"| {event} | " in told
    assert told.count("\n| ") >= 30


def test_contributing_names_files_that_are_there() -> None:
    """Each path in the guide for contributors exists: in the repository, or in the package."""
    paths = re.findall(r"`([\w./*]+/[\w./*]*|\w+\.py)`", read("CONTRIBUTING.md"))
    assert len(paths) > 20
    for path in set(paths) - {"site/", "dist/"}:  # are built
        assert [*ROOT.glob(path), *ROOT.glob(f"openlane_authentik/{path}")], path


def test_no_retired_word_is_left() -> None:
    """Neither as an identifier nor in a text, outside of the changelog and the glossary, which lists them."""
    _, _, listed = read("docs/reference/glossary.md").partition("## Retired words")
    retired = re.findall(r"^\| `(\w+)` \|", listed, flags=re.MULTILINE)
    assert len(retired) >= 5
    # Parts of a name count: neither CamelCase nor under_scores hide a word.
    pattern = re.compile("|".join(f"(?<![a-z]){word}(?![a-rt-z])" for word in retired), re.IGNORECASE)
    for file in _texts():
        if found := pattern.search(file.read_text(encoding="utf-8")):
            pytest.fail(f"{file.relative_to(ROOT)}: {found[0]}")


def _texts() -> Iterator[Path]:
    endings = {".py", ".md", ".html", ".json", ".js", ".css"}
    for folder in ("openlane_authentik", "tests", "benchmarks", "docs", "schemas"):
        files = (file for file in (ROOT / folder).rglob("*") if file.suffix in endings)
        yield from (file for file in files if "recordings" not in file.parts and file.name != "glossary.md")
    yield from (ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "Makefile", "pyproject.toml"))
