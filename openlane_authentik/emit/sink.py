"""Where envelopes go."""

from collections.abc import Sequence
from typing import Protocol

from openlane_authentik.emit.envelope import Envelope, PayloadSetClosing, Schema, SyncRun


class Sink(Protocol):
    """Takes what a sync emits, in this order: each set's envelopes and its closing; last the run's closing.

    The order of the sets is accounts, groups, memberships. A run that fails closes no further set; its ``close_run``
    comes with status ``FAILED``, after which nothing of it may count.
    """

    async def accept(self, envelopes: Sequence[Envelope]) -> None:
        """Take some envelopes of the set at hand; the next are read meanwhile, so a slow sink slows the reading."""
        ...

    async def leave_out(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Take the keys of records that are there, and that the filter keeps out of the set at hand.

        A record that a host has, and that a complete set neither holds nor leaves out, is gone. So is an account that
        the set's ``removed`` names as ``absent``, even if it was handed over or left out before. An account's key is
        its ``uid``, a group's its ``pk``, a membership's both. A membership is left out only if its account and its
        group are kept; without them there is none. For the accounts of a delta, ``removed`` says this instead.
        """
        ...

    async def hold_back(self, schema: Schema, keys: Sequence[tuple[str, ...]]) -> None:
        """Take the keys of records that are there, and of which the filter could not say whether they are in scope.

        A host keeps what it has of them as it is. Of an account that is held back its memberships are, too; they are
        not named one by one.
        """
        ...

    async def close_set(self, closing: PayloadSetClosing) -> None:
        """End the set at hand."""
        ...

    async def close_run(self, run: SyncRun) -> None:
        """End the run."""
        ...
