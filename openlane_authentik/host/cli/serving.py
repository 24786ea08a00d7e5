"""The host as a service: API and pages, and the worker, until the process is told to end."""

import signal
import sys
import threading
from collections.abc import Callable
from typing import Final

from openlane_authentik.host import sync
from openlane_authentik.host.cli.opening import opened_host
from openlane_authentik.host.cli.tables import say
from openlane_authentik.host.scheduling.engine import Engine
from openlane_authentik.host.web import create_app, load_api_token
from openlane_authentik.host.web.server import listen, make_server
from openlane_authentik.log import get_logger
from openlane_authentik.terminal import open_console

_ENDING: Final = (signal.SIGTERM, signal.SIGINT)
_log = get_logger()


def serve_host(*, with_worker: bool) -> None:
    """Answer the API and the pages, and work on what is due, until the process is told to end.

    Raises:
        HostError: The host cannot be opened, the address is taken, or another worker is on this SQLite database.
    """
    with opened_host(service=True) as host:
        file = host.settings.api_token_file
        is_new = host.settings.api_token is None and not file.exists()
        token = load_api_token(host)
        host.vault.opened.add(token)
        engine = Engine(host, sync.execute) if with_worker else None
        with listen(host.settings.listen_host, host.settings.listen_port) as listener:
            where, port = listener.getsockname()[:2]
            address = f"http://[{where}]:{port}/" if ":" in where else f"http://{where}:{port}/"
            token_place = str(file) if host.settings.api_token is None else "OPENLANE_HOST_API_TOKEN"
            app = create_app(host, api_token=token, wake=engine.wake if engine is not None else None)
            server = make_server(app, host.settings)

            def serve() -> None:
                _tell(address, token_place, token if is_new else None)
                server.run(sockets=[listener])

            def end() -> None:
                server.should_exit = True

            def hurry() -> None:
                server.force_exit = True
                if engine is not None:
                    engine.hurry()

            run_until_told(engine, serve, end=end, hurry=hurry)


def work() -> None:
    """Work on what is due, until the process is told to end.

    Raises:
        HostError: The host cannot be opened, or another worker is on this SQLite database.
    """
    with opened_host(service=True) as host:
        ended = threading.Event()
        engine = Engine(host, sync.execute)
        run_until_told(engine, ended.wait, end=ended.set, hurry=engine.hurry)


def run_until_told(
    engine: Engine | None, serve: Callable[[], object], *, end: Callable[[], None], hurry: Callable[[], None]
) -> None:
    """Run both until a signal; a first one lets runs end within a time, a second gives them back at once.

    From here on this process is ended by nothing else: SIGTERM and SIGINT stay blocked in it.
    """
    # Blocked here before any thread is started, they are so in every thread. Else the kernel may hand a second signal
    # to another thread, which takes the first one too, and this thread sleeps on in a lock: a handler would not run.
    signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    threading.Thread(target=_listen, args=(end, hurry), name="openlane-signals", daemon=True).start()
    if engine is not None:
        engine.start()
    serve()
    if engine is not None:
        engine.stop()


def _listen(end: Callable[[], None], hurry: Callable[[], None]) -> None:
    signal.sigwait(_ENDING)
    end()
    signal.sigwait(_ENDING)
    hurry()


def _tell(address: str, token_place: str, new_token: str | None) -> None:
    _log.info("host listening", address=address, token_in=token_place)
    if not sys.stderr.isatty():
        # Here a log is kept by others: the token is in its file, for who may read it.
        return
    console = open_console(stderr=True)
    say(console, f"listening on {address}", style="bold")
    say(console, f"API token: {token_place}")
    if new_token is not None:
        say(console, f"It was made just now, and is shown this once: {new_token}")
