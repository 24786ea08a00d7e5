"""The base URL: what is put right, what is refused, and that nothing leaks into a message."""

import asyncio
import unicodedata

import httpx
import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.addresses import normalise_host
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
    ("https://authentik.localhost", "https://authentik.localhost"),
    ("http://127.0.0.1:80", "http://127.0.0.1"),
    ("http://127.8.9.1:9000/auth/", "http://127.8.9.1:9000/auth"),
    ("http://[::1]:9000", "http://[::1]:9000"),
]

_ONE_HOST = [
    ("stra\xdfe.example", "xn--strae-oqa.example"),
    ("STRA\xdfE.example", "xn--strae-oqa.example"),
    ("xn--strae-oqa.example", "xn--strae-oqa.example"),
    ("XN--STRAE-OQA.Example", "xn--strae-oqa.example"),
    ("fa\xdf.de", "xn--fa-hia.de"),
    ("\u03bf\u03b4\u03bf\u03c2.gr", "xn--pxavbm.gr"),
    ("\u03bf\u03b4\u03bf\u03c3.gr", "xn--pxavbq.gr"),
    ("Auth.M\xdcNCHEN.example", "auth.xn--mnchen-3ya.example"),
    ("mu\u0308nchen.example", "xn--mnchen-3ya.example"),
    ("\u0131.example", "xn--cfa.example"),
    ("\u13a0.example", "xn--58d.example"),
    ("\uff21\uff35\uff34\uff28\uff0eexample\u3002com", "auth.example.com"),
    ("auth.example\uff61com", "auth.example.com"),
    ("\uff76\uff9e.example", "xn--mck.example"),
    ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
    ("\u05e9\u05dc\u05d5\u05dd.example", "xn--9dbne9b.example"),
    ("l\xb7l.example", "xn--ll-0ea.example"),
    ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
]

_NOT_ONE_HOST = {
    "Kelvin sign": "auth.example\u212a.com",
    "Kelvin sign alone": "\u212a.example",
    "dotted capital I": "\u0130.example",
    "long s": "\u017ftrasse.example",
    "capital sharp s": "STRA\u1e9eE.example",
    "capital sigma": "\u039f\u0394\u039f\u03a3.gr",
    "Angstrom sign": "\u212b.example",
    "Ohm sign": "\u2126.example",
    "ligature": "o\ufb03ce.example",
    "circled digit": "\u2460.example",
    "superscript": "m\xb2.example",
    "TEL": "\u2121.example",
    "full stop within": "a\u2488com",
    "small Cherokee": "\uab70.example",
    "soft hyphen": "au\xadth.example",
    "variation selector": "a\ufe0f.example",
    "Hangul filler": "a\uffa0.example",
    "emoji": "i\u2764.ws",
    "emoji encoded": "xn--i-7iq.ws",
    "joiner out of place": "a\u200db.example",
    "middle dot out of place": "a\xb7b.example",
    "mark first": "\u0308a.example",
    "both directions": "1\u05d0.example",
    "no Punycode": "xn--a.com",
    "another spelling of Punycode": "xn---bbk.example",
    "Punycode of a capital": "xn--mnchen-m1a.example",
    "Punycode of ASCII": "xn--auth-.example",
    "label of 64": f"{'a' * 64}.example",
    "label of 64 once encoded": f"{'a' * 57}\xfc.example",
    "name of 254": ".".join(["a" * 61] * 4) + ".abcdef",
    "dot at the end": "auth.example.com.",
    "full-width dot at the end": "auth.example.com\uff0e",
    "loopback with a dot": "localhost.",
    "underscore": "a_b.example",
    "percent-encoded": "%6c%6fcalhost",
    "two parts": "127.1",
    "hexadecimal": "0x7f.1",
    "one number": "2130706433",
    "one hexadecimal number": "0x7f000001",
    "octal": "0177.0.0.1",
    "full-width number": "\uff11\uff12\uff17.1",
    "number at the end": "auth.1",
    "other digits": "\u0661\u0662\u0667.0.0.1",
    "IPv6 zone": "[fe80::1%eth0]",
    "IPv6 zone encoded": "[fe80::1%25eth0]",
    "IPv4 within IPv6": "[::ffff:127.0.0.1]",
    "unspecified": "0.0.0.0",  # noqa: S104 - nothing is bound to it
    "unspecified IPv6": "[::]",
}

_PATHS = [
    ("/%61uth", "/auth"),
    ("/%41", "/A"),
    ("/\xe4", "/%C3%A4"),
    ("/%c3%a4", "/%C3%A4"),
    ("/a%2fb", "/a%2Fb"),
    ("/a+b;c", "/a+b;c"),
    ("/a%2bb%3Bc", "/a%2Bb%3Bc"),
    ("/a[b]|c", "/a%5Bb%5D%7Cc"),
    ("/%61pi/v3", ""),
    ("/.well/...", "/.well/..."),
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
        "http://authentik.localhost",
        "http://a.b.localhost:9000",
        "http://127.0.0.1.example.com",
        "http://[2001:db8::1]",
    ],
)
def test_the_token_is_not_sent_unencrypted(typed: str) -> None:
    """Plain http is refused for any host but loopback, unless it was explicitly allowed."""
    with pytest.raises(BaseUrlError, match="unencrypted"):
        normalise_base_url(typed)
    assert normalise_base_url(typed, allow_http=True) == typed


@pytest.mark.parametrize(("typed", "host"), _ONE_HOST)
def test_a_host_is_the_one_that_is_typed(typed: str, host: str) -> None:
    """A letter is never taken for another; capitals, full width and composition make no other name (RFC 5895)."""
    assert normalise_base_url(f"https://{typed}") == f"https://{host}"


@pytest.mark.parametrize("typed", _NOT_ONE_HOST.values(), ids=_NOT_ONE_HOST)
def test_a_host_that_can_be_read_in_two_ways_is_refused(typed: str) -> None:
    """Neither mapping nor lower-casing turns an address into another, and no number is taken for a name."""
    with pytest.raises(BaseUrlError):
        normalise_base_url(f"https://{typed}")


def test_the_address_is_asked_that_is_typed() -> None:
    """A client opened on a name with a sharp s asks that name, not the one with two s, which is another's."""
    asked = []

    async def look(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.raw_host, request.headers["host"]))
        return httpx.Response(200)

    async def ask() -> None:
        base_url = normalise_base_url("https://auth.stra\xdfe.example")
        async with open_http(base_url, "token", connections=1, transport=httpx.MockTransport(look)) as http:
            await http.get("core/users/")

    asyncio.run(ask())
    assert asked == [(b"auth.xn--strae-oqa.example", "auth.xn--strae-oqa.example")]


@pytest.mark.parametrize(("typed", "path"), _PATHS)
def test_a_path_has_one_spelling(typed: str, path: str) -> None:
    """Only what needs it is encoded, in capitals; a reserved character and its encoding stay apart."""
    assert normalise_base_url(f"https://example.com{typed}") == f"https://example.com{path}"


@pytest.mark.parametrize(
    "path",
    ["/a/../b", "/..", "/a/.", "/./a", "/a/%2e%2E/b", "/%2e", "/.%2e/a", "/a\\b", "/%zz", "/a%", "/auth/../api/v3"],
)
def test_a_path_that_others_shorten_is_refused(path: str) -> None:
    """Dot segments, also encoded, backslashes and a stray percent sign lead to another path than is written."""
    with pytest.raises(BaseUrlError, match="path"):
        normalise_base_url(f"https://example.com{path}")


def test_the_instance_is_named_by_the_url_without_the_scheme() -> None:
    """The directory's identity is its base URL without scheme, so that http and https name the same directory."""
    assert directory_instance_id("https://example.com:8443/auth") == "example.com:8443/auth"
    assert directory_instance_id("http://[::1]:9000") == "[::1]:9000"


_LABEL = st.text(
    "abcKSXYZ019-_\xe9%*\\\xdf\ufb00\u212a\u0130\u017f\u03a3\u03c3\u03c2\uff21\u3002\u0308\u05d0\u0663", max_size=8
)
_LETTERS = st.text(st.characters(categories=["L", "N", "M"]), min_size=1, max_size=6)
_HOST = st.one_of(
    st.lists(_LABEL, min_size=1, max_size=3).map(".".join),
    st.lists(_LETTERS, min_size=1, max_size=3).map(".".join),
    st.lists(_LETTERS, min_size=1, max_size=2)
    .map(".".join)
    .map(lambda name: f"XN--{name.encode('punycode').decode()}"),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map("[{}]".format),
    st.sampled_from(["0x7f.1", "127.1", "[fe80::1%1]", "[::ffff:1.2.3.4]", "localhost", "a.localhost"]),
)
_PATH = st.lists(
    st.sampled_from(
        ["auth", "api", "v3", "if", "admin", "", "a b", "..", "%41", "%2f", "%e4", "%", "\xe4", "a[|]^", "x"]
    ),
    max_size=5,
)
_TYPED = st.builds(
    lambda scheme, host, port, path: f"{scheme}://{host}{port}/{'/'.join(path)}",
    st.sampled_from(["https", "HTTPS", "http"]),
    _HOST,
    st.sampled_from(["", ":", ":443", ":80", ":8443", ":0", ":70000"]),
    _PATH,
)


@settings(deadline=None, derandomize=True, max_examples=1000)
@given(st.one_of(_TYPED, st.text(max_size=40), st.text(max_size=20).map("https://{}".format)))
def test_what_is_accepted_is_what_is_asked(typed: str) -> None:
    """Whatever is typed is refused, or normalised to ASCII that stays as it is and that a client asks as it stands."""
    try:
        once = normalise_base_url(typed, allow_http=True)
    except BaseUrlError:
        return
    assert once.isascii()
    assert normalise_base_url(once, allow_http=True) == once
    http = open_http(once, "token", connections=1, transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    assert AuthentikClient(http, clock=SystemClock(), concurrency=1, timeout_seconds=1.0).host
    assert str(http.base_url) == f"{once}/api/v3/"
    assert http.base_url.raw_path.decode() == f"/{'/'.join([*once.split('/')[3:], 'api/v3/'])}"


@settings(deadline=None, derandomize=True, max_examples=1000)
@given(st.one_of(_HOST, st.text(max_size=10)))
def test_a_host_is_mapped_as_uts_46_says_or_refused(typed: str) -> None:
    """No accepted name differs from UTS 46 without transitional processing, nor small letters from capitals."""
    try:
        host = normalise_host(typed)
    except ValueError:
        return
    if not is_number(host):
        assert host == idna.encode(typed, uts46=True).decode()
        assert normalise_host(idna.decode(host)) == host
    assert normalise_host(host) == host
    assert normalise_host(host.upper()) == host


def is_number(host: str) -> bool:
    """Whether a normalised host is an IP address."""
    return host.startswith("[") or host.replace(".", "").isdigit()


@settings(deadline=None, derandomize=True, max_examples=1000)
@given(st.characters(min_codepoint=0x80))
def test_no_two_letters_are_one(char: str) -> None:
    """A character beyond ASCII that is accepted is asked as itself, its small letter or its ordinary width."""
    try:
        host = normalise_host(f"a{char}a.example")
    except ValueError:
        return
    ways = {char, char.lower()}
    if unicodedata.decomposition(char).startswith(("<wide>", "<narrow>")) or char == "\u3002":
        ways |= {unicodedata.normalize("NFKC", char).lower(), "."}
    assert idna.decode(host) in {unicodedata.normalize("NFC", f"a{way}a.example") for way in ways}
