"""Trainings of `ecg-image-resnet`: each way at each rate; the chosen rate alone meets the test side."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import ModelError
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.files import make_folder, write_whole
from ecgtune.splits import Split
from ecgtune.systems.ecg_image_resnet_data import PROTOCOLS, Strips, strip_input
from ecgtune.training.image_heads import set_head
from ecgtune.training.image_networks import build_image_network
from ecgtune.training.image_networks.weights import check_name
from ecgtune.training.image_table import ImageTable
from ecgtune.training.image_training import (
    ImageOptions,
    fit_image_network,
    predict_image_table,
)
from ecgtune.training.outcomes import (
    Outcome,
    load_outcome,
    load_weights,
    named_folder,
    rows_digest,
    save_outcome,
)
from ecgtune.training.workers import run_all

Matrix = NDArray[np.int64]
Tell = Callable[[str], None]

FITTED = "fitted.json"
"""What a finished training tells: its history and costs."""


@dataclass(frozen=True)
class ImageMethod:
    """A way of training, with the rates that are tried.

    Parameters
    ----------
    name
        Names its rows.
    network, weights
        See `build_image_network`.
    options
        All but the rate and the seed.
    lrs
        Learning rates, the paper's first where it is among them.
    protocols
        Under which it is measured.
    """

    name: str
    network: str
    weights: str
    options: ImageOptions
    lrs: tuple[float, ...]
    protocols: tuple[str, ...] = PROTOCOLS


@dataclass(frozen=True)
class Fitted:
    """A finished training at one rate.

    Parameters
    ----------
    lr
        The rate.
    history
        See `ecgtune.training.image_training.FittedImages`.
    trained, parameters
        Parameters that were trained, and all.
    seconds, feature_seconds
        Of the training on one thread, and of the features that a frozen network gave once.
    folder
        Where it is kept.
    """

    lr: float
    history: tuple[dict[str, Any], ...] = field(repr=False)
    trained: int
    parameters: int
    seconds: float
    feature_seconds: float
    folder: Path

    @property
    def validation(self) -> float:
        """Accuracy on the validation side after the last epoch."""
        return float(self.history[-1]["valid_accuracy"])


@dataclass(frozen=True)
class Tried:
    """A method under a protocol.

    Parameters
    ----------
    method
        The method.
    sweep
        A training at each rate.
    chosen
        The one with the best validation side.
    outcome
        Of the chosen one on the test side.
    matrices
        Confusion matrix [true, predicted] of each test record.
    split
        Who was where.
    images
        Images on each side.
    """

    method: ImageMethod
    sweep: tuple[Fitted, ...]
    chosen: Fitted
    outcome: Outcome
    matrices: dict[str, Matrix] = field(repr=False)
    split: Split = field(repr=False)
    images: dict[str, int]


@dataclass(frozen=True)
class Task:
    """A training, or the scoring of one.

    Parameters
    ----------
    method
        The method.
    lr
        The rate.
    seed
        Of the network's head and of the training.
    folder
        Where it is kept.
    features
        Folder of features, which all rates of a frozen network share.
    train, validate, test
        Rows; the test side is empty until a rate is chosen.
    """

    method: ImageMethod
    lr: float
    seed: int
    folder: Path
    features: Path
    train: NDArray[np.int64] = field(repr=False)
    validate: NDArray[np.int64] = field(repr=False)
    test: NDArray[np.int64] = field(repr=False)


def methods_of(
    config: Mapping[str, Any], network: str, names: Sequence[str] | None = None
) -> dict[str, ImageMethod]:
    """Methods of the TOML.

    Parameters
    ----------
    config
        The TOML.
    network
        Of methods that name none.
    names
        Some of them; all where None.

    Raises
    ------
    ModelError
        On an unknown method, way or option.
    """
    every = config["methods"]
    if strange := [name for name in names or () if name not in every]:
        raise ModelError(f"no method {strange[0]!r}; there are {', '.join(every)}")
    found = {}
    for name in names or every:
        how = every[name]
        check_name(how.get("network", network))
        found[name] = ImageMethod(
            name,
            how.get("network", network),
            how.get("weights", "imagenet"),
            ImageOptions(how["way"], **config["training"]),
            tuple(how["lr"]),
            tuple(how.get("protocols", PROTOCOLS)),
        )
    return found


def run_methods(
    methods: Mapping[str, ImageMethod],
    strips: Strips,
    protocol: str,
    seed: int,
    work: Path,
    *,
    jobs: int,
    tell: Tell,
    train: Collection[str],
) -> dict[str, Tried]:
    """Train methods at every rate, choose by the validation side, score the test side once.

    Parameters
    ----------
    methods
        By name.
    strips
        See `make_strips`.
    protocol
        Its protocol.
    seed
        Of the training.
    work
        Keeps every training.
    jobs
        Processes, each with one thread.
    tell
        Called with a line for each finished training.
    train
        Names of the methods to train; of the others only what is finished is read.

    Returns
    -------
    dict
        By name; without those that are neither asked for nor finished.
    """
    digest = rows_digest(strips.table.stored, strips.table.labels, *strips.rows.values())
    drawn = [strips.table.drawing, asdict(strips.table.how), digest]
    none = np.zeros(0, dtype=np.int64)

    def task(method: ImageMethod, lr: float) -> Task:
        facts = [method.network, method.weights, asdict(method.options), lr, seed, drawn]
        name = named_folder(f"{method.name}, lr {lr:g}, {protocol}, seed {seed}", facts)
        side = strips.rows
        return Task(method, lr, seed, work / name, work / "features", side["train"], side["validate"], none)

    tasks = {name: [task(method, lr) for lr in method.lrs] for name, method in methods.items()}
    kept = [name for name in methods if name in train or _tested(tasks[name])]
    waiting = [one for name in kept for one in tasks[name] if not (one.folder / FITTED).exists()]
    for done, (place, _) in enumerate(run_all(_fit, strips.table, waiting, jobs), start=1):
        one = waiting[place]
        tell(
            f"{one.method.name}, lr {one.lr:g}, {protocol}, seed {seed}: "
            f"{_fitted(one).seconds:.0f} s ({done} of {len(waiting)})"
        )
    sweeps = {name: tuple(_fitted(one) for one in tasks[name]) for name in kept}
    chosen = {name: best_rate(sweep) for name, sweep in sweeps.items()}
    scoring = [
        replace(one, test=strips.rows["test"])
        for name in kept
        for one in tasks[name]
        if one.lr == chosen[name].lr and load_outcome(one.folder) is None
    ]
    for _ in run_all(_score, strips.table, scoring, jobs):
        pass
    found = {}
    for name in kept:
        outcome = load_outcome(chosen[name].folder)
        assert outcome is not None
        found[name] = Tried(
            methods[name],
            sweeps[name],
            chosen[name],
            outcome,
            _matrices(strips, outcome),
            strips.split,
            {side: len(rows) for side, rows in strips.rows.items()},
        )
    return found


def best_rate(sweep: Sequence[Fitted]) -> Fitted:
    """The training with the highest accuracy on the validation side at its end; the first of equals."""
    return max(sweep, key=lambda each: each.validation)


def _tested(tasks: Sequence[Task]) -> bool:
    """Whether all rates of a method are trained and one of them is tested."""
    trained = all((one.folder / FITTED).exists() for one in tasks)
    return trained and any(load_outcome(one.folder) is not None for one in tasks)


def _fitted(task: Task) -> Fitted:
    kept = json.loads((task.folder / FITTED).read_text())
    return Fitted(
        task.lr,
        tuple(kept["history"]),
        kept["trained"],
        kept["parameters"],
        kept["seconds"],
        kept["feature_seconds"],
        task.folder,
    )


def _options(task: Task) -> ImageOptions:
    return replace(task.method.options, lr=task.lr, seed=task.seed)


def _as_seen(table: ImageTable, task: Task) -> ImageTable:
    """The table as the method's network sees it."""
    return replace(table, how=strip_input(task.method.network, table.how.size))


def _network(table: ImageTable, task: Task) -> Any:
    method = task.method
    return build_image_network(
        method.network, weights=method.weights, classes=len(table.classes), seed=task.seed
    )


def _fit(table: ImageTable, task: Task) -> None:
    make_folder(task.folder)
    with (task.folder / "log.txt").open("a") as log:
        fitted = fit_image_network(
            _network(table, task),
            _as_seen(table, task),
            task.train,
            task.validate,
            _options(task),
            task.folder,
            lambda line: print(line, file=log, flush=True),
            features=task.features,
        )
    (task.folder / "last.pt").unlink(missing_ok=True)
    kept = {
        "history": fitted.history,
        "trained": fitted.trained,
        "parameters": fitted.parameters,
        "seconds": fitted.seconds,
        "feature_seconds": fitted.feature_seconds,
    }
    write_whole(task.folder / FITTED, json.dumps(kept, indent=1) + "\n")


def _score(table: ImageTable, task: Task) -> None:
    """Score the test side by the weights that a training kept."""
    network = _network(table, task)
    state = load_weights(task.folder)
    if task.method.options.way == "frozen":
        set_head(network, state["weight"].numpy(), state["bias"].numpy())
    else:
        network.load_state_dict(state)
    seen = _as_seen(table, task)
    probability = predict_image_table(network, seen, task.test, bfloat16=task.method.options.bfloat16)
    fitted = _fitted(task)
    save_outcome(
        task.folder,
        fitted.seconds,
        probability.argmax(1),
        probability=probability,
        history=fitted.history,
        best=len(fitted.history),
        parameters=fitted.parameters,
    )


def _matrices(strips: Strips, outcome: Outcome) -> dict[str, Matrix]:
    tested = strips.rows["test"]
    records, labels = strips.record[tested], strips.table.labels[tested]
    return {
        name: confusion_matrix(
            labels[records == name], outcome.predicted[records == name], strips.table.classes
        )
        for name in sorted(set(records.tolist()))
    }
