"""Whom an installation trusts is a part of its credential: a stored token goes nowhere on new terms."""

from typing import Any

import pytest

from openlane_authentik.definition import definition
from openlane_authentik.host.errors import InvalidRequestError
from openlane_authentik.host.installations.forms import fill_in

_STORED = {"baseUrl": "https://auth.example.com", "token": "t"}


@pytest.mark.parametrize("given", [{"caCertificates": "another"}, {"allowHttp": True}])
def test_a_stored_token_is_not_sent_on_new_terms(given: dict[str, Any]) -> None:
    """Who adds an authority or allows HTTP fills in the token again."""
    with pytest.raises(InvalidRequestError, match=r"credential\.token"):
        fill_in(definition, given, _STORED)
    assert fill_in(definition, {**given, "token": "u"}, _STORED) == {**_STORED, **given, "token": "u"}


@pytest.mark.parametrize("given", [{}, {"allowHttp": False}, {"caCertificates": ""}])
def test_what_stays_as_it_was_asks_for_no_token(given: dict[str, Any]) -> None:
    """A field that is left empty, or says what held before by default, keeps the stored token."""
    assert fill_in(definition, given, _STORED)["token"] == "t"


@pytest.mark.parametrize("key", ["caCertificates", "allowHttp"])
def test_null_removes_what_is_stored(key: str) -> None:
    """Less is trusted then, so that the token need not be given again; where nothing is stored null does nothing."""
    stored = {**_STORED, "caCertificates": "one", "allowHttp": True}
    expected = {name: value for name, value in stored.items() if name != key}
    assert fill_in(definition, {key: None, "token": ""}, stored) == expected
    assert fill_in(definition, {key: None}, expected) == expected


@pytest.mark.parametrize("key", ["baseUrl", "token"])
def test_what_is_needed_cannot_be_removed(key: str) -> None:
    """Null is as good as an empty field there."""
    assert fill_in(definition, {key: None}, _STORED) == _STORED
