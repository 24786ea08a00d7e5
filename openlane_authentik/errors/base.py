"""The root of the errors, and what becomes of a request or a run after one."""

from enum import Enum, StrEnum, auto
from typing import ClassVar


class Recovery(StrEnum):
    """What makes a failed run work again: a person (``reconfigure``) or time (``retry``)."""

    RECONFIGURE = "reconfigure"
    RETRY = "retry"


class Repeat(Enum):
    """Whether the same request is sent again after an error, within a run."""

    NEVER = auto()
    ONCE = auto()
    OFTEN = auto()


class IntegrationError(Exception):
    """The root: a sentence on what was seen, plus code, recovery, exit code and remedy.

    Attributes:
        repeat: Whether the same request is sent again within a run: never; once, in case it was a single odd answer; or
            often, since it may pass.
    """

    code: ClassVar[str] = "integration_error"
    repeat: ClassVar[Repeat] = Repeat.ONCE
    recovery: ClassVar[Recovery] = Recovery.RECONFIGURE
    exit_code: ClassVar[int] = 70
    remedy: ClassVar[str] = "Report this with the log of the run."
