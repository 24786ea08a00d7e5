"""The benchmark runs: small, to show that it measures; its figures are for people."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


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
