"""Telling people: a webhook that answers badly or not at all stops nothing, and its address is in no log."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from openlane_authentik.host.host import Host
from openlane_authentik.host.notify import notify
from openlane_authentik.testing import Server
from tests.host.support import connect_demo


@contextmanager
def listener(status: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Listen for a webhook; gives its address and what it was told."""
    told: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}/s3cret", told
        finally:
            http.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [204, 500])
def test_a_webhook_is_told_who_needs_a_person(
    status: int, host: Host, server: Server, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Which installation and why; one that answers badly is logged, without its address."""
    saved = connect_demo(host, server.url, token)
    reason = {"code": "token_rejected", "message": "m", "remedy": "r"}
    with listener(status) as (address, told):
        changed = host.settings.model_copy(update={"webhook_url": SecretStr(address)})
        notify(
            Host(changed, host.database, host.vault, host.providers, host.clock), "installation_errored", saved, reason
        )
    assert [(one["event"], one["installation"]["id"], one["reason"]) for one in told] == [
        ("installation_errored", saved.id, reason)
    ]
    ours = [record for record in caplog.records if record.name == "openlane_authentik"]
    assert ("webhook_failed" in [record.message for record in ours]) == (status == 500)
    assert not any("s3cret" in str(record.__dict__) for record in ours)


def test_a_webhook_that_does_not_answer_stops_nothing(
    host: Host, server: Server, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and the caller goes on."""
    saved = connect_demo(host, server.url, token)
    changed = host.settings.model_copy(update={"webhook_url": SecretStr("http://127.0.0.1:1/s3cret")})
    notify(Host(changed, host.database, host.vault, host.providers, host.clock), "needs_attention", saved, {})
    assert "webhook_failed" in [record.message for record in caplog.records]
    assert not any("s3cret" in str(record.__dict__) for record in caplog.records)
