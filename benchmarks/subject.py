"""One run of one subject, as a process: a job on standard input, ``ready``, ``go``, what it took on standard output.

Between ``ready`` and ``go`` the fake forgets what it was asked while the subject got ready.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import msgspec

from benchmarks.job import Job, Measured
from benchmarks.measure import cpu_seconds, measured
from benchmarks.subjects import prepare


def main() -> None:
    """Run the job that the first line of standard input describes."""
    job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    work = prepare(job)
    compile_cpu = _compile_cpu(job)
    _say("ready")
    if sys.stdin.readline().strip() != "go":
        return
    usage = measured(work)
    envelopes, delta = _read_output(Path(job.output))
    result = Measured(
        wall=usage.wall,
        cpu=usage.cpu,
        memory=usage.memory,
        envelopes=envelopes,
        output_bytes=Path(job.output).stat().st_size,
        delta=delta,
        compile_cpu=compile_cpu,
    )
    _say(msgspec.json.encode(result).decode())


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _compile_cpu(job: Job) -> float:
    if not job.filter_expr:
        return 0.0
    from benchmarks.subjects.ours import compile_filter  # noqa: PLC0415 - one subject's imports must not burden another

    before = cpu_seconds()
    compile_filter(job)
    return cpu_seconds() - before


def _read_output(path: Path) -> tuple[dict[str, int], bool]:
    """Count the envelopes, so that only runs that wrote the same are compared, and see whether they are a delta's."""
    counts: Counter[str] = Counter()
    delta = False
    with path.open("rb") as file:
        for line in file:
            if line.startswith((b'{"type":"envelope","schema":"', b'{"schema":"')):
                counts[line.split(b'"schema":"', 1)[1].split(b'"', 1)[0].decode()] += 1
            elif line.startswith(b'{"type":"payloadSet"'):
                closing = json.loads(line)
                delta |= bool(closing.get("delta") or closing["evidence"].get("delta"))
    return dict(counts), delta


if __name__ == "__main__":
    main()
