"""Hand envelopes over some hundred at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from openlane_authentik.emit.envelope import Envelope

BATCH: Final = 500


def batched(envelopes: Iterable[Envelope]) -> Iterator[list[Envelope]]:
    """Return the envelopes in lists of ``BATCH``, the last one shorter."""
    waiting = iter(envelopes)
    while batch := list(islice(waiting, BATCH)):
        yield batch
