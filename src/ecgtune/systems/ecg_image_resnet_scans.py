"""Small sets of images by class, `ecg-images` or a user's: repeated cross-validation against chance."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from ecgtune.errors import DataError
from ecgtune.evaluation.bootstrap import Interval, bootstrap_values
from ecgtune.training.image_folders import ImageFolder, find_image_folder
from ecgtune.training.image_heads import train_head
from ecgtune.training.image_networks import build_image_network, read_images
from ecgtune.training.image_run import scan_input
from ecgtune.training.image_table import ImageTable, table_features

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Fit = Callable[[Floats, Labels, Floats, int], Labels]
"""From training features, their labels, test features and a seed to labels of the test side."""


@dataclass(frozen=True)
class Scans:
    """What cross-validation of a set of images gave.

    Parameters
    ----------
    folder
        The set's name.
    found
        The images.
    accuracy
        Of each method: mean over all repeats, its interval by bootstrap over images.
    matrices
        Confusion matrix [true, predicted] of each method, over all repeats.
    chance
        Share of the largest class.
    bound
        Least accuracy that guessing reaches in fewer than one of twenty sets of this size.
    p
        Share of permutations of the labels in which the first method does as well as it did, by one
        cross-validation each.
    """

    folder: str
    found: ImageFolder = field(repr=False)
    accuracy: dict[str, Interval]
    matrices: dict[str, NDArray[np.int64]] = field(repr=False)
    chance: float
    bound: float
    p: float


def measure_scans(
    config: Mapping[str, Any],
    folder: Path,
    network: str,
    work: Path,
    tell: Callable[[str], None] = lambda _: None,
) -> Scans:
    """Cross-validate linear models on frozen features of a folder's images, stratified, repeatedly.

    Parameters
    ----------
    config
        The TOML, section ``scans``.
    folder
        Holds a folder for each class.
    network
        torchvision's name; with ImageNet weights.
    work
        Keeps the features.
    tell
        Called with lines of progress.

    Raises
    ------
    DataError
        Where the folder has no two classes, or a class fewer images than there are folds.
    """
    how = config["scans"]
    found = find_image_folder(folder)
    least = min(found.counts, key=lambda name: found.counts[name])
    if found.counts[least] < how["folds"]:
        raise DataError(
            f"{folder}: class {least} has {found.counts[least]} images, fewer than {how['folds']} folds: add "
            "some, or give a TOML with fewer folds"
        )
    seen = scan_input(network).of_size(how["size"])
    table = ImageTable(read_images(found.paths, seen), found.labels, found.classes, seen)
    features, _ = table_features(build_image_network(network, weights="imagenet"), table, work, tell=tell)
    labels = found.labels
    predicted = {}
    for name, fit in _methods(how, len(found.classes)).items():
        predicted[name] = np.stack(
            [_cross_validated(fit, features, labels, how["folds"], seed) for seed in range(how["repeats"])]
        )
        tell(f"scans, {name}: accuracy {float((predicted[name] == labels).mean()):.3f}")
    first = next(iter(predicted))
    observed = float((predicted[first] == labels).mean())
    drawn = np.random.default_rng(0)
    fit = _methods(how, len(found.classes))[first]
    reached = 0
    for seed in range(how["permutations"]):
        mixed = drawn.permutation(labels)
        again = _cross_validated(fit, features, mixed, how["folds"], seed)
        reached += bool((again == mixed).mean() >= observed)
    chance = max(found.counts.values()) / len(labels)
    # The least count that guessing reaches with a probability below a twentieth.
    bound = (int(binom.ppf(0.95, len(labels), chance)) + 1) / len(labels)
    return Scans(
        folder.name,
        found,
        {name: bootstrap_values((each == labels).mean(0)) for name, each in predicted.items()},
        {name: _confusion(each, labels, len(found.classes)) for name, each in predicted.items()},
        chance,
        bound,
        (reached + 1) / (how["permutations"] + 1),
    )


def _methods(how: Mapping[str, Any], classes: int) -> dict[str, Fit]:
    def fitted(model: Any) -> Fit:
        def fit(x: Floats, y: Labels, other: Floats, seed: int) -> Labels:
            made = make_pipeline(StandardScaler(), model(seed))
            return np.asarray(made.fit(x, y).predict(other), dtype=np.int64)

        return fit

    def head(x: Floats, y: Labels, other: Floats, seed: int) -> Labels:
        return train_head(x, y, classes, seed=seed, **how["head"])(other)

    return {
        "logistic regression": fitted(lambda _: LogisticRegression(C=how["C"], max_iter=2000)),
        "support vector machine": fitted(
            lambda seed: LinearSVC(C=how["C"], random_state=seed, max_iter=20000)
        ),
        "head by Adam": head,
    }


def _cross_validated(fit: Fit, features: Floats, labels: Labels, folds: int, seed: int) -> Labels:
    predicted = np.empty_like(labels)
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(features, labels):
        predicted[test] = fit(features[train], labels[train], features[test], seed)
    return predicted


def _confusion(predicted: Labels, labels: Labels, classes: int) -> NDArray[np.int64]:
    matrix = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(matrix, (np.broadcast_to(labels, predicted.shape), predicted), 1)
    return matrix
