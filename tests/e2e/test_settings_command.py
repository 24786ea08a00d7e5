"""Where the command finds its settings: pasted addresses, sub-paths, token files, a prompt, and proxies."""

import contextlib
import os
import pty
import select
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from openlane_authentik.testing import Directory, FakeAuthentik, serve
from tests.e2e.command import COMMAND, environment, run
from tests.processes import bound


def _fake(base_path: str = "") -> FakeAuthentik:
    return FakeAuthentik(Directory.generate(users=20, groups=3, seed=2), base_path=base_path)


@pytest.mark.parametrize(
    ("base_path", "pasted"),
    [("", "/"), ("", "/if/admin/"), ("", "/api/v3/core/users/"), ("/auth", ""), ("/auth", "/if/admin/"), ("/a/b", "/")],
)
def test_a_pasted_address_works(base_path: str, pasted: str) -> None:
    """What is copied from the browser works, also where authentik lives under a path."""
    fake = _fake(base_path)
    with serve(fake) as server:
        ran = run("health", "--base-url", server.url + pasted, env=environment(AUTHENTIK_TOKEN=fake.token()))
    assert ran.returncode == 0


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "  \n\n"])
def test_a_token_file_may_end_in_a_newline(tmp_path: Path, ending: str) -> None:
    """A token from a file is taken without the white space around it, and before that of the environment."""
    fake = _fake()
    token_file = tmp_path / "token"
    token_file.write_text(fake.token() + ending, newline="")
    env = environment(AUTHENTIK_TOKEN="wrong")
    with serve(fake) as server:
        ran = run("health", "--base-url", server.url, "--token-file", token_file, env=env)
    assert ran.returncode == 0


@pytest.mark.parametrize("content", [b"\xff\xfe\x00binary", b"", b"\n", b"two tokens\n"])
def test_a_token_file_without_a_token_is_told(tmp_path: Path, content: bytes) -> None:
    """A file that holds no token is a setting to correct, told without repeating what it holds."""
    token_file = tmp_path / "token"
    token_file.write_bytes(content)
    ran = run("health", "--base-url", "https://auth.example.com", "--token-file", token_file)
    assert ran.returncode in (77, 78)
    assert "two tokens" not in ran.stderr


def test_there_is_no_option_for_the_token() -> None:
    """A command line can be read by everyone on the machine, so no option takes a token."""
    for command in ("health", "sync", "demo"):
        told = run(command, "--help").stdout
        assert "--token-file" in told or command == "demo"
        assert "--token " not in told
    assert run("health", "--token", "t").returncode == 2


def _typed(arguments: list[str], answer: str, env: dict[str, str]) -> tuple[int, str]:
    """Run the command on a terminal, type an answer to its prompt; return the exit code and all the terminal showed."""
    ours, theirs = pty.openpty()
    # A session of its own: the prompt must not be put to the terminal that the tests were started from.
    process = subprocess.Popen(
        bound([COMMAND, *arguments]), stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    )
    os.close(theirs)
    shown, typed = b"", False
    with contextlib.suppress(OSError):  # the terminal is gone when the process is
        while select.select([ours], [], [], 60)[0]:
            part = os.read(ours, 65536)
            if not part:
                break
            shown += part
            # The last blank of the prompt comes once the terminal shows nothing of what is typed.
            if not typed and shown.endswith(b": "):
                os.write(ours, answer.encode() + b"\n")
                typed = True
    os.close(ours)
    return process.wait(60), shown.decode(errors="replace")


def test_a_terminal_is_asked_for_the_token_and_never_shows_it() -> None:
    """On a terminal a missing token is asked for; what is typed is not shown, and no JSON events are."""
    fake = _fake()
    with serve(fake) as server:
        env = environment(AUTHENTIK_BASE_URL=server.url, TERM="xterm", COLUMNS="100")
        code, shown = _typed(["health"], fake.token(), env)
        assert code == 0, shown
        assert "healthy" in shown
        assert fake.token() not in shown
        assert '"event"' not in shown
        code, shown = _typed(["sync", "--output", os.devnull + ".does/not/exist"], fake.token(), env)
    assert code == 78
    assert "output_unwritable" in shown


class _ForwardProxy(socketserver.ThreadingTCPServer):
    """Forwards plain HTTP requests to one port of this machine, and remembers for whom they were."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.port = port
        self.asked: list[str] = []


class _Forward(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        first = self.rfile.readline().decode()
        if not first:
            return
        method, address, _ = first.split()
        headers = []
        while (line := self.rfile.readline()).strip():
            if not line.lower().startswith((b"connection:", b"proxy-")):
                headers.append(line)
        target = urlsplit(address)
        assert isinstance(self.server, _ForwardProxy)
        self.server.asked.append(target.netloc)
        with socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
            path = target.path + (f"?{target.query}" if target.query else "")
            upstream.sendall(
                f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(headers) + b"Connection: close\r\n\r\n"
            )
            while part := upstream.recv(65536):
                self.wfile.write(part)


@contextlib.contextmanager
def _proxy(port: int) -> Iterator[tuple[str, list[str]]]:
    with _ForwardProxy(port) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{proxy.server_address[1]}", proxy.asked
        finally:
            proxy.shutdown()


_NAME: Final = "auth.invalid"


@pytest.mark.parametrize(
    ("host", "exceptions", "code", "asked"),
    [
        (_NAME, "", 0, {_NAME}),
        (_NAME, "::1,[::1]:80,10.0.0.0/8,fe80::/10, ,*.corp,http://other", 0, {_NAME}),
        (_NAME, _NAME, 75, set()),
        ("127.0.0.1", "", 0, set()),
        ("localhost", "", 0, set()),
    ],
)
def test_proxy_variables_are_honoured(host: str, exceptions: str, code: int, asked: set[str]) -> None:
    """Requests go through HTTP_PROXY, but for hosts that NO_PROXY names, and never for this machine."""
    fake = _fake()
    with serve(fake) as server, _proxy(port := urlsplit(server.url).port or 0) as (address, seen):
        env = environment(
            AUTHENTIK_BASE_URL=f"http://{host}" if host == _NAME else f"http://{host}:{port}",
            AUTHENTIK_TOKEN=fake.token(),
            HTTP_PROXY=address,
            NO_PROXY=exceptions,
        )
        ran = run("health", "--allow-http", env=env)
    assert ran.returncode == code, ran.stdout
    assert set(seen) == asked


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:1", "nonsense://h", "http://[oops", "socks5://127.0.0.1:1"])
def test_a_wrong_proxy_is_told(proxy: str) -> None:
    """A proxy that does not answer, or is written wrongly, is told in words that name the variable."""
    env = environment(AUTHENTIK_BASE_URL="https://auth.example.com", AUTHENTIK_TOKEN="t", HTTPS_PROXY=proxy)
    ran = run("health", env=env)
    assert ran.returncode in (75, 78)
    assert "HTTPS_PROXY names" in " ".join((ran.stdout + ran.stderr).split())


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_wrong_certificate_variable_is_told(variable: str) -> None:
    """A variable that names certificates that are not there is told in words."""
    env = environment(AUTHENTIK_BASE_URL="https://127.0.0.1:1", AUTHENTIK_TOKEN="t", **{variable: "/nowhere"})
    ran = run("health", env=env)
    assert ran.returncode in (75, 78)
