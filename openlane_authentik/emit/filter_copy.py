"""What a sync leaves for the preview of a filter: the fields that a filter may name, of everybody read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from openlane_authentik.emit.envelope import Schema


@dataclass(frozen=True, slots=True)
class FilterCopy:
    """A compact copy of everybody read, those too whom the filter leaves out; opaque, and full of people's data.

    Whoever keeps copies keeps a whole one together with all that follow it until the next whole one. It is to be kept
    as safe as the token: it tells of people whom the installation's own filter keeps out of the host's records.

    Attributes:
        whole: Whether it holds everybody; else only who changed since the copy before, and who is gone.
        accounts: The users; empty when nobody changed.
        groups: The groups, always all of them; None when they are not synced.
    """

    whole: bool
    accounts: bytes = field(repr=False)
    groups: bytes | None = field(repr=False)


class LeftOutSink(Protocol):
    """Takes what a filter would keep out of the sets; ``Sink`` is one."""

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Take the keys of records, as ``Sink.leave_out`` does in a full sync."""
        ...
