"""What an answer means: request, status and shape to JSON or to one error, over recorded and over broken answers."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.authentik.answers import RawAnswer, http_date, refuse_bad_answer
from openlane_authentik.authentik.decoding import whole
from openlane_authentik.authentik.request import Request
from openlane_authentik.errors import (
    BrokenAnswerError,
    CredentialError,
    IntegrationError,
    InvalidPageError,
    NotAuthentikError,
    NotFoundError,
    ParameterRefusedError,
    ProxyLoginError,
    RateLimitedError,
    RedirectError,
    ServerFailedError,
    ServerUnavailableError,
    UnexpectedAnswerError,
)

_NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_JSON = {"content-type": "application/json"}
_HTML = {"content-type": "text/html; charset=utf-8"}
_RECORDED = [
    json.loads(line)
    for line in (Path(__file__).parents[1] / "recordings" / "by_token.ndjson").read_text(encoding="utf-8").splitlines()
]


def _as_it_is(data: Any) -> Any:
    return data


def _read(
    status: int,
    body: bytes = b"",
    headers: Mapping[str, str] = _JSON,
    path: str = "core/users/",
    params: Mapping[str, str | int] = {},
) -> Any:
    url = f"https://auth.example.com/api/v3/{path}"
    raw = RawAnswer(Request(path, params), url, status, headers, body, 0.25)
    refuse_bad_answer(raw, _NOW)
    return asyncio.run(whole(_as_it_is).of(raw.body, path))


@pytest.mark.parametrize("row", _RECORDED, ids=lambda row: f"{row['endpoint']}-{row['kind']}")
def test_recorded_answers_mean_what_they_were(row: dict[str, Any]) -> None:
    """Every answer recorded of a real server decodes or is a refusal, and which of them no sentence tells."""
    path = row["target"].removeprefix("/api/v3/")
    if row["status"] == 200:
        assert _read(200, json.dumps(row["body"]).encode(), path=path) == row["body"]
        return
    for body in (row["body"], {"detail": "Sie sind nicht berechtigt."}):
        with pytest.raises(IntegrationError) as caught:
            _read(row["status"], json.dumps(body).encode(), path=path)
        assert type(caught.value) is CredentialError


_BAD: list[tuple[int, bytes, Mapping[str, str], type[IntegrationError]]] = [
    (200, b"<html>", _HTML, NotAuthentikError),
    (200, b"{}", {}, NotAuthentikError),
    (200, b"", _JSON, BrokenAnswerError),
    (200, b'{"results": [', _JSON, BrokenAnswerError),
    (200, b'{"a": "\xff"}', _JSON, BrokenAnswerError),
    (200, b'{"a": "\\ud800"}', _JSON, BrokenAnswerError),
    (200, b"{} {}", _JSON, BrokenAnswerError),
    (200, b"[" * 100_000, _JSON, BrokenAnswerError),
    (204, b"", _JSON, UnexpectedAnswerError),
    (301, b"", {"location": "https://auth.example.com/"}, RedirectError),
    (302, b"", {}, RedirectError),
    (304, b"", {}, RedirectError),
    (308, b"", {"location": "/elsewhere"}, RedirectError),
    (302, b"", {"location": "http://[oops"}, RedirectError),
    (302, b"", {"location": "https://auth.example.com:99999/x"}, RedirectError),
    (302, b"", {"location": "https://"}, RedirectError),
    (400, b'{"type": ["no"]}', _JSON, UnexpectedAnswerError),
    (401, b"", _HTML, ProxyLoginError),
    (403, b"Forbidden", _HTML, UnexpectedAnswerError),
    (403, b'{"detail": "Verboten."}', _JSON, CredentialError),
    (403, b'{"message": "Forbidden"}', _JSON, UnexpectedAnswerError),
    (403, b'["detail"]', _JSON, UnexpectedAnswerError),
    (403, b"[" * 100_000, _JSON, BrokenAnswerError),
    (403, b'"\xff"', _JSON, BrokenAnswerError),
    (404, b"<html>", _HTML, NotAuthentikError),
    (404, b'{"detail": "Invalid page."}', _JSON, NotAuthentikError),
    (404, b'{"detail": 7}', _JSON, NotAuthentikError),
    (404, b"[" * 100_000, _JSON, BrokenAnswerError),
    (404, b'"\xff"', _JSON, BrokenAnswerError),
    (418, b"", _HTML, UnexpectedAnswerError),
    (429, b"", _HTML, RateLimitedError),
    (500, b"<html>", _HTML, ServerFailedError),
    (501, b"", _HTML, ServerFailedError),
    (502, b"", _HTML, ServerUnavailableError),
    (503, b"", _JSON, ServerUnavailableError),
    (504, b"", _HTML, ServerUnavailableError),
]


@pytest.mark.parametrize(("status", "body", "headers", "error"), _BAD)
def test_a_bad_answer_is_one_error(
    status: int, body: bytes, headers: Mapping[str, str], error: type[IntegrationError]
) -> None:
    """A bad answer to a list is one error, however broken its body or headers are."""
    with pytest.raises(IntegrationError) as caught:
        _read(status, body, headers)
    assert type(caught.value) is error


_NOTHING_THERE = [b'{"detail": "Invalid page."}', b'{"detail": "Ung\xc3\xbcltige Seite."}', b'{"detail": ""}']
_ABSENT: list[tuple[str, Mapping[str, str | int], type[IntegrationError]]] = [
    ("core/users/", {"page": 2}, InvalidPageError),
    ("core/groups/", {"page": "17", "page_size": 100}, InvalidPageError),
    ("core/tokens/", {"page": 2}, InvalidPageError),
    ("core/users/7/", {}, NotFoundError),
    ("core/groups/6dc0b5a8-0000-4000-8000-000000000000/", {"include_users": "false"}, NotFoundError),
    ("core/users/", {"page": 1}, NotAuthentikError),
    ("core/users/", {"page_size": 1}, NotAuthentikError),
    ("core/users/me/", {}, NotAuthentikError),
    ("rbac/permissions/", {"role": "x"}, NotAuthentikError),
    ("admin/version/", {}, NotAuthentikError),
]


@pytest.mark.parametrize("body", _NOTHING_THERE)
@pytest.mark.parametrize(("path", "params", "error"), _ABSENT)
def test_what_is_absent_follows_from_the_request(
    path: str, params: Mapping[str, str | int], error: type[IntegrationError], body: bytes
) -> None:
    """A later page can be gone, and so can a user or a group; of anything else authentik never says so.

    The sentence tells nothing, and neither does a page for people or JSON in another shape.
    """
    with pytest.raises(IntegrationError) as caught:
        _read(404, body, path=path, params=params)
    assert type(caught.value) is error
    for other, headers in ((body, _HTML), (b'{"message": "no route"}', _JSON), (b"[]", _JSON), (b"null", _JSON)):
        with pytest.raises(NotAuthentikError):
            _read(404, other, headers, path, params)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"role": ["Keine g\xc3\xbcltige Auswahl."]}', ParameterRefusedError),
        (b'{"role": ["x"], "codename": ["y"]}', ParameterRefusedError),
        (b'{"role": ["x"], "other": ["y"]}', UnexpectedAnswerError),
        (b'{"detail": "x"}', UnexpectedAnswerError),
        (b"{}", UnexpectedAnswerError),
        (b"[]", UnexpectedAnswerError),
    ],
)
def test_a_parameter_is_refused_by_its_name(body: bytes, error: type[IntegrationError]) -> None:
    """A 400 that names nothing but parameters of the request refuses their values; any other is unexpected."""
    with pytest.raises(IntegrationError) as caught:
        _read(400, body, path="rbac/permissions/", params={"role": "7", "codename": "view_user"})
    assert type(caught.value) is error


def test_a_good_answer_tells_the_servers_clock() -> None:
    """The server's Date header is read as UTC; one that is missing or no date is None."""
    assert http_date("Sun, 01 Mar 2026 11:59:00 GMT") == _NOW - timedelta(minutes=1)
    assert http_date(None) is None
    for junk in ("yesterday", "", "Sun, 01 Mar 99999 11:59:00 GMT", "٣"):
        assert http_date(junk) is None
    assert http_date("Fri, 31 Dec 9999 23:59:59 -2359") is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("", None),
        ("\u00b2", None),
        ("\u0663", None),
        ("inf", None),
        ("nan", None),
        ("1e9", None),
        ("9" * 5000, float("inf")),
        ("Sun, 01 Mar 99999 12:00:30 GMT", None),
        ("Fri, 31 Dec 9999 23:59:59 -2359", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    """Retry-After may be seconds or a date; anything else is as if it were not there."""
    for status in (429, 503):
        with pytest.raises((RateLimitedError, ServerUnavailableError)) as caught:
            _read(status, headers={"retry-after": header})
        assert caught.value.retry_after == seconds


def test_a_redirect_tells_the_address_to_set_and_no_secret_in_it() -> None:
    """The target is named with its port, as the remedy says to set it; its user info and query are left out."""
    with pytest.raises(RedirectError) as caught:
        _read(302, headers={"location": "https://me:hunter2@other.example:8443/auth/?next=hunter2"})
    assert "https://other.example:8443/auth/" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("status", [200, 400, 403, 404, 429, 500, 503])
def test_no_error_repeats_the_body(status: int) -> None:
    """What a body says may be people's data, so no error quotes it, nor does its cause."""
    body = b'{"detail": "jane.doe@example.com", "results": [{"email": "jane.doe@example.com'
    with pytest.raises(IntegrationError) as caught:
        _read(status, body)
    error: BaseException | None = caught.value
    while error is not None:
        assert "jane" not in str(error)
        error = error.__cause__


@settings(deadline=None, derandomize=True, max_examples=300)
@given(
    st.integers(100, 599),
    st.binary(max_size=40) | st.text(max_size=20).map(lambda text: json.dumps({"detail": text}).encode()),
    st.dictionaries(st.sampled_from(["content-type", "date", "retry-after", "location"]), st.text(max_size=30)),
)
def test_any_answer_is_json_or_an_integration_error(status: int, body: bytes, headers: dict[str, str]) -> None:
    """Whatever comes over the wire, nothing but an integration error is raised for it."""
    with suppress(IntegrationError):
        _read(status, body, headers)
