"""Who guessed the API token wrongly too often has to wait."""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Final

_MOST_WRONG: Final = 10
_SECONDS: Final = 60.0
# Who is remembered; beyond that the address that guessed longest ago is forgotten.
_ADDRESSES: Final = 10_000
# What one customer of a provider has in IPv6.
_IPV6_PREFIX: Final = 64


class Throttle:
    """Counts wrong tokens by address; safe only on one thread, which is that of the event loop.

    Args:
        now: Gives seconds that only go up.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        """Return how many addresses are remembered."""
        return len(self._wrong)

    def seconds_left(self, address: str) -> float:
        """Return how long this address has to wait before another try; 0 when it need not."""
        wrong = self._wrong.get(_counted_as(address))
        if wrong is None or len(wrong) < _MOST_WRONG:
            return 0.0
        return max(0.0, wrong[0] + _SECONDS - self._now())

    def count(self, address: str) -> None:
        """Note a wrong token."""
        counted = _counted_as(address)
        self._wrong.setdefault(counted, deque(maxlen=_MOST_WRONG)).append(self._now())
        self._wrong.move_to_end(counted)
        if len(self._wrong) > _ADDRESSES:
            self._wrong.popitem(last=False)


def _counted_as(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_PREFIX), strict=False))
