"""Training of image networks in four ways, from the head alone to everything."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor, nn

from ecgtune.errors import ModelError
from ecgtune.files import make_folder, write_whole
from ecgtune.training.estimator import KeepRun, train_to_best
from ecgtune.training.image_heads import head_values, linear_head, set_head
from ecgtune.training.image_networks import (
    blocks,
    data_digest,
    weights_digest,
)
from ecgtune.training.image_table import ImageTable, seen, table_features
from ecgtune.training.stacked import use_bfloat16
from ecgtune.training.window_batches import Batches, WindowSet

Floats = NDArray[np.float32]
Rows = NDArray[np.integer]
Tell = Callable[[str], None]

WAYS = ("frozen", "last-block", "discriminative", "fine-tuned")
"""From the cheapest to the dearest."""

PREDICTED_TOGETHER = 64


@dataclass(frozen=True)
class ImageOptions:
    """How an image network is trained, always with Adam and cross-entropy.

    Parameters
    ----------
    way
        ``"frozen"``: the head alone, on features that are computed once; ``"last-block"``: head and last
        block; ``"discriminative"``: everything, each block at ``decay`` times the rate of the block behind
        it (Howard and Ruder 2018, doi:10.18653/v1/P18-1031); ``"fine-tuned"``: everything at one rate.
    lr
        Learning rate, of the head where rates differ; constant.
    epochs
        Passes over the training side; the last is kept.
    batch
        Images in a batch.
    decay
        See ``way``.
    bfloat16
        Whether products are in bfloat16 where the processor has it.
    seed
        Of the order and of dropout.

    Raises
    ------
    ModelError
        On a value that is out of range or unknown.
    """

    way: str = "fine-tuned"
    lr: float = 0.001
    epochs: int = 5
    batch: int = 64
    decay: float = 0.7
    bfloat16: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.way not in WAYS:
            raise ModelError(f"way {self.way!r} of training asked for; known: {', '.join(WAYS)}")
        for name in ("lr", "decay"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) > 0):
                raise ModelError(f"{name} {getattr(self, name)} asked for; give more than 0")
        for name in ("epochs", "batch"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name} {getattr(self, name)} asked for; give 1 or more")


@dataclass(frozen=True)
class FittedImages:
    """What a training gives.

    Parameters
    ----------
    network
        Trained, in evaluation mode.
    history
        A row of plain types for each epoch: ``epoch``, ``train_loss``, ``train_accuracy`` (while it learns),
        ``seconds`` (of its steps) and, with a validation side, ``valid_loss``, ``valid_accuracy``.
    trained
        Parameters that were trained.
    parameters
        All of the network.
    seconds
        Wall time of the training steps, on as many threads as torch had; features not counted.
    feature_seconds
        Wall time of the features that the frozen way computed, at the time when it did.
    """

    network: nn.Module = field(repr=False)
    history: list[dict[str, Any]] = field(repr=False)
    trained: int
    parameters: int
    seconds: float
    feature_seconds: float


def fit_image_network(
    network: nn.Module,
    table: ImageTable,
    train: Rows,
    validate: Rows | None,
    options: ImageOptions,
    folder: Path,
    tell: Tell = lambda _: None,
    *,
    features: Path | None = None,
) -> FittedImages:
    """Train a network on images, or go on where the same call stopped.

    Parameters
    ----------
    network
        With the weights to start from, its head of as many classes as the table; changed in place. See
        `build_image_network`.
    table
        The images.
    train, validate
        Rows of the table, int; they share none.
    options
        See `ImageOptions`.
    folder
        Holds ``fit.json``, ``last.pt`` and ``best.pt``; made where it is not there.
    tell
        Called with a line for each epoch.
    features
        Folder of features for the frozen way (see `table_features`); inside ``folder`` where None.

    Raises
    ------
    ModelError
        On a class that the training side lacks, a folder that holds another training, a loss that becomes no
        number.
    """
    _check(table, train, validate)
    make_folder(folder)
    described = {
        "options": asdict(options),
        "classes": list(table.classes),
        "start": weights_digest(network),
        "data": data_digest(table.stored, table.labels, np.asarray(train), _rows(validate)),
        "drawing": table.drawing,
        "input": asdict(table.how),
    }
    _claim(folder, described)
    spent = 0.0
    stored: NDArray[Any] = table.stored
    module: nn.Module = network
    see: Callable[[Tensor], Tensor] = partial(seen, table)
    if options.way == "frozen":
        stored, spent = table_features(network, table, features or folder, tell=tell)
        module, see = linear_head(network), _as_is
    parts, kept = trained_parts(module, options)
    data = torch.from_numpy(np.ascontiguousarray(stored))
    labels = torch.from_numpy(table.labels)
    keep = KeepRun(folder, options.epochs, tell, score="")
    net = _Net(
        module,
        nn.CrossEntropyLoss(),
        see=see,
        kept=kept,
        bfloat16=options.bfloat16 and use_bfloat16() and options.way != "frozen",
        optimizer=_adam,
        optimizer__parts=parts,
        lr=options.lr,
        batch_size=options.batch,
        iterator_train=Batches,
        train_split=None,
        callbacks=[
            ("seed", _Seed(options.seed)),
            ("check", _Check(WindowSet(data, labels, torch.from_numpy(_rows(validate))))),
            ("keep", keep),
        ],
        callbacks__print_log=None,
        verbose=0,
    ).initialize()
    train_to_best(net, WindowSet(data, labels, torch.from_numpy(_rows(train))), keep, options.epochs)
    if options.way == "frozen":
        set_head(network, *head_values(module))
    history = [_plain(row) for row in net.history]
    return FittedImages(
        network.eval(),
        history,
        sum(p.numel() for part in parts for p in part["params"]),
        sum(p.numel() for p in network.parameters()),
        sum(row["seconds"] for row in history),
        spent,
    )


def predict_image_table(
    network: nn.Module, table: ImageTable, rows: Rows | None = None, *, bfloat16: bool = False
) -> Floats:
    """Probabilities of images, float32 [rows, classes]; of all, in order, where no rows are named."""
    chosen = np.arange(len(table.stored)) if rows is None else np.asarray(rows)
    if not len(chosen):
        raise ModelError("no images to predict; give at least one")
    logits = _logits(
        network.eval(),
        partial(seen, table),
        torch.from_numpy(table.stored),
        torch.from_numpy(chosen.astype(np.int64)),
        bfloat16 and use_bfloat16(),
    )
    return np.asarray(logits.softmax(1).numpy())


def trained_parts(
    network: nn.Module, options: ImageOptions
) -> tuple[list[dict[str, Any]], tuple[nn.Module, ...]]:
    """Parameters to train with their learning rates, and the modules that stay as they are.

    Parameters
    ----------
    network
        A whole network, or a single linear layer. What is not trained gets no gradients.
    options
        Way, rate and decay.
    """
    if isinstance(network, nn.Linear):
        return [{"params": list(network.parameters()), "lr": options.lr}], ()
    found = [module for _, module in blocks(network)]
    trained = {"frozen": 1, "last-block": 2}.get(options.way, len(found))
    kept = tuple(found[: len(found) - trained])
    for module in kept:
        module.requires_grad_(False)
    decay = options.decay if options.way == "discriminative" else 1.0
    parts = [
        {"params": list(module.parameters()), "lr": options.lr * decay**depth}
        for depth, module in enumerate(reversed(found[len(kept) :]))
    ]
    return parts, kept


def _as_is(stored: Tensor) -> Tensor:
    return stored


class _Net(NeuralNet):  # type: ignore[misc]
    """skorch's network over stored images."""

    def __init__(
        self,
        *args: Any,
        see: Callable[[Tensor], Tensor],
        kept: tuple[nn.Module, ...] = (),
        bfloat16: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.see = see
        self.kept = kept
        self.bfloat16 = bfloat16

    def infer(self, x: Tensor, **_: Any) -> Tensor:
        """Logits of a batch."""
        for module in self.kept:
            # Their batch normalisation keeps the statistics of its own training.
            module.eval()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            logits: Tensor = self.module_(self.see(x))
        return logits.float()


class _Seed(Callback):  # type: ignore[misc]
    """Seed of each epoch from its number, so that a resumed run goes on as one never interrupted."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_epoch_begin(self, net: NeuralNet, **_: Any) -> None:
        """Set it for the epoch that begins."""
        torch.manual_seed(1000 * self.seed + len(net.history) - 1)


class _Check(Callback):  # type: ignore[misc]
    """Write accuracy of both sides into the history; stop where the loss is no number."""

    def __init__(self, validation: WindowSet) -> None:
        self.validation = validation
        self.right = 0
        self.seen = 0

    def on_epoch_begin(self, net: NeuralNet, **_: Any) -> None:
        """Begin to count."""
        self.right = self.seen = 0

    def on_batch_end(self, net: NeuralNet, batch: Any, y_pred: Tensor, training: bool, **_: Any) -> None:
        """Count what a training batch has right, before its step."""
        self.right += int((y_pred.argmax(1) == batch[1]).sum())
        self.seen += len(batch[1])

    def on_epoch_end(self, net: NeuralNet, **_: Any) -> None:
        """Predict the validation side."""
        number, loss = net.history[-1, "epoch"], net.history[-1, "train_loss"]
        if not math.isfinite(loss):
            raise ModelError(f"the training loss is {loss:g} in epoch {number}; give a smaller lr")
        net.history.record("train_accuracy", self.right / max(self.seen, 1))
        data = self.validation
        if len(data):
            logits = _logits(net.module_.eval(), net.see, data.windows, data.rows, net.bfloat16)
            truth = data.labels[data.rows]
            net.history.record("valid_loss", float(nn.functional.cross_entropy(logits, truth)))
            net.history.record("valid_accuracy", float((logits.argmax(1) == truth).double().mean()))


def _logits(
    network: nn.Module, see: Callable[[Tensor], Tensor], stored: Tensor, rows: Tensor, bfloat16: bool
) -> Tensor:
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        return torch.cat(
            [network(see(stored[part])).float() for part in torch.split(rows, PREDICTED_TOGETHER)]
        )


def _adam(_: Any, *, lr: float, parts: Sequence[dict[str, Any]]) -> torch.optim.Optimizer:
    return torch.optim.Adam([dict(part) for part in parts], lr=lr, fused=True)


def _rows(rows: Rows | None) -> NDArray[np.int64]:
    return np.asarray([] if rows is None else rows, dtype=np.int64)


def _check(table: ImageTable, train: Rows, validate: Rows | None) -> None:
    for place, name in enumerate(table.classes):
        if not np.any(table.labels[np.asarray(train, dtype=np.int64)] == place):
            raise ModelError(f"no image of class {name} on the training side; give some of each class")
    if len(shared := np.intersect1d(_rows(train), _rows(validate))):
        raise ModelError(f"row {shared[0]} is on the training and on the validation side; take it from one")


def _claim(folder: Path, described: dict[str, Any]) -> None:
    """Make the folder this training's, or refuse where it is another's."""
    mine = json.dumps(described, indent=1) + "\n"
    path = folder / "fit.json"
    if path.exists() and path.read_text() != mine:
        raise ModelError(f"{folder}: holds a training with other options or images; choose another folder")
    write_whole(path, mine)


def _plain(row: Any) -> dict[str, Any]:
    names = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy")
    return {
        "epoch": row["epoch"],
        **{name: float(row[name]) for name in names if name in row},
        "seconds": row["dur"],
    }
