"""How well beats are found: every record of mitdb, as EC57 counts, beside sleepecg on the first lead.

``python -m ecgtune.evaluation.detection --out results/detection-mitdb.json``
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases import find_database
from ecgtune.evaluation.bootstrap import bootstrap
from ecgtune.evaluation.ec57 import BeatComparison, compare_beats, summarise_beats
from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import Figure, Result, Table, save_result
from ecgtune.readers import read_record
from ecgtune.record import Annotations, Record
from ecgtune.signals.detect import detect_beats, load_verifier

Detector = Callable[[Record], NDArray[np.int64]]

_COLUMNS = ("beats", "missed", "false", "QRS Se", "QRS +P")


def sleepecg_on_first_lead(record: Record) -> NDArray[np.int64]:
    """Beats that sleepecg's detector finds in the first lead alone: native samples, int64 [n]."""
    from sleepecg import detect_heartbeats  # type: ignore[attr-defined]

    lead = record.read()[:, 0].astype(np.float64)
    beats: NDArray[np.int64] = detect_heartbeats(lead, record.fs).astype(np.int64)
    return beats


def compare(detector: Detector, database: str = "mitdb") -> dict[str, BeatComparison]:
    """Compare detections with the annotated beats of every record: first 5 minutes skipped, 150 ms."""
    source = find_database(database)
    found = {}
    for name in source.records():
        record = read_record(source.path(name))
        at = np.unique(detector(record))
        detections = Annotations(at, np.full(len(at), "N"))
        found[name] = compare_beats(record.annotations["atr"], detections, record.fs, record=name)
    return found


def measure() -> Result:
    """Score the shipped detector and sleepecg on all of mitdb."""
    began = time.perf_counter()
    ours, peer = compare(detect_beats), compare(sleepecg_on_first_lead)
    trained = {name for name in ours if f"mitdb/{name}" in load_verifier().trained_on}
    groups = {
        "all records": sorted(ours),
        "records it was trained on (DS1)": sorted(trained),
        "other records": sorted(set(ours) - trained),
    }
    figures = {}
    for label, names in groups.items():
        if not names:
            continue
        figures[f"ecgtune, {label}"] = _figures([ours[name] for name in names])
        figures[f"sleepecg on the first lead, {label}"] = _figures([peer[name] for name in names])
    return Result(
        name="detection-mitdb",
        title="Beats found in mitdb, as EC57 counts",
        created=now().date(),
        command="python -m ecgtune.evaluation.detection --out results/detection-mitdb.json",
        protocol="detector trained on DS1 and svdb; first five minutes skipped, match window 150 ms, gross",
        figures=figures,
        intervals="95 % by bootstrap over records",
        tables={"": Table("", "detector and records", {row: row for row in figures}, _COLUMNS)},
        data=data_used(("mitdb", name) for name in ours),
        code=code_version(),
        machine=machine_class(),
        wall_s=round(time.perf_counter() - began, 1),
        notes=("other records include 202, a second recording of the patient of 201, which is in DS1",),
    )


def _figures(comparisons: list[BeatComparison]) -> dict[str, Figure]:
    gross = summarise_beats(comparisons).gross
    missed = gross.qrs_sensitivity.denominator - gross.qrs_sensitivity.numerator
    false = gross.qrs_predictivity.denominator - gross.qrs_predictivity.numerator
    # Found, missed and false beats of a record as a 2 x 2 table: what the bootstrap resamples.
    tables = {}
    for i, comparison in enumerate(comparisons):
        se, ppv = comparison.rates.qrs_sensitivity, comparison.rates.qrs_predictivity
        tables[str(i)] = np.array(
            [[se.numerator, se.denominator - se.numerator], [ppv.denominator - ppv.numerator, 0]]
        )

    def sensitivity(table: NDArray[np.float64]) -> NDArray[np.float64]:
        share: NDArray[np.float64] = table[..., 0, 0] / table[..., 0, :].sum(-1)
        return share

    def predictivity(table: NDArray[np.float64]) -> NDArray[np.float64]:
        share: NDArray[np.float64] = table[..., 0, 0] / table[..., :, 0].sum(-1)
        return share

    return {
        "beats": Figure(int(gross.qrs_sensitivity.denominator)),
        "missed": Figure(int(missed)),
        "false": Figure(int(false)),
        "QRS Se": Figure.of(bootstrap(tables, sensitivity)),
        "QRS +P": Figure.of(bootstrap(tables, predictivity)),
    }


def main() -> None:
    """Measure, print the gross figures, and store the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/detection-mitdb.json"))
    arguments = parser.parse_args()
    result = measure()
    for row, found in result.figures.items():
        print(f"{row:55s} Se {found['QRS Se'].value:.4f}  +P {found['QRS +P'].value:.4f}")
    save_result(result, arguments.out)


if __name__ == "__main__":
    main()
