"""What a finished model does on a test side beside the headline: one lead, false S, detected positions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Beats
from ecgtune.beats.segments import rhythm_runs, within
from ecgtune.classification import classify
from ecgtune.evaluation.bootstrap import Interval, bootstrap, bootstrap_mean, compare_models, of_class
from ecgtune.evaluation.ec57 import START_S, BeatComparison, compare_beats
from ecgtune.evaluation.headline import OVERALL
from ecgtune.evaluation.metrics import f1, known_confusion, predictivity, sensitivity
from ecgtune.evaluation.results import Figure, Result, Table, plain_matrices
from ecgtune.labels import CLASSES, Convention
from ecgtune.model import Model
from ecgtune.record import Annotations, Record
from ecgtune.training.tables import RecordKey, open_record, reference_table

Counts = NDArray[np.int64]
Matrices = dict[RecordKey, Counts]

MANY = 20
"""A record with as many beats of a class has an F1 of its own in the mean over records."""

FALSE_S = "false S: "
"""What the rows of beats falsely called S begin with."""

WITHOUT_S, FIBRILLATION = "records without S beats", "atrial fibrillation"

_S = CLASSES.index("S")

_EVENTS = (*CLASSES, "O", "X")
"""Of EC57's table of counts."""

ECTOPIC = (
    *(f"{class_} F1{which}" for class_ in "SV" for which in ("", f", mean of records with {MANY}")),
    *OVERALL,
)
"""Names of `ectopic_figures`."""


@dataclass(frozen=True)
class Further:
    """What was measured, by record.

    Parameters
    ----------
    one_lead
        Confusion matrix at annotated positions, the first of the model's leads alone.
    late
        Confusion matrix at annotated positions from minute 5 on, all leads of the model.
    detected
        Comparison by EC57 at detected positions from minute 5 on, by class convention.
    false_s
        Beats falsely called S and hours, float64 [2], by where: `WITHOUT_S`, and `FIBRILLATION` by the rhythm
        labels.
    """

    one_lead: Matrices
    late: Matrices
    detected: Mapping[Convention, dict[RecordKey, BeatComparison]]
    false_s: Mapping[str, dict[RecordKey, NDArray[np.float64]]]


def measure_further(model: Model, keys: Sequence[RecordKey]) -> Further:
    """Measure a finished model on the records of a test side, beside the confusion matrices of all its beats.

    Parameters
    ----------
    model
        Ready to predict.
    keys
        Records with reference annotations ``atr``.
    """
    found = Further({}, {}, {"aami": {}, "bxb": {}}, {WITHOUT_S: {}, FIBRILLATION: {}})
    how = model.preprocessing
    for key in keys:
        record, reference = open_record(key)
        table = reference_table([key], how)
        predicted = _labels(model, table)
        later = table.sample >= START_S * record.fs
        found.late[key] = known_confusion(table.label[later], predicted[later])
        alone = reference_table([key], how, most_leads=1)
        found.one_lead[key] = known_confusion(alone.label, _labels(model, alone))
        _count_false_s(found, key, record, reference, table, predicted)
        labelled = classify(record, model).annotations
        for convention, comparisons in found.detected.items():
            comparisons[key] = compare_beats(
                reference,
                labelled,
                record.fs,
                classes=convention,
                record="/".join(key),
                n_samples=record.n_samples,
            )
    return found


def with_further(result: Result, matrices: Matrices, further: Further) -> Result:
    """Put what was measured beside the headline into a result.

    Parameters
    ----------
    result
        Of the same model and test side.
    matrices
        Confusion matrix of each record, all beats at annotated positions.
    further
        See `measure_further`.
    """
    aami = {key: one.counts for key, one in further.detected["aami"].items()}
    bxb = {key: one.counts for key, one in further.detected["bxb"].items()}
    late = {key: np.pad(matrix, (0, 2)) for key, matrix in further.late.items()}
    rows = {
        "all leads": ectopic_figures(matrices),
        "one lead": ectopic_figures(further.one_lead),
        "annotated positions from minute 5": ectopic_figures(further.late),
    }
    positions = {
        "annotated": _by_class(late),
        "detected": _by_class(aami) | _qrs(aami),
        "detected less annotated": _less(aami, late),
        "detected, bxb's classes": _by_class(bxb) | _qrs(bxb),
    }
    false_s = {where: rate_figures(counted) for where, counted in further.false_s.items() if counted}
    figures = {
        **result.figures,
        **rows,
        **{f"from minute 5: {name}": row for name, row in positions.items()},
        **{f"{FALSE_S}{where}": row for where, row in false_s.items()},
    }
    tables = {
        **result.tables,
        "leads": Table("Records that hold enough, and one lead", "", {row: row for row in rows}, ECTOPIC),
        "positions": Table(
            "From minute 5, positions detected (EC57: a missed beat and a false one count as wrong)",
            "positions",
            {f"from minute 5: {name}": name for name in positions},
            ("QRS Se", "QRS +P", *(f"{class_} {figure}" for class_ in "SV" for figure in ("Se", "+P", "F1"))),
        ),
    }
    if false_s:
        labels = {f"{FALSE_S}{where}": where for where in false_s}
        columns = ("an hour", "beats", "hours", "records")
        tables["false-s"] = Table("Beats falsely called S", "where", labels, columns)
    return replace(
        result,
        figures=figures,
        tables=tables,
        notes=(
            *result.notes,
            "one lead: the first that the model would read, the other as if it were not there",
            "false S: at annotated positions, all minutes; fibrillation by the rhythm labels",
        ),
        matrices={**result.matrices, "one lead": plain_matrices(further.one_lead)},
    )


def ectopic_figures(matrices: Matrices) -> dict[str, Figure]:
    """F1 of S and V, the mean of records with `MANY` beats of the class, and the overall figures.

    Parameters
    ----------
    matrices
        Confusion matrix [true, predicted] of each record, over `CLASSES`.
    """
    named = {"/".join(key): matrix for key, matrix in matrices.items()}
    row: dict[str, Figure] = {}
    for class_ in "SV":
        metric = of_class(f1, class_, CLASSES)
        row[f"{class_} F1"] = Figure.of(bootstrap(named, metric))
        place = CLASSES.index(class_)
        enough = {name: matrix for name, matrix in named.items() if matrix[place].sum() >= MANY}
        mean = Figure.of(bootstrap_mean(enough, metric)) if enough else Figure(None)
        row[f"{class_} F1, mean of records with {MANY}"] = mean
    return row | {name: Figure.of(bootstrap(named, metric)) for name, metric in OVERALL.items()}


def _labels(model: Model, table: Beats) -> NDArray[np.intp]:
    return np.asarray(model.predict(table.windows, table.at).argmax(axis=1))


def _count_false_s(
    found: Further,
    key: RecordKey,
    record: Record,
    reference: Annotations,
    table: Beats,
    predicted: NDArray[np.intp],
) -> None:
    wrong = (predicted == _S) & (table.label != _S) & (table.label >= 0)
    if not (table.label == _S).any():
        found.false_s[WITHOUT_S][key] = np.array([wrong.sum(), record.duration / 3600])
    runs = [run for run in rhythm_runs(reference, record.n_samples) if run.rhythm == "AFIB"]
    if runs:
        beats = int(wrong[within(runs, table.sample)].sum())
        hours = sum(run.stop - run.start for run in runs) / record.fs / 3600
        found.false_s[FIBRILLATION][key] = np.array([beats, hours])


def _by_class(matrices: Matrices) -> dict[str, Figure]:
    named = {"/".join(key): matrix for key, matrix in matrices.items()}
    kinds = {"Se": sensitivity, "+P": predictivity, "F1": f1}
    return {
        f"{class_} {name}": Figure.of(bootstrap(named, of_class(metric, class_, _EVENTS)))
        for class_ in "SV"
        for name, metric in kinds.items()
    }


def _less(first: Matrices, second: Matrices) -> dict[str, Figure]:
    """How far the F1 of the first lie above those of the second, over the same records."""
    one, other = ({"/".join(key): matrix for key, matrix in side.items()} for side in (first, second))
    return {
        f"{class_} F1": Figure.of(compare_models(one, other, of_class(f1, class_, _EVENTS)).interval)
        for class_ in "SV"
    }


def _qrs(matrices: Matrices) -> dict[str, Figure]:
    named = {"/".join(key): matrix for key, matrix in matrices.items()}
    beats = len(CLASSES)

    def found(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        there = matrix[..., :beats, :]
        return np.asarray(there[..., :beats].sum((-2, -1)) / there.sum((-2, -1)))

    def right(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        said = matrix[..., :beats]
        return np.asarray(said[..., :beats, :].sum((-2, -1)) / said.sum((-2, -1)))

    return {"QRS Se": Figure.of(bootstrap(named, found)), "QRS +P": Figure.of(bootstrap(named, right))}


def rate_figures(counted: Mapping[RecordKey, NDArray[np.float64]]) -> dict[str, Figure]:
    """Beats an hour of all records together, with an interval over records."""

    def an_hour(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(matrix[..., 0, 0] / matrix[..., 1, 1])

    interval: Interval = bootstrap({"/".join(key): np.diag(pair) for key, pair in counted.items()}, an_hour)
    beats, hours = np.sum(list(counted.values()), axis=0)
    ends = Figure.of(interval)
    return {
        "an hour": replace(ends, unit="/h"),
        "beats": Figure(int(beats)),
        "hours": Figure(round(float(hours), 3), unit="h"),
        "records": Figure(len(counted)),
    }
