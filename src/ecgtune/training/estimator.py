"""The estimator: skorch around a network that labels sequences of beats."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from skorch import NeuralNet
from skorch.callbacks import Callback, EpochScoring
from skorch.history import History
from torch import Tensor, nn

from ecgtune.evaluation.metrics import macro_f1
from ecgtune.labels import CLASSES
from ecgtune.training.sequences import IGNORED, Excerpts


class SequenceLoss(nn.Module):
    """Weighted cross-entropy over all beats of a batch of sequences, without the ignored ones."""

    def __init__(self, weight: Tensor | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.loss = nn.CrossEntropyLoss(weight=weight, ignore_index=IGNORED, label_smoothing=label_smoothing)

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Mean loss of logits [batch, beats, classes] against labels [batch, beats]."""
        loss: Tensor = self.loss(logits.flatten(0, 1), label.flatten())
        return loss


def confusion(net: NeuralNet, dataset: Excerpts) -> NDArray[np.int64]:
    """Confusion matrix [true, predicted] of a network over a dataset."""
    matrix = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    for inputs, label in net.get_iterator(dataset, training=False):
        predicted = net.evaluation_step((inputs, label), training=False).argmax(2)
        known = label != IGNORED
        np.add.at(matrix, (label[known].numpy(), predicted[known].numpy()), 1)
    return matrix


class Schedule(Callback):  # type: ignore[misc]
    """Seed and learning rate of each epoch, from its number alone.

    A run that is resumed therefore goes on exactly as one that was never interrupted. The rate rises over
    the first tenth of the epochs and falls to zero along a cosine.
    """

    def __init__(self, seed: int, epochs: int, lr: float) -> None:
        self.seed = seed
        self.epochs = epochs
        self.lr = lr

    def on_epoch_begin(self, net: NeuralNet, **_: Any) -> None:
        """Set both for the epoch that begins."""
        done = len(net.history) - 1
        torch.manual_seed(1000 * self.seed + done)
        rise = max(1, self.epochs // 10)
        if done < rise:
            share = (done + 1) / rise
        else:
            share = 0.5 * (1 + math.cos(math.pi * (done - rise) / max(1, self.epochs - rise)))
        for group in net.optimizer_.param_groups:
            group["lr"] = self.lr * share


class KeepRun(Callback):  # type: ignore[misc]
    """Write the state after every epoch and the weights of the best one; stop when none gets better.

    What it decides comes from the history alone, which a resumed run has read back.

    Parameters
    ----------
    folder
        Where ``last.pt`` and ``best.pt`` go.
    patience
        Epochs without a better macro-F1 after which training stops.
    tell
        Called with a line for each epoch.
    """

    def __init__(self, folder: Path, patience: int, tell: Callable[[str], None]) -> None:
        self.folder = folder
        self.patience = patience
        self.tell = tell
        self.kept = 0

    def on_epoch_end(self, net: NeuralNet, **_: Any) -> None:
        """Save the epoch: weights, optimizer and history in one file, so that they always belong together."""
        scores = net.history[:, SCORE] if SCORE in net.history[-1] else None
        best = best_epoch(scores) if scores else len(net.history)
        if best == len(net.history):
            self._save(net.module_.state_dict(), "best.pt")
        state = {
            "module": net.module_.state_dict(),
            "optimizer": net.optimizer_.state_dict(),
            "history": json.dumps(net.history.to_list()),
        }
        self._save(state, "last.pt")
        self.kept = len(net.history)
        row = net.history[-1]
        scored = f"  {SCORE} {row[SCORE]:.4f}{' *' if best == len(net.history) else ''}" if scores else ""
        self.tell(f"epoch {row['epoch']:3d}  loss {row['train_loss']:.4f}{scored}  {row['dur']:.1f} s")
        if scores and len(scores) - best >= self.patience:
            raise KeyboardInterrupt

    def _save(self, state: dict[str, Any], name: str) -> None:
        part = self.folder / f"{name}.part"
        torch.save(state, part)
        part.replace(self.folder / name)


def resume(net: NeuralNet, folder: Path) -> None:
    """Bring an initialised net to the last epoch that `KeepRun` wrote, if there is one."""
    path = folder / "last.pt"
    if path.exists():
        state = torch.load(path, weights_only=True)
        net.module_.load_state_dict(state["module"])
        net.optimizer_.load_state_dict(state["optimizer"])
        net.history_ = History(json.loads(state["history"]))


SCORE = "macro_f1"
"""Name of the validation figure in the history."""


def best_epoch(scores: Sequence[float]) -> int:
    """Number (from 1) of the first epoch with the largest score."""
    return int(np.argmax(scores)) + 1


def macro_f1_scoring() -> EpochScoring:
    """Epoch scoring by macro-F1 over N, S and V on the validation side; larger is better.

    F and Q are too few in mitdb to choose epochs by.
    """

    def score(net: NeuralNet, dataset: Excerpts, _: Any = None) -> float:
        return float(macro_f1(confusion(net, dataset)))

    return EpochScoring(score, name=SCORE, lower_is_better=False, use_caching=False)
