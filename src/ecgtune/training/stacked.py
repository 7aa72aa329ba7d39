"""Training many small networks as one stack: the same result for each, several times as fast.

A network with 67,000 parameters and batches of four windows keeps no processor busy; most of the time goes
into calling operations. A stack (see `ResidualWindow`) makes one call of many. Every member has its own
rows, learning rate, order of batches and start; Adam is torch's, over each member's own row of one matrix.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from ecgtune.errors import ModelError
from ecgtune.training.networks.residual_window import ResidualWindow
from ecgtune.training.sampling import epoch_batches
from ecgtune.training.window_augmentation import WindowAugmentation

Rows = NDArray[np.int64]

EVALUATED_TOGETHER = 64
"""Windows of each member in one step of evaluation."""


@dataclass(frozen=True, order=True)
class Settings:
    """Hyper-parameters of one training.

    Parameters
    ----------
    lr, weight_decay
        Of Adam.
    batch
        Windows in a batch.
    weighted
        Whether classes are drawn alike (`epoch_batches`).
    epochs
        Passes over the training rows.
    patience
        Epochs without a lower validation loss after which training stops.
    frozen
        Leading stages of the network that keep their start (`ResidualWindow.stages`).
    """

    lr: float
    batch: int
    weighted: bool
    epochs: int
    patience: int
    weight_decay: float = 1e-4
    frozen: int = 0


@dataclass(frozen=True)
class Member:
    """One network of a stack.

    Parameters
    ----------
    name
        Unique among the members.
    train, validate
        Rows of the table of windows, int64; at least one each.
    settings
        Its own.
    start
        float32 [parameters] to start from; fresh weights where None.
    seed
        Of fresh weights and the order of batches.
    """

    name: str
    train: Rows = field(repr=False)
    validate: Rows = field(repr=False)
    settings: Settings
    start: NDArray[np.float32] | None = field(default=None, repr=False)
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """Figures of an epoch: mean loss of training and validation, balanced accuracy on validation."""

    train_loss: float
    loss: float
    balanced_accuracy: float


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    Parameters
    ----------
    name
        The member's.
    history
        Each epoch's figures.
    best
        Index of the epoch that was kept: the lowest validation loss.
    weights
        float32 [parameters] of that epoch.
    """

    name: str
    history: tuple[Epoch, ...]
    best: int
    weights: NDArray[np.float32] = field(repr=False)

    @property
    def kept(self) -> Epoch:
        """Figures of the epoch that was kept."""
        return self.history[self.best]


Build = Callable[[int], ResidualWindow]
"""Builds a stack of so many networks."""


def use_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware, which halves the time of a step."""
    # torch has no public question for it.
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def fresh_weights(build: Build, seed: int) -> NDArray[np.float32]:
    """Weights of one new network, float32 [parameters]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(1)
    return torch.cat([p.detach().flatten() for stage in network.stages() for p in stage]).numpy()


def train_stack(
    members: Sequence[Member],
    inputs: Tensor,
    labels: NDArray[np.int64],
    build: Build,
    *,
    bfloat16: bool = False,
    augmentation: WindowAugmentation | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> list[Trained]:
    """Train the members of a stack; all have the same batch size.

    Parameters
    ----------
    members
        What to train.
    inputs
        Windows, [n, channels, width] (or images), any number type; batches are made float32.
    labels
        Class of each, int64 [n]; 0 or 1 for a network with one output.
    build
        The network.
    bfloat16
        Multiply in bfloat16 while training; weights, sums, Adam and every evaluation stay float32.
    augmentation
        Changes training windows; its draws depend on all members of the stack.
    tell
        Called with a line for each epoch.

    Raises
    ------
    ModelError
        Where batch sizes differ, or a member has no rows to train or validate on.
    """
    if len({member.settings.batch for member in members}) > 1:
        raise ModelError("members of a stack need one batch size; train them in several stacks")
    for member in members:
        if not len(member.train) or not len(member.validate):
            raise ModelError(f"{member.name}: no windows to train or to validate on")
    if not members:
        return []
    stack = _Stack(members, build, bfloat16, augmentation)
    done: dict[str, Trained] = {}
    epoch = 0
    while stack.runs:
        losses = stack.train_epoch(epoch, inputs, labels)
        validated = stack.evaluate([run.member.validate for run in stack.runs], inputs)
        for k, run in enumerate(stack.runs):
            truth = labels[run.member.validate]
            run.history.append(
                Epoch(losses[k], mean_loss(validated[k], truth), balanced(validated[k], truth))
            )
            if run.best is None or run.history[-1].loss < run.history[run.best].loss:
                run.best, run.weights = epoch, stack.weights[k].numpy().copy()
        epoch += 1
        finished = [k for k, run in enumerate(stack.runs) if run.finished()]
        for k in finished:
            run = stack.runs[k]
            done[run.member.name] = run.trained()
        tell(f"epoch {epoch}: {len(stack.runs)} networks, {len(finished)} finished")
        stack.keep([k for k in range(len(stack.runs)) if k not in finished])
    return [done[member.name] for member in members]


def predict_stack(
    weights: NDArray[np.float32],
    rows: Sequence[Rows],
    inputs: Tensor,
    build: Build,
) -> list[NDArray[np.float32]]:
    """Logits [rows, outputs] of networks, each for rows of its own.

    Parameters
    ----------
    weights
        float32 [models, parameters].
    rows
        For each network.
    inputs, build
        As in `train_stack`.
    """
    network = build(len(weights))
    _share(network, torch.from_numpy(np.ascontiguousarray(weights)))
    return _logits(network, rows, inputs)


def weights_hash(trained: Sequence[Trained]) -> str:
    """SHA-256 over the weights of several networks, in their order."""
    digest = hashlib.sha256()
    for each in trained:
        digest.update(each.weights.tobytes())
    return digest.hexdigest()


def mean_loss(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Cross-entropy (binary with one output) of logits [n, outputs]."""
    return float(_losses(torch.from_numpy(logits), torch.from_numpy(truth)).mean())


def decide(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Class of each row of logits [n, outputs]; with one output, 1 from a probability of one half."""
    if logits.shape[1] == 1:
        return np.asarray(logits[:, 0] >= 0, dtype=np.int64)
    return np.asarray(logits.argmax(axis=1), dtype=np.int64)


def balanced(logits: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """Balanced accuracy: mean sensitivity over the classes that occur."""
    right = decide(logits) == truth
    return float(np.mean([right[truth == one].mean() for one in np.unique(truth)]))


class _Run:
    """How far one member is."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.history: list[Epoch] = []
        self.best: int | None = None
        self.weights: NDArray[np.float32] | None = None

    def finished(self) -> bool:
        settings = self.member.settings
        n = len(self.history)
        # A loss that is not a number never gets better, so such a training ends by patience.
        return n >= settings.epochs or n - 1 - (self.best or 0) >= settings.patience

    def trained(self) -> Trained:
        assert self.best is not None  # The first epoch is always kept.
        assert self.weights is not None
        return Trained(self.member.name, tuple(self.history), self.best, self.weights)


class _Stack:
    """Members that still train: their weights [members, parameters], network and optimizer."""

    def __init__(
        self,
        members: Sequence[Member],
        build: Build,
        bfloat16: bool,
        augmentation: WindowAugmentation | None,
    ) -> None:
        self.build, self.bfloat16, self.augmentation = build, bfloat16, augmentation
        self.runs = [_Run(member) for member in members]
        starts = [
            fresh_weights(build, member.seed) if member.start is None else member.start for member in members
        ]
        self._assemble(torch.from_numpy(np.stack(starts)))
        self.optimizer = self._optimizer()

    def _assemble(self, weights: Tensor) -> None:
        self.weights = weights
        self.network = self.build(len(weights))
        self.parameters = _share(self.network, weights)

    def _optimizer(self) -> torch.optim.Adam:
        sizes = [sum(p[0].numel() for p in stage) for stage in self.network.stages()]
        groups = []
        for row, run in zip(self.weights, self.runs, strict=True):
            settings = run.member.settings
            # Frozen stages come first in the row, so what is trained is one piece.
            trained = row[sum(sizes[: settings.frozen]) :]
            groups.append({"params": [trained], "lr": settings.lr, "weight_decay": settings.weight_decay})
        return torch.optim.Adam(groups, fused=True)

    def keep(self, which: list[int]) -> None:
        """Go on with some members alone."""
        if len(which) == len(self.runs):
            return
        self.runs = [self.runs[k] for k in which]
        if not which:
            return
        groups = self.optimizer.param_groups
        states = [self.optimizer.state[groups[k]["params"][0]] for k in which]
        self._assemble(self.weights[which])
        self.optimizer = self._optimizer()
        for group, state in zip(self.optimizer.param_groups, states, strict=True):
            self.optimizer.state[group["params"][0]] = state

    def train_epoch(self, epoch: int, inputs: Tensor, labels: NDArray[np.int64]) -> list[float]:
        """Train every member for one epoch; return their mean losses."""
        orders = []
        for run in self.runs:
            member = run.member
            draw = np.random.default_rng((member.seed, epoch))
            batches = epoch_batches(
                labels[member.train], member.settings.batch, weighted=member.settings.weighted, draw=draw
            )
            orders.append(np.where(batches >= 0, member.train[batches], -1))
        longest = max(map(len, orders))
        rows = np.full((longest, len(orders), orders[0].shape[1]), -1, dtype=np.int64)
        for k, order in enumerate(orders):
            rows[: len(order), k] = order
        there = torch.from_numpy(rows >= 0)
        # Every member's loss is the mean over the windows that its batch really holds.
        share = there / there.sum(2, keepdim=True).clamp(min=1)
        truth = torch.from_numpy(labels[np.maximum(rows, 0)])
        index = torch.from_numpy(np.maximum(rows, 0))
        total = torch.zeros(len(orders))
        groups = self.optimizer.param_groups
        steps = [len(order) for order in orders]
        changes = torch.Generator().manual_seed(1000 * self.runs[0].member.seed + epoch)
        for step in range(longest):
            windows = _gather(inputs, index[step])
            if self.augmentation is not None:
                windows = self.augmentation(windows, changes)
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
                logits = self.network(windows)
            losses = (_losses(logits.float(), truth[step]) * share[step]).sum(1)
            grads = torch.autograd.grad(losses.sum(), self.parameters)
            flat = torch.cat([grad.flatten(1) for grad in grads], 1)
            for k, group in enumerate(groups):
                trained = group["params"][0]
                # Members whose epoch is over wait: without a gradient, Adam passes them by.
                trained.grad = flat[k, flat.shape[1] - len(trained) :] if step < steps[k] else None
            self.optimizer.step()
            total += losses.detach()
        return (total / torch.tensor(steps)).tolist()

    def evaluate(self, rows: Sequence[Rows], inputs: Tensor) -> list[NDArray[np.float32]]:
        """Logits [rows, outputs] of each member's own rows."""
        return _logits(self.network, rows, inputs)


def _share(network: ResidualWindow, weights: Tensor) -> list[torch.nn.Parameter]:
    """Let a stack's parameters be views of a matrix [members, parameters]; return them in its order."""
    parameters = [p for stage in network.stages() for p in stage]
    sizes = [p[0].numel() for p in parameters]
    if weights.shape[1] != sum(sizes):
        raise ModelError(
            f"weights of {weights.shape[1]:,} parameters for a network of {sum(sizes):,}; "
            "give the network that they were trained in"
        )
    for p, size, end in zip(parameters, sizes, accumulate(sizes), strict=True):
        p.data = weights[:, end - size : end].view(p.shape)
    return parameters


def _gather(inputs: Tensor, index: Tensor) -> Tensor:
    """Inputs of rows [members, batch] as float32."""
    return inputs[index].float()


def _losses(logits: Tensor, truth: Tensor) -> Tensor:
    """Loss of each window: logits [..., outputs], truth [...]."""
    if logits.shape[-1] == 1:
        return F.binary_cross_entropy_with_logits(logits[..., 0], truth.to(logits.dtype), reduction="none")
    flat = F.cross_entropy(logits.flatten(0, -2), truth.flatten(), reduction="none")
    return flat.view(truth.shape)


def _logits(network: ResidualWindow, rows: Sequence[Rows], inputs: Tensor) -> list[NDArray[np.float32]]:
    longest = max(map(len, rows))
    filled = torch.zeros((len(rows), longest), dtype=torch.int64)
    for k, own in enumerate(rows):
        filled[k, : len(own)] = torch.from_numpy(own)
    with torch.inference_mode():
        begins = range(0, longest, EVALUATED_TOGETHER)
        pieces = [network(_gather(inputs, filled[:, at : at + EVALUATED_TOGETHER])) for at in begins]
    logits = torch.cat(pieces, 1).numpy()
    return [logits[k, : len(own)] for k, own in enumerate(rows)]
