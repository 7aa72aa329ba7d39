"""Many trainings, sorted into stacks, several processes at a time; what is finished is never done again."""

import hashlib
import io
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.errors import ModelError
from ecgtune.files import make_folder, write_whole
from ecgtune.training.networks.residual_window import ResidualWindow
from ecgtune.training.stacked import Epoch, Member, Trained, predict_stack, train_stack
from ecgtune.training.window_augmentation import WindowAugmentation
from ecgtune.training.workers import run_all

Transform = Callable[[NDArray[np.float32]], NDArray[Any]]
"""Inputs of the network from windows [n, width]; a function of a module, so that it travels to processes."""

Tell = Callable[[str], None]
"""Called with lines of progress."""

WINDOWS_TOGETHER = 96
"""Windows in a stack's step (so networks times batch), within 12 to 24 networks; more are not faster."""


@dataclass(frozen=True)
class Windows:
    """What the members of all stacks look at.

    Parameters
    ----------
    windows
        float32 [n, width].
    labels
        int64 [n].
    network
        Arguments of `ResidualWindow`.
    transform
        Makes inputs [rows, channels, ...] of windows; a channel of its own where None.
    augmentation
        Of windows; not for images.
    """

    windows: NDArray[np.float32] = field(repr=False)
    labels: NDArray[np.int64] = field(repr=False)
    network: dict[str, int] = field(default_factory=dict)
    transform: Transform | None = None
    augmentation: WindowAugmentation | None = None

    def build(self, models: int) -> ResidualWindow:
        """Build a stack of networks."""
        return ResidualWindow(**self.network, models=models)

    def inputs(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """Inputs of some rows."""
        if self.transform is None:
            return torch.from_numpy(self.windows[rows, np.newaxis])
        return torch.from_numpy(self.transform(self.windows[rows]))


def train_all(
    members: Iterable[Member],
    table: Windows,
    folder: Path,
    *,
    jobs: int,
    bfloat16: bool = False,
    weights: bool = True,
    together: int | None = None,
    tell: Tell = lambda _: None,
) -> dict[str, Trained]:
    """Train members in stacks, or read what an earlier call has finished.

    Which members form a stack depends on the members alone: an interrupted call that is repeated gives what
    one without interruption gives, whatever ``jobs``.

    Parameters
    ----------
    members
        What to train.
    table
        What they look at.
    folder
        Keeps a file for each finished stack.
    jobs
        Processes, each with one thread.
    bfloat16
        See `train_stack`.
    weights
        Whether weights are kept; without them `Trained.weights` is empty.
    together
        Most networks in a stack; by default so many that more are not faster.
    tell
        Called with a line for each finished stack.

    Returns
    -------
    dict
        By the members' names.

    Raises
    ------
    ModelError
        Where two members have one name.
    """
    members = list(members)
    if len({member.name for member in members}) < len(members):
        raise ModelError("two members have one name; results are kept by name")
    make_folder(folder)
    stacks = make_stacks(members, together)
    data = _digest(table.windows, table.labels)
    facts = [data, table.network, getattr(table.transform, "__qualname__", None), bfloat16]
    if table.augmentation is not None:
        facts.append(asdict(table.augmentation))
    about = json.dumps(facts)
    paths = [folder / f"{_name(stack, about)}.npz" for stack in stacks]
    found: dict[str, Trained] = {}
    waiting = []
    for stack, path in zip(stacks, paths, strict=True):
        kept = _load(path)
        if kept is None or (weights and not all(len(each.weights) for each in kept.values())):
            waiting.append((stack, path))
        else:
            found |= kept
    if not waiting:
        return found
    # The longest first, so that no process is left with one of them at the end.
    waiting.sort(key=lambda each: -sum(len(m.train) * m.settings.epochs for m in each[0]))
    tasks = [stack for stack, _ in waiting]
    for done, (place, trained) in enumerate(run_all(_train, (table, bfloat16), tasks, jobs), start=1):
        if not weights:
            trained = [Trained(t.name, t.history, t.best, np.zeros(0, dtype=np.float32)) for t in trained]
        _save(trained, waiting[place][1])
        found |= {each.name: each for each in trained}
        tell(f"{done} of {len(waiting)} stacks")
    return found


@dataclass(frozen=True)
class Trainer:
    """Where and how the trainings of a study run.

    Parameters
    ----------
    folder
        Keeps what is finished.
    jobs
        Processes, each with one thread.
    bfloat16
        See `train_stack`.
    tell
        Called with lines of progress.
    """

    folder: Path
    jobs: int
    bfloat16: bool
    tell: Tell

    def train(
        self, what: str, members: Sequence[Member], table: Windows, **options: Any
    ) -> dict[str, Trained]:
        """Train members, or read what is finished; lines of progress begin with ``what``.

        Parameters
        ----------
        what
            Name of these trainings, for `tell`.
        members, table
            As for `train_all`.
        options
            ``weights`` and ``together`` of `train_all`.

        Returns
        -------
        dict
            By the members' names.
        """
        self.tell(f"{what}: {len(members)} networks")
        return train_all(
            members,
            table,
            self.folder,
            jobs=self.jobs,
            bfloat16=self.bfloat16,
            tell=lambda line: self.tell(f"{what}: {line}"),
            **options,
        )


def predict_all(
    weights: Sequence[NDArray[np.float32]],
    rows: Sequence[NDArray[np.int64]],
    table: Windows,
) -> list[NDArray[np.float32]]:
    """Logits [rows, outputs] of networks, each for rows of its own."""
    logits = []
    for own, wanted in zip(weights, rows, strict=True):
        local = np.arange(len(wanted))
        logits += predict_stack(own[np.newaxis], [local], table.inputs(wanted), table.build)
    return logits


def make_stacks(members: Iterable[Member], together: int | None = None) -> list[list[Member]]:
    """Sort members into stacks of one batch size and of like numbers of steps."""

    def like(member: Member) -> tuple[int, int, int, str]:
        settings = member.settings
        return settings.batch, settings.epochs, -(-len(member.train) // settings.batch), member.name

    by_batch: dict[int, list[Member]] = {}
    for member in sorted(members, key=like):
        by_batch.setdefault(member.settings.batch, []).append(member)
    stacks = []
    for batch, same in by_batch.items():
        size = together or min(max(WINDOWS_TOGETHER // batch, 12), 24)
        stacks += [same[begin : begin + size] for begin in range(0, len(same), size)]
    return stacks


def _train(shared: tuple[Windows, bool], stack: list[Member]) -> list[Trained]:
    table, bfloat16 = shared
    rows = np.unique(np.concatenate([part for m in stack for part in (m.train, m.validate)]))

    def local(wanted: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(rows, wanted).astype(np.int64)

    members = [Member(m.name, local(m.train), local(m.validate), m.settings, m.start, m.seed) for m in stack]
    return train_stack(
        members,
        table.inputs(rows),
        table.labels[rows],
        table.build,
        bfloat16=bfloat16,
        augmentation=table.augmentation,
    )


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _name(stack: list[Member], about: str) -> str:
    facts = [
        (
            m.name,
            m.seed,
            asdict(m.settings),
            _digest(m.train, m.validate, *([] if m.start is None else [m.start])),
        )
        for m in stack
    ]
    return hashlib.sha256((json.dumps(facts) + about).encode()).hexdigest()[:24]


def _save(trained: list[Trained], path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(
        buffer,
        name=np.array([t.name for t in trained]),
        best=np.array([t.best for t in trained]),
        epochs=np.array([len(t.history) for t in trained]),
        history=np.array([[e.train_loss, e.loss, e.balanced_accuracy] for t in trained for e in t.history]),
        sizes=np.array([len(t.weights) for t in trained]),
        weights=np.concatenate([t.weights for t in trained]),
    )
    write_whole(path, buffer.getvalue())


def _load(path: Path) -> dict[str, Trained] | None:
    """What a stack's file keeps; None where there is none or it is damaged, so that it is trained again."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as kept:
            names = kept["name"].tolist()
            histories = np.split(kept["history"], np.cumsum(kept["epochs"])[:-1])
            weights = np.split(kept["weights"], np.cumsum(kept["sizes"])[:-1])
            return {
                name: Trained(name, tuple(Epoch(*map(float, row)) for row in history), int(best), own)
                for name, history, best, own in zip(names, histories, kept["best"], weights, strict=True)
            }
    except (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error):
        return None
