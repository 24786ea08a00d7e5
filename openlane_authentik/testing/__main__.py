"""A fake authentik that runs until it is told to end: ``python -m openlane_authentik.testing``.

For trying the command, the host or a sink of one's own against a directory that nobody depends on. It prints where it
listens and a token that sees everything.
"""

import argparse
import signal
import sys
from typing import Final

from openlane_authentik.testing.app import FakeAuthentik
from openlane_authentik.testing.directory import Directory
from openlane_authentik.testing.kinds import KINDS
from openlane_authentik.testing.releases import RELEASES
from openlane_authentik.testing.server import serve

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    given = _arguments()
    directory = Directory.generate(users=given.users, groups=given.groups, seed=given.seed)
    fake = FakeAuthentik(directory, release=given.release)
    token = fake.token(given.kind)
    # Blocked before any thread starts, so that only the wait below takes them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    with serve(fake, host=given.host, port=given.port) as server:
        sys.stdout.write(f"AUTHENTIK_BASE_URL={server.url}\nAUTHENTIK_TOKEN={token}\n")
        sys.stdout.flush()
        signal.sigwait(_ENDING)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m openlane_authentik.testing",
        description="A fake authentik with a made-up directory; it runs until it is told to end.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; 127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="port; 0, the default, takes a free one")
    parser.add_argument("--release", choices=sorted(RELEASES), default="2026.2", help="of authentik; 2026.2")
    parser.add_argument("--users", type=int, default=200, help="200")
    parser.add_argument("--groups", type=int, default=20, help="20")
    parser.add_argument("--seed", type=int, default=1, help="of the made-up directory; 1")
    parser.add_argument("--kind", choices=sorted(KINDS), default="viewer", help="of the token; viewer sees everything")
    return parser.parse_args()


if __name__ == "__main__":
    main()
