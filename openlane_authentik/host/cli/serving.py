"""The host as a service: API and pages, and the worker, until the process is told to end."""

import signal
import sys
import threading
from collections.abc import Callable

from openlane_authentik.host import sync
from openlane_authentik.host.cli.opening import opened_host
from openlane_authentik.host.cli.tables import say
from openlane_authentik.host.scheduling.engine import Engine
from openlane_authentik.host.web import create_app, load_api_token
from openlane_authentik.host.web.server import listen, make_server
from openlane_authentik.log import get_logger
from openlane_authentik.terminal import open_console

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
            server = make_server(app)

            def serve() -> None:
                _tell(address, token_place, token if is_new else None)
                server.run(sockets=[listener])

            def end() -> None:
                # Told before the server listens to signals itself, it would not know.
                server.should_exit = True

            _run(engine, serve, end)


def work() -> None:
    """Work on what is due, until the process is told to end.

    Raises:
        HostError: The host cannot be opened, or another worker is on this SQLite database.
    """
    with opened_host(service=True) as host:
        ended = threading.Event()

        def serve() -> None:
            ended.wait()

        _run(Engine(host, sync.execute), serve, ended.set)


def _run(engine: Engine | None, serve: Callable[[], None], end: Callable[[], None]) -> None:
    """Run both until a signal; a first one lets runs end within a time, a second gives them back at once."""
    told: list[int] = []

    def tell(number: int, _frame: object) -> None:
        # Counted at one stroke, as the second may come while the first is being handled.
        told.append(number)
        if len(told) == 1:
            end()
        elif engine is not None:
            engine.hurry()

    before = {number: signal.signal(number, tell) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        if engine is not None:
            engine.start()
        serve()
        if engine is not None:
            engine.stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
