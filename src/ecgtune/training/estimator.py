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
from torch.nn import functional

from ecgtune.evaluation.metrics import macro_f1
from ecgtune.labels import CLASSES
from ecgtune.training.sequences import IGNORED, NOT_ECTOPIC, NOT_S, Excerpts

_N, _S = CLASSES.index("N"), CLASSES.index("S")

_NOT_ECTOPIC = [_N, CLASSES.index("Q")]
"""Classes that what is known to be no ectopic beat may have."""


class SequenceLoss(nn.Module):
    """Weighted cross-entropy over all beats of a batch of sequences, without the ignored ones.

    To it is added, over the beats of which only that is known that they are no S, the mean of
    -log(p(N) / (p(N) + p(S))): what is taken from S goes to N alone, and whether a beat is V stays open. Over
    the beats of which only that is known that they are not ectopic, the mean of -log(p(N) + p(Q)) is added.

    Parameters
    ----------
    weight
        Of each class.
    label_smoothing
        Of the cross-entropy.
    not_s
        Weight of the second part.
    not_ectopic
        Weight of the third.
    """

    def __init__(
        self,
        weight: Tensor | None = None,
        label_smoothing: float = 0.0,
        not_s: float = 0.0,
        not_ectopic: float = 0.0,
    ) -> None:
        super().__init__()
        self.loss = nn.CrossEntropyLoss(weight=weight, ignore_index=IGNORED, label_smoothing=label_smoothing)
        self.not_s, self.not_ectopic = not_s, not_ectopic

    def forward(self, logits: Tensor, label: Tensor) -> Tensor:
        """Mean loss of logits [batch, beats, classes] against labels [batch, beats]."""
        logits, label = logits.flatten(0, 1), label.flatten()
        # The mean over no beats is not a number.
        known = bool((label >= 0).any())
        loss: Tensor = self.loss(logits, label.clamp(min=IGNORED)) if known else 0 * logits.sum()
        weak = label == NOT_S
        if self.not_s and bool(weak.any()):
            loss = loss + self.not_s * functional.softplus(logits[weak, _S] - logits[weak, _N]).mean()
        calm = label == NOT_ECTOPIC
        if self.not_ectopic and bool(calm.any()):
            said = functional.log_softmax(logits[calm], 1)[:, _NOT_ECTOPIC]
            loss = loss - self.not_ectopic * said.logsumexp(1).mean()
        return loss


def confusion(net: NeuralNet, dataset: Excerpts) -> NDArray[np.int64]:
    """Confusion matrix [true, predicted] of a network over a dataset."""
    matrix = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    for inputs, label in net.get_iterator(dataset, training=False):
        predicted = net.evaluation_step((inputs, label), training=False).argmax(2)
        known = label >= 0
        np.add.at(matrix, (label[known].numpy(), predicted[known].numpy()), 1)
    return matrix


SCORE = "macro_f1"
"""Name of the validation figure in the history."""


def best_epoch(scores: Sequence[float]) -> int:
    """Number (from 1) of the first epoch with the largest score; 0 where there is none."""
    return int(np.argmax(scores)) + 1 if len(scores) else 0


def rise_and_fall(done: int, epochs: int) -> float:
    """Share of the largest learning rate: up over the first tenth of the epochs, down along a cosine."""
    rise = max(1, epochs // 10)
    if done < rise:
        return (done + 1) / rise
    return cosine(done - rise, epochs - rise)


def cosine(done: int, epochs: int) -> float:
    """Share of the largest learning rate: from 1 down along a cosine, towards 0 (Loshchilov 2017)."""
    return 0.5 * (1 + math.cos(math.pi * done / max(1, epochs)))


def constant(done: int, epochs: int) -> float:
    """Share of the largest learning rate: all of it, always."""
    return 1.0


class Schedule(Callback):  # type: ignore[misc]
    """Seed and learning rate of each epoch, from its number alone.

    A run that is resumed therefore goes on exactly as one that was never interrupted.

    Parameters
    ----------
    seed
        Of all epochs together.
    epochs
        That are planned.
    lr
        The largest rate.
    share
        What is taken of it, from the epochs that are done and those that are planned.
    """

    def __init__(
        self, seed: int, epochs: int, lr: float, share: Callable[[int, int], float] = rise_and_fall
    ) -> None:
        self.seed = seed
        self.epochs = epochs
        self.lr = lr
        self.share = share

    def on_epoch_begin(self, net: NeuralNet, **_: Any) -> None:
        """Set both for the epoch that begins."""
        done = len(net.history) - 1
        torch.manual_seed(1000 * self.seed + done)
        for group in net.optimizer_.param_groups:
            group["lr"] = self.lr * self.share(done, self.epochs)


class KeepRun(Callback):  # type: ignore[misc]
    """Write the state after every epoch and the weights of the best one; stop when none gets better.

    What it decides comes from the history alone, which a resumed run has read back.

    Parameters
    ----------
    folder
        Where ``last.pt`` and ``best.pt`` go.
    patience
        Epochs without a better score after which training stops.
    tell
        Called with a line for each epoch.
    score
        Name of the figure in the history; without it, every epoch is better than the one before.
    lower_is_better
        Whether the least score is the best.
    """

    def __init__(
        self,
        folder: Path,
        patience: int,
        tell: Callable[[str], None],
        score: str = SCORE,
        lower_is_better: bool = False,
    ) -> None:
        self.folder = folder
        self.patience = patience
        self.tell = tell
        self.score = score
        self.lower_is_better = lower_is_better
        self.kept = 0

    def best(self, net: NeuralNet) -> int:
        """Number (from 1) of the epoch whose weights are kept."""
        scores = self._scores(net)
        return best_epoch([-one for one in scores] if self.lower_is_better else scores) or len(net.history)

    def stopped(self, net: NeuralNet) -> bool:
        """Whether none got better for so long that training stops."""
        return bool(self._scores(net)) and len(net.history) - self.best(net) >= self.patience

    def on_epoch_end(self, net: NeuralNet, **_: Any) -> None:
        """Save the epoch: weights, optimizer and history in one file, so that they always belong together."""
        best = self.best(net)
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
        scored = ""
        if self.score in row:
            scored = f"  {self.score} {row[self.score]:.4f}{' *' if best == len(net.history) else ''}"
        self.tell(f"epoch {row['epoch']:3d}  loss {row['train_loss']:.4f}{scored}  {row['dur']:.1f} s")
        if self.stopped(net):
            raise KeyboardInterrupt

    def _scores(self, net: NeuralNet) -> list[float]:
        there = len(net.history) > 0 and self.score in net.history[-1]
        return list(net.history[:, self.score]) if there else []

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


def train_until(net: NeuralNet, dataset: object, keep: KeepRun, epochs: int) -> None:
    """Train a net, new or resumed, until so many epochs are done or none gets better."""
    left = epochs - len(net.history)
    if left > 0 and not keep.stopped(net):
        net.partial_fit(dataset, epochs=left)
        if keep.kept < epochs and not keep.stopped(net):
            # skorch takes an interrupt for the end of training.
            raise KeyboardInterrupt


def train_to_best(net: NeuralNet, dataset: object, keep: KeepRun, epochs: int) -> int:
    """Train an initialised net from where `keep` left it, and give it the weights of the best epoch.

    Returns
    -------
    int
        That epoch, counted from one.
    """
    resume(net, keep.folder)
    if net.history:
        keep.tell(f"going on after epoch {len(net.history)}")
    train_until(net, dataset, keep, epochs)
    net.load_params(f_params=keep.folder / "best.pt")
    return keep.best(net)


def macro_f1_scoring() -> EpochScoring:
    """Epoch scoring by macro-F1 over N, S and V on the validation side; larger is better.

    F and Q are too few in mitdb to choose epochs by.
    """

    def score(net: NeuralNet, dataset: Excerpts, _: Any = None) -> float:
        return float(macro_f1(confusion(net, dataset)))

    return EpochScoring(score, name=SCORE, lower_is_better=False, use_caching=False)
