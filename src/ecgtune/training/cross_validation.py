"""``ecgtune train --folds``: patients left out in turn, which is what choices are made by."""

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.beats import Beats
from ecgtune.evaluation.calibration import fit_temperature
from ecgtune.evaluation.results import save_result
from ecgtune.files import make_folder, write_whole
from ecgtune.splits import make_folds
from ecgtune.training.by_rhythm import ByRhythm
from ecgtune.training.card import model_card
from ecgtune.training.config import Config
from ecgtune.training.export import save_model
from ecgtune.training.fibrillating import false_s
from ecgtune.training.fit import Progress, claim, fit, fresh_network
from ecgtune.training.made_up import MadeUp
from ecgtune.training.measured import FILE
from ecgtune.training.on_rhythms import Said, said_on
from ecgtune.training.out_of_fold import out_of_fold_result
from ecgtune.training.run import describe, on_data, score
from ecgtune.training.sequences import prepare
from ecgtune.training.short import score_short, short_recordings
from ecgtune.training.tables import RecordKey, index_database, rows_of, training_table
from ecgtune.training.temperature import logits_of
from ecgtune.training.without_ectopy import false_ectopy


def cross_validate(
    config: Config,
    out: Path,
    *,
    data: str | None = None,
    folds: int = 5,
    seed: int = 0,
    threads: int | None = None,
    tell: Progress = lambda _: None,
) -> dict[str, Any]:
    """Leave patients out in turn: what choices are made by. DS2's signals are not read.

    The patients are DS1's, or where the configuration has several databases, all but DS2's. So are those of
    the recordings of fibrillation, of ventricular tachycardia and without ectopic beats at hand, whether they
    train or not: what is called S or V in them, falsely or not, hardly shows elsewhere. Every network is
    fitted for the configured number of epochs; no epoch is chosen. Resumes as `train` does.

    Returns
    -------
    dict
        What ``metrics.json`` holds: out-of-fold figures, pooled and as matrices by record; the temperature
        that suits the out-of-fold beats, and that of each fold's; how many beats an hour are called S in
        fibrillation, where recordings of it are at hand. ``result.json``, for the result store, has
        the figures of each database and record, and of rhythms.
    """
    began = time.perf_counter()
    if threads is not None:
        torch.set_num_threads(threads)
    fresh_network(config)
    config = on_data(config, data)
    index = index_database(*config.data.databases, paced=config.data.paced)
    how = config.preprocessing
    by_rhythm = ByRhythm(config.data, how, all_at_hand=True)
    table: Beats | None = None
    made_up = MadeUp(how, config.data)
    matrices: dict[RecordKey, NDArray[np.int64]] = {}
    short: dict[RecordKey, NDArray[np.int64]] = {}
    of_fibrillation: dict[RecordKey, NDArray[np.float64]] = {}
    of_rhythms: dict[str, dict[RecordKey, Said]] = {}
    without_ectopy: dict[str, dict[RecordKey, NDArray[np.float64]]] = {}
    said = []
    splits = make_folds(index, "leave-patients-out", seed=seed, k=folds, databases=config.data.patients)
    for split, away in zip(splits, by_rhythm.left_out(folds, seed), strict=True):
        folder = make_folder(out / f"fold-{split.fold}")
        claim(folder, config, split, seed)
        if table is None:
            keys = {key for side in ("train", "validate") for key in split.records(side)}
            table = training_table(sorted(keys), how)
        whole = split.records("train")
        rows, length = rows_of(table, index, split.train), config.training.length
        side = [*prepare(table, rows, how), *made_up.faults(whole)]
        beside = [
            *by_rhythm.teach(length, away),
            *short_recordings(table, rows, how, config.data.short, length),
            *made_up.episodes(whole),
        ]
        epochs = config.training.epochs
        network = fit(config, side, beside, None, folder / "fit", seed, tell, epochs=epochs).network
        card = model_card(config, split, seed, network.reach, by_rhythm.patients(away))
        model = save_model(network, card, folder / "model")
        others = table.select(np.isin(table.patient, split.patients("validate")))
        matrices |= score(model, others, index, split.validate)
        short |= score_short(model, others, index, split.validate)
        of_fibrillation |= false_s(model, (one for one in by_rhythm.fibrillating if one.key in away))
        calm = (one for one in by_rhythm.without_ectopy if one.key in away)
        for what, counted in false_ectopy(model, calm).items():
            without_ectopy.setdefault(what, {}).update(counted)
        fast = sorted(one.key for one in by_rhythm.tachycardias if one.key in away)
        for rhythm, records in said_on(model, fast).items():
            of_rhythms.setdefault(rhythm, {}).update(records)
        prepared = prepare(table, rows_of(table, index, split.validate), how)
        said.append(logits_of(network, prepared, config.self_training))
    logits, labels = (np.concatenate(parts) for parts in zip(*said, strict=True))
    metrics = describe(matrices) | {
        "temperature": round(fit_temperature(logits, labels), 3),
        "temperature_of_folds": [round(fit_temperature(*each), 3) for each in said],
    }
    if of_fibrillation:
        beats, hours = np.sum(list(of_fibrillation.values()), axis=0)
        metrics["false_s_an_hour"] = round(float(beats / hours), 1)
    write_whole(out / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    result = out_of_fold_result(
        config.name,
        f"{config.name} {config.version}",
        matrices,
        short,
        splits,
        of_fibrillation,
        of_rhythms,
        without_ectopy,
        command=f"ecgtune train {config.name} --folds {folds} --seed {seed} --out RUN",
        wall_s=round(time.perf_counter() - began, 1),
        parameters=sum(weight.numel() for weight in network.parameters()),
        notes=[
            f"{folds * config.members} networks, each for {config.training.epochs} epochs; "
            "no epoch was chosen by a fold"
        ],
    )
    save_result(result, out / FILE)
    return metrics
