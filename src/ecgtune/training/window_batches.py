"""Windows in memory, dealt in batches by index: no call of Python for a single window."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ecgtune.training.small_classes import SmallClasses


class WindowSet(Dataset[tuple[Tensor, Tensor]]):
    """Some rows of a table of windows.

    Parameters
    ----------
    windows
        float32 [n, channels, width].
    labels
        int64 [n].
    rows
        int64 [rows].
    """

    def __init__(self, windows: Tensor, labels: Tensor, rows: Tensor) -> None:
        self.windows = windows
        self.labels = labels
        self.rows = rows

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.rows)

    def __getitem__(self, item: int) -> tuple[Tensor, Tensor]:
        """Return window [channels, width] and label of one of the rows."""
        return self.windows[self.rows[item]], self.labels[self.rows[item]]


class Batches:
    """An epoch's batches in random order, drawn from torch's generator; what skorch calls an iterator.

    Batches are of nearly equal size, so that none is of a single window, which batch normalisation cannot
    learn from.

    Parameters
    ----------
    dataset
        See `WindowSet`.
    batch_size
        Windows of a batch, at most.
    augmentation
        What is added and changed.
    """

    def __init__(self, dataset: WindowSet, batch_size: int, augmentation: SmallClasses | None = None) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.augmentation = augmentation

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Deal windows [batch, channels, width] and labels [batch]."""
        data, change = self.dataset, self.augmentation
        rows = data.rows
        if change is not None:
            rows = torch.cat([rows, rows[change.added(data.labels[rows])]])
        changed = torch.arange(len(rows)) >= (len(data) if change and not change.everywhere else 0)
        order = torch.randperm(len(rows))
        for part in order.tensor_split(math.ceil(len(order) / self.batch_size)):
            index = rows[part]
            windows = data.windows[index]
            if change is not None:
                which = changed[part]
                windows[which] = change(windows[which])
            yield windows, data.labels[index]
