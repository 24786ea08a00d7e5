"""The command ``openlane-authentik``: arguments in, exit code out.

Exit codes: 0 done and proven, 2 wrong usage, 75 try again, 77 credentials, 78 configuration, 130 interrupted.
"""

import sys


def main() -> None:
    """Run the command line, or say what to install for it."""
    try:
        from openlane_authentik.cli.app import run  # noqa: PLC0415 - the plugin needs neither Typer nor Rich
    except ModuleNotFoundError as error:
        if error.name not in ("typer", "rich"):
            raise
        sys.stderr.write("error: the command line is not installed; pip install 'openlane-authentik[cli]'\n")
        raise SystemExit(78) from None
    run()
