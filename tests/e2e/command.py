"""Runs the command as a user does: a process of its own, with nothing of this one's environment."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.e2e.preloaded import run_preloaded
from tests.processes import bound

COMMAND: Final = str(Path(sys.executable).parent / "openlane-authentik")
_SECONDS: Final = 120


def environment(**variables: str) -> dict[str, str]:
    """Return a small environment: no proxy, no credential, no colour but what is asked for."""
    return {"PATH": os.environ.get("PATH", ""), "LANG": "C.UTF-8", **variables}


def run(
    *arguments: str | Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end; whatever it was asked, it never shows a traceback."""
    ran = run_preloaded([COMMAND, *map(str, arguments)], environment() if env is None else env, cwd)
    no_traceback(ran.stderr)
    return ran


def run_installed(*arguments: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run the command as it is installed, with what it imports as it starts."""
    ran = subprocess.run(
        bound([COMMAND, *arguments]),
        capture_output=True,
        encoding="utf-8",
        env=environment() if env is None else dict(env),
        stdin=subprocess.DEVNULL,
        timeout=_SECONDS,
        check=False,
    )
    no_traceback(ran.stderr)
    return ran


def no_traceback(text: str) -> None:
    """Assert that a text is free of tracebacks and of what the interpreter mutters at its end."""
    assert "Traceback" not in text, text
    assert "Exception ignored" not in text, text
    assert "never awaited" not in text, text


def names_in(folder: Path) -> list[str]:
    """Return the names of all that is in a folder, hidden files included."""
    return sorted(entry.name for entry in folder.iterdir())


def start(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path | None = None, stdout: int = subprocess.PIPE
) -> "subprocess.Popen[str]":
    """Start the command and leave it running."""
    return subprocess.Popen(
        bound([COMMAND, *arguments]),
        stdout=stdout,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env=dict(env),
        cwd=cwd,
    )
