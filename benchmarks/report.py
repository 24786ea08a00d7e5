"""The results as Markdown tables, and as JSON."""

import os
import platform
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from statistics import median

import msgspec

from benchmarks.ratios import QUESTIONS, answers, growth, middle, sizes
from benchmarks.rounds import CASES, DELTA, Sample

_MEGA = 1e6
_MICRO = 1e-6


def environment() -> dict[str, str | int]:
    """Return when and on what kind of machine this was measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": platform.system(),
        "cpus": os.cpu_count() or 0,
    }


def as_json(samples: list[Sample]) -> bytes:
    """Return every run, and the ratios."""
    ratios = [
        {
            "metric": question.metric,
            "over": question.over.name,
            "under": question.under.name,
            "server": _server(modelled=question.modelled),
            "users": ratio.users,
            "ratio": ratio.value,
            "least": ratio.least,
            "greatest": ratio.greatest,
            "wanted": question.wanted,
        }
        for question in QUESTIONS
        for ratio in answers(samples, question)
    ]
    return msgspec.json.format(
        msgspec.json.encode({"environment": environment(), "ratios": ratios, "runs": samples}), indent=1
    )


def as_markdown(samples: list[Sample]) -> str:
    """Return the tables, with a line that says where and when they were measured."""
    told = environment()
    lines = [
        f"{told['date']}, Python {told['python']}, {told['system']}, {told['cpus']} CPUs. Medians; {_rounds(samples)}.",
        *_tables(samples, modelled=False),
        *_tables(samples, modelled=True),
        *_ratios(samples),
        *_growth(samples),
        *_notes(samples),
    ]
    return "\n".join(lines) + "\n"


def _tables(samples: list[Sample], *, modelled: bool) -> Iterator[str]:
    head = ("", "wall s", "CPU s", "requests", "MB received", "peak MB", "MB written", "server's work s")
    for users in sizes(samples):
        rows: list[tuple[str, ...]] = []
        for case in CASES:
            wall, cpu, requests, received, memory, written, work = (
                middle(samples, case, users, metric, modelled=modelled)
                for metric in ("wall", "CPU", "requests", "bytes", "memory", "written", "server work")
            )
            if wall is None:
                continue
            figures = (wall, cpu, requests, _mega(received), _mega(memory), _mega(written), work)
            rows.append((case.name, *(_figure(figure) for figure in figures)))
        if rows:
            yield ""
            yield f"### {users:,} users, {_server(modelled=modelled)} server"
            yield ""
            yield from _table(head, rows)


def _ratios(samples: list[Sample]) -> Iterator[str]:
    found = sizes(samples)
    rows: list[tuple[str, ...]] = []
    for question in QUESTIONS:
        by_size = {ratio.users: ratio for ratio in answers(samples, question)}
        if by_size:
            server = ", modelled server" if question.modelled else ""
            rows.append(
                (
                    f"{question.metric}{server}: {question.over.name} / {question.under.name}",
                    *(
                        f"{by_size[users].value:.2f} ({by_size[users].least:.2f}-{by_size[users].greatest:.2f})"
                        if users in by_size
                        else "-"
                        for users in found
                    ),
                    question.wanted,
                )
            )
    yield ""
    yield "### Ratios: median of the rounds (least-greatest)"
    yield ""
    yield from _table(("", *(f"{users:,}" for users in found), "wanted at 10,000"), rows)


def _growth(samples: list[Sample]) -> Iterator[str]:
    rows = [
        (
            one.case,
            f"{one.users[0]:,} to {one.users[1]:,}",
            f"{one.cpu_times:.2f}",
            f"{one.cpu_exponent:.2f}",
            f"{one.cpu_a_user / _MICRO:.1f}",
            f"{one.memory_times:.2f}",
            f"{one.memory_a_user:.0f}",
        )
        for case in CASES
        for one in growth(samples, case)
    ]
    if rows:
        yield ""
        yield "### What grows how, idle server"
        yield ""
        head = ("", "users", "CPU times", "CPU ~ users^", "CPU us a user", "memory times", "memory bytes a user")
        yield from _table(head, rows)


def _notes(samples: list[Sample]) -> Iterator[str]:
    yield ""
    yield "MB are of bodies received, of lines written, and of peak resident memory above what the imports took."
    yield "The server's work is what the model makes of the requests, at full scale, whatever the server took."
    if speeds := {sample.speed for sample in samples if sample.speed is not None}:
        yield f"The modelled server ran at {', '.join(f'{speed:g}' for speed in sorted(speeds))} times its speed."
        if max(speeds) > 1:
            yield "Faster than 1, the client's own CPU time weighs more against the server's than it would."
    cases = {sample.case for sample in samples}
    if DELTA.name not in cases:
        yield "This version of the package has no delta sync."
    for users in sizes(samples):
        proofs = [sample.served for sample in samples if sample.case == DELTA.name and sample.users == users]
        if proofs:
            looks, counts = (median(getattr(served, name) for served in proofs) for name in ("looks", "counts"))
            yield (
                f"At {users:,} users {looks:g} of the requests of '{DELTA.name}' ask what the token may see, and "
                f"{counts:g} for a count."
            )
    for name in (case.name for case in CASES if case.delta):
        if whole := sum(sample.case == name and not sample.measured.delta for sample in samples):
            yield f"{whole} runs of '{name}' were full syncs: their checkpoint was not taken."


def _rounds(samples: list[Sample]) -> str:
    parts = []
    for modelled in (False, True):
        for users in sizes(samples):
            rounds = {s.round for s in samples if s.users == users and (s.speed is not None) is modelled}
            if rounds:
                parts.append(f"{len(rounds)} at {users:,} {_server(modelled=modelled)}")
    return f"interleaved rounds: {', '.join(parts)}"


def _server(*, modelled: bool) -> str:
    return "modelled" if modelled else "idle"


def _mega(figure: float | None) -> float | None:
    return None if figure is None else figure / _MEGA


def _figure(figure: float | None) -> str:
    if figure is None:
        return "-"
    if figure == int(figure):
        return f"{figure:,.0f}"
    digits = max(0, 3 - len(f"{int(figure)}")) if figure >= 1 else 3
    return f"{figure:,.{digits}f}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    for number, row in enumerate(cells):
        first, *rest = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield f"| {' | '.join([first, *rest])} |"
        if number == 0:
            dashes = ["-" * widths[0], *(f"{'-' * (width - 1)}:" for width in widths[1:])]
            yield f"| {' | '.join(dashes)} |"
