"""What a finished model says where rhythms are labelled, not beats: ``... on_rhythms default --on vfdb``.

Every beat of ventricular tachycardia is V, none of sinus rhythm's is in a run of V. So a database that labels
rhythms alone tells two things: how much of its tachycardia is called V, and how often a run of V is found
where none is. Beats are where the detector finds them.

    python -m ecgtune.training.on_rhythms default --on vfdb
"""

import argparse
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats.segments import Run, rhythm_runs
from ecgtune.classification import classify
from ecgtune.databases import find_database
from ecgtune.errors import SplitError
from ecgtune.evaluation.bootstrap import bootstrap, bootstrap_mean
from ecgtune.evaluation.metrics import sensitivity
from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import FOLDER, Figure, Result, Table, plain_matrices, save_result
from ecgtune.labels import CLASSES, class_indices
from ecgtune.model import Model, load_model
from ecgtune.training.measured import INTERVALS
from ecgtune.training.tables import RecordKey, open_record

RHYTHMS = {
    "VT": "ventricular tachycardia",
    "VFL": "ventricular flutter",
    "SVTA": "supraventricular tachyarrhythmia",
    "N": "normal rhythm, with its ectopic beats",
    "NOISE": "noise",
}
"""Rhythms that are looked at, by their WFDB label."""

IN_A_RUN = 3
"""Successive V from which on they are a run."""

NOTES = (
    "rhythms: beats where the detector finds them; N to Q: shares of the beats; runs of V: three or more in "
    "succession; found: episodes of three beats or more that have one",
)

FEWEST = 3
"""An episode in which fewer beats are found is not counted."""

PROTOCOL = "rhythms"
"""What stands in place of a protocol in its results."""

V = CLASSES.index("V")


@dataclass(frozen=True)
class Said:
    """What a model said in one rhythm of one record.

    Parameters
    ----------
    beats
        How many beats it called each class, int64 [classes].
    hours
        How long the rhythm lasts.
    episodes, found
        How many stretches of the rhythm have `FEWEST` beats, and in how many of them is a run of V.
    runs
        Runs of V in all of them.
    """

    beats: NDArray[np.int64]
    hours: float
    episodes: int
    found: int
    runs: int


SaidOn = Mapping[str, Mapping[RecordKey, Said]]
"""By rhythm and record."""


def said_in(runs: Sequence[Run], sample: NDArray[np.integer], label: NDArray[np.integer], fs: float) -> Said:
    """Count what beats are called in the stretches of one rhythm.

    Parameters
    ----------
    runs
        The stretches, disjoint.
    sample, label
        Positions of all beats at the record's rate, ascending, and their classes, [n].
    fs
        The record's rate in Hz.
    """
    called = [label[slice(*np.searchsorted(sample, (run.start, run.stop)))] for run in runs]
    enough = [each for each in called if len(each) >= FEWEST]
    of_v = [_runs_of_v(each) for each in enough]
    return Said(
        np.bincount(np.concatenate([*called, np.empty(0, dtype=np.int64)]), minlength=len(CLASSES)),
        sum(run.stop - run.start for run in runs) / fs / 3600,
        len(enough),
        sum(found > 0 for found in of_v),
        sum(of_v),
    )


def _runs_of_v(label: NDArray[np.integer]) -> int:
    edges = np.flatnonzero(np.diff(label == V, prepend=False, append=False))
    return int((edges[1::2] - edges[::2] >= IN_A_RUN).sum())


def on_rhythms(model: Model, on: str) -> Result:
    """Label the records of a database, and count what is said in each of its rhythms.

    Parameters
    ----------
    model
        With a card that lists its training records.
    on
        The database.

    Raises
    ------
    SplitError
        Where the model was trained on a record of that database, or it has none of `RHYTHMS`.
    """
    began = time.perf_counter()
    name = str(model.card["name"])
    if on in {who.split("/")[0] for who in model.trained_on}:
        raise SplitError(f"{model.name}: was trained on {on}; what it says there tells nothing")
    keys = [(on, record) for record in find_database(on).records()]
    said = said_on(model, keys)
    if not said:
        raise SplitError(f"{on}: no record has one of the rhythms {', '.join(RHYTHMS)}")
    figures, table = rhythm_table(said)
    return Result(
        name=f"{name}-{on}",
        title=f"{model.name} on the rhythms of {on}",
        created=now().date(),
        command=f"python -m ecgtune.training.on_rhythms {name} --on {on}",
        protocol=PROTOCOL,
        figures=figures,
        code=code_version(),
        machine=machine_class(),
        wall_s=round(time.perf_counter() - began, 1),
        intervals=INTERVALS,
        tables={"rhythms": table},
        data=data_used(keys),
        parameters=model.card["parameters"],
        notes=(*NOTES, f"not trained on {on}"),
        matrices={rhythm: plain_matrices(_matrices(records)) for rhythm, records in said.items()},
    )


def said_on(model: Model, keys: Iterable[RecordKey]) -> SaidOn:
    """Label records, and count what is said in each of `RHYTHMS`; those without it are left out."""
    said: dict[str, dict[RecordKey, Said]] = {rhythm: {} for rhythm in RHYTHMS}
    for key in keys:
        record, reference = open_record(key)
        labelled = classify(record, model).annotations
        runs = rhythm_runs(reference, record.n_samples)
        for rhythm, records in said.items():
            own = [run for run in runs if run.rhythm == rhythm]
            found = said_in(own, labelled.sample, class_indices(labelled.symbol), record.fs)
            if found.episodes:
                records[key] = found
    return {rhythm: records for rhythm, records in said.items() if records}


def rhythm_table(said: SaidOn, title: str = "") -> tuple[dict[str, dict[str, Figure]], Table]:
    """Figures of each rhythm, by its WFDB label, and how they are shown."""
    figures = {rhythm: _figures(records) for rhythm, records in said.items()}
    columns = tuple(dict.fromkeys(column for row in figures.values() for column in row))
    return figures, Table(title, "rhythm", {rhythm: RHYTHMS[rhythm] for rhythm in said}, columns)


def _figures(records: Mapping[RecordKey, Said]) -> dict[str, Figure]:
    matrices = {"/".join(key): matrix for key, matrix in _matrices(records).items()}

    def share_of_v(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(sensitivity(matrix)[..., V])

    beats = np.sum([one.beats for one in records.values()], axis=0)
    total, hours = int(beats.sum()), sum(one.hours for one in records.values())
    shares = {class_: Figure(float(beats[i] / total)) for i, class_ in enumerate(CLASSES)}
    shares["V"] = Figure.of(bootstrap(matrices, share_of_v))
    episodes, found, runs = (
        sum(getattr(one, name) for one in records.values()) for name in ("episodes", "found", "runs")
    )
    return {
        "records": Figure(len(records)),
        "hours": Figure(round(hours, 3), unit="h"),
        "beats": Figure(total),
        **shares,
        "V, mean of records": Figure.of(bootstrap_mean(matrices, share_of_v)),
        "episodes": Figure(episodes),
        "found": Figure(found),
        "runs of V an hour": Figure(round(runs / hours, 2), unit="/h"),
    }


def _matrices(records: Mapping[RecordKey, Said]) -> dict[RecordKey, NDArray[np.int64]]:
    """What is called V and what not, as if all were V: [true, predicted] of each record."""
    matrices = {}
    for key, one in records.items():
        matrices[key] = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
        matrices[key][V] = one.beats
    return matrices


def main() -> None:
    """Measure a model and store the result."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("model", help="a model's name, or a model folder")
    parser.add_argument("--on", default="vfdb", help="the database")
    parser.add_argument("--out", type=Path, help="default: results/MODEL-DATABASE.json")
    arguments = parser.parse_args()
    result = on_rhythms(load_model(arguments.model), arguments.on)
    out = arguments.out or FOLDER / f"{result.name}.json"
    save_result(result, out)
    for rhythm, row in result.figures.items():
        print(f"{rhythm:6}" + "  ".join(f"{name} {figure.value:.3g}" for name, figure in row.items()))
    print(f"{out}: {result.title}")


if __name__ == "__main__":
    main()
