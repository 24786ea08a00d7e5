"""Credential, user input and options: what is read from a form, and how its errors speak."""

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik import AuthentikCredential, UserInput, parse_credential, parse_user_input
from openlane_authentik.errors import IntegrationError, SettingMissingError, TokenMissingError, UserInputError
from openlane_authentik.settings import DirectorySyncConfig, parse_directory_sync_config

_URL = "https://auth.example.com"
_SECRET = "s3cr3t-of-the-tests"


def test_a_credential_is_read_and_its_halves_put_right() -> None:
    """The base URL is normalised, and white space that pasting or a file adds is taken off the token."""
    credential = parse_credential({"baseUrl": f"{_URL}/if/admin/", "token": f"  {_SECRET}\r\n"})
    assert credential.base_url == _URL
    assert credential.token.get_secret_value() == _SECRET


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({}, "no baseUrl and no token"),
        ({"baseUrl": _URL}, "no token"),
        ({"token": _SECRET}, "no baseUrl"),
        ({"baseUrl": "", "token": _SECRET}, "no baseUrl"),
        ({"baseUrl": _URL, "token": ""}, "no token"),
        ({"baseUrl": None, "token": None}, "no baseUrl and no token"),
    ],
)
def test_a_missing_half_is_named(raw: dict[str, Any], named: str) -> None:
    """An error tells which half of the credential is not there."""
    with pytest.raises(SettingMissingError, match=named):
        parse_credential(raw)


@pytest.mark.parametrize("token", ["   ", "two words", "Bearer abc", "tab\tbed", "naïve", "line\nbreak", "nul\x00"])
def test_a_token_no_header_can_carry_is_refused(token: str) -> None:
    """A token with characters that no token has is refused before a request, without being repeated."""
    with pytest.raises(TokenMissingError) as caught:
        parse_credential({"baseUrl": _URL, "token": token})
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"filterexpr": _SECRET}, "unknown key 'filterexpr'; did you mean 'filterExpr'?"),
        ({"primary_dir": _SECRET}, "unknown key 'primary_dir'"),
        ({"zzz": _SECRET}, "unknown key 'zzz'"),
        ({"disableGroupSync": _SECRET}, "disableGroupSync: "),
        ({"disableGroupSync": 1}, "disableGroupSync: "),
        ({"name": ["x"]}, "name: "),
        ({"name": _SECRET * 20}, "name: "),
        ({"filterExpr": "x" * 4097}, "filterExpr: "),
    ],
)
def test_user_input_errors_name_the_key_and_never_the_value(raw: dict[str, Any], message: str) -> None:
    """An unknown key is named, with the likely spelling; a bad value is told by its key and rule alone."""
    with pytest.raises(UserInputError) as caught:
        parse_user_input(raw)
    assert message in str(caught.value)
    assert _SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_every_unknown_key_is_named_at_once() -> None:
    """Several wrong keys are told in one error, so that one correction is enough."""
    with pytest.raises(UserInputError) as caught:
        parse_user_input({"Name": "x", "filter": "y", "name": 3})
    assert all(part in str(caught.value) for part in ("'Name'", "'filter'", "name: "))


def test_a_credential_refuses_unknown_keys_without_their_values() -> None:
    """A misspelt key of a credential is an error that does not show what stood under it."""
    with pytest.raises(UserInputError, match="tokenn") as caught:
        parse_credential({"baseUrl": _URL, "token": _SECRET, "tokenn": _SECRET})
    assert _SECRET not in str(caught.value)


@pytest.mark.parametrize("token", [12345, ["s3cr3t-of-the-tests"], {"s3cr3t": "s3cr3t"}, True])
def test_a_token_that_is_no_text_is_refused_without_being_shown(token: Any) -> None:
    """A value of another type is refused by key and rule; the value appears nowhere."""
    with pytest.raises(UserInputError) as caught:
        parse_credential({"baseUrl": _URL, "token": token})
    assert "s3cr3t" not in f"{caught.value!r}{caught.value.__cause__!r}"


def test_the_forms_take_exactly_the_hosts_keys() -> None:
    """The keys are those of the host's contract; of the credential two are optional besides, and all user input is."""
    assert set(UserInput.model_json_schema()["properties"]) == {
        "name",
        "primaryDirectory",
        "disableGroupSync",
        "filterExpr",
    }
    keys = {"baseUrl", "token", "caCertificates", "allowHttp"}
    assert set(AuthentikCredential.model_json_schema()["properties"]) == keys
    assert AuthentikCredential.model_json_schema()["required"] == ["baseUrl", "token"]
    assert parse_user_input({}) == UserInput()


@pytest.mark.parametrize(
    "raw",
    [
        {"pageSize": 0},
        {"pageSize": 1001},
        {"pageSize": "100"},
        {"concurrency": 0},
        {"concurrency": 17},
        {"timeoutSeconds": 0},
        {"timeoutSeconds": -1},
        {"timeoutSeconds": float("nan")},
        {"page_sise": 10},
    ],
)
def test_options_out_of_range_are_refused(raw: dict[str, Any]) -> None:
    """An option out of its range, of another type or unknown is an error that names it."""
    with pytest.raises(UserInputError, match=next(iter(raw))):
        parse_directory_sync_config(raw)


def test_options_have_defaults_for_any_directory() -> None:
    """No option needs to be given."""
    assert parse_directory_sync_config({}) == DirectorySyncConfig()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.dictionaries(st.sampled_from(["baseUrl", "token", "name", "filterExpr", "x"]) | st.text(), _JSON, max_size=4))
def test_any_json_gives_a_setting_or_an_integration_error(raw: dict[str, Any]) -> None:
    """Whatever a form sends back, nothing but an integration error comes of it."""
    for parse in (parse_credential, parse_user_input, parse_directory_sync_config):
        with suppress(IntegrationError):
            parse(raw)
