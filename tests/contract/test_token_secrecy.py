"""The token: nowhere in output, files, logs, reprs, errors, tracebacks or the list of processes."""

import asyncio
import io
import json
import logging
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from openlane_authentik import (
    AuthentikIntegration,
    IntegrationError,
    NdjsonSink,
    UserInput,
    parse_credential,
    parse_user_input,
)
from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.transport import open_http
from openlane_authentik.clock import SystemClock
from openlane_authentik.definition import definition
from openlane_authentik.log import configure_logging
from openlane_authentik.testing import KINDS, Directory, FakeAuthentik, Fault, serve
from tests.e2e.command import COMMAND, environment, run
from tests.support import SimulatedClock

_FAULTS = {
    "none": None,
    "status 500": Fault.status(500),
    "html": Fault.html(),
    "redirect": Fault.redirect("https://elsewhere.example/"),
    "reset": Fault.reset(),
    "cut": Fault.cut_body(),
    "wrong JSON": Fault.wrong_json(),
}


def _fake() -> FakeAuthentik:
    return FakeAuthentik(Directory.generate(users=25, groups=4, seed=9))


@pytest.mark.parametrize("kind", [*KINDS, "wrong"])
@pytest.mark.parametrize("arguments", [["health"], ["sync", "--output", "out.ndjson"]])
def test_no_output_of_the_command_has_the_token(tmp_path: Path, kind: str, arguments: list[str]) -> None:
    """Whatever the token may see, neither output nor log nor file of the command holds it."""
    fake = _fake()
    token = fake.token(kind)
    with serve(fake) as server:
        ran = run(*arguments, cwd=tmp_path, env=environment(AUTHENTIK_BASE_URL=server.url, AUTHENTIK_TOKEN=token))
    written = "".join(path.read_text(encoding="utf-8") for path in tmp_path.iterdir())
    assert token not in ran.stdout + ran.stderr + written


@pytest.mark.parametrize("fault", _FAULTS)
def test_no_error_log_or_traceback_of_the_library_has_the_token(
    fault: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """With every library at its most talkative, and every error printed with its causes: no token."""
    fake = _fake()
    token = fake.token("viewer")
    told = io.StringIO()
    planned = _FAULTS[fault]
    credential = parse_credential({"baseUrl": "https://auth.example.com", "token": token})
    for nth in (1, 4, 8):
        fake.clear_faults()
        if planned is not None:
            fake.inject(planned, nth=len(fake.requests) + nth, times=None)
        integration = AuthentikIntegration(credential, clock=SimulatedClock(), transport=fake.transport())
        with caplog.at_level(logging.DEBUG):
            for operation in (
                integration.health_check(),
                integration.directory_sync(NdjsonSink(io.BytesIO())),
                integration.installation_metadata(),
            ):
                try:
                    told.write(repr(asyncio.run(operation)))
                except IntegrationError:
                    told.write(traceback.format_exc())
                    _, error, _ = sys.exc_info()
                    assert error is not None
                    told.write(f"{error!r} {error.__dict__!r} {error.__cause__!r} {error.__context__!r}")
    for record in caplog.records:
        told.write(f"{record.getMessage()} {record.__dict__!r}")
    captured = capfd.readouterr()
    assert len(told.getvalue()) > 100
    assert token not in told.getvalue() + captured.out + captured.err


def test_even_a_talkative_log_over_a_real_connection_has_no_token(tmp_path: Path) -> None:
    """Over real sockets, with httpx and httpcore logging every step, the log set up by the command has no token."""
    fake = _fake()
    token = fake.token("viewer")
    code = (
        "import asyncio, logging, os\n"
        "from openlane_authentik import AuthentikIntegration, parse_credential\n"
        "from openlane_authentik.log import configure_logging, get_logger\n"
        "token = os.environ['TOKEN']\n"
        "configure_logging(secrets=[token], as_json=True, level=logging.DEBUG)\n"
        "logging.getLogger().setLevel(logging.DEBUG)\n"
        "credential = parse_credential({'baseUrl': os.environ['URL'], 'token': token})\n"
        "asyncio.run(AuthentikIntegration(credential).health_check(), debug=True)\n"
        "try:\n    raise RuntimeError(f'Bearer {token}')\n"
        "except RuntimeError:\n    get_logger().exception(token, held={'token': token})\n"
    )
    with serve(fake) as server:
        env = {"PATH": os.environ["PATH"], "URL": server.url, "TOKEN": token}
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert "httpcore" in ran.stderr
    assert "[redacted]" in ran.stderr
    assert token not in ran.stdout + ran.stderr
    assert all(json.loads(line) for line in ran.stderr.splitlines())
    assert not list(tmp_path.iterdir())


def test_no_repr_has_the_token() -> None:
    """Nothing that holds the token shows it: credential, integration, client, and what they dump."""
    token = "s3cr3t-of-the-tests"
    credential = parse_credential({"baseUrl": "https://auth.example.com", "token": token})
    http = open_http(credential.base_url, token, connections=1)
    client = AuthentikClient(http, clock=SystemClock(), concurrency=1, timeout_seconds=1.0)
    shown: list[Any] = [
        credential,
        credential.model_dump(),
        credential.model_dump_json(),
        AuthentikIntegration(credential),
        definition.build({"baseUrl": "https://auth.example.com", "token": token}),
        client,
        client.budget,
        http,
        http.headers,
    ]
    for value in shown:
        assert token not in f"{value!r} {value!s}"


@pytest.mark.parametrize(
    "form",
    [
        {"baseUrl": "https://auth.example.com", "token": ["s3cr3t-of-the-tests"]},
        {"baseUrl": "https://auth.example.com", "token": "s3cr3t of the tests"},
        {"baseUrl": "https://auth.example.com/?s3cr3t", "token": "s3cr3t"},
        {"baseUrl": "https://s3cr3t@auth.example.com", "token": "s3cr3t"},
        {"baseUrl": {"s3cr3t": 1}, "token": "s3cr3t"},
        {"token": "s3cr3t"},
    ],
)
def test_no_configuration_error_has_the_token(form: dict[str, Any]) -> None:
    """An error in the form repeats no value of it, with all its causes printed."""
    with pytest.raises(IntegrationError) as caught:
        parse_credential(form)
    error = caught.value
    assert "s3cr3t" not in traceback.format_exception_only(error)[-1]
    assert "s3cr3t" not in f"{error!r}{error.__cause__!r}{error.__context__!s}"


def test_the_list_of_processes_has_no_token() -> None:
    """While a sync runs, its command line as others see it has no token."""
    fake = _fake()
    token = fake.token("viewer")
    seen: list[str] = []
    with serve(fake) as server:
        env = {"PATH": os.environ["PATH"], "AUTHENTIK_BASE_URL": server.url, "AUTHENTIK_TOKEN": token}

        def look(_directory: Directory) -> None:
            listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)  # noqa: S607
            seen.append(listed.stdout)

        fake.before(5, look)
        ran = subprocess.run([COMMAND, "sync"], capture_output=True, env=env, check=False)
    assert ran.returncode == 0
    assert any("openlane-authentik" in listed for listed in seen)
    assert not any(token in listed for listed in seen)


def test_the_token_is_sent_to_no_other_host_and_asked_of_no_echo() -> None:
    """Only the base URL's host gets the token, only by GET, and ``admin/system/`` is never asked."""
    fake = _fake()
    credential = parse_credential({"baseUrl": "https://auth.example.com", "token": fake.token("superuser")})
    integration = AuthentikIntegration(credential, clock=SimulatedClock(), transport=fake.transport())
    for user_input in (UserInput(), parse_user_input({"disableGroupSync": True})):
        asyncio.run(integration.health_check(user_input))
        asyncio.run(integration.directory_sync(NdjsonSink(io.BytesIO()), user_input))
    asyncio.run(integration.installation_metadata())
    assert fake.requests
    assert not fake.violations
    assert {request.method for request in fake.requests} == {"GET"}
    assert not [request for request in fake.requests if request.path.endswith("admin/system/")]


def test_secrets_given_to_the_log_are_never_kept_in_it() -> None:
    """The set-up of the log keeps secrets out of its own repr."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure_logging(secrets=["s3cr3t"], as_json=True, level=logging.INFO, stream=io.StringIO())
        assert "s3cr3t" not in repr(root.handlers) + repr(root.handlers[0].formatter)
    finally:
        root.handlers = handlers
        root.setLevel(level)
