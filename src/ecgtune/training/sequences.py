"""Excerpts of successive beats as a torch dataset, and what is varied in them during training."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation
from torch import Tensor
from torch.utils.data import Dataset

from ecgtune.beats import Beats, Preprocessing
from ecgtune.labels import CLASSES

Inputs = dict[str, Tensor]

IGNORED = -1
"""Label of beats that teach nothing: false detections, beats of another side, padding."""

NOT_S = -2
"""Label of beats whose class nobody has told, but for that they are not S."""

NOT_ECTOPIC = -3
"""Label of beats of which only that is known that they are N, or in noise no beats at all (Q)."""


@dataclass(frozen=True)
class Recording:
    """Prepared beats of one recording: inputs float32, labels int64.

    Beside classes there are the labels `IGNORED`, `NOT_S` and `NOT_ECTOPIC`.
    """

    name: str
    beats: Tensor
    rhythm: Tensor
    label: Tensor


def labels_of(table: Beats, rows: NDArray[np.integer]) -> NDArray[np.int64]:
    """Labels of all beats of a table, [n]; those of other rows are `IGNORED`."""
    label = np.full(len(table), IGNORED, dtype=np.int64)
    label[rows] = table.label[rows]
    return label


def prepare(table: Beats, rows: NDArray[np.integer], how: Preprocessing) -> list[Recording]:
    """Prepare whole recordings; only the labels of ``rows`` are kept, the other beats are context.

    Context beats of a recording are seen without their labels, as at prediction.
    """
    label = labels_of(table, rows)
    made = []
    for database, record in table.records():
        own = table.of(database, record)
        if not np.isin(own, rows).any():
            continue
        beats, rhythm = how.inputs(table.windows[own], table.at[own])
        made.append(
            Recording(
                f"{database}/{record}",
                torch.from_numpy(beats),
                torch.from_numpy(rhythm),
                torch.from_numpy(label[own]),
            )
        )
    return made


def stretches_around(whole: Recording, wanted: NDArray[np.bool_], context: int, what: str) -> list[Recording]:
    """Cut wanted beats out of a recording, with so many beats on either side and all their labels."""
    near = binary_dilation(wanted, iterations=context)
    edges = np.flatnonzero(np.diff(near, prepend=False, append=False))
    return [
        Recording(
            f"{whole.name} with {what}, from beat {begin}",
            whole.beats[begin:end].clone(),
            whole.rhythm[begin:end].clone(),
            whole.label[begin:end].clone(),
        )
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]


def class_weights(labels: Sequence[Tensor], power: float, fewest: int = 20) -> Tensor:
    """Weights that grow as a class gets rare: (most frequent / this)^power, float32 [classes].

    A class with fewer than ``fewest`` beats is weighted as if it had as many.
    """
    counts = torch.zeros(len(CLASSES))
    for label in labels:
        counts += torch.bincount(label[label >= 0], minlength=len(CLASSES))
    return (counts.max() / counts.clamp(min=fewest)) ** power


class Excerpts(Dataset[tuple[Inputs, Tensor]]):
    """Excerpts of ``length`` beats.

    Parameters
    ----------
    recordings
        Prepared recordings.
    length
        Beats of an excerpt; a shorter recording is padded.
    jitter
        Whether each visit moves an excerpt by a random number of beats (from torch's generator).
    """

    def __init__(self, recordings: Sequence[Recording], length: int, *, jitter: bool) -> None:
        self._recordings = recordings
        self._length = length
        self._jitter = jitter
        self._index = [
            (i, start)
            for i, recording in enumerate(recordings)
            for start in range(0, len(recording.label), length)
        ]

    def __len__(self) -> int:
        """Count the excerpts."""
        return len(self._index)

    def __getitem__(self, item: int) -> tuple[Inputs, Tensor]:
        """Return beats [length, channels, width] and rhythm [length, features], and labels [length]."""
        which, start = self._index[item]
        recording = self._recordings[which]
        n = len(recording.label)
        if self._jitter:
            start += int(torch.randint(-self._length // 2, self._length // 2 + 1, ()))
            start = max(0, min(start, n - self._length))
        own = slice(start, start + self._length)
        beats, rhythm, label = recording.beats[own], recording.rhythm[own], recording.label[own]
        if (lacking := self._length - len(label)) > 0:
            beats = torch.cat([beats, beats.new_zeros(lacking, *beats.shape[1:])])
            rhythm = torch.cat([rhythm, rhythm.new_zeros(lacking, rhythm.shape[1])])
            label = torch.cat([label, label.new_full((lacking,), IGNORED)])
        return {"beats": beats, "rhythm": rhythm}, label


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an excerpt during training; all of it happens to recordings of other devices.

    Parameters
    ----------
    swap
        Probability that the two leads change places.
    lose_first, lose_second
        Probability that a lead is lost; the only one never is.
    invert
        Probability that a lead's electrodes are interchanged, each lead by itself.
    gain
        Standard deviation of the logarithm of a lead's relative gain.
    noise
        Largest standard deviation of white noise, in units of the QRS height.
    shift
        Largest displacement of the fiducial in working samples.
    rhythm
        Standard deviation of noise on the RR features.
    """

    swap: float = 0.3
    lose_first: float = 0.1
    lose_second: float = 0.15
    invert: float = 0.0
    gain: float = 0.15
    noise: float = 0.05
    shift: int = 3
    rhythm: float = 0.02

    def __call__(self, items: list[tuple[Inputs, Tensor]], leads: int) -> tuple[Inputs, Tensor]:
        """Collate excerpts of so many leads to a batch and vary each; draws from torch's generator."""
        beats = torch.stack([inputs["beats"] for inputs, _ in items])
        rhythm = torch.stack([inputs["rhythm"] for inputs, _ in items])
        label = torch.stack([label for _, label in items])
        n, _, channels, _ = beats.shape
        parts = channels // leads

        factor = torch.exp(self.gain * torch.randn(n, leads))
        factor = torch.where(torch.rand(n, leads) < self.invert, -factor, factor)
        lost = torch.rand(n)
        if leads > 1:
            factor[lost < self.lose_second, -1] = 0
            factor[(lost >= self.lose_second) & (lost < self.lose_second + self.lose_first), 0] = 0
            swapped = torch.arange(channels).view(parts, leads).flip(1).flatten()
            swap = torch.rand(n) < self.swap
            beats = torch.where(swap[:, None, None, None], beats[:, :, swapped], beats)
        beats = beats * factor.repeat(1, parts)[:, None, :, None]
        strength = self.noise * torch.rand(n, 1, leads, 1) * (factor != 0)[:, None, :, None]
        beats[:, :, :leads] += strength * torch.randn_like(beats[:, :, :leads])
        beats = torch.roll(beats, int(torch.randint(-self.shift, self.shift + 1, ())), 3)
        rhythm = rhythm + self.rhythm * torch.randn_like(rhythm)
        return {"beats": beats, "rhythm": rhythm}, label
