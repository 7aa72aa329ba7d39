"""An image model from a user's own folders of images."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.errors import ModelError
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.files import make_folder
from ecgtune.training.image_folders import ImageFolder, find_image_folder
from ecgtune.training.image_heads import set_head
from ecgtune.training.image_model import save_image_model
from ecgtune.training.image_networks import (
    ImageInput,
    build_image_network,
    image_weights,
    read_images,
)
from ecgtune.training.image_networks.weights import IMAGENET, check_name, local_weights
from ecgtune.training.image_table import ImageTable, table_features
from ecgtune.training.image_training import (
    WAYS,
    ImageOptions,
    fit_image_network,
    predict_image_table,
)

Tell = Callable[[str], None]
Rows = NDArray[np.int64]

PREFERRED = ("resnet18", "squeezenet1_1")
"""Networks to begin with: the first whose ImageNet weights are at hand, else the first."""

FEW = 200
"""Images of the smallest class below which a linear model on frozen features is the default."""

LINEAR = "linear"
"""Way of few images: a regularised logistic regression on frozen features."""

SIZE = 224
"""Side of the square that a scan is shown to the network as."""

PENALTIES = (0.001, 0.01, 0.1, 1.0)
"""Values of C of the logistic regression, chosen by cross-validation inside the training side."""


@dataclass(frozen=True)
class ImageRun:
    """What a training on folders gave.

    Parameters
    ----------
    folder
        Of the model.
    card
        The model's.
    notes
        What a user should know: how it was trained and why, and how far its accuracy can be trusted.
    """

    folder: Path
    card: dict[str, Any] = field(repr=False)
    notes: tuple[str, ...]


def network_at_hand(wanted: tuple[str, ...] = PREFERRED) -> str:
    """Name the first network whose ImageNet weights are at hand, else the first: its are downloaded then.

    At hand is a file ``ECGTUNE_DATA/imagenet/NAME.safetensors`` or what torchvision has downloaded before.

    Raises
    ------
    ModelError
        On a name that torchvision has not.
    MissingExtraError
        Where torchvision is not installed.
    """
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    for name in wanted:
        weights = image_weights(name)
        if local_weights(weights) is not None or (cache / Path(weights.url).name).is_file():
            return name
    return wanted[0]


def train_on_folders(
    images: Path,
    out: Path,
    *,
    network: str | None = None,
    weights: str = "imagenet",
    way: str | None = None,
    options: ImageOptions | None = None,
    seed: int = 0,
    quick: bool = False,
    tell: Tell = lambda _: None,
) -> ImageRun:
    """Train an image model on folders of images, ``DIR/CLASS/*.jpg``, and write ``out/model``.

    A fifth of each class, one image at least, validates. Whether two images are of one patient is not known
    here: where they are, the validation side flatters.

    Parameters
    ----------
    images
        The folder.
    out
        Run folder.
    network
        torchvision's name; None: see `network_at_hand`.
    weights
        See `build_image_network`.
    way
        ``"linear"`` or one of `ecgtune.training.image_training.WAYS`; None: linear below `FEW` images of the
        smallest class, else fine-tuned.
    options
        Of the training, for ways other than linear; its way and seed are replaced.
    seed
        Of the validation side, the head and every draw.
    quick
        Two epochs.
    tell
        Called with lines of progress.

    Raises
    ------
    DataError
        On a folder without classes, an empty class, an image that cannot be read.
    ModelError
        On an unknown network, weights or way.
    """
    if way is not None and way not in (LINEAR, *WAYS):
        raise ModelError(f"no way {way!r} of training; there are {', '.join((LINEAR, *WAYS))}")
    found = find_image_folder(images)
    if network is not None:
        check_name(network)
    name = network or network_at_hand()
    chosen = way or (LINEAR if min(found.counts.values()) < FEW else "fine-tuned")
    started = build_image_network(name, weights=weights, classes=len(found.classes), seed=seed)
    how = scan_input(name)
    tell(f"{name} ({weights} weights), {chosen}; reading {len(found.paths)} images")
    table = ImageTable(read_images(found.paths, how), found.labels, found.classes, how)
    train, validate = held_out(found, seed)
    make_folder(out)
    history: list[dict[str, Any]] = []
    if chosen == LINEAR:
        features, _ = table_features(started, table, out / "features", tell=tell)
        weight, bias, penalty = fit_linear(features[train], found.labels[train], len(found.classes), seed)
        set_head(started, weight, bias)
        detail: dict[str, Any] = {"way": LINEAR, "C": penalty}
    else:
        given = options or ImageOptions(lr=0.001 if chosen == "frozen" else 0.0003)
        kind = ImageOptions(
            chosen, given.lr, 2 if quick else given.epochs, given.batch, given.decay, given.bfloat16, seed
        )
        fitted = fit_image_network(
            started, table, train, validate, kind, out / "training", tell, features=out / "features"
        )
        history = fitted.history
        detail = {"way": chosen, "lr": kind.lr, "epochs": kind.epochs, "batch": kind.batch}
    predicted = predict_image_table(started, table, validate).argmax(1)
    matrix = confusion_matrix(found.labels[validate], predicted, found.classes)
    right = int(np.trace(matrix))
    card = {
        "name": images.resolve().name or "images",
        "network": name,
        "classes": list(found.classes),
        "weights": _source(name, weights),
        "training": {
            **detail,
            "seed": seed,
            "images": found.counts,
            "trained_on": len(train),
            "validated_on": len(validate),
            "history": history,
        },
        "validation": {
            "accuracy": right / len(validate),
            "right": right,
            "of": len(validate),
            "confusion": matrix.tolist(),
        },
        "licence": "the images' own, and that of the weights it began with",
        "use": "not a medical device; patients were not kept apart unless the folders did so",
    }
    folder = save_image_model(started, card, how, out / "model")
    return ImageRun(folder, card, _notes(found, chosen, way, right, len(validate)))


def scan_input(network: str) -> ImageInput:
    """Preprocessing of scans: the whole page in the square, by the mean and deviation of the weights."""
    given = image_weights(network).input
    return ImageInput(SIZE, SIZE, "stretch", given.interpolation, given.mean, given.std)


def held_out(found: ImageFolder, seed: int) -> tuple[Rows, Rows]:
    """Rows to train and to validate on: a fifth of each class, one at least, drawn at random."""
    drawn = np.random.default_rng(seed)
    train: list[Rows] = []
    validate: list[Rows] = []
    for place in range(len(found.classes)):
        rows = drawn.permutation(np.flatnonzero(found.labels == place))
        count = max(1, round(len(rows) / 5))
        validate.append(rows[:count])
        train.append(rows[count:])
    return np.sort(np.concatenate(train)), np.sort(np.concatenate(validate))


def fit_linear(
    features: NDArray[np.float32], labels: Rows, classes: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Fit a logistic regression to standardised features, its penalty chosen by cross-validation.

    Parameters
    ----------
    features
        [n, features].
    labels
        [n].
    classes
        How many.
    seed
        Of the folds.

    Returns
    -------
    tuple
        Weights [classes, features] and bias [classes] on the features as they are, and the penalty C.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    least = int(np.bincount(labels, minlength=classes).min())
    penalty = PENALTIES[1]
    if least >= 2:
        folds = StratifiedKFold(min(5, least), shuffle=True, random_state=seed)
        search = GridSearchCV(model, {"logisticregression__C": list(PENALTIES)}, cv=folds)
        penalty = float(search.fit(features, labels).best_params_["logisticregression__C"])
    model.set_params(logisticregression__C=penalty).fit(features, labels)
    scale, linear = model[0], model[1]
    weight, bias = linear.coef_, linear.intercept_
    if classes == 2:
        # Of two classes scikit-learn keeps one logit.
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    weight = weight / scale.scale_
    return weight, bias - weight @ scale.mean_, penalty


def _source(network: str, weights: str) -> dict[str, str]:
    """Where the weights began."""
    if weights == "random":
        return {"name": "random"}
    names = image_weights(network)
    if weights in ("imagenet", IMAGENET) or not weights.endswith((".safetensors", ".pth", ".pt")):
        described = image_weights(network, weights)
        return {"name": described.name, "url": described.url, "licence": described.licence}
    return {"name": Path(weights).name, "licence": f"unknown; torchvision's are {names.licence}"}


def _notes(found: ImageFolder, chosen: str, way: str | None, right: int, of: int) -> tuple[str, ...]:
    notes = []
    if chosen == LINEAR and way is None:
        notes.append(
            f"the smallest class has {min(found.counts.values())} images, fewer than {FEW}: a regularised "
            "linear model on frozen features, which little data cannot spoil; --way fine-tuned trains more"
        )
    few = "they are few, and " if of < FEW else ""
    notes.append(f"{right} of {of} validation images right; {few}a patient may have images on both sides")
    return tuple(notes)
