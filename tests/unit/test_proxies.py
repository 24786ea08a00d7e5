"""Proxies of the environment: who is asked through one, who never is, and what is said of one that does not work."""

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.authentik.transport import connection_error, open_http
from openlane_authentik.base_url import normalise_base_url
from openlane_authentik.errors import BaseUrlError, ConnectionFailedError, DnsError, IntegrationError, ProxySettingError
from openlane_authentik.proxies import find_proxy

_NAMES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_PROXY: Final = "http://proxy.example.test:3128"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower() in _NAMES:
            monkeypatch.delenv(name)


@contextmanager
def _recording(status: int) -> Iterator[tuple[str, list[str]]]:
    """Serve as a web server or a proxy would that answers one status; return its port and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers['authorization']}")
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_CONNECT(self) -> None:
            self.do_GET()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield str(http.server_port), asked
        finally:
            http.shutdown()
            thread.join()


def _ask(base_url: str, ca_file: Path | None = None) -> int | IntegrationError:
    """Ask as a run does; return the status, or what is said of the failure."""

    async def ask() -> int | IntegrationError:
        async with open_http(base_url, "token", connections=1, ca_file=ca_file) as http:
            try:
                return (await http.get("core/users/")).status_code
            except httpx.HTTPError as error:
                return connection_error(error, http.base_url.host)

    return asyncio.run(ask())


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_loopback_over_http_goes_to_no_proxy(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token for this machine reaches this machine and no proxy, whatever the environment says; others go there."""
    with _recording(204) as (port, asked), _recording(502) as (proxy_port, proxied):
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy_port}")
        for host in ("127.0.0.1", "localhost"):
            assert _ask(normalise_base_url(f"http://{host}:{port}")) == 204
        assert (len(asked), proxied) == (2, [])
        assert _ask("http://auth.example.test") == 502
        assert proxied == ["GET http://auth.example.test/api/v3/core/users/ Bearer token"]


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.8.9.1", "[::1]", "127.1", "2130706433", "[::ffff:127.0.0.1]", "localhost."]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_loopback_has_no_proxy_however_written(host: str, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's address at a proxy is the proxy's own; a setting that cannot be used does no harm there."""
    monkeypatch.setenv("ALL_PROXY", "nonsense://[oops")
    assert find_proxy(httpx.URL(f"{scheme}://{host}:9000")) is None


_HOSTS: Final = st.one_of(
    st.sampled_from(["localhost", "LOCALHOST", "a.localhost", "localhost.example", "127.1", "[::ffff:127.0.0.1]"]),
    st.ip_addresses(v=4, network="127.0.0.0/8").map(str),
    st.ip_addresses().map(lambda address: f"[{address}]" if address.version == 6 else str(address)),
)


@settings(deadline=None, derandomize=True)
@given(_HOSTS)
def test_what_may_be_read_in_the_clear_has_no_proxy(host: str) -> None:
    """A base URL of plain http that is accepted without being allowed explicitly is never asked through a proxy."""
    try:
        base_url = normalise_base_url(f"http://{host}")
    except BaseUrlError:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTP_PROXY", _PROXY)
        assert find_proxy(httpx.URL(base_url)) is None


_EXCEPTIONS: Final = [
    ("https://auth.example.com", "auth.example.com", True),
    ("https://auth.example.com", "AUTH.Example.com", True),
    ("https://auth.example.com", "example.com", True),
    ("https://auth.example.com", ".example.com", True),
    ("https://auth.example.com", "*.example.com", True),
    ("https://auth.example.com", "example.com.", True),
    ("https://example.com", ".example.com", True),
    ("https://auth.example.com", " a , ,, auth.example.com ,", True),
    ("https://auth.example.com", "a auth.example.com", True),
    ("https://auth.example.com", "*", True),
    ("https://auth.example.com", "a,*", True),
    ("https://auth.example.com", "auth.example.com:443", True),
    ("https://auth.example.com", "auth.example.com:80", False),
    ("https://auth.example.com:8443", "auth.example.com:8443", True),
    ("https://auth.example.com:8443", "auth.example.com", True),
    ("https://auth.example.com", "https://auth.example.com", True),
    ("https://auth.example.com", "all://auth.example.com", True),
    ("https://auth.example.com", "http://auth.example.com", False),
    ("https://badexample.com", "example.com", False),
    ("https://auth.example.com", "*example.com", False),
    ("https://auth.example.com", "", False),
    ("https://auth.example.com", ",.,*.,:,://,[,]", False),
    ("https://xn--mnchen-3ya.example", "m\xfcnchen.example", True),
    ("https://xn--mnchen-3ya.example", "\u212a.example", False),
    ("https://10.1.2.3", "10.0.0.0/8", True),
    ("https://10.1.2.3", "10.1.2.3", True),
    ("https://10.1.2.3", "10.1.2.3:443", True),
    ("https://10.1.2.3", "10.1.2.3:80", False),
    ("https://10.1.2.3", "10.1.2.9/8", True),
    ("https://11.1.2.3", "10.0.0.0/8", False),
    ("https://10.1.2.3", "2.3", False),
    ("https://10.1.2.3", "10.0.0.0/64,10.0.0.0/8/8", False),
    ("https://10.1.2.3", "::/0", False),
    ("https://[2001:db8::1]", "2001:db8::1", True),
    ("https://[2001:db8::1]", "2001:DB8:0::1", True),
    ("https://[2001:db8::1]", "[2001:db8::1]", True),
    ("https://[2001:db8::1]", "[2001:db8::1]:443", True),
    ("https://[2001:db8::1]", "[2001:db8::1]:80", False),
    ("https://[2001:db8::1]", "2001:db8::/32", True),
    ("https://[2001:db8::1]", "fe80::/10,::1,[::1]", False),
    ("https://auth.example.com", "::1,[::1],fe80::/10,10.0.0.0/8,[::1]:80,fe80::1%eth0", False),
]


@pytest.mark.parametrize(("base_url", "exceptions", "direct"), _EXCEPTIONS)
def test_no_proxy_names_who_is_asked_directly(
    base_url: str, exceptions: str, monkeypatch: pytest.MonkeyPatch, *, direct: bool
) -> None:
    """Names with those below them, addresses, networks and ports; what is none of these is passed over."""
    monkeypatch.setenv("HTTPS_PROXY", _PROXY)
    monkeypatch.setenv("NO_PROXY", exceptions)
    assert (find_proxy(httpx.URL(base_url)) is None) == direct


_ENTRY: Final = st.one_of(
    st.text("[]:/.*%0123456789afx,- ", max_size=12),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
    st.ip_addresses().map(str),
)


@settings(deadline=None, derandomize=True, max_examples=500)
@given(st.lists(_ENTRY, max_size=4).map(",".join), st.sampled_from(["auth.example.com", "10.1.2.3", "[2001:db8::1]"]))
def test_no_entry_of_no_proxy_stops_a_start(exceptions: str, host: str) -> None:
    """Whatever ``NO_PROXY`` holds, a client opens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", _PROXY)
        patch.setenv("NO_PROXY", exceptions)
        found = find_proxy(httpx.URL(f"https://{host}"))
        assert found is None or found.variable == "HTTPS_PROXY"
        open_http(f"https://{host}", "token", connections=1)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"HTTPS_PROXY": _PROXY}, "HTTPS_PROXY"),
        ({"https_proxy": _PROXY}, "https_proxy"),
        ({"HTTPS_PROXY": "http://other", "https_proxy": _PROXY}, "https_proxy"),
        ({"ALL_PROXY": "http://other", "HTTPS_PROXY": _PROXY}, "HTTPS_PROXY"),
        ({"HTTP_PROXY": "http://other", "ALL_PROXY": _PROXY}, "ALL_PROXY"),
        ({"https_PROXY": "http://other", "HTTPS_PROXY": _PROXY}, "HTTPS_PROXY"),
        ({"all_proxy": "proxy.example.test:3128"}, "all_proxy"),
        ({"HTTP_PROXY": _PROXY}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"HTTPS_PROXY": "http://other", "https_proxy": ""}, None),
    ],
)
def test_the_variable_of_the_scheme_counts_before_all(
    variables: Mapping[str, str], named: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheme's own variable goes before ``ALL_PROXY`` and small letters before capitals; empty means none."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = find_proxy(httpx.URL("https://auth.example.com"))
    assert (found.variable if found else None) == named
    if found:
        assert str(found.proxy.url) == _PROXY


@pytest.mark.parametrize(
    "value",
    [
        "socks://user:hunter2@127.0.0.1",
        "socks4://user:hunter2@127.0.0.1",
        "nonsense://user:hunter2@h",
        "http://user:hunter2/@h:80",
        "http://user:hunter2@h:port",
        "http://user:hunter2@h:99999",
        "http://user:hunter2@h:0",
        "http://user:hunter2@[oops",
        f"http://user:hunter2@{'a' * 64}.example",
        "http://user:hunter2@a..example",
        "http://user:hunter2@",
        "http://",
        " ",
        "://",
    ],
)
@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_a_proxy_that_cannot_be_used_is_named_by_its_variable(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names the one variable that is set; neither it nor what it shows of its cause has the password."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ProxySettingError, match=f"^{variable} names") as caught:
        open_http("https://auth.example.com", "token", connections=1)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_a_socks_proxy_without_its_package_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable and the package that is missing."""
    monkeypatch.setattr("openlane_authentik.proxies.find_spec", {}.get)
    monkeypatch.setenv("ALL_PROXY", "socks5://user:hunter2@127.0.0.1:1080")
    with pytest.raises(ProxySettingError, match=r"ALL_PROXY names a SOCKS proxy.*socksio") as caught:
        open_http("https://auth.example.com", "token", connections=1)
    assert "hunter2" not in str(caught.value)


def test_a_proxy_that_fails_is_told_from_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that refuses, does not listen or does not resolve is named by its variable, not taken for authentik."""
    with _recording(403) as (port, proxied):
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:hunter2@127.0.0.1:{port}")
        refused = _ask("https://auth.example.test")
    assert proxied == ["CONNECT auth.example.test:443 None"]
    absent = _ask("https://auth.example.test")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@proxy.invalid")
    unknown = _ask("https://auth.example.test")
    assert [type(error) for error in (refused, absent, unknown)] == [
        ConnectionFailedError,
        ConnectionFailedError,
        DnsError,
    ]
    for error in (refused, absent, unknown):
        assert "the proxy that HTTPS_PROXY names" in str(error)
        assert "hunter2" not in str(error)


def test_no_netrc_takes_the_place_of_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that a ``.netrc`` has for the host are not sent: the token is."""
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login somebody password hunter2\n", "ascii")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    with _recording(204) as (port, asked):
        assert _ask(f"http://127.0.0.1:{port}") == 204
    assert asked == ["GET /api/v3/core/users/ Bearer token"]


def test_the_address_typed_is_asked_and_proven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with a sharp s is the one that the proxy, TLS (SNI and certificate) and ``Host`` carry: not that of ss."""
    name = "auth.xn--strae-oqa.example"
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(trust)
    seen: list[object] = []
    trust.sni_callback = lambda _socket, asked, _trust: seen.append(asked)

    def tunnel(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        seen.append(_head(connection)[0])
        connection.sendall(b"HTTP/1.1 200 Go\r\n\r\n")
        with trust.wrap_socket(connection, server_side=True) as encrypted:
            seen.extend(line for line in _head(encrypted) if line.startswith(b"Host:"))
            encrypted.sendall(b"HTTP/1.1 204 Nothing\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=tunnel, args=(listening,))
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{listening.getsockname()[1]}")
        status = _ask(normalise_base_url("https://auth.stra\xdfe.example"), tmp_path / "ca.pem")
        thread.join(10)
    assert status == 204
    assert seen == [f"CONNECT {name}:443 HTTP/1.1".encode(), name, f"Host: {name}".encode()]


def _head(connection: socket.socket) -> list[bytes]:
    head = b""
    while b"\r\n\r\n" not in head and (part := connection.recv(4096)):
        head += part
    return head.split(b"\r\n")
