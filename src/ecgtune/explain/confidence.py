"""``ecgtune confidence``: whether probabilities mean what they say, and what leaving beats open brings."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ecgtune.errors import ModelError
from ecgtune.evaluation.calibration import BINS
from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import FILE, Result, Scoring, save_result
from ecgtune.explain.confidence_figures import draw_figures
from ecgtune.explain.confidence_measure import Said, folds_in, said_by, said_out_of_fold, temperatures_of
from ecgtune.explain.confidence_result import figures_of
from ecgtune.explain.study import (
    command_of,
    index_for,
    result_name,
    scorings_of,
    studied_model,
    whose,
)
from ecgtune.files import make_folder

INTERVALS = "95 % by bootstrap over records"


def measure_confidence(
    model: str | Path,
    out: Path,
    *,
    data: str = "mitdb",
    records: Sequence[str] | None = None,
    seed: int = 0,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Compare what a model says of annotated beats with what they are.

    Parameters
    ----------
    model
        A model of beats, see `ecgtune.explain.subject_of`; or the run folder of ``ecgtune train --folds``,
        whose models label the patients that each was not trained on.
    out
        Folder: ``result.json`` (see `ecgtune.evaluation.results`), ``reliability.png``, ``classes.png``,
        ``risk.png``.
    data
        Database with reference annotations.
    records
        Names of its records; those on the test side of the model where None.
    seed
        Of the bootstrap.
    tell
        Called with each line of progress.

    Raises
    ------
    ModelError
        Where there is no such model, it has no weights or labels images, or nobody is left to test it on; on
        records or a database beside folds, which have their own.
    DataError
        Where the database or a record is not there.
    OutputError
        Where the folder cannot be written.
    """
    began = time.perf_counter()
    make_folder(out)
    models = folds_in(Path(model))
    scorings: tuple[Scoring, ...] = ()
    if models:
        if records is not None or data != "mitdb":
            raise ModelError(
                f"{model}: folds label the patients that they left out; take no --data, no --records"
            )
        studied = studied_model(models[0])
        tell(f"{len(models)} folds of {studied.subject.name}")
        said, index = said_out_of_fold(Path(model))
        protocol = "leave-patients-out: each beat by a model that never saw its patient"
        where = f"{len(index.keys)} records of DS1, each labelled by the model of the fold that left it out"
    else:
        studied = studied_model(model)
        index = index_for(studied, data, records)
        tell(f"{studied.subject.name}: {len(index.keys)} records")
        said = said_by(studied, index)
        protocol = f"{data}, whole records; nothing is chosen by it"
        scorings, where = scorings_of(studied, data, index, out / FILE), whose(studied, index)
    figures, tables = figures_of(said, seed)
    options = {"data": data * (data != "mitdb"), "records": records, "seed": seed}
    result = Result(
        name=result_name(out, "confidence", studied.subject.name),
        title=f"Confidence of {studied.subject.name}",
        created=now().date(),
        command=command_of("confidence", str(model), options, out),
        protocol=protocol,
        figures=figures,
        code=code_version(),
        machine=machine_class(),
        wall_s=round(time.perf_counter() - began, 1),
        intervals=INTERVALS,
        tables=tables,
        data=data_used(index.keys),
        seeds=(studied.seed,),
        parameters=studied.parameters,
        notes=(where, *notes_of(said, folds=bool(models))),
        scorings=scorings,
    )
    draw_figures(said, result, out)
    save_result(result, out / FILE)
    return result


def notes_of(said: Said, *, folds: bool) -> list[str]:
    """Say how everything was measured."""
    notes = [
        "beats at annotated positions, AAMI classes (de Chazal's)",
        f"ECE: expected calibration error of the most probable class, {BINS} bins of equal width; of a "
        "class: of its own probability against how often a beat has it",
        "NLL: mean of -ln of the true class's probability; Brier score: 0 to 2",
        "AURC: mean share of wrong labels over all coverages; least possible: an oracle's with as many wrong",
        "beats below a limit are Q (`ecgtune classify --min-confidence`): figures are of the beats that keep "
        "their label; in the last column beats that became Q count as Q",
    ]
    if folds:
        found = ", ".join(f"{each:.3f}" for each in temperatures_of(said))
        notes.append(f"each fold's temperature is fitted to the beats of the other folds: {found}")
    elif said.after is None:
        notes.append("the model has a temperature of 1, or none, so that nothing comes after it")
    else:
        notes.append("the temperature is that of the model's card, fitted on its validation side or by folds")
    return notes
