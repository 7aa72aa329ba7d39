"""From arrhythmia to infarction: the network trained on mitdb, its convolutions kept, tuned or forgotten.

The paper names the task, and neither how it is divided nor what is trained. Here five folds are tested one
after the other, by subjects (`grouped-k-fold`) and, as its literature does, by beats (`k-fold`, each
subject on both sides), and three networks are compared on the same folds: one keeps the convolutions of
mitdb, one goes on from them, one starts from nothing. All train for the same number of epochs, and
nothing is chosen by what they do.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.evaluation.bootstrap import (
    Interval,
    Matrices,
    Metric,
    bootstrap,
    compare_models,
)
from ecgtune.evaluation.metrics import accuracy, balanced_accuracy, confusion_matrix, predictivity
from ecgtune.evaluation.ranking import auroc
from ecgtune.splits import make_folds
from ecgtune.systems.two_fold_focal_infarction import TASK, InfarctionSet
from ecgtune.training.outcomes import WEIGHTS, Outcome, any_finished, load_outcome
from ecgtune.training.trials import Method, Trial, WindowTable, run_trials, trial_folders
from ecgtune.training.window_options import make_options

Floats = NDArray[np.float64]
Tell = Callable[[str], None]

WAYS: dict[str, tuple[bool, tuple[str, ...]]] = {
    "frozen": (True, ("features",)),
    "fine-tuned": (True, ()),
    "scratch": (False, ()),
}
"""Whether a network starts from mitdb's, and which of its parts keep that start."""

DIVISIONS = {"grouped-k-fold": "by subjects", "k-fold": "by beats"}
"""Protocols, and what tables call them."""


@dataclass(frozen=True)
class Transferred:
    """Three networks on one set, divided in one way.

    Parameters
    ----------
    data
        The set.
    protocol
        Of `DIVISIONS`.
    seeds
        Of folds and training.
    probability
        Of infarction, by way: float64 [seeds, beats], each beat from the fold that tests it.
    outcomes
        Of every training.
    hash
        Of the hashes of all folds.
    """

    data: InfarctionSet
    protocol: str
    seeds: tuple[int, ...]
    probability: dict[str, Floats] = field(repr=False)
    outcomes: tuple[Outcome, ...] = field(repr=False)
    hash: str

    def beats(self, way: str) -> dict[str, NDArray[np.int64]]:
        """Confusion matrix of each subject's beats, of all seeds together."""
        called = self.probability[way] > 0.5
        return {
            subject: _counted(self.data.beats.label[rows], called[:, rows])
            for subject, rows in self._rows.items()
        }

    def subjects(self, way: str) -> dict[str, NDArray[np.int64]]:
        """Confusion matrix of each subject, called by the mean probability of the beats, of all seeds."""
        has = self.data.subjects
        return {
            subject: _counted(np.array([has[subject]]), scores[:, np.newaxis] > 0.5)
            for subject, scores in zip(self._rows, self.scores(way).T, strict=True)
        }

    def scores(self, way: str) -> Floats:
        """Mean probability over each subject's beats, [seeds, subjects]."""
        return np.stack([self.probability[way][:, rows].mean(1) for rows in self._rows.values()], axis=1)

    @property
    def _rows(self) -> dict[str, NDArray[np.intp]]:
        return {subject: np.flatnonzero(self.data.beats.patient == subject) for subject in self.data.subjects}


def transfer(
    config: Mapping[str, Any],
    data: InfarctionSet,
    protocol: str,
    seeds: Sequence[int],
    method: Method,
    start: Path,
    work: Path,
    *,
    jobs: int,
    train: bool = True,
    tell: Tell = lambda _: None,
) -> Transferred | None:
    """Train and test the three ways on all folds, or read what an earlier call has finished.

    Parameters
    ----------
    config
        The TOML; section ``transfer`` is read.
    data
        See `load_set`.
    protocol
        Of `DIVISIONS`.
    seeds
        Of folds and training.
    method
        What was trained on mitdb.
    start
        Folder of its trial.
    work
        Keeps every trial.
    jobs
        Processes.
    train
        Whether to train what is not finished; else None is returned where anything is not.
    tell
        Called with lines of progress.

    Raises
    ------
    SplitError
        Where there are fewer subjects than folds.
    ModelError
        Where a fold trains on one class alone.
    """
    how = config["transfer"]
    options = make_options({**how["training"], **how["sets"][data.name].get("options", {})})
    folds = {
        seed: make_folds(data.beats.without_windows(), protocol, seed=seed, classes=TASK, k=how["folds"])
        for seed in seeds
    }
    trials, places = [], []
    for way, (started, frozen) in WAYS.items():
        own = Method(f"infarction {way}", method.model, method.arguments, options)
        for row, (seed, splits) in enumerate(folds.items()):
            for split in splits:
                sides = (split.train, split.validate, split.test)
                taught, validated, tested = (side.astype(np.int64) for side in sides)
                name = f"{data.name} {protocol} fold {split.fold}"
                begin = start if started else None
                trials.append(Trial(own, name, seed, taught, validated, tested, begin, frozen))
                places.append((way, row, tested))
    table = WindowTable(data.beats.windows, data.beats.label.astype(np.int64), TASK)
    if not train and not all(map(load_outcome, trial_folders(trials, table, work))):
        return None
    outcomes = run_trials(trials, table, work, jobs=jobs, tell=tell)
    probability = {way: np.full((len(seeds), len(data.beats)), np.nan) for way in WAYS}
    for (way, row, tested), outcome in zip(places, outcomes, strict=True):
        assert outcome.probability is not None
        probability[way][row, tested] = outcome.probability[:, 1]
        # Hundreds of networks that nobody asks for again.
        (outcome.folder / WEIGHTS).unlink(missing_ok=True)
    every = " ".join(split.hash for splits in folds.values() for split in splits)
    digest = hashlib.sha256(every.encode()).hexdigest()
    return Transferred(data, protocol, tuple(seeds), probability, tuple(outcomes), digest)


def any_begun(work: Path, name: str, seeds: Sequence[int]) -> bool:
    """Whether a training on the first fold of a set is finished."""
    folds = [f"{name} {protocol} fold 0, seed {seed}" for protocol in DIVISIONS for seed in seeds]
    return any(any_finished(work, f"infarction frozen, {fold}") for fold in folds)


def macro_precision(matrix: Any) -> Floats:
    """Mean precision over the classes, 0 for a class that is never called: float [...]."""
    found: Floats = np.nan_to_num(predictivity(matrix)).mean(-1)
    return found


METRICS: dict[str, Metric] = {
    "accuracy": accuracy,
    "precision": macro_precision,
    "balanced accuracy": balanced_accuracy,
}


def figures(found: Transferred, way: str, against: str | None = None) -> dict[str, Interval]:
    """Figures of a way by beats and by subjects, or by how much they exceed another way's.

    Parameters
    ----------
    found
        See `transfer`.
    way, against
        Of `WAYS`.

    Returns
    -------
    dict
        Intervals are over subjects. A division by beats has no figures of subjects: each is on both sides.
    """
    made = {f"beats: {name}": _figure(found.beats, metric, way, against) for name, metric in METRICS.items()}
    if found.protocol == "k-fold":
        return made
    for name, metric in METRICS.items():
        if name != "precision":
            made[f"subjects: {name}"] = _figure(found.subjects, metric, way, against)
    positive = list(found.data.subjects.values())
    other = None if against is None else found.scores(against)
    return made | {"subjects: AUROC": auroc(found.scores(way), positive, against=other)}


def _figure(matrices: Callable[[str], Matrices], metric: Metric, way: str, against: str | None) -> Interval:
    if against is None:
        return bootstrap(matrices(way), metric)
    return compare_models(matrices(way), matrices(against), metric).interval


def _counted(label: NDArray[Any], called: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Sum of the confusion matrices of all seeds: labels [n], calls [seeds, n]."""
    return confusion_matrix(np.tile(label, len(called)), called.ravel(), TASK)
