"""The functions a filter may call, with the types they take and give: CEL's standard library and no more.

Hosts run cel-go, whose default environment has these. Its extension libraries (strings, math, optional types) are
not among them: whether a host loads those is its own choice, and a filter must mean the same everywhere.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class StaticType:
    """A type known before any record is seen; of list the element, of map the key and value are parameters."""

    name: str
    parameters: tuple["StaticType", ...] = ()


DYN: Final = StaticType("dyn")
NULL_TYPE: Final = StaticType("null_type")
BOOL: Final = StaticType("bool")
INT: Final = StaticType("int")
UINT: Final = StaticType("uint")
DOUBLE: Final = StaticType("double")
STRING: Final = StaticType("string")
BYTES: Final = StaticType("bytes")
TYPE: Final = StaticType("type")
TIMESTAMP: Final = StaticType("google.protobuf.Timestamp")
DURATION: Final = StaticType("google.protobuf.Duration")
ANY_LIST: Final = StaticType("list", (DYN,))
ANY_MAP: Final = StaticType("map", (DYN, DYN))
PAYLOAD: Final = StaticType("map", (STRING, DYN))

VARIABLES: Final = {"payload": PAYLOAD, "envelope": DYN, "variant": STRING, "resource": STRING, "action": STRING}
MACROS: Final = frozenset({"all", "exists", "exists_one", "filter", "map"})


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call a function; of a method the first parameter stands before the dot."""

    parameters: tuple[StaticType, ...]
    result: StaticType


def _overloads(result: StaticType, *parameters: StaticType) -> tuple[Overload, ...]:
    return tuple(Overload((parameter,), result) for parameter in parameters)


_TEXT_TEST = (Overload((STRING, STRING), BOOL),)
_OF_TIMESTAMP = (Overload((TIMESTAMP,), INT), Overload((TIMESTAMP, STRING), INT))
_OF_BOTH = (*_OF_TIMESTAMP, Overload((DURATION,), INT))
_SIZE = _overloads(INT, STRING, BYTES, ANY_LIST, ANY_MAP)

FUNCTIONS: Final[dict[str, tuple[Overload, ...]]] = {
    "size": _SIZE,
    "matches": _TEXT_TEST,
    "type": _overloads(TYPE, DYN),
    "dyn": _overloads(DYN, DYN),
    "int": _overloads(INT, INT, UINT, DOUBLE, STRING, TIMESTAMP),
    "uint": _overloads(UINT, UINT, INT, DOUBLE, STRING),
    "double": _overloads(DOUBLE, DOUBLE, INT, UINT, STRING),
    "string": _overloads(STRING, STRING, BOOL, INT, UINT, DOUBLE, BYTES, TIMESTAMP, DURATION),
    "bool": _overloads(BOOL, BOOL, STRING),
    "bytes": _overloads(BYTES, BYTES, STRING),
    "timestamp": _overloads(TIMESTAMP, TIMESTAMP, STRING, INT),
    "duration": _overloads(DURATION, DURATION, STRING),
}
METHODS: Final[dict[str, tuple[Overload, ...]]] = {
    "size": _SIZE,
    "contains": _TEXT_TEST,
    "startsWith": _TEXT_TEST,
    "endsWith": _TEXT_TEST,
    "matches": _TEXT_TEST,
    "getFullYear": _OF_TIMESTAMP,
    "getMonth": _OF_TIMESTAMP,
    "getDate": _OF_TIMESTAMP,
    "getDayOfMonth": _OF_TIMESTAMP,
    "getDayOfWeek": _OF_TIMESTAMP,
    "getDayOfYear": _OF_TIMESTAMP,
    "getHours": _OF_BOTH,
    "getMinutes": _OF_BOTH,
    "getSeconds": _OF_BOTH,
    "getMilliseconds": _OF_BOTH,
}


def agree(one: StaticType, other: StaticType) -> bool:
    """Return whether a value may be of both types; dyn may be anything."""
    if DYN in (one, other):
        return True
    if NULL_TYPE in (one, other) and {one, other} & {TIMESTAMP, DURATION}:
        return True  # to the checker they are messages, which may be null
    return one.name == other.name and all(map(agree, one.parameters, other.parameters))


def joined(one: StaticType, other: StaticType) -> StaticType:
    """Return the type that covers two."""
    return one if one == other else DYN


def shown(of: StaticType) -> str:
    """Name a type to a person, with its article: "a string", "an int"."""
    name = of.name.removeprefix("google.protobuf.").lower()
    name = "null" if of == NULL_TYPE else name
    if name == "null":
        return name
    return f"{'an' if name[0] in 'aeiou' and name != 'uint' else 'a'} {name}"
