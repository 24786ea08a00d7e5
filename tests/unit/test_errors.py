"""The hierarchy of errors: codes, recoveries, remedies, exit codes, and the tree drawn in its module."""

import inspect
import re

import pytest

from openlane_authentik import errors
from openlane_authentik.errors import FilterError, IntegrationError, Recovery

_CLASSES = [
    value
    for _, value in inspect.getmembers(errors, inspect.isclass)
    if issubclass(value, IntegrationError) and value.__module__.startswith(errors.__name__)
]
_PARENTS = {base for value in _CLASSES for base in value.__bases__}
_EXIT_CODES = {
    "ConfigurationError": 78,
    "EndpointError": 78,
    "CredentialError": 77,
    "TryAgainError": 75,
}
# One line of the drawn tree: the branch, the class, perhaps an exit code, and codes or a saying.
_LINE = re.compile(r"^ {4}(?P<branch>[│├└─ ]*)(?P<name>\w+Error)(?: +(?P<exit>\d+))?(?: +(?P<rest>.*))?$", re.MULTILINE)


def _drawn() -> list[tuple[int, str, str | None, str]]:
    text = inspect.getdoc(errors) or ""
    lines = [line for line in text.splitlines() if re.search(r"\w+Error", line) and line.startswith("    ")]
    found = []
    for line in lines:
        match = _LINE.match(line)
        assert match, line
        found.append((len(match["branch"]) // 4, match["name"], match["exit"], match["rest"] or ""))
    return found


def test_every_code_is_told_apart() -> None:
    """No two errors share a code, so that a form or a dashboard can key on it."""
    codes = [value.__dict__.get("code") for value in _CLASSES]
    assert None not in codes
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("value", _CLASSES, ids=lambda value: value.__name__)
def test_every_error_says_what_to_do(value: type[IntegrationError]) -> None:
    """Every class has a snake_case code, a recovery, a remedy that is a sentence, a docstring and ends in Error."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", value.code)
    assert isinstance(value.recovery, Recovery)
    assert re.fullmatch(r"[A-Z].*\.", value.remedy)
    assert value.__doc__
    assert value.__name__.endswith("Error")


@pytest.mark.parametrize("value", [v for v in _CLASSES if v is not IntegrationError], ids=lambda value: value.__name__)
def test_the_exit_code_is_that_of_the_branch(value: type[IntegrationError]) -> None:
    """Configuration and endpoint exit 78, credentials 77, and only what may pass by itself 75 and retry."""
    branch = next(parent for parent in value.__mro__ if parent.__name__ in _EXIT_CODES)
    assert value.exit_code == _EXIT_CODES[branch.__name__]
    assert (value.recovery is Recovery.RETRY) == (value.exit_code == 75)


def test_the_drawn_tree_is_the_tree() -> None:
    """The tree in the module's docstring names exactly the classes, under their parents, with their codes."""
    drawn = _drawn()
    assert sorted(name for _, name, _, _ in drawn) == sorted(
        value.__name__ for value in _CLASSES if not value.__name__.startswith("NoPermission")
    )
    above: dict[int, str] = {}
    for depth, name, exit_code, rest in drawn:
        value = getattr(errors, name)
        above[depth] = name
        if depth:
            assert value.__bases__[0].__name__ == above[depth - 1]
        if exit_code:
            assert value.exit_code == int(exit_code)
        elif depth:
            codes = {value.code} if value not in _PARENTS else {sub.code for sub in value.__subclasses__()}
            assert set(rest.split(", ")) == codes


def test_a_filter_error_carries_its_diagnostics() -> None:
    """What is wrong with a filter is told place by place, for a form to mark."""
    diagnostic = errors.FilterDiagnostic(1, 14, "use == to compare", "filter_syntax")
    error = FilterError("1:14: use == to compare", (diagnostic,))
    assert error.diagnostics == (diagnostic,)
    assert str(error) == "1:14: use == to compare"


def test_an_error_that_may_pass_knows_how_long_the_server_asked_to_wait() -> None:
    """``retry_after`` is there when the server gave it, and None when not."""
    assert errors.RateLimitedError("x", retry_after=3.0).retry_after == 3.0
    assert errors.RateLimitedError("x").retry_after is None
