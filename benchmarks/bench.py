"""What the benchmarks share: options, repeated timing, tables.

Nothing is written but what ``--json FILE`` asks for. Measure on an idle machine.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecgtune import __version__

PROGRAM = Path(sys.executable).with_name("ecgtune")
"""The installed command."""


@dataclass(frozen=True)
class Options:
    """What the user asked a benchmark for.

    Parameters
    ----------
    quick
        A small subset, to see that everything works.
    json
        Where the figures go; nowhere where None.
    model
        Name or folder of the model.
    records
        Of mitdb, where a benchmark lets the user choose them.
    """

    quick: bool
    json: Path | None
    model: str
    records: tuple[str, ...] = ()


def options(description: str | None, records: Sequence[str] = ()) -> Options:
    """Read the options that every benchmark has, and records where it names some."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="a small subset, once")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--model", default="default", help="a model's name, or a model folder")
    if records:
        parser.add_argument("--records", nargs="+", default=list(records), help="of mitdb")
    given = parser.parse_args()
    return Options(given.quick, given.json, given.model, tuple(given.records) if records else ())


def mitdb(quick: bool, few: int = 4) -> list[Path]:
    """Headers of mitdb's records, in order; few of them where quick."""
    from ecgtune.databases import find_database

    database = find_database("mitdb")
    return [database.path(record) for record in database.records()][: few if quick else None]


def seconds(job: Callable[[], object]) -> float:
    """Time one call."""
    begin = time.perf_counter()
    job()
    return time.perf_counter() - begin


def interleaved(jobs: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, float]:
    """Median seconds of each job; all of them once, then all of them again, so that load hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repetitions):
        for name, job in jobs.items():
            times[name].append(seconds(job))
    return {name: statistics.median(taken) for name, taken in times.items()}


def command(*arguments: object) -> str:
    """Run a command; what it printed, or the end of the benchmark where it failed."""
    ended = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if ended.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}\n{ended.stderr.strip()}")
    return ended.stdout


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: first column to the left, the others to the right."""
    lines = [tuple(columns), *map(tuple, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    print(f"\n{title}")
    for line in lines:
        cells = [
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  " + "  ".join(cells).rstrip())


def finish(given: Options, name: str, figures: dict[str, Any]) -> None:
    """Write the figures with where they come from, if they were asked for."""
    if given.json is None:
        return
    content = {
        "benchmark": name,
        "quick": given.quick,
        "ecgtune": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "figures": figures,
    }
    given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
