"""Figures of patients who were left out in turn, as a stored result: what choices are made by."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.evaluation.metrics import f1
from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import Division, Figure, Result, Table, plain_matrices
from ecgtune.labels import CLASSES
from ecgtune.splits import PROTOCOLS, Split
from ecgtune.training.further import ECTOPIC, FALSE_S, ectopic_figures, rate_figures
from ecgtune.training.measured import INTERVALS
from ecgtune.training.on_rhythms import NOTES, SaidOn, rhythm_table
from ecgtune.training.tables import RecordKey

Matrices = Mapping[RecordKey, NDArray[np.int64]]
Counted = Mapping[RecordKey, NDArray[np.float64]]

_FIBRILLATION = f"{FALSE_S}fibrillation of "

_SHORT = ", half minutes of one lead"
"""What the rows of short stretches end with."""

_FALSE = "false "
"""What the rows of recordings without an ectopic beat begin with."""

_S, _V = CLASSES.index("S"), CLASSES.index("V")


def out_of_fold_result(
    name: str,
    label: str,
    matrices: Matrices,
    short: Matrices,
    splits: Sequence[Split],
    of_fibrillation: Counted,
    of_rhythms: SaidOn,
    without_ectopy: Mapping[str, Counted],
    *,
    command: str,
    wall_s: float,
    parameters: int,
    notes: Sequence[str] = (),
) -> Result:
    """Put what networks said of the patients they had not seen into a result.

    Parameters
    ----------
    name, label
        Of what was trained.
    matrices
        Confusion matrix [true, predicted] of each record, by the network that had left its patient out.
    short
        The same of half minutes of one lead, each by itself.
    splits
        The folds.
    of_fibrillation
        Beats falsely called S and hours, float64 [2], of recordings of fibrillation that were left out.
    of_rhythms
        What was said in other rhythms, of recordings that were left out.
    without_ectopy
        Beats falsely called S or V and hours of recordings without an ectopic beat that were left out, as
        `ecgtune.training.without_ectopy.false_ectopy` counts them.
    command
        What measures it again.
    wall_s
        Wall time of all folds.
    parameters
        Of one network.
    notes
        Decisions and remarks.
    """
    figures, rows = database_figures(matrices)
    tables = database_tables(figures, rows)
    of_short = {f"{row}{_SHORT}": figure for row, figure in _short_figures(short).items()}
    figures |= of_short
    tables["short"] = Table(
        "Half minutes of one lead, each labelled by itself",
        "records of",
        {row: row.removesuffix(_SHORT) for row in of_short},
        ECTOPIC,
    )
    if of_fibrillation:
        false_s = _false_s(of_fibrillation)
        figures |= false_s
        tables["false-s"] = Table(
            "Beats of atrial fibrillation falsely called S, recordings left out",
            "recordings of",
            {row: row.removeprefix(_FIBRILLATION) for row in false_s},
            ("an hour", "beats", "hours", "records"),
        )
    if without_ectopy:
        false = {f"{_FALSE}{what}": rate_figures(counted) for what, counted in without_ectopy.items()}
        figures |= false
        tables["without-ectopy"] = Table(
            "Beats falsely called S or V, recordings without an ectopic beat left out",
            "called",
            {row: row.removeprefix(_FALSE) for row in false},
            ("an hour", "beats", "hours", "records"),
        )
    if of_rhythms:
        said, tables["rhythms"] = rhythm_table(of_rhythms, "Labels in rhythms, recordings left out")
        figures |= said
        notes = (*notes, *NOTES)
    first = splits[0]
    used = {key for split in splits for side, _ in split.sides() for key in split.records(side)}
    others = [of_fibrillation, *of_rhythms.values(), *without_ectopy.values()]
    used |= {key for records in others for key in records}
    return Result(
        name=f"{name}-{first.protocol}",
        title=f"{label} under {first.protocol}: {PROTOCOLS[first.protocol]}",
        created=now().date(),
        command=command,
        protocol=first.protocol,
        figures=figures,
        code=code_version(),
        machine=machine_class(),
        wall_s=wall_s,
        intervals=INTERVALS,
        tables=tables,
        divisions=tuple(Division(split.protocol, split.seed, split.hash) for split in splits),
        data=data_used(used),
        seeds=(first.seed,),
        parameters=parameters,
        notes=("AAMI classes (de Chazal's); beats at detected positions that match an annotation", *notes),
        matrices={"out of fold": plain_matrices(matrices), "half minutes": plain_matrices(short)},
    )


def _short_figures(matrices: Matrices) -> dict[str, dict[str, Figure]]:
    """Figures of each database, without those of single records."""
    figures, rows = database_figures(matrices)
    return {row: figures[row] for row in rows}


def database_figures(matrices: Matrices) -> tuple[dict[str, dict[str, Figure]], list[str]]:
    """Figures of each database, with and without the record with most of its S beats, and of each record.

    Returns
    -------
    figures
        By row; a record's row has its name (``svdb/865``).
    rows
        Names of the rows of databases, in order.
    """
    figures: dict[str, dict[str, Figure]] = {}
    for database in sorted({database for database, _ in matrices}):
        own = {key: matrix for key, matrix in matrices.items() if key[0] == database}
        figures[database] = ectopic_figures(own)
        most = max(own, key=lambda key: (own[key][_S].sum(), key))
        if len(own) > 1 and own[most][_S].any():
            rest = {key: matrix for key, matrix in own.items() if key != most}
            figures[f"{database} without record {most[1]}"] = ectopic_figures(rest)
    rows = list(figures)
    for key in sorted(matrices):
        figures["/".join(key)] = _of_record(matrices[key])
    return figures, rows


def database_tables(figures: Mapping[str, Mapping[str, Figure]], rows: Sequence[str]) -> dict[str, Table]:
    """Tables of what `database_figures` gives."""
    records = {row: row for row in figures if "/" in row}
    columns = ("beats", "S beats", "S F1", "false S", "V beats", "V F1", "false V")
    return {
        "databases": Table("", "records of", {row: row for row in rows}, ECTOPIC),
        "records": Table("By record", "record", records, columns),
    }


def _false_s(counted: Counted) -> dict[str, dict[str, Figure]]:
    databases = sorted({database for database, _ in counted})
    return {
        f"{_FIBRILLATION}{database}": rate_figures(
            {key: own for key, own in counted.items() if key[0] == database}
        )
        for database in databases
    }


def _of_record(matrix: NDArray[Any]) -> dict[str, Figure]:
    row = {"beats": Figure(int(matrix.sum()))}
    for class_, place in (("S", _S), ("V", _V)):
        there, said = int(matrix[place].sum()), int(matrix[:, place].sum())
        row[f"{class_} beats"] = Figure(there)
        row[f"false {class_}"] = Figure(said - int(matrix[place, place]))
        # Of a record without beats of the class there is nothing to find.
        row[f"{class_} F1"] = Figure(float(f1(matrix)[place]) if there else None)
    return row
