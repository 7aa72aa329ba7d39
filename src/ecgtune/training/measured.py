"""A training's test side as a stored result: ``result.json`` of the run folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases import patient_of
from ecgtune.evaluation.bootstrap import Interval, by_patient
from ecgtune.evaluation.headline import BY_CLASS, OVERALL, headline, headline_mean
from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import (
    Division,
    Figure,
    Result,
    Scoring,
    Table,
    load_result,
    plain_matrices,
)
from ecgtune.labels import CLASSES
from ecgtune.splits import PROTOCOLS, Split

RecordKey = tuple[str, str]
Matrices = Mapping[RecordKey, NDArray[np.int64]]

FILE = "result.json"

INTERVALS = "95 % by bootstrap over records (for means: over patients)"

DOMINANT = ("mitdb", "232")
"""Holds 75 % of DS2's S beats; figures are given with and without it."""

SUMMARY = ("N F1", "S F1", "V F1", "macro-F1 (N, S, V)", "accuracy", "jk")
"""What the tables of several rows show."""


def scoring(split: Split, model_hash: str) -> Scoring:
    """Log entry: the test side of a split is scored now, by a model."""
    return Scoring(now().isoformat(), split.protocol, split.hash, model_hash)


def groups(matrices: Matrices) -> dict[str, dict[str, Figure]]:
    """Headline figures of the test side: pooled, without record 232 where it is there, mean over patients.

    Rows ``"pooled"``, ``"pooled: S"`` and so on: overall figures, and those of a class (Se, +P, F1, beats).
    """
    named = {"/".join(key): matrix for key, matrix in matrices.items()}
    patients = by_patient(named, {"/".join(key): patient_of(*key) for key in matrices})
    rows = _rows("pooled", headline(named), named)
    if DOMINANT in matrices and len(matrices) > 1:
        others = {name: matrix for name, matrix in named.items() if name != "/".join(DOMINANT)}
        rows |= _rows("without record 232", headline(others), others)
    return rows | _rows("mean over patients", headline_mean(patients), patients)


def result_of(
    name: str,
    label: str,
    matrices: Matrices,
    split: Split,
    *,
    command: str,
    wall_s: float,
    scorings: Sequence[Scoring],
    parameters: int | None = None,
    notes: Sequence[str] = (),
) -> Result:
    """Put one training and the scoring of its test side into a result.

    Parameters
    ----------
    name, label
        What was trained: the result's name begins with the one, its title with the other.
    matrices
        Confusion matrix of each test record.
    split
        Who was where.
    command
        What trains it, but for protocol, seed and run folder.
    wall_s
        Wall time of the training.
    scorings
        Every scoring of this run folder's test side so far.
    parameters
        How many the model has, where it has any.
    notes
        Decisions and remarks.
    """
    figures = groups(matrices)
    overall = [row for row in figures if ": " not in row]
    tables = {
        "summary": Table("", "test side", {row: row for row in overall}, SUMMARY),
        "classes": Table(
            "By class, pooled",
            "class",
            {f"pooled: {class_}": class_ for class_ in CLASSES},
            ("beats", *BY_CLASS),
        ),
    }
    used = {key for side, _ in split.sides() for key in split.records(side)}
    return Result(
        name=f"{name}-{split.protocol}",
        title=f"{label} under {split.protocol}: {PROTOCOLS.get(split.protocol, 'a split of its own')}",
        created=now().date(),
        command=f"{command} --protocol {split.protocol} --seed {split.seed} --out RUN",
        protocol=split.protocol,
        figures=figures,
        code=code_version(),
        machine=machine_class(),
        wall_s=wall_s,
        intervals=INTERVALS,
        tables=tables,
        divisions=(Division(split.protocol, split.seed, split.hash),),
        data=data_used(used),
        seeds=(split.seed,),
        parameters=parameters,
        notes=("AAMI classes (de Chazal's); beats at annotated positions", *notes),
        scorings=tuple(scorings),
        matrices={"test": plain_matrices(matrices)},
    )


def earlier_scorings(path: Path) -> tuple[Scoring, ...]:
    """Scorings that a result lists already; none where it is not there."""
    return load_result(path).scorings if path.exists() else ()


def _rows(
    group: str, found: Mapping[str, Interval], confusions: Mapping[str, NDArray[np.int64]]
) -> dict[str, dict[str, Figure]]:
    beats = np.sum(list(confusions.values()), axis=0).sum(axis=1)
    summary = {name: Figure.of(found[name]) for name in (*OVERALL, *(f"{c} F1" for c in "NSV"))}
    rows = {group: {"beats": Figure(int(beats.sum()))} | summary}
    for i, class_ in enumerate(CLASSES):
        own = {name: Figure.of(found[f"{class_} {name}"]) for name in BY_CLASS}
        rows[f"{group}: {class_}"] = {"beats": Figure(int(beats[i]))} | own
    return rows
