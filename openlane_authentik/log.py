"""Log events: this package's and those of the libraries below it, for people or as JSON, without secrets.

As a library the package hands its events to the standard logger ``openlane_authentik``, with their fields as extras,
and leaves it to the host where they go. The command line sets all of logging up itself.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from openlane_authentik.visible import visible

REDACTED: Final = "[redacted]"
_NAME: Final = "openlane_authentik"
_MINUTE: Final = 60.0
# Lines of one kind in a minute.
_MOST_ALIKE: Final = 20
# Beyond that the kind that was not seen for the longest time is forgotten.
_MOST_KINDS: Final = 1_000
_TELLS_APART: Final = ("code", "installation_id")


def get_logger() -> FilteringBoundLogger:
    """Return the logger of this package, which needs no set-up and prints nothing by itself."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        logging.getLogger(_NAME),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.render_to_log_kwargs,
        ],
    )
    return logger


class Redactor:
    """Replaces secrets wherever they appear in an event; runs last, when exceptions are text already.

    Args:
        secrets: What is added to it later is replaced from then on.
    """

    def __init__(self, secrets: Collection[str]) -> None:
        self._secrets = secrets

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        """Return the event without secrets; the shape is that of structlog's processors."""
        # A copy made at one stroke, as other threads may add to it.
        secrets = sorted(filter(None, tuple(self._secrets)), key=len, reverse=True)
        return {key: _clean(value, secrets) for key, value in event.items()}


class Thinner(logging.Filter):
    """Lets through the first warnings of a kind in each minute, so that whoever causes them cannot fill the disk.

    Lines are of a kind that have logger, level and event in common, with ``code`` and installation. The last one that
    is let through has ``thinned=True``, and the next one a minute later tells in ``left_out`` how many were not.

    Args:
        now: Gives seconds that only go up.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._alone = threading.Lock()
        # By kind since when it is counted, and how many there were.
        self._seen: dict[tuple[object, ...], tuple[float, int]] = {}

    def __len__(self) -> int:
        """Return how many kinds are counted."""
        return len(self._seen)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write a line; the shape is that of the standard library."""
        if record.levelno < logging.WARNING:
            return True
        kind = (record.name, record.levelno, str(record.msg), *(getattr(record, name, None) for name in _TELLS_APART))
        with self._alone:
            return self._is_written(record, kind)

    def _is_written(self, record: logging.LogRecord, kind: tuple[object, ...]) -> bool:
        now = self._now()
        since, count = self._seen.pop(kind, (now, 0))
        if now - since >= _MINUTE:
            if count > _MOST_ALIKE:
                record.left_out = count - _MOST_ALIKE
            since, count = now, 0
        self._seen[kind] = (since, count + 1)
        if len(self._seen) > _MOST_KINDS:
            del self._seen[next(iter(self._seen))]
        if count + 1 == _MOST_ALIKE:
            record.thinned = True
        return count < _MOST_ALIKE


def _shown(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Return the event with what a terminal would obey shown instead; JSON escapes it anyway."""
    return {key: _visible(key, value) for key, value in event.items()}


def _visible(key: str, value: Any) -> Any:
    if not isinstance(value, str):
        # Told by its ``repr``, which escapes by itself.
        return value
    # Only a traceback has lines.
    return "\n".join(map(visible, value.split("\n"))) if key == "exception" else visible(value)


def _clean(value: Any, secrets: Sequence[str]) -> Any:
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, REDACTED)
        return value
    if isinstance(value, Mapping):
        return {_clean(key, secrets): _clean(inner, secrets) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner, secrets) for inner in value]
    return value if value is None or isinstance(value, int | float) else _clean(str(value), secrets)


def configure_logging(*, secrets: Collection[str], as_json: bool, level: int, stream: TextIO | None = None) -> None:
    """Set up logging for a whole process.

    Args:
        secrets: Never to appear in any line; may grow.
        as_json: One JSON object a line, for machines; else lines for people.
        level: Of this package's events; of the libraries below only warnings are let through.
        stream: Where to; standard error if not given.
    """
    # Local variables may hold the token and people's data: no traceback shows them.
    tracebacks: Processor = (
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
        if as_json
        else structlog.processors.format_exc_info
    )
    shown: list[Processor] = [] if as_json else [_shown]
    renderer: Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.addFilter(Thinner())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                tracebacks,
                Redactor(secrets),
                *shown,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_NAME).setLevel(level)
