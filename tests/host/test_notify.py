"""Telling people: a webhook that answers badly or not at all stops nothing, and its address is in no log."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from pydantic import SecretStr

from openlane_authentik.host import notify as notifying
from openlane_authentik.host.host import Host
from openlane_authentik.host.installations import get_installation
from openlane_authentik.host.notify import notify
from openlane_authentik.testing import Fault, Server
from tests.host.support import connect_demo
from tests.host.web_support import run_now
from tests.host.webhook import listening, with_status


@contextmanager
def listener(status: int) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Listen for a webhook; return its address and what it was told."""
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


def test_a_webhook_on_this_machine_goes_to_no_proxy(
    host: Host, server: Server, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its address, which may carry a secret, reaches this machine and no proxy; one of elsewhere goes there."""
    saved = connect_demo(host, server.url, token)
    monkeypatch.delenv("no_proxy", raising=False)
    with listening(with_status(204)) as there, listening(with_status(502)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("NO_PROXY", "::1,[::1],10.0.0.0/8,fe80::/10")
        for address in (f"{there.url}s3cret", "http://hooks.example.test/s3cret"):
            changed = host.settings.model_copy(update={"webhook_url": SecretStr(address)})
            notify(replace(host, settings=changed), "needs_attention", saved, {})
    assert [path for path, _, _ in there.told] == ["/s3cret"]
    assert [path for path, _, _ in proxy.told] == ["http://hooks.example.test/s3cret"]


@pytest.mark.parametrize(
    ("variable", "value", "error"),
    [
        ("https_proxy", "nonsense://user:s3cret@h", "ProxySettingError"),
        ("no_proxy", f"{'a' * 64}.example", "UnicodeError"),
    ],
)
def test_a_webhook_that_cannot_be_asked_stops_nothing(
    variable: str,
    value: str,
    error: str,
    host: Host,
    server: Server,
    token: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A proxy that cannot be used, and a name that DNS cannot be asked for, are logged, and the caller goes on."""
    saved = connect_demo(host, server.url, token)
    monkeypatch.setenv(variable, value)
    address = SecretStr(f"https://{'a' * 64}.example/s3cret")
    notify(
        replace(host, settings=host.settings.model_copy(update={"webhook_url": address})), "needs_attention", saved, {}
    )
    (failed,) = [record for record in caplog.records if record.message == "webhook_failed"]
    assert error in str(failed.__dict__)
    assert not any("s3cret" in str(record.__dict__) for record in caplog.records if record.name == "openlane_authentik")


@pytest.mark.parametrize("answer", ["redirect", "refusal", "failure", "nothing", "half", "no HTTP"])
def test_a_run_ends_alike_whatever_the_webhook_answers(
    answer: str,
    host: Host,
    server: Server,
    token: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that is refused is in the ledger and stops its schedule; it is told once, and no redirect is followed."""
    monkeypatch.setattr(notifying, "_SECONDS", 0.2)
    ended = threading.Event()

    def in_silence(_handler: BaseHTTPRequestHandler) -> None:
        ended.wait(30)

    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "1000")
        handler.end_headers()
        handler.wfile.write(b"half")

    def no_http(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"what is this?\r\n\r\n")

    answers = {
        "redirect": with_status(307, location="/elsewhere"),
        "refusal": with_status(403),
        "failure": with_status(503),
        "nothing": in_silence,
        "half": half,
        "no HTTP": no_http,
    }
    saved = connect_demo(host, server.url, token)
    server.fake.inject(Fault.status(403, body=json.dumps({"detail": "Token invalid/expired"})), times=None)
    with listening(answers[answer]) as listening_there:
        webhook = SecretStr(f"{listening_there.url}s3cret")
        failed = run_now(replace(host, settings=host.settings.model_copy(update={"webhook_url": webhook})), saved.id)
        ended.set()
    assert failed.error is not None
    assert failed.error["code"] == "token_rejected"
    shown = get_installation(host, saved.id)
    assert (shown.status, shown.next_run_at) == ("ERRORED", None)
    ((path, _, body),) = listening_there.told
    assert path == "/s3cret"
    assert json.loads(body)["installation"]["id"] == saved.id
    assert "webhook_failed" in [record.message for record in caplog.records]
    ours = [record for record in caplog.records if record.name == "openlane_authentik"]
    assert not any("s3cret" in str(record.__dict__) for record in ours)
