"""Compiled macros: ``all``, ``exists``, ``exists_one``, ``filter`` and ``map``.

What visiting all elements costs is paid before the first one, and given back for those that a decision made
unnecessary to visit.
"""

from dataclasses import dataclass
from operator import length_hint
from typing import Any

from openlane_authentik.filter.budget import UNITS_LEFT, Closure, Frame
from openlane_authentik.filter.logic import worse
from openlane_authentik.filter.values import BUDGET_EXCEEDED, Failure, map_keys, mismatch, whole


@dataclass(frozen=True, slots=True)
class Loop:
    """What a macro visits, where in the frame each element goes, and what visiting one costs.

    ``exact`` when the list was made by the filter, so that its doubles are meant to be doubles.
    """

    source: Closure
    position: int
    cost: int
    exact: bool

    def elements(self, payload: dict[str, Any], frame: Frame) -> Any:
        """Return a list's elements or a map's keys, and pay for visiting them."""
        value = self.source(payload, frame)
        if type(value) is not list and type(value) is not dict:
            return mismatch(value)
        frame[UNITS_LEFT] -= self.cost * len(value)
        if frame[UNITS_LEFT] < 0:
            return BUDGET_EXCEEDED
        return map_keys(value) if type(value) is dict else value


def quantifier(macro: str, loop: Loop, predicate: Closure) -> Closure:
    """Compile ``exists`` and ``all``, which absorb errors as ``||`` and ``&&`` do."""
    decisive = macro == "exists"
    neutral = not decisive
    position, exact = loop.position, loop.exact

    def run(payload: dict[str, Any], frame: Frame) -> Any:
        elements = loop.elements(payload, frame)
        if type(elements) is not list:
            return elements
        failure: Failure | None = None
        remaining = iter(elements)
        for element in remaining:
            frame[position] = whole(element) if type(element) is float and not exact else element
            value = predicate(payload, frame)
            if value is decisive:
                frame[UNITS_LEFT] += loop.cost * length_hint(remaining)
                return decisive
            if value is not neutral:
                if value is BUDGET_EXCEEDED:
                    return value
                failure = worse(failure, value)
        return failure or neutral

    return run


def exists_one(loop: Loop, predicate: Closure) -> Closure:
    """Compile ``exists_one``, which absorbs no error: it has to look at every element."""
    chosen = select(loop, predicate, None)

    def run(payload: dict[str, Any], frame: Frame) -> Any:
        elements = chosen(payload, frame)
        return len(elements) == 1 if type(elements) is list else elements

    return run


def select(loop: Loop, predicate: Closure | None, transform: Closure | None) -> Closure:
    """Compile ``filter`` (no transform) and ``map`` (with or without a predicate)."""
    position, exact = loop.position, loop.exact

    def run(payload: dict[str, Any], frame: Frame) -> Any:
        elements = loop.elements(payload, frame)
        if type(elements) is not list:
            return elements
        result: list[Any] = []
        for element in elements:
            value = frame[position] = whole(element) if type(element) is float and not exact else element
            if predicate is not None:
                chosen = predicate(payload, frame)
                if chosen is False:
                    continue
                if chosen is not True:
                    return mismatch(chosen)
            if transform is not None:
                value = transform(payload, frame)
                if type(value) is Failure:
                    return value
            result.append(value)
        return result

    return run
