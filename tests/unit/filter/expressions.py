"""Random filter expressions that mean something, for comparing what they mean."""

from hypothesis import strategies as st

_ATOMS = {
    "bool": ["true", "false", "payload.is_active", "has(payload.type)", "has(payload.absent)", "payload.absent"],
    "string": [
        *("'internal'", "''", "'a'", "payload.type", "payload.name", "payload['type']", "resource", "payload.nothing"),
        *("payload.attributes.team", "payload.absent.deeper", '"\\u00e9"', "r'\\d'", "payload.pk"),
    ],
    "int": ["0", "1", "-1", "42", "payload.pk", "payload.count", "9223372036854775807", "payload.type"],
    "double": ["1.5", "-0.5", "payload.ratio", "2.0"],
    "list": ["payload.groups", "['a', 'b']", "[1.5]", "payload.numbers", "[1, 2]", "payload.absent", "payload.nothing"],
    "timestamp": ["timestamp('2026-01-01T00:00:00Z')", "timestamp(payload.last_login)", "timestamp(payload.type)"],
    "duration": ["duration('1h')", "duration('90m')", "duration('-1.5s')"],
}
_ANY = ["null", "payload.attributes", "{'a': 1}", "payload", "type(payload.pk)", "1u", "b'x'", "envelope.payload.type"]


def _kind(name: str) -> st.SearchStrategy[str]:
    return st.deferred(lambda: KINDS[name])


def _form(template: str, *kinds: str) -> st.SearchStrategy[str]:
    """Fill a template's {} with expressions of kinds; one in thirty is of another kind."""
    parts = [st.one_of(*[_kind(kind)] * 30, _kind("any")) for kind in kinds]
    return st.tuples(*parts).map(lambda values: template.format(*values))


def _forms(name: str, *forms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    # Atoms twice as likely as anything else, so that expressions end.
    return st.one_of(st.sampled_from(_ATOMS[name]), st.sampled_from(_ATOMS[name]), *forms)


_COMPARED = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
_MACROS = st.sampled_from(["exists", "all", "exists_one"])


def _compared(kind: str) -> st.SearchStrategy[str]:
    return st.tuples(_form("{}", kind), _COMPARED, _form("{}", kind)).map(" ".join).map("({})".format)


_BODIES = st.sampled_from(
    ["{v} == 'a'", "{v} != 'b'", "{v} > 1", "{v} == {v}", "size({v}) > 0", "{v} in payload.groups"]
)
_QUANTIFIED = st.tuples(_kind("list"), _MACROS, _BODIES).map(
    lambda parts: f"{parts[0]}.{parts[1]}(v, {parts[2].format(v='v')})"
)
_BOOLS = _forms(
    "bool",
    _form("({} && {})", "bool", "bool"),
    _form("({} || {})", "bool", "bool"),
    _form("!{}", "bool"),
    _form("({} ? {} : {})", "bool", "bool", "bool"),
    _compared("string"),
    _compared("int"),
    _compared("double"),
    _compared("timestamp"),
    _compared("duration"),
    _form("({} == {})", "any", "any"),
    _form("({} == {})", "list", "list"),
    _form("{} in {}", "string", "list").map("({})".format),
    _form("{} in {}", "string", "any").map("({})".format),
    _form("{}.startsWith({})", "string", "string"),
    _form("{}.contains({})", "string", "string"),
    _form("{}.endsWith({})", "string", "string"),
    _form("{}.matches('^[a-z]+$')", "string"),
    _QUANTIFIED,
)

KINDS: dict[str, st.SearchStrategy[str]] = {
    "bool": _BOOLS,
    "string": _forms(
        "string", _form("({} + {})", "string", "string"), _form("string({})", "int"), _form("string({})", "bool")
    ),
    "int": _forms(
        "int",
        _form("({} + {})", "int", "int"),
        _form("({} - {})", "int", "int"),
        _form("({} * {})", "int", "int"),
        _form("({} / {})", "int", "int"),
        _form("({} % {})", "int", "int"),
        _form("-({})", "int"),
        _form("size({})", "list"),
        _form("{}.size()", "string"),
        _form("int({})", "double"),
        _form("{}.getFullYear()", "timestamp"),
        _form("{}.getHours()", "duration"),
        _form("{}[0]", "list"),
    ),
    "double": _forms(
        "double",
        _form("({} + {})", "double", "double"),
        _form("({} / {})", "double", "double"),
        _form("double({})", "int"),
    ),
    "list": _forms(
        "list",
        _form("({} + {})", "list", "list"),
        _form("{}.filter(v, v != 'a')", "list"),
        _form("{}.map(v, v + v)", "list"),
        _form("[{}, {}]", "string", "int"),
    ),
    "timestamp": _forms(
        "timestamp", _form("({} + {})", "timestamp", "duration"), _form("({} - {})", "timestamp", "duration")
    ),
    "duration": _forms("duration", _form("({} - {})", "timestamp", "timestamp")),
}
KINDS["any"] = st.one_of(st.sampled_from(_ANY), *[_kind(name) for name in _ATOMS])

_TEXTS = st.sampled_from(["internal", "external", "a", "", "2026-01-15T10:30:00.123456Z", "\u00e9\U0001f600"])
_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.sampled_from([0, 1, 42, 1.5, 7.0, -0.5, 1e300]), _TEXTS
)
PAYLOADS = st.fixed_dictionaries(
    {
        "type": st.one_of(_TEXTS, _TEXTS, _TEXTS, _SCALARS),
        "name": _TEXTS,
        "pk": st.one_of(st.integers(0, 100), st.integers(0, 100), _SCALARS),
        "count": st.integers(-5, 5),
        "ratio": st.sampled_from([0.5, 1.5, -2.25, 7.0, 1e300]),
        "is_active": st.one_of(st.booleans(), st.booleans(), _SCALARS),
        "nothing": st.none(),
        "groups": st.one_of(st.lists(_TEXTS, max_size=4), st.lists(_TEXTS, max_size=4), _SCALARS),
        "attributes": st.dictionaries(st.sampled_from(["team", "a"]), _SCALARS, max_size=2),
    },
    optional={
        "numbers": st.lists(st.one_of(st.integers(-3, 3), st.just(1.5)), max_size=4),
        "last_login": st.one_of(st.just("2026-01-15T10:30:00.123456Z"), _SCALARS),
    },
)
