"""Remedies: every one of them, on every surface, says only words that exist where it is read."""

import inspect
import re
from collections.abc import Iterator
from importlib import resources
from itertools import permutations
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from openlane_authentik import AuthentikIntegration, UserInput, errors
from openlane_authentik.cli.app import app
from openlane_authentik.definition import definition
from openlane_authentik.errors import IntegrationError
from openlane_authentik.host import errors as host_errors
from openlane_authentik.host.cli.app import app as host_app
from openlane_authentik.operations.health_report import FINDINGS
from openlane_authentik.remedies import TERMS, Surface, remedy, retold
from openlane_authentik.settings import AuthentikCredential, DirectorySyncConfig

_OPTION = re.compile(r"--[a-z][a-z-]*")
_VARIABLE = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")
_PARAMETER = re.compile(r"`([a-z]+(?:_[a-z]+)*|[a-z]+(?:[A-Z][a-z]+)*)`")
_CAMEL_CASE = re.compile(r"\b[a-z]+[A-Z]\w*")
# What this package's HTTP client reads from the environment, whoever uses it.
_OF_EVERYBODY = {"SSL_CERT_FILE", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}
_OF_THE_COMMANDS = {"AUTHENTIK_BASE_URL", "AUTHENTIK_TOKEN"}


def _remedies() -> Iterator[tuple[str, str]]:
    for module in (errors, host_errors):
        for name, value in inspect.getmembers(module, inspect.isclass):
            if issubclass(value, IntegrationError) and value.__module__.startswith(module.__name__):
                yield name, value.remedy
    for code, text in FINDINGS.items():
        yield code, text.format(permissions="'Can view User'")


_REMEDIES = dict(_remedies())
_PLUGIN = {name: text for name, text in _REMEDIES.items() if not hasattr(host_errors, name) or hasattr(errors, name)}


def _options(command: typer.Typer) -> set[str]:
    group: Any = typer.main.get_command(command)
    commands = [one for name, one in group.commands.items() if not hasattr(one, "commands")]
    return {option for one in commands for parameter in one.params for option in parameter.opts}


def _labels() -> set[str]:
    card = definition
    schemas = [card.user_input.schema, *(slot.schema for slot in card.credential_registrations)]
    schemas += [operation.config_schema for operation in card.operations]
    return {field["title"] for schema in schemas for field in schema["properties"].values()}


def _page_labels() -> set[str]:
    template = resources.files("openlane_authentik.host.web") / "templates" / "settings.html"
    return set(re.findall(r'm\.plain\("\w+", "[\w.]+", "([\w ]+)"', template.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", _REMEDIES)
def test_the_library_names_its_parameters(name: str) -> None:
    """No option and no variable of a command line; what stands in backticks is a parameter or a key that there is."""
    text = retold(_REMEDIES[name], Surface.LIBRARY)
    assert text == _REMEDIES[name]
    if name in _PLUGIN:
        assert not _OPTION.search(text)
        assert set(_VARIABLE.findall(text)) <= _OF_EVERYBODY
    models = (AuthentikCredential, UserInput, DirectorySyncConfig)
    known = {key for model in models for field, of in model.model_fields.items() for key in (field, of.alias)}
    known |= inspect.signature(AuthentikIntegration).parameters.keys()
    assert set(_PARAMETER.findall(text)) <= known


@pytest.mark.parametrize(
    ("surface", "command"), [(Surface.COMMAND, app), (Surface.HOST_COMMAND, host_app)], ids=["command", "host"]
)
@pytest.mark.parametrize("name", _REMEDIES)
def test_a_command_names_its_options(name: str, surface: Surface, command: typer.Typer) -> None:
    """Each option exists in that command, each variable is read, and no parameter and no label of a form is named."""
    text = retold(_REMEDIES[name], surface)
    assert set(_OPTION.findall(text)) <= _options(command)
    variables = set(_VARIABLE.findall(text)) - _OF_EVERYBODY - _OF_THE_COMMANDS
    assert all(variable.startswith("OPENLANE_HOST_") for variable in variables)
    assert not _PARAMETER.search(text)
    assert not _CAMEL_CASE.search(text)
    assert not any(f"'{label}'" in text for label in _labels() | _page_labels())


@pytest.mark.parametrize("name", _REMEDIES)
def test_a_page_names_its_labels(name: str) -> None:
    """No option, variable, parameter, key or command; what is quoted and no word of authentik's is a label there."""
    text = retold(_REMEDIES[name], Surface.HOST)
    if name in ("HostSettingError", "HostNotInstalledError", "HostBusyError"):
        return  # raised before there is a page
    for foreign in ("--", "AUTHENTIK_", "disableGroupSync", "`", "openlane-authentik host"):
        assert foreign not in text
    assert not _VARIABLE.search(text)
    assert not _CAMEL_CASE.search(text)
    of_authentik = {"Can view User", "Can view Group", "Assign permission"}
    of_authentik |= {"New Service Account", "Create Service account", "Authorization: Bearer ...", "The host"}
    quoted = set(re.findall(r"(?<!\w)'([^']+)'", text)) - of_authentik
    assert quoted <= _labels() | _page_labels()


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_named_somewhere_by_every_surface(term: str) -> None:
    """Every term has words for every surface, and some remedy uses it."""
    assert set(TERMS[term]) == set(Surface)
    assert any(TERMS[term][Surface.LIBRARY] in text for text in _REMEDIES.values())


def test_no_phrase_is_taken_for_another() -> None:
    """No phrase of a term is a part of another term's, so that a text can be retold whatever surface it is of."""
    for one, other in permutations(TERMS, 2):
        for phrase in TERMS[one].values():
            assert not any(phrase in longer for longer in TERMS[other].values()), phrase


@given(name=st.sampled_from(sorted(_REMEDIES)), through=st.lists(st.sampled_from(Surface)))
def test_a_remedy_retold_on_the_way_is_the_same_in_the_end(name: str, through: list[Surface]) -> None:
    """Through whichever surfaces a remedy went, the last one's words are those it would have had at once."""
    text = _REMEDIES[name]
    for surface in through:
        text = retold(text, surface)
    assert text == retold(_REMEDIES[name], through[-1] if through else Surface.LIBRARY)


@given(st.text(st.characters(codec="utf-8")), st.sampled_from(Surface))
def test_what_another_integration_says_is_left_as_it_is(text: str, surface: Surface) -> None:
    """Braces and all, a text without our phrases comes out as it went in."""
    assert retold(text, surface) == text


def test_a_term_that_there_is_not_is_noticed_when_it_is_written() -> None:
    """A misspelt term does not reach a reader."""
    with pytest.raises(KeyError):
        remedy("Set {ca_fiel}.")
