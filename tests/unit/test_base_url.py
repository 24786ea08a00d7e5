"""The base URL: what is put right, what is refused, and that nothing leaks into a message."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.authentik.client import AuthentikClient
from openlane_authentik.authentik.transport import open_http
from openlane_authentik.base_url import directory_instance_id, normalise_base_url
from openlane_authentik.clock import SystemClock
from openlane_authentik.errors import BaseUrlError

_PUT_RIGHT = [
    ("https://auth.example.com", "https://auth.example.com"),
    ("  https://auth.example.com/\n", "https://auth.example.com"),
    ("https://AUTH.Example.COM", "https://auth.example.com"),
    ("HTTPS://auth.example.com", "https://auth.example.com"),
    ("https://auth.example.com:443", "https://auth.example.com"),
    ("https://auth.example.com:", "https://auth.example.com"),
    ("https://auth.example.com:8443/", "https://auth.example.com:8443"),
    ("https://auth.example.com/api/v3", "https://auth.example.com"),
    ("https://auth.example.com/api/v3/", "https://auth.example.com"),
    ("https://auth.example.com/api/v3/core/users/", "https://auth.example.com"),
    ("https://auth.example.com/api/", "https://auth.example.com"),
    ("https://auth.example.com/if/admin", "https://auth.example.com"),
    ("https://auth.example.com/if/admin/", "https://auth.example.com"),
    ("https://auth.example.com/if/user/", "https://auth.example.com"),
    ("https://auth.example.com/if/flow/default-authentication-flow/", "https://auth.example.com"),
    ("https://example.com/auth", "https://example.com/auth"),
    ("https://example.com/auth/", "https://example.com/auth"),
    ("https://example.com//auth//", "https://example.com/auth"),
    ("https://example.com/auth/if/admin/", "https://example.com/auth"),
    ("https://example.com/auth/api/v3/", "https://example.com/auth"),
    ("https://example.com/apis", "https://example.com/apis"),
    ("https://example.com/ifs/administration", "https://example.com/ifs/administration"),
    ("https://bücher.example", "https://xn--bcher-kva.example"),
    ("https://[2001:DB8::1]:9443/", "https://[2001:db8::1]:9443"),
    ("http://localhost:9000", "http://localhost:9000"),
    ("http://authentik.localhost", "http://authentik.localhost"),
    ("http://127.0.0.1:80", "http://127.0.0.1"),
    ("http://127.8.9.1:9000/auth/", "http://127.8.9.1:9000/auth"),
    ("http://[::1]:9000", "http://[::1]:9000"),
]

_REFUSED = [
    "",
    "   ",
    "auth.example.com",
    "//auth.example.com",
    "https:auth.example.com",
    "https://",
    "https:///auth",
    "https://:443",
    "ftp://auth.example.com",
    "file:///etc/passwd",
    "https://user:hunter2@auth.example.com",
    "https://hunter2@auth.example.com",
    "https://@auth.example.com",
    "https://auth.example.com?token=hunter2",
    "https://auth.example.com/?",
    "https://auth.example.com/#/hunter2",
    "https://auth.example.com:99999",
    "https://auth.example.com:port",
    "https://auth.example.com:-1",
    "https://auth example.com",
    "https://auth.example.com/a b",
    "https://auth.exa\x00mple.com",
    "https://auth\u200b.example.com",
    "https://a..example.com",
    "https://.example.com",
    f"https://{'a' * 64}.example.com",
    "https://[::1",
    "https://[not-an-address]",
]

_NO_HOST = [
    "https://auth.example.com:0",
    "https://xn--a.com",
    "https://xn--zz--.com",
    "https://٣.com",
    "https://999.999.999.999",
    "https://good.example\\evil.example",
    "https://*.example.com",
    "https://a%20b.example",
    "https://[v1.x]",
    "https://[::1]x",
]


@pytest.mark.parametrize(("typed", "normalised"), _PUT_RIGHT)
def test_what_is_pasted_is_put_right(typed: str, normalised: str) -> None:
    """A base URL has one spelling, whatever of host, port, slashes and API paths was pasted along."""
    assert normalise_base_url(typed) == normalised


@pytest.mark.parametrize("typed", _REFUSED)
def test_what_cannot_be_an_address_is_refused(typed: str) -> None:
    """Another scheme, user info, a query, a fragment, a bad host or port are refused, and never repeated if secret."""
    with pytest.raises(BaseUrlError) as caught:
        normalise_base_url(typed)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("typed", _NO_HOST)
def test_a_host_that_no_client_can_connect_to_is_refused(typed: str) -> None:
    """A host name or port that the HTTP client would choke on is a configuration error, not a traceback later."""
    with pytest.raises(BaseUrlError):
        normalise_base_url(typed)


@pytest.mark.parametrize(
    "typed",
    [
        "http://auth.example.com",
        "http://10.0.0.5:9000",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://[2001:db8::1]",
    ],
)
def test_the_token_is_not_sent_unencrypted(typed: str) -> None:
    """Plain http is refused for any host but loopback, unless it was explicitly allowed."""
    with pytest.raises(BaseUrlError, match="unencrypted"):
        normalise_base_url(typed)
    assert normalise_base_url(typed, allow_http=True) == typed


def test_the_instance_is_named_by_the_url_without_the_scheme() -> None:
    """The directory's identity is its base URL without scheme, so that http and https name the same directory."""
    assert directory_instance_id("https://example.com:8443/auth") == "example.com:8443/auth"
    assert directory_instance_id("http://[::1]:9000") == "[::1]:9000"


_LABEL = st.text("abcXYZ019-_é%*\\ßﬀ", max_size=8)
_HOST = st.lists(_LABEL, min_size=1, max_size=3).map(".".join)
_PATH = st.lists(st.sampled_from(["auth", "api", "v3", "if", "admin", "", "a b", "..", "%41", "ä", "x"]), max_size=5)
_LOOKALIKES = st.builds(
    lambda scheme, host, port, path: f"{scheme}://{host}{port}/{'/'.join(path)}",
    st.sampled_from(["https", "HTTPS", "http"]),
    _HOST,
    st.sampled_from(["", ":", ":443", ":80", ":8443", ":0", ":70000"]),
    _PATH,
)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.one_of(_LOOKALIKES, st.text(max_size=40), st.text(max_size=20).map("https://{}".format)))
def test_normalising_twice_changes_nothing(typed: str) -> None:
    """Whatever is typed is either refused, or normalised to a fixed point that an HTTP client can be opened on."""
    try:
        once = normalise_base_url(typed, allow_http=True)
    except BaseUrlError:
        return
    assert normalise_base_url(once, allow_http=True) == once
    http = open_http(once, "token", connections=1)
    client = AuthentikClient(http, clock=SystemClock(), concurrency=1, timeout_seconds=1.0)
    assert client.host
