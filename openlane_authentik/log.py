"""Log events: this package's and those of the libraries below it, for people or as JSON, without secrets.

As a library the package hands its events to the standard logger ``openlane_authentik``, with their fields as extras,
and leaves it to the host where they go. The command line sets all of logging up itself.
"""

import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

REDACTED: Final = "[redacted]"
_NAME: Final = "openlane_authentik"


def get_logger() -> FilteringBoundLogger:
    """Give the logger of this package, which needs no set-up and prints nothing by itself."""
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
        """Give the event without secrets; the shape is that of structlog's processors."""
        # A copy made at one stroke, as other threads may add to it.
        secrets = sorted(filter(None, tuple(self._secrets)), key=len, reverse=True)
        return {key: _clean(value, secrets) for key, value in event.items()}


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
    renderer: Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(stream or sys.stderr)
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
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_NAME).setLevel(level)
