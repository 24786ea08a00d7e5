"""Relations between rows, kept once so that both ends always agree."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

Left = TypeVar("Left")
Right = TypeVar("Right")

_NONE: Mapping[object, None] = {}


class ManyToMany(Generic[Left, Right]):
    """Pairs of keys, readable from either end in the order they were added.

    The order matters: authentik names related rows in the order PostgreSQL happens to hold them, not sorted.
    """

    def __init__(self) -> None:
        self._rights: dict[Left, dict[Right, None]] = {}
        self._lefts: dict[Right, dict[Left, None]] = {}

    def __len__(self) -> int:
        """How many pairs there are."""
        return sum(map(len, self._rights.values()))

    def copy(self) -> "ManyToMany[Left, Right]":
        """The same pairs, which then change apart."""
        copied: ManyToMany[Left, Right] = ManyToMany()
        copied.become(self)
        return copied

    def become(self, other: "ManyToMany[Left, Right]") -> None:
        """Hold the pairs of another relation, in place: whoever reads this one sees them."""
        self._rights = {left: dict(rights) for left, rights in other._rights.items()}  # noqa: SLF001 - its own kind
        self._lefts = {right: dict(lefts) for right, lefts in other._lefts.items()}  # noqa: SLF001 - its own kind

    def pairs(self) -> set[tuple[Left, Right]]:
        """All pairs."""
        return {(left, right) for left, rights in self._rights.items() for right in rights}

    def add(self, left: Left, right: Right) -> bool:
        """Join two rows; False when they were joined already."""
        rights = self._rights.setdefault(left, {})
        if right in rights:
            return False
        rights[right] = None
        self._lefts.setdefault(right, {})[left] = None
        return True

    def remove(self, left: Left, right: Right) -> bool:
        """Part two rows; False when they were not joined."""
        if right not in self._rights.get(left, _NONE):
            return False
        del self._rights[left][right]
        del self._lefts[right][left]
        return True

    def rights_of(self, left: Left) -> Iterable[Right]:
        """The rows joined to a left row."""
        return self._rights.get(left, {}).keys()

    def lefts_of(self, right: Right) -> Iterable[Left]:
        """The rows joined to a right row."""
        return self._lefts.get(right, {}).keys()

    def holds(self, left: Left, right: Right) -> bool:
        """Whether two rows are joined."""
        return right in self._rights.get(left, _NONE)

    def drop_left(self, left: Left) -> list[Right]:
        """Part a left row from everything; answers what it was joined to."""
        rights = list(self._rights.pop(left, {}))
        for right in rights:
            del self._lefts[right][left]
        return rights

    def drop_right(self, right: Right) -> list[Left]:
        """Part a right row from everything; answers what it was joined to."""
        lefts = list(self._lefts.pop(right, {}))
        for left in lefts:
            del self._rights[left][right]
        return lefts


def reachable(start: Iterable[Left], step: Callable[[Left], Iterable[Left]]) -> set[Left]:
    """Every row to be reached from ``start`` (itself included) by repeated steps; cycles are walked once."""
    seen: set[Left] = set(start)
    waiting = list(seen)
    while waiting:
        for found in step(waiting.pop()):
            if found not in seen:
                seen.add(found)
                waiting.append(found)
    return seen
