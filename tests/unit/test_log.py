"""Log events: no secret in any of them, wherever it hides, and no local variables in tracebacks."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openlane_authentik.log import REDACTED, Redactor, configure_logging, get_logger

_SECRET = "s3cr3t-of-the-tests"


class _Holder:
    def __repr__(self) -> str:
        return f"_Holder(token={_SECRET!r})"


@pytest.fixture(autouse=True)
def _restored_logging() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("openlane_authentik")
    handlers, level, own_level = root.handlers, root.level, own.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    own.setLevel(own_level)


def _logged(as_json: bool, emit: Any) -> str:  # noqa: FBT001 - parametrised
    stream = io.StringIO()
    configure_logging(secrets=[_SECRET], as_json=as_json, level=logging.DEBUG, stream=stream)
    logging.getLogger("httpx").setLevel(logging.DEBUG)
    try:
        emit()
    finally:
        logging.getLogger("httpx").setLevel(logging.NOTSET)
    return stream.getvalue()


def _raise_and_log() -> None:
    local_variable = {"authorization": _SECRET, "mail": "jane.doe@example.com"}
    try:
        _raise(local_variable)
    except RuntimeError:
        get_logger().exception("it failed", held=_Holder())


def _raise(local_variable: dict[str, str]) -> None:
    raise RuntimeError(f"Bearer {_SECRET} {len(local_variable)}") from KeyError(_SECRET)


_EVENTS = {
    "event": lambda: get_logger().info("token " + _SECRET),
    "field": lambda: get_logger().info("x", token=_SECRET),
    "nested": lambda: get_logger().info("x", a={"b": [{"c": (_SECRET,)}, {_SECRET}]}),
    "key": lambda: get_logger().info("x", a={_SECRET: 1}),
    "bytes": lambda: get_logger().info("x", a=_SECRET.encode()),
    "object": lambda: get_logger().info("x", a=_Holder()),
    "exception": lambda: get_logger().warning("x", a=ValueError(_SECRET)),
    "traceback": _raise_and_log,
    "httpx": lambda: logging.getLogger("httpx").info("HTTP Request: GET https://h/?t=%s", _SECRET),
    "stdlib extra": lambda: logging.getLogger("httpcore").warning("x", extra={"headers": [("a", f"Bearer {_SECRET}")]}),
    "stdlib traceback": lambda: logging.getLogger("asyncio").error("x", exc_info=ValueError(_SECRET)),
    "stdlib stack": lambda: logging.getLogger("asyncio").error("%s", _SECRET, stack_info=True),
}


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("where", _EVENTS)
def test_a_secret_is_redacted_wherever_it_is(where: str, *, as_json: bool) -> None:
    """In the event, a field, a nested value or key, an object, an exception or another library's line: no secret."""
    logged = _logged(as_json, _EVENTS[where])
    assert logged.strip()
    assert _SECRET not in logged
    assert REDACTED in logged or where == "stdlib stack"


def test_json_is_one_object_a_line() -> None:
    """A machine reads one JSON object a line, with event, level, logger and time, also for a traceback."""
    for emit in (_raise_and_log, lambda: logging.getLogger("other").warning("two\nlines")):
        (line,) = _logged(True, emit).splitlines()  # noqa: FBT003 - as JSON
        assert {"event", "level", "logger", "timestamp"} <= set(json.loads(line))


@pytest.mark.parametrize("as_json", [True, False])
def test_tracebacks_show_no_local_variables(*, as_json: bool) -> None:
    """Local variables may hold people's data, so a traceback shows none."""
    logged = _logged(as_json, _raise_and_log)
    assert "RuntimeError" in logged
    assert "jane.doe" not in logged


def test_other_libraries_speak_only_up_when_it_matters() -> None:
    """Of the libraries below only warnings come through; httpx's line for every request does not."""
    stream = io.StringIO()
    configure_logging(secrets=[], as_json=True, level=logging.INFO, stream=stream)
    logging.getLogger("httpx").info("HTTP Request: GET https://h/")
    logging.getLogger("other").debug("detail")
    assert stream.getvalue() == ""


def test_as_a_library_nothing_is_printed(caplog: pytest.LogCaptureFixture) -> None:
    """Without set-up, events go to the standard logger with their fields as extras, and nowhere else."""
    with caplog.at_level(logging.INFO, logger="openlane_authentik"):
        get_logger().info("page read", rows=3)
    (record,) = caplog.records
    assert (record.name, record.getMessage(), record.__dict__["rows"]) == ("openlane_authentik", "page read", 3)


_NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(f"<{_SECRET}>"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, derandomize=True)
@given(st.dictionaries(st.text(max_size=5), _NESTED, max_size=4))
def test_redaction_takes_secrets_and_nothing_else(event: dict[str, Any]) -> None:
    """An event without a secret comes out as it went in; one with a secret differs by that alone."""
    cleaned = Redactor([_SECRET, ""])(None, "info", event)
    assert json.loads(json.dumps(event).replace(_SECRET, REDACTED)) == cleaned


def test_the_longer_secret_goes_first() -> None:
    """Of two secrets of which one holds the other, no end of the longer one is left standing."""
    assert Redactor(["abc", "abcdef"])(None, "info", {"event": "abcdef"}) == {"event": REDACTED}


@pytest.mark.parametrize("as_json", [True, False])
def test_a_secret_that_is_learned_later_is_redacted_from_then_on(*, as_json: bool) -> None:
    """What a host opens while it runs is kept out of every line, other libraries' too."""
    known: set[str] = set()
    stream = io.StringIO()
    configure_logging(secrets=known, as_json=as_json, level=logging.INFO, stream=stream)
    get_logger().info("before")
    known.add(_SECRET)
    get_logger().info("token " + _SECRET)
    logging.getLogger("other").warning("Bearer %s", _SECRET)
    assert stream.getvalue().count(REDACTED) == 2
    assert _SECRET not in stream.getvalue()
