"""``ecgtune robustness``: what noise and lost leads do to a model's labels and to their explanations."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import FILE, Result, save_result
from ecgtune.explain.beats_of import Index, deal, index_records, most_classes
from ecgtune.explain.robustness_figures import draw_figures
from ecgtune.explain.robustness_measure import Ints, Measured, Study, measure
from ecgtune.explain.robustness_noise import LOST_S, SETTLE_S
from ecgtune.explain.robustness_plan import FULL, QUICK, Plan
from ecgtune.explain.robustness_result import figures_of
from ecgtune.explain.study import (
    Studied,
    command_of,
    index_for,
    result_name,
    scorings_of,
    studied_model,
    whose,
)
from ecgtune.files import make_folder
from ecgtune.signals.detect import load_verifier
from ecgtune.signals.noise_recorded import RECORDED_NOISES, recorded_noise
from ecgtune.training.tables import RecordKey, open_record
from ecgtune.training.workers import run_all

INTERVALS = "95 % by bootstrap over records"


def measure_robustness(
    model: str | Path,
    out: Path,
    *,
    data: str = "mitdb",
    records: Sequence[str] | None = None,
    quick: bool = False,
    jobs: int = 1,
    seed: int = 0,
    plan: Plan | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Put recordings through noise and lead loss, and see what a model makes of them.

    Measured are the beats that are found, labels at detected and at reference positions, and how far the
    attributions of the same beats keep their order. See `ecgtune.explain.robustness_plan` for the conditions.

    Parameters
    ----------
    model
        A model of beats; see `ecgtune.explain.subject_of`.
    out
        Folder: ``result.json`` (see `ecgtune.evaluation.results`), ``curves.png``, ``loss.png``.
    data
        Database with reference annotations.
    records
        Names of its records; those on the test side of the model where None.
    quick
        Two records, two minutes, few conditions: shows that all works.
    jobs
        Processes, each with one thread.
    seed
        Of every draw.
    plan
        How much is measured, in place of ``quick``.
    tell
        Called with each line of progress.

    Raises
    ------
    ModelError
        Where there is no such model, it has no weights, it labels images, or nobody is left to test it on.
    DataError
        Where the database, nstdb or a record is not there.
    RecordError
        Where a record is too short, or has a single lead.
    OutputError
        Where the folder cannot be written.
    """
    began = time.perf_counter()
    plan = plan or (QUICK if quick else FULL)
    studied = studied_model(model)
    make_folder(out)
    index = index_for(studied, data, records)
    if plan.records is not None and records is None:
        index = index_records(most_classes(index, index.keys, plan.records, seed))
    study = Study(studied.model, plan, _explained(index, plan, seed), seed)
    tell(f"{studied.subject.name}: {len(index.keys)} records, {len(list(plan.conditions()))} conditions each")
    measured: dict[str, Measured] = {}
    for done, (place, found) in enumerate(run_all(measure, study, index.keys, jobs), start=1):
        measured["/".join(index.keys[place])] = found
        tell(f"{'/'.join(index.keys[place])} ({done} of {len(index.keys)})")
    ordered = {"/".join(key): measured["/".join(key)] for key in index.keys}
    figures, tables = figures_of(ordered, plan, seed)
    options = {"data": data * (data != "mitdb"), "records": records, "quick": quick, "seed": seed}
    result = Result(
        name=result_name(out, "robustness", studied.subject.name),
        title=f"{studied.subject.name} under noise and lead loss",
        created=now().date(),
        command=command_of("robustness", studied.model, {**options, "jobs": jobs}, out),
        protocol=f"{data}, minutes {plan.minutes[0]:g} to {plan.minutes[1]:g}; nothing is chosen by it",
        figures=figures,
        code=code_version(),
        machine=machine_class(),
        wall_s=round(time.perf_counter() - began, 1),
        intervals=INTERVALS,
        tables=tables,
        data=data_used([*index.keys, *_noise_keys(plan)]),
        seeds=(studied.seed,),
        parameters=studied.parameters,
        notes=tuple(notes_of(studied, index, plan)),
        scorings=scorings_of(studied, data, index, out / FILE),
    )
    draw_figures(result, plan, out)
    save_result(result, out / FILE)
    return result


def notes_of(studied: Studied, index: Index, plan: Plan) -> list[str]:
    """Say whose recordings these are, and how everything was measured."""
    recorded = _recorded(plan)
    sources = "; ".join(f"{name}: {recorded_noise(name).source}" for name in recorded)
    notes = [
        whose(studied, index),
        "signal-to-noise ratio as PhysioNet's nst and sigamp define it: QRS amplitude squared over eight, "
        "over the power of the noise in windows of a second; in each lead, over the whole stretch",
        f"scored are minutes {plan.minutes[0]:g} to {plan.minutes[1]:g}; the {SETTLE_S:g} s before them are "
        "read, noise and all",
        "detected positions: beats that are missed lower the sensitivity of their class, false ones the "
        "predictivity of the label they get; reference positions: where each beat lies in the clean signal",
        f"attributions: of up to {plan.per_class} beats of each class dealt over the records, at reference "
        "positions, for the label that the clean beat gets; Spearman's rank correlation of absolute "
        "contributions over all samples of both leads, mean over beats",
        f"lead loss: flat leads; where they come and go, for {LOST_S[0]:g} to {LOST_S[1]:g} s at a time",
    ]
    if recorded:
        notes.append(f"noise recordings: {sources}")
        notes.append(
            "the beat detector was trained with pieces of bw and ma added, of other recordings: beats found "
            "under them are not found under unknown noise"
        )
    seen = sorted({"/".join(key) for key in index.keys} & set(load_verifier().trained_on))
    if seen:
        notes.append(f"the beat detector was trained on {', '.join(seen)}")
    if taught := studied.training.get("faults"):
        notes.append(
            f"the model was trained with simulated faults of leads ({', '.join(taught)}) in other "
            "recordings; the noise that nstdb recorded is new to it"
        )
    if replace(plan, records=None) != FULL:
        notes.append("a short run, which shows that all works")
    return notes


def _explained(index: Index, plan: Plan, seed: int) -> dict[RecordKey, Ints]:
    """Samples of the beats whose attributions are compared, dealt over classes and records."""
    inside = {}
    for key in index.keys:
        fs, sample = open_record(key)[0].fs, index.sample[key]
        begin, end = (60 * minute * fs for minute in plan.minutes)
        inside[key] = np.where((sample >= begin) & (sample < end), index.label[key], -1)
    dealt = deal(inside, plan.per_class, seed)
    return {key: index.sample[key][rows] for key, rows in dealt.items()}


def _recorded(plan: Plan) -> list[str]:
    """Noise recordings that a plan takes."""
    return [name for name in RECORDED_NOISES if {name, f"{name}-alone"} & set(plan.noises)]


def _noise_keys(plan: Plan) -> list[RecordKey]:
    """Records that noise is taken from."""
    keys = []
    for name in _recorded(plan):
        source = recorded_noise(name).source
        keys += [("nstdb", name)] if source == f"nstdb {name}" else [("nstdb", "118e_6"), ("mitdb", "118")]
    return keys
