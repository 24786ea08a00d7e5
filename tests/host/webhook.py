"""Somebody who listens for a host's webhook, and answers it as the test says."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Listener:
    """Who listens.

    Attributes:
        url: Where, with a slash at the end.
        told: What it was told: path, headers and body of each request.
    """

    url: str
    told: list[tuple[str, str, bytes]] = field(default_factory=list)


@contextmanager
def listening(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[Listener]:
    """Listen until the block ends; ``answer`` answers each request once it was read."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            listener.told.append((self.path, str(self.headers), body))
            answer(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        listener = Listener(f"http://127.0.0.1:{http.server_port}/")
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield listener
        finally:
            http.shutdown()
            thread.join()


def with_status(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer with a status and no body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", "0")
        handler.end_headers()

    return answer
