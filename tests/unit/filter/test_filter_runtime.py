"""Threads, imports and the public face."""

import dataclasses
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import openlane_authentik.filter as public
from openlane_authentik.filter import Filter, Verdict, compile_filter

_HEAVY = "{'celpy', 'lark', 're2', 'google.protobuf'}"


def _loaded_after(statement: str) -> str:
    program = f"import sys\n{statement}\nprint(sorted({_HEAVY} & set(sys.modules)))"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()


def test_the_parser_is_imported_with_the_first_filter_only() -> None:
    """Neither importing the package nor a blank filter loads the parser or RE2."""
    assert _loaded_after("import openlane_authentik.filter") == "[]"
    blank = "from openlane_authentik.filter import compile_filter; assert compile_filter(' ', {}).judge({}).kept"
    assert _loaded_after(blank) == "[]"
    assert "celpy" in _loaded_after("from openlane_authentik.filter import compile_filter; compile_filter('true', {})")


def test_the_public_names() -> None:
    """What is exported is what is promised."""
    assert sorted(public.__all__) == ["Filter", "Verdict", "compile_filter", "render_diagnostic"]
    assert all(hasattr(public, name) for name in public.__all__)


def test_filters_and_verdicts_are_immutable() -> None:
    """A filter can be shared because nothing in it changes."""
    compiled = compile_filter("payload.x == 1", {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        compiled.expression = "true"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        compiled.judge({}).kept = True  # type: ignore[misc]


def test_verdicts_are_not_made_anew() -> None:
    """A verdict of one kind is one object, however many records get it."""
    compiled = compile_filter("payload.x == 1", {})
    for record in ({"x": 1}, {"x": 2}, {}, {"x": None}):
        assert compiled.judge(record) is compiled.judge(dict(record))


def _verdicts(compiled: Filter, numbers: range) -> list[Verdict]:
    return [
        compiled.judge(
            {"n": number, "l": list(range(number % 7)), "t": "2026-01-15T10:30:00Z" if number % 3 else None},
            resource=str(number % 2),
        )
        for number in numbers
    ]


def test_threads_share_a_filter() -> None:
    """Many threads with one filter give the verdicts of one thread."""
    compiled = compile_filter(
        "payload.l.exists(x, payload.l.all(y, y <= x && x != payload.n)) && resource == '1'"
        " || timestamp(payload.t) > timestamp('2026-01-01T00:00:00Z') && string(payload.n).matches('[02468]$')"
        " || payload.missing",
        {},
    )
    numbers = range(600)
    expected = _verdicts(compiled, numbers)
    assert len(set(expected)) > 2
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(lambda _: _verdicts(compiled, numbers), range(16)))
    finally:
        sys.setswitchinterval(before)
    assert all(result == expected for result in results)


def test_threads_compile_at_once() -> None:
    """Compiling from many threads gives each its own filter."""
    expressions = [f"payload.n == {number} || payload.l.exists(x, x == {number})" for number in range(24)]
    start = threading.Barrier(8)

    def run(worker: int) -> list[bool]:
        start.wait()
        mine = expressions[worker * 3 : worker * 3 + 3]
        return [compile_filter(expression, {}).judge({"n": worker * 3 + at}).kept for at, expression in enumerate(mine)]

    with ThreadPoolExecutor(8) as pool:
        assert all(all(kept) for kept in pool.map(run, range(8)))
