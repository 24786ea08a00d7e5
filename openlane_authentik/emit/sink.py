"""Where envelopes go."""

from collections.abc import Sequence
from typing import Protocol

from openlane_authentik.emit.envelope import Envelope, PayloadSetClosing, Schema, SyncRun


class Sink(Protocol):
    """Takes what a sync emits, in this order: each set's envelopes and its closing; last the run's closing.

    The order of the sets is accounts, groups, memberships. A run that fails closes no further set; its ``close_run``
    comes with status ``FAILED``, after which nothing of it may count.

    Of a set that was read completely, what a host has of a record that the set does not hand over:

    - left out: is there, out of scope;
    - held back: is there, and stays as the host has it, whether it has it or not;
    - a membership of an account that is held back: stays as the host has it, unless its group is gone or out of scope;
    - none of these: is gone, or in the accounts of a delta, unchanged.

    An account that ``removed`` names has ended, whatever else the set says of it. A key names an account by its
    ``uid``, a group by its ``pk``, a membership by both.
    """

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Take some envelopes of the set at hand; the next are read meanwhile, so a slow sink slows the reading."""
        ...

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Take the keys of records that are there, and that the filter keeps out of the set at hand.

        A membership is named only if its account is handed over and its group is not left out; without them there is
        none. For the accounts of a delta ``removed`` says this instead, of those that were not left out before.
        """
        ...

    async def hold_back(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Take the keys of records that are there, and of which the filter could not say whether they are in scope.

        A delta names all that are held back, changed or not. The memberships of an account that is held back are, too;
        they are not named one by one. Those of a group that is held back are named, each that is there.
        """
        ...

    async def close_set(self, closing: PayloadSetClosing) -> None:
        """End the set at hand."""
        ...

    async def close_run(self, run: SyncRun) -> None:
        """End the run."""
        ...
