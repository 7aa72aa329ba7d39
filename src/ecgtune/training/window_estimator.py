"""The estimator of windows: skorch around a network that looks at one window alone."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback
from torch import Tensor, nn

from ecgtune.errors import ModelError
from ecgtune.evaluation.metrics import accuracy, confusion_matrix, macro_f1
from ecgtune.files import make_folder, write_whole
from ecgtune.labels import CLASSES
from ecgtune.training.class_counts import class_counts
from ecgtune.training.estimator import KeepRun, Schedule, train_to_best
from ecgtune.training.networks.windows import build_window_network
from ecgtune.training.stacked import use_bfloat16
from ecgtune.training.window_batches import Batches, WindowSet
from ecgtune.training.window_options import SCHEDULES, WindowOptions, make_loss

Floats = NDArray[np.float32]
Rows = NDArray[np.integer]
Tell = Callable[[str], None]

PREDICTED_TOGETHER = 1024
"""Windows in one step of prediction."""

SCORES = {"loss": "valid_loss", "macro-f1": "macro_f1", "last": ""}
"""Figure of the history that decides which epoch is kept."""


@dataclass(frozen=True)
class FittedWindows:
    """What a training gives.

    Parameters
    ----------
    network
        With the weights that were kept, in evaluation mode.
    history
        A row of plain types for each epoch: ``epoch``, ``lr``, ``train_loss``, ``seconds`` (of its steps)
        and, with a validation side, ``valid_loss``, ``macro_f1``, ``accuracy``.
    best
        Epoch whose weights were kept, from 1.
    parameters
        Of the network.
    seconds
        Wall time of all training steps, those before an interruption too, validation not.
    """

    network: nn.Module = field(repr=False)
    history: list[dict[str, Any]] = field(repr=False)
    best: int
    parameters: int
    seconds: float


def fit_windows(
    network_name: str,
    arguments: Mapping[str, Any],
    windows: ArrayLike,
    labels: ArrayLike,
    train: Rows,
    validate: Rows | None,
    options: WindowOptions,
    folder: Path,
    tell: Tell = lambda _: None,
    *,
    classes: Sequence[str] = CLASSES,
    start: Mapping[str, Tensor] | None = None,
    frozen: Sequence[str] = (),
) -> FittedWindows:
    """Train a network of windows, or go on where the same call stopped; it gives the same weights then.

    Parameters
    ----------
    network_name
        Of `ecgtune.training.networks.windows.WINDOW_NETWORKS`.
    arguments
        Of the network, beside channels, width and classes.
    windows
        float32 [n, channels, width]; kept in memory as it is.
    labels
        Index into ``classes`` of each window, int [n].
    train, validate
        Rows, int; they share none. Without a validation side, ``options.keep`` is ``"last"``.
    options
        See `WindowOptions`.
    folder
        Holds ``fit.json``, ``last.pt`` and ``best.pt``; made where it is not there.
    tell
        Called with a line for each epoch.
    classes
        Names of the classes.
    start
        Weights to start from instead of fresh ones: all of a state dict, or a part of it.
    frozen
        Names of parts of the network that keep their start, ``"features"`` for example. They are in
        evaluation mode throughout.

    Raises
    ------
    ModelError
        On an unknown network, arguments or windows that do not suit it, a class that the training side lacks,
        a folder that holds another training, and a loss that becomes no number.
    """
    x, y = _table(windows, labels, len(classes))
    training, validation = _sides(train, validate, len(x), options)
    counts = torch.from_numpy(class_counts(y[training].numpy(), classes, options.may_lack))
    shown = counts if options.augmentation is None else options.augmentation.counts(counts)

    torch.manual_seed(options.seed)
    network = build_window_network(
        network_name, channels=x.shape[1], width=x.shape[2], classes=len(classes), **arguments
    )
    _begin_from(network, start or {})
    _freeze(network, frozen)
    make_folder(folder)
    described = {
        "network": network_name,
        "arguments": dict(arguments),
        "options": asdict(options),
        "classes": list(classes),
        "frozen": list(frozen),
        "data": _digest(x, y, training, validation, start or {}),
    }
    _claim(folder, described)

    score = SCORES[options.keep]
    keep = KeepRun(folder, options.patience or options.epochs, tell, score, lower_is_better="loss" in score)
    callbacks: list[Any] = [
        ("schedule", Schedule(options.seed, options.epochs, options.lr, SCHEDULES[options.schedule])),
        ("check", Check(WindowSet(x, y, validation), classes, options)),
        ("keep", keep),
    ]
    net = WindowNet(
        network,
        make_loss(options, shown),
        bfloat16=options.bfloat16 and use_bfloat16(),
        frozen=tuple(frozen),
        optimizer=_optimizer,
        optimizer__kind=options.optimizer,
        optimizer__weight_decay=options.weight_decay,
        lr=options.lr,
        batch_size=options.batch,
        iterator_train=Batches,
        iterator_train__augmentation=options.augmentation,
        train_split=None,
        callbacks=callbacks,
        callbacks__print_log=None,
        verbose=0,
    ).initialize()
    best = train_to_best(net, WindowSet(x, y, training), keep, options.epochs)
    history = [_plain(row) for row in net.history]
    return FittedWindows(
        network=network.eval(),
        history=history,
        best=best,
        parameters=sum(p.numel() for p in network.parameters()),
        seconds=sum(row["seconds"] for row in history),
    )


def predict_windows(
    network: nn.Module, windows: ArrayLike, rows: Rows | None = None, *, bfloat16: bool = False
) -> Floats:
    """Probabilities of windows, float32 [rows, classes].

    Parameters
    ----------
    network
        Left in evaluation mode.
    windows
        float32 [n, channels, width].
    rows
        Of the windows; all of them, in order, where None.
    bfloat16
        Whether to predict as `fit_windows` validates: faster, and right to two or three digits.
    """
    x = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))
    index = torch.arange(len(x)) if rows is None else torch.from_numpy(np.asarray(rows, dtype=np.int64))
    logits = _logits(network.eval(), x, index, bfloat16)
    return np.asarray(logits.softmax(1).numpy())


class WindowNet(NeuralNet):  # type: ignore[misc]
    """skorch's network with products in bfloat16 and parts that stay as they are.

    Parameters
    ----------
    *args, **kwargs
        Of `skorch.NeuralNet`.
    bfloat16
        Whether products are in bfloat16; logits and loss are float32 in any case.
    frozen
        Names of parts that stay in evaluation mode.
    """

    def __init__(
        self, *args: Any, bfloat16: bool = False, frozen: tuple[str, ...] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.bfloat16 = bfloat16
        self.frozen = frozen

    def infer(self, x: Tensor, **_: Any) -> Tensor:
        """Logits of a batch."""
        for name in self.frozen:
            self.module_.get_submodule(name).eval()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            logits: Tensor = self.module_(x)
        return logits.float()


class Check(Callback):  # type: ignore[misc]
    """Write the validation figures of each epoch into the history; stop where the loss is no number."""

    def __init__(self, dataset: WindowSet, classes: Sequence[str], options: WindowOptions) -> None:
        self.dataset = dataset
        self.classes = tuple(classes)
        self.options = options

    def on_epoch_end(self, net: NeuralNet, **_: Any) -> None:
        """Predict the validation side once, for all figures."""
        number, loss = net.history[-1, "epoch"], net.history[-1, "train_loss"]
        if not math.isfinite(loss):
            raise ModelError(f"the training loss is {loss:g} in epoch {number}; give a smaller lr")
        net.history.record("lr", net.optimizer_.param_groups[0]["lr"])
        if not len(self.dataset):
            return
        data = self.dataset
        truth = data.labels[data.rows]
        logits = _logits(net.module_.eval(), data.windows, data.rows, net.bfloat16)
        matrix = confusion_matrix(truth.numpy(), logits.argmax(1).numpy(), self.classes)
        over = self.options.score_classes or None
        with torch.inference_mode():
            net.history.record("valid_loss", float(net.criterion_(logits, truth)))
        net.history.record("macro_f1", float(macro_f1(matrix, over, self.classes)))
        net.history.record("accuracy", float(accuracy(matrix)))


def _logits(network: nn.Module, windows: Tensor, rows: Tensor, bfloat16: bool) -> Tensor:
    if not len(rows):
        raise ModelError("no windows to predict; give at least one")
    begins = range(0, len(rows), PREDICTED_TOGETHER)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        parts = [network(windows[rows[at : at + PREDICTED_TOGETHER]]).float() for at in begins]
    return torch.cat(parts)


def _optimizer(
    groups: list[dict[str, Any]], *, lr: float, kind: str, weight_decay: float
) -> torch.optim.Optimizer:
    """Adam over what is trained, with weight decay for weights alone."""
    trained = [p for group in groups for p in group["params"] if p.requires_grad]
    parts = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    made = torch.optim.AdamW if kind == "adamw" else torch.optim.Adam
    return made([part for part in parts if part["params"]], lr=lr, fused=True)


def _table(windows: ArrayLike, labels: ArrayLike, classes: int) -> tuple[Tensor, Tensor]:
    x = torch.from_numpy(np.ascontiguousarray(windows, dtype=np.float32))
    y = torch.from_numpy(np.asarray(labels, dtype=np.int64))
    if x.ndim != 3 or y.shape != x.shape[:1] or not len(x):
        raise ModelError(
            f"windows of shape {tuple(x.shape)} with labels of shape {tuple(y.shape)}; "
            "give [n, channels, width] and [n]"
        )
    if not bool((finite := torch.isfinite(x).flatten(1).all(1)).all()):
        row = int((~finite).nonzero()[0])
        raise ModelError(
            f"window {row} holds samples that are no numbers; bridge gaps before cutting windows"
        )
    if bool((bad := (y < 0) | (y >= classes)).any()):
        raise ModelError(f"label {int(y[bad][0])} among those of {classes} classes; give 0 to {classes - 1}")
    return x, y


def _sides(train: Rows, validate: Rows | None, n: int, options: WindowOptions) -> tuple[Tensor, Tensor]:
    sides = [
        torch.from_numpy(np.array([] if rows is None else rows, dtype=np.int64)) for rows in (train, validate)
    ]
    for name, rows in zip(("training", "validation"), sides, strict=True):
        if len(rows) and not 0 <= int(rows.min()) <= int(rows.max()) < n:
            raise ModelError(f"row {int(rows.max())} on the {name} side; the table has {n}")
    if len(shared := np.intersect1d(sides[0].numpy(), sides[1].numpy())):
        raise ModelError(f"row {shared[0]} is on the training and on the validation side; take it from one")
    if not len(sides[1]) and options.keep != "last":
        raise ModelError(f"keep {options.keep} needs a validation side; give one, or keep the last epoch")
    return sides[0], sides[1]


def _begin_from(network: nn.Module, start: Mapping[str, Tensor]) -> None:
    own = network.state_dict()
    for name, value in start.items():
        if name not in own or own[name].shape != value.shape:
            raise ModelError(
                f"start has {name} of shape {tuple(value.shape)}, which the network has not; "
                "give the weights of the same network, without the parts that differ"
            )
    network.load_state_dict({**own, **start})


def _freeze(network: nn.Module, frozen: Sequence[str]) -> None:
    parts = dict(network.named_modules())
    for name in frozen:
        if not name or name not in parts:
            known = ", ".join(part for part, _ in network.named_children())
            raise ModelError(f"the network has no part {name!r} to freeze; it has: {known}")
        parts[name].requires_grad_(False)
    if not any(p.requires_grad for p in network.parameters()):
        raise ModelError("every part of the network is frozen; leave one to train")


def _claim(folder: Path, described: dict[str, Any]) -> None:
    """Make the folder this training's, or refuse where it is another's."""
    mine = json.dumps(described, indent=1) + "\n"
    path = folder / "fit.json"
    if path.exists() and path.read_text() != mine:
        raise ModelError(f"{folder}: holds a training with other options or data; choose another folder")
    write_whole(path, mine)


def _digest(x: Tensor, y: Tensor, train: Tensor, validate: Tensor, start: Mapping[str, Tensor]) -> str:
    made = hashlib.blake2b(digest_size=16)
    for tensor in (x, y, train, validate, *(start[name] for name in sorted(start))):
        made.update(repr(tuple(tensor.shape)).encode())
        made.update(tensor.detach().numpy().tobytes())
    return made.hexdigest()


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("lr", "train_loss", "valid_loss", "macro_f1", "accuracy")
    figures = {name: float(row[name]) for name in names if name in row}
    return {"epoch": row["epoch"], **figures, "seconds": row["dur"]}
