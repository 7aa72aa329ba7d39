"""``ecgtune train``: from a configuration and a protocol to a tested model folder."""

import json
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.beats import Beats
from ecgtune.evaluation.metrics import figures, known_confusion
from ecgtune.evaluation.results import Scoring, save_result
from ecgtune.files import make_folder, write_whole
from ecgtune.model import Model
from ecgtune.splits import Split, make_split
from ecgtune.training.by_rhythm import ByRhythm
from ecgtune.training.card import model_card
from ecgtune.training.config import Config, DataOptions
from ecgtune.training.estimator import SCORE, best_epoch
from ecgtune.training.export import save_model
from ecgtune.training.fit import Progress, claim, fit, fresh_network
from ecgtune.training.further import Further, measure_further, with_further
from ecgtune.training.made_up import MadeUp, undivided
from ecgtune.training.measured import FILE, earlier_scorings, result_of, scoring
from ecgtune.training.personal_protocol import Adapted, adapt, adapted_result
from ecgtune.training.sequences import labels_of, prepare
from ecgtune.training.short import short_recordings
from ecgtune.training.tables import (
    RecordKey,
    index_database,
    reference_table,
    rows_of,
    split_options,
    training_table,
)
from ecgtune.training.temperature import temperature_on


@dataclass(frozen=True)
class TrainedModel:
    """What a training gives.

    Parameters
    ----------
    model
        The model, loaded from its folder.
    matrices
        Confusion matrix [true, predicted] of each test record, at the annotated positions.
    metrics
        What ``metrics.json`` holds.
    """

    model: Model
    matrices: dict[RecordKey, NDArray[np.int64]]
    metrics: dict[str, Any]


def train(
    config: Config,
    out: Path,
    *,
    data: str | None = None,
    protocol: str | None = None,
    seed: int = 0,
    threads: int | None = None,
    test: bool = True,
    tell: Progress = lambda _: None,
) -> TrainedModel:
    """Train, choose the best epoch on the validation side, refit, export, and score the test side once.

    Where the configuration says for how many epochs to refit, the validation side only measures. The
    same call on a run folder that was interrupted goes on where it stopped and gives the same model.
    Under the protocols ``patient-adapted`` the model is then tuned to each test record (`personalize`), in
    ``personal/``, and the test side is what comes after its labelled minutes.

    Parameters
    ----------
    config
        See `Config`.
    out
        Run folder: ``config.json``, ``split.json``, ``history.json``, checkpoints, ``model/``,
        ``metrics.json``, ``result.json`` (for the result store; it logs every scoring of the test side).
    data
        Database with reference annotations ``atr``, in place of the configuration's.
    protocol
        See `ecgtune.splits`; the configuration's where None.
    seed
        Of the split, the weights and every random draw.
    threads
        Of torch; its own choice where not given.
    test
        Whether the test side is scored.
    tell
        Called with each line of progress.

    Raises
    ------
    ModelError
        Where the run folder holds another training.
    """
    began = time.perf_counter()
    if threads is not None:
        torch.set_num_threads(threads)
    # Wrong arguments of the network are told before the run folder is claimed.
    fresh_network(config)
    make_folder(out)
    config = on_data(config, data)
    protocol = protocol or config.data.protocol
    index = index_database(*config.data.databases, paced=config.data.paced)
    how = config.preprocessing
    split = make_split(index, protocol, seed=seed, **split_options(protocol, how))
    claim(out, config, split, seed)
    write_whole(out / "split.json", json.dumps(split.describe(), indent=1) + "\n")

    train_keys, every_key = split.records("train"), {*split.records("train"), *split.records("validate")}
    tell(f"reading {len(every_key)} records of {', '.join(config.data.databases)}")
    table = training_table(sorted(every_key), how, split.validate_until)
    divided = not split.boundaries.keys().isdisjoint(train_keys)
    early = training_table(train_keys, how, split.signal_until) if divided else table
    early_rows = rows_of(early, index, split.train)
    sides = (
        prepare(early, early_rows, how),
        prepare(table, rows_of(table, index, split.validate), how),
    )

    by_rhythm = ByRhythm(config.data, how)
    of_rhythms = by_rhythm.teach(config.training.length)
    short = partial(short_recordings, how=how, count=config.data.short, length=config.training.length)
    made_up = MadeUp(how, config.data)
    until = split.signal_until if divided else split.validate_until
    whole = undivided(split, split.train, until)
    teach = [*sides[0], *made_up.faults(whole, until)]
    beside = [*of_rhythms, *short(early, early_rows), *made_up.episodes(whole, until)]
    network, chosen, best = fit(config.member, teach, beside, sides[1], out / "choose", seed, tell)
    history = {"choose": chosen}
    temperature = config.training.temperature or temperature_on(network, sides[1], config.self_training)
    if config.training.refit:
        epochs = config.training.refit_epochs or best
        tell(f"refitting on training and validation side for {epochs} epochs")
        until = split.validate_until
        side_rows = np.concatenate([split.train, split.validate])
        whole, rows = undivided(split, side_rows, until), rows_of(table, index, side_rows)
        teach = [*prepare(table, rows, how), *made_up.faults(whole, until)]
        beside = [*of_rhythms, *short(table, rows), *made_up.episodes(whole, until)]
        network, history["refit"], _ = fit(
            config, teach, beside, None, out / "refit", seed, tell, epochs=epochs
        )
    write_whole(out / "history.json", json.dumps(history) + "\n")

    metrics: dict[str, Any] = {
        "best_epoch": best,
        "validate": _best(history["choose"]),
        "temperature": temperature,
    }
    card = model_card(config, split, seed, network.reach, by_rhythm.patients()) | {"temperature": temperature}
    model = save_model(network, card, out / "model")
    matrices: dict[RecordKey, NDArray[np.int64]] = {}
    adapted: Adapted | None = None
    further: Further | None = None
    if test and len(split.tune):
        tell(f"tuning to each of {len(split.records('test'))} records of the test side and scoring it, once")
        adapted = adapt(model, split, out / "personal", seed, tell)
        matrices = adapted.after
        metrics |= {"before": describe(adapted.before), "test": describe(matrices)}
    elif test:
        tell(f"scoring the test side, {len(split.records('test'))} records, once")
        matrices = score(model, reference_table(split.records("test"), how), index, split.test)
        metrics["test"] = describe(matrices)
        further = measure_further(model, split.records("test"))
        model = save_model(network, card | {"metrics": {protocol: metrics["test"]}}, out / "model")
    metrics["wall_s"] = round(time.perf_counter() - began, 1)
    write_whole(out / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    if test:
        result = result_of(
            config.name,
            model.name,
            matrices,
            split,
            command=f"ecgtune train {config.name}{f' --data {data}' if data else ''}",
            wall_s=metrics["wall_s"],
            scorings=_scorings(earlier_scorings(out / FILE), split, model, adapted),
            parameters=model.card["parameters"],
            notes=[f"epoch {best} of {config.training.epochs} was best on the validation side"],
        )
        if adapted is not None:
            result = adapted_result(result, adapted, split)
        if further is not None:
            result = with_further(result, matrices, further)
        save_result(result, out / FILE)
    return TrainedModel(model, matrices, metrics)


def score(
    model: Model, table: Beats, index: Beats, rows: NDArray[np.integer]
) -> dict[RecordKey, NDArray[np.int64]]:
    """Confusion matrix of each record, of the beats of some rows of an index; the others are context."""
    label = labels_of(table, rows_of(table, index, rows))
    matrices = {}
    for key in table.records():
        own = table.of(*key)
        predicted = model.predict(table.windows[own], table.at[own]).argmax(axis=1)
        matrices[key] = known_confusion(label[own], predicted)
    return matrices


def _scorings(
    earlier: tuple[Scoring, ...], split: Split, model: Model, adapted: Adapted | None
) -> list[Scoring]:
    """Add to the log what was scored on the test side now: the model, or base and tuned models."""
    if adapted is None:
        return [*earlier, scoring(split, model.hash)]
    if earlier and not adapted.scored:
        return list(earlier)
    return [*earlier, *(scoring(split, digest) for digest in (model.hash, adapted.hash))]


def describe(matrices: dict[RecordKey, NDArray[np.int64]]) -> dict[str, Any]:
    """Pooled figures and the matrix of each record, as plain types."""
    total = np.sum(list(matrices.values()), axis=0)
    return {
        "pooled": figures(total).to_dict(),
        "matrix": total.tolist(),
        "records": {"/".join(key): matrix.tolist() for key, matrix in matrices.items()},
    }


def _best(history: list[dict[str, Any]]) -> dict[str, Any]:
    scores = [row[SCORE] for row in history]
    best = best_epoch(scores)
    return {SCORE: scores[best - 1], "epochs": len(scores)}


def on_data(config: Config, data: str | None) -> Config:
    """Put a database in place of the configuration's, where one is given."""
    return config if data is None else replace(config, data=DataOptions((data,)))
