"""``ecgtune train``: from a configuration and a protocol to a tested model folder."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.helper import predefined_split
from torch import nn

from ecgtune.beats import Beats
from ecgtune.errors import ModelError
from ecgtune.evaluation.calibration import fit_temperature
from ecgtune.evaluation.metrics import figures
from ecgtune.evaluation.results import Scoring, save_result
from ecgtune.files import make_folder, write_whole
from ecgtune.labels import CLASSES
from ecgtune.model import Model
from ecgtune.splits import Split, make_folds, make_split
from ecgtune.training.card import model_card
from ecgtune.training.config import Config, DataOptions
from ecgtune.training.episodes import episode_recordings, undivided
from ecgtune.training.estimator import (
    SCORE,
    KeepRun,
    Schedule,
    SequenceLoss,
    best_epoch,
    macro_f1_scoring,
    resume,
    train_until,
)
from ecgtune.training.export import save_model
from ecgtune.training.further import Further, measure_further, with_further
from ecgtune.training.measured import FILE, earlier_scorings, result_of, scoring
from ecgtune.training.networks import build_network
from ecgtune.training.out_of_fold import out_of_fold_result
from ecgtune.training.personal_protocol import Adapted, adapt, adapted_result
from ecgtune.training.sequences import Excerpts, Recording, class_weights, prepare
from ecgtune.training.tables import (
    RecordKey,
    index_database,
    reference_table,
    rows_of,
    split_options,
    training_table,
)
from ecgtune.training.temperature import logits_of, temperature_on
from ecgtune.training.weak import weak_recordings

Progress = Callable[[str], None]


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
    _network(config)
    make_folder(out)
    config = on_data(config, data)
    protocol = protocol or config.data.protocol
    index = index_database(*config.data.databases, paced=config.data.paced)
    how = config.preprocessing
    split = make_split(index, protocol, seed=seed, **split_options(protocol, how))
    _claim(out, config, split, seed)
    write_whole(out / "split.json", json.dumps(split.describe(), indent=1) + "\n")

    train_keys, every_key = split.records("train"), {*split.records("train"), *split.records("validate")}
    tell(f"reading {len(every_key)} records of {', '.join(config.data.databases)}")
    table = training_table(sorted(every_key), how, split.validate_until)
    divided = not split.boundaries.keys().isdisjoint(train_keys)
    early = training_table(train_keys, how, split.signal_until) if divided else table
    sides = (
        prepare(early, rows_of(early, index, split.train), how),
        prepare(table, rows_of(table, index, split.validate), how),
    )

    weak = weak_recordings(config.data.weak, how, config.training.length)
    kinds = config.data.episodes
    until = split.signal_until if divided else split.validate_until
    made_up = episode_recordings(undivided(split, split.train, until), how, kinds, until)
    net, best = _fit(config, sides[0], [*weak, *made_up], sides[1], out / "choose", seed, tell)
    history = {"choose": net.history.to_list()}
    temperature = config.training.temperature or temperature_on(net.module_, sides[1])
    if config.training.refit:
        epochs = config.training.refit_epochs or best
        tell(f"refitting on training and validation side for {epochs} epochs")
        until = split.validate_until
        side_rows = np.concatenate([split.train, split.validate])
        made_up = episode_recordings(undivided(split, side_rows, until), how, kinds, until)
        side = prepare(table, rows_of(table, index, side_rows), how)
        net, _ = _fit(config, side, [*weak, *made_up], None, out / "refit", seed, tell, epochs=epochs)
        history["refit"] = net.history.to_list()
    write_whole(out / "history.json", json.dumps(history) + "\n")

    metrics: dict[str, Any] = {
        "best_epoch": best,
        "validate": _best(history["choose"]),
        "temperature": temperature,
    }
    network = net.module_
    card = model_card(config, split, seed, network.reach) | {"temperature": temperature}
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
    wanted = np.zeros(len(table), dtype=bool)
    wanted[rows_of(table, index, rows)] = True
    matrices = {}
    for key in table.records():
        own = table.of(*key)
        predicted = model.predict(table.windows[own], table.at[own]).argmax(axis=1)
        kept = wanted[own]
        matrix = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
        np.add.at(matrix, (table.label[own][kept], predicted[kept]), 1)
        matrices[key] = matrix
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


def _claim(out: Path, config: Config, split: Split, seed: int) -> None:
    """Make the folder this training's, or refuse where it is another's."""
    mine = json.dumps({"config": config.to_dict(), "split": split.hash, "seed": seed}, indent=1) + "\n"
    path = out / "config.json"
    if path.exists() and path.read_text() != mine:
        raise ModelError(
            f"{out}: holds a training with another configuration, split or seed; choose another --out"
        )
    write_whole(path, mine)


def _network(config: Config) -> nn.Module:
    """Build the network with fresh weights."""
    arguments = config.architecture
    return build_network(arguments.pop("network"), **arguments)


def _fit(
    config: Config,
    train_side: list[Recording],
    beside: list[Recording],
    validate_side: list[Recording] | None,
    folder: Path,
    seed: int,
    tell: Progress,
    *,
    epochs: int | None = None,
) -> tuple[NeuralNet, int]:
    """Fit from scratch or from where it stopped; return the network and the epochs that were best.

    What trains ``beside`` has no say in how the classes are weighted.
    """
    options = config.training
    planned = options.epochs if epochs is None else epochs
    make_folder(folder)
    train_set = Excerpts([*train_side, *beside], options.length, jitter=True)
    validate_set = None
    if validate_side is not None:
        validate_set = Excerpts(validate_side, options.length, jitter=False)
    torch.manual_seed(seed)
    network = _network(config)
    callbacks: list[Any] = [("schedule", Schedule(seed, planned, options.lr))]
    if validate_set is not None:
        callbacks.append((SCORE, macro_f1_scoring()))
    keep = KeepRun(folder, options.patience, tell)
    callbacks.append(("keep", keep))
    net = NeuralNet(
        network,
        SequenceLoss,
        criterion__weight=class_weights([one.label for one in train_side], options.class_weight),
        criterion__label_smoothing=options.label_smoothing,
        criterion__not_s=options.weak_weight,
        optimizer=torch.optim.AdamW,
        optimizer__weight_decay=options.weight_decay,
        lr=options.lr,
        batch_size=options.batch,
        iterator_train__shuffle=True,
        iterator_train__collate_fn=partial(config.augmentation, leads=config.preprocessing.leads),
        train_split=None if validate_set is None else predefined_split(validate_set),
        callbacks=callbacks,
        callbacks__print_log=None,
        verbose=0,
    ).initialize()
    resume(net, folder)
    if net.history:
        tell(f"going on after epoch {len(net.history)}")
    train_until(net, train_set, keep, planned)
    best = keep.best(net)
    net.load_params(f_params=folder / "best.pt")
    return net, best


def _best(history: list[dict[str, Any]]) -> dict[str, Any]:
    scores = [row[SCORE] for row in history]
    best = best_epoch(scores)
    return {SCORE: scores[best - 1], "epochs": len(scores)}


def on_data(config: Config, data: str | None) -> Config:
    """Put a database in place of the configuration's, where one is given."""
    return config if data is None else replace(config, data=DataOptions((data,)))


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

    The patients are DS1's, or where the configuration has several databases, all but DS2's. Every network is
    fitted for the configured number of epochs; no epoch is chosen. Resumes as `train` does.

    Returns
    -------
    dict
        What ``metrics.json`` holds: out-of-fold figures, pooled and as matrices by record; the temperature
        that suits the out-of-fold beats, and that of each fold's. ``result.json``, for the result store, has
        the figures of each database and record.
    """
    began = time.perf_counter()
    if threads is not None:
        torch.set_num_threads(threads)
    _network(config)
    config = on_data(config, data)
    index = index_database(*config.data.databases, paced=config.data.paced)
    weak = weak_recordings(config.data.weak, config.preprocessing, config.training.length)
    table: Beats | None = None
    episodes: dict[RecordKey, list[Recording]] = {}
    matrices: dict[RecordKey, NDArray[np.int64]] = {}
    said = []
    splits = make_folds(index, "leave-patients-out", seed=seed, k=folds, databases=config.data.patients)
    for split in splits:
        folder = make_folder(out / f"fold-{split.fold}")
        _claim(folder, config, split, seed)
        if table is None:
            keys = {key for side in ("train", "validate") for key in split.records(side)}
            table = training_table(sorted(keys), config.preprocessing)
            episodes = {
                key: episode_recordings([key], config.preprocessing, config.data.episodes) for key in keys
            }
        side = prepare(table, rows_of(table, index, split.train), config.preprocessing)
        made_up = [one for key in split.records("train") for one in episodes[key]]
        beside = [*weak, *made_up]
        net, _ = _fit(config, side, beside, None, folder / "fit", seed, tell, epochs=config.training.epochs)
        model = save_model(net.module_, model_card(config, split, seed, net.module_.reach), folder / "model")
        left_out = table.select(np.isin(table.patient, split.patients("validate")))
        matrices |= score(model, left_out, index, split.validate)
        prepared = prepare(table, rows_of(table, index, split.validate), config.preprocessing)
        said.append(logits_of(net.module_, prepared))
    logits, labels = (np.concatenate(parts) for parts in zip(*said, strict=True))
    metrics = describe(matrices) | {
        "temperature": round(fit_temperature(logits, labels), 3),
        "temperature_of_folds": [round(fit_temperature(*each), 3) for each in said],
    }
    write_whole(out / "metrics.json", json.dumps(metrics, indent=1) + "\n")
    result = out_of_fold_result(
        config.name,
        f"{config.name} {config.version}",
        matrices,
        splits,
        command=f"ecgtune train {config.name} --folds {folds} --seed {seed} --out RUN",
        wall_s=round(time.perf_counter() - began, 1),
        parameters=sum(weight.numel() for weight in net.module_.parameters()),
        notes=[f"{folds} networks, each for {config.training.epochs} epochs; no epoch was chosen by a fold"],
    )
    save_result(result, out / FILE)
    return metrics
