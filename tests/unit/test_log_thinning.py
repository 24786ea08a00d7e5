"""Warnings that repeat themselves are thinned, and the log says so."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from openlane_authentik.log import Thinner, configure_logging, get_logger


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    own = logging.getLogger("openlane_authentik")
    own_level = own.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    own.setLevel(own_level)


def _record(event: str, level: int = logging.WARNING, **fields: str) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "n", "levelno": level, "msg": event, **fields})


def test_what_repeats_itself_fills_no_disk() -> None:
    """A hundred thousand failures with their tracebacks leave twenty lines, of which the last says that it goes on."""
    said = io.StringIO()
    configure_logging(secrets=(), as_json=True, level=logging.INFO, stream=said)
    logger = logging.getLogger("asyncio")
    for number in range(100_000):
        logger.error("socket.accept() out of system resource", extra={"socket": number})
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert len(lines) == 20
    assert [line.get("thinned") for line in lines] == [None] * 19 + [True]


def test_other_lines_are_written_meanwhile() -> None:
    """Another event, another code, another installation, and what is no warning."""
    said = io.StringIO()
    configure_logging(secrets=(), as_json=False, level=logging.INFO, stream=said)
    logger = get_logger()
    for number in range(30):
        logger.warning("run failed", code="provider_unreachable", installation_id=f"i{number}")
        logger.error("request_failed", code="database_unreachable")
        logger.info("run taken over")
    logger.error("request_failed", code="disk_full")
    assert [said.getvalue().count(event) for event in ("run failed", "request_failed", "run taken over")] == [
        30,
        21,
        30,
    ]


def test_a_minute_later_the_log_tells_what_was_left_out() -> None:
    """And counts anew."""
    seconds = 0.0
    thinner = Thinner(lambda: seconds)
    written = [thinner.filter(_record("e")) for _ in range(25)]
    assert written == [True] * 20 + [False] * 5
    seconds = 60.0
    first, second = _record("e"), _record("e")
    assert thinner.filter(first)
    assert thinner.filter(second)
    assert (first.__dict__["left_out"], second.__dict__.get("left_out")) == (5, None)


def test_any_number_of_kinds_takes_bounded_memory() -> None:
    """Whatever is in an event's text."""
    thinner = Thinner()
    assert all(thinner.filter(_record(f"e{number}")) for number in range(5_000))
    assert len(thinner) == 1_000
