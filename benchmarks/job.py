"""What one run of a subject is told, and what it answers: a line of JSON each."""

from collections.abc import Mapping
from typing import Final

import msgspec

PAGE_SIZE: Final = 100

KEEP_ALL: Final = (
    "!has(payload.type) || payload.type in ['internal', 'external', 'service_account', 'internal_service_account']"
)
"""A filter that looks at every record and keeps each, so that its cost is not hidden by what it leaves out."""
EVERYDAY: Final = "!has(payload.is_active) || payload.is_active"
"""A filter as an admin would set it: whoever may log in, all groups, and their memberships."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    Attributes:
        subject: A name of ``SUBJECTS``.
        url: Of the fake, without a slash at the end.
        token: Lets the run read everything.
        output: The file that the envelopes go to.
        filter_expr: Of ``ours``; "" for none.
        checkpoint: Of ``ours``: the file of an earlier run's checkpoint, which makes the run a delta; "" for none.
        requests: Of ``floor``: how many requests it sends; what its pages leave of them are counts, as a sync asks.
        new_checkpoint: Of ``ours``: the file that this run's checkpoint goes to; "" for nowhere.
    """

    subject: str
    url: str
    token: str
    output: str
    filter_expr: str = ""
    checkpoint: str = ""
    new_checkpoint: str = ""
    requests: int = 0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one run took.

    Attributes:
        wall: Seconds from its begin to its end.
        cpu: Seconds of CPU time, user and system, of its process.
        memory: Peak of resident memory above what was resident before it began, in bytes.
        envelopes: How many of each schema it wrote.
        output_bytes: Size of what it wrote.
        delta: Whether its sets were closed as a delta.
        compile_cpu: Seconds of CPU time that compiling its filter takes the second time: part of ``cpu``, since every
            run compiles its own.
    """

    wall: float
    cpu: float
    memory: int
    envelopes: Mapping[str, int]
    output_bytes: int
    delta: bool = False
    compile_cpu: float = 0.0


class Served(msgspec.Struct, frozen=True, kw_only=True):
    """What the fake saw of one run.

    Attributes:
        requests: How many came.
        bytes: Of the bodies of its answers.
        work: Seconds that the modelled server's workers would have worked on them, at full scale.
        looks: How many asked what the token may see.
        counts: How many asked for a count.
    """

    requests: int
    bytes: int
    work: float
    looks: int
    counts: int
