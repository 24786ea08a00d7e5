"""The benchmark runs: small, to show that it measures; its figures are for people."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.hostile import CASES

ROOT = Path(__file__).parents[2]


@pytest.mark.soak
def test_the_benchmark_compares_the_same_work(tmp_path: Path) -> None:
    """At a small size every subject writes the same envelopes, deltas are deltas, and each ratio has a figure."""
    results = tmp_path / "bench.json"
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--sizes", "100", "--json", results],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    assert "CPU: ours, full / floor" in ran.stdout
    assert "were full syncs" not in ran.stdout
    assert json.loads(results.read_text(encoding="utf-8"))


@pytest.mark.soak
def test_the_host_benchmark_stores_the_same_in_both_databases() -> None:
    """At a small size both databases take over what a sync gives, and an unchanged directory changes nothing."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.host", "--users", "60"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in ran.stdout.splitlines()[2:]]
    records = {into: {row[1]: row[2] for row in rows if row[0] == into} for into in ("nothing", "SQLite", "PostgreSQL")}
    assert records["nothing"] == records["SQLite"] == records["PostgreSQL"]
    changes = {(row[0], row[1]): row[-1] for row in rows}
    for into in ("SQLite", "PostgreSQL"):
        assert changes[into, "full, unchanged"] == changes[into, "delta, unchanged"] == "0"
        assert changes[into, "first sync"] == records[into]["first sync"]
        assert changes[into, "delta, 10 changed, 2 deleted"] != "0"


def test_the_benchmark_of_hostile_answers_tells_a_stall_and_a_peak() -> None:
    """For every answer there is a row, and only those that a real server may give end in rows."""
    ran = subprocess.run(
        [sys.executable, "-m", "benchmarks.hostile"], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in ran.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == list(CASES)
    assert {row[0]: row[1] for row in rows if "rows" in row[1]} == {
        "a page of 100 users": "100 rows",
        "one record of 16 MB of text": "1 rows",
    }
    assert all(float(row[2]) >= 0.0 and float(row[3]) >= 0.0 for row in rows)
