"""EC57 comparison of mitdb's 48 records, beside reading their annotation files alone with wfdb.

Reference and test annotations are read, compared beat by beat and run by run, and summed up. The test
annotations are the reference's own, written as ecgtune writes labels.
"""

import tempfile
from pathlib import Path

import wfdb

from bench import finish, interleaved, mitdb, options, table
from ecgtune.evaluation.evaluate import evaluate
from ecgtune.readers import read_record
from ecgtune.writers.annotations import write_annotations


def read_alone(headers: list[Path], labels: Path) -> None:
    """Read what is compared, and nothing more."""
    for header in headers:
        wfdb.rdann(str(header.with_suffix("")), "atr")
        wfdb.rdann(str(labels / header.stem), "ecgt")


def main() -> None:
    given = options(__doc__)
    headers = mitdb(given.quick)
    with tempfile.TemporaryDirectory() as folder:
        labels = Path(folder)
        for header in headers:
            record = read_record(header)
            beats = record.annotations["atr"].beats()
            write_annotations(labels / f"{header.stem}.ecgt", beats, record.fs)
        times = interleaved(
            {
                "ecgtune evaluate, EC57": lambda: evaluate(headers, reference="atr", test=str(labels)),
                "reading alone, wfdb.rdann": lambda: read_alone(headers, labels),
            },
            1 if given.quick else 7,
        )
    reading = times["reading alone, wfdb.rdann"]
    table(
        f"{len(headers)} records, median",
        ("", "s", "x reading"),
        [(name, f"{t:.3f}", f"{t / reading:.2f}") for name, t in times.items()],
    )
    finish(given, "evaluate", {"records": len(headers), "seconds": times})


if __name__ == "__main__":
    main()
