"""What is built and handed on: the wheel, the source archive, and the workflows that build them."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.documents import ROOT

_TOLD = "from openlane_authentik import cli; print(cli.__file__, flush=True); cli.main()"
PACKAGE = ROOT / "openlane_authentik"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "--directory", folder], cwd=ROOT, check=True)
    return folder


def _files_of_the_package() -> set[str]:
    return {
        str(file.relative_to(ROOT)) for file in PACKAGE.rglob("*") if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_wheel_has_all_of_the_package_and_nothing_else(built: Path) -> None:
    """Templates, styles and migrations as well as modules; no tests, no caches."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert names == _files_of_the_package()


def test_the_wheel_works_without_the_repository(built: Path, tmp_path: Path) -> None:
    """Its command begins a host and lists its installations, with nothing of the repository in reach."""
    shutil.unpack_archive(next(built.glob("*.whl")), tmp_path / "wheel", "zip")
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            _TOLD,
            "host",
            "list",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "wheel"), "OPENLANE_HOST_DATA_DIR": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(tmp_path / "wheel"))


def test_the_source_archive_has_what_the_tests_need(built: Path) -> None:
    """The package, its tests, the documentation and what builds it."""
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {"Makefile", "requirements.lock", "mkdocs.yml", "docs/index.md", "tests/documents.py", "README.md"}
    assert names >= wanted | _files_of_the_package()


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        (["--builtin-schema", "vendor.github-workflows"], ".github/workflows/*.yml"),
        (["--builtin-schema", "vendor.compose-spec"], "compose.yaml"),
    ],
)
def test_what_other_programs_read_has_their_form(schema: list[str], pattern: str) -> None:
    """The workflows and the compose file satisfy the schemas that ``check-jsonschema`` carries."""
    files = sorted(ROOT.glob(pattern))
    assert files
    ran = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", *schema, *files], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_workflows_call_what_the_makefile_has() -> None:
    """Each ``make`` of a workflow names a target: there is one way in."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for file in ROOT.glob(".github/workflows/*.yml"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if "run: make " in line:
                assert f"\n{line.split('make ')[1]}: " in makefile, line
