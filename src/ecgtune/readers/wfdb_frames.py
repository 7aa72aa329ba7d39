"""WFDB signals of several samples a frame, all at the rate of the lead that has most.

A frame holds one sample or more of each signal (https://wit.mit.edu/wfdb/header.5); a header's rate is that
of frames. Leads of fewer samples are interpolated between their four nearest ones (Catmull and Rom 1974,
doi:10.1016/B978-0-12-079050-0.50020-5), where WFDB programs would average or repeat samples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ecgtune.record import FloatArray

_MARGIN = 2
"""Frames on either side in which the nearest samples lie, also of a lead that has one a frame."""


class Frames(Protocol):
    """Reads whole frames of some signals."""

    def fill(self, rows: Sequence[FloatArray], start: int, stop: int) -> None:
        """Put frames ``start`` to ``stop`` of each signal into its row, in mV, NaN where missing."""
        ...


@dataclass(frozen=True)
class FramesSource:
    """Leads at ``per_frame`` samples a frame, of which each has its own number in the file."""

    frames: Frames
    per_lead: tuple[int, ...]
    per_frame: int
    n_frames: int

    def read(self, start: int, stop: int) -> FloatArray:
        """Samples ``start`` to ``stop`` in mV, float32 [samples, leads], NaN where missing."""
        out = np.empty((len(self.per_lead), stop - start), dtype=np.float32)
        if stop > start:
            first = max(0, start // self.per_frame - _MARGIN)
            last = min(self.n_frames, -(-stop // self.per_frame) + _MARGIN)
            rows = [np.empty((last - first) * n, dtype=np.float32) for n in self.per_lead]
            self.frames.fill(rows, first, last)
            samples = np.arange(start, stop)
            for target, row, n in zip(out, rows, self.per_lead, strict=True):
                if n == self.per_frame:
                    target[:] = row[start - first * n : stop - first * n]
                else:
                    before, rest = np.divmod(samples * n, self.per_frame)
                    target[:] = _between(row, before - first * n, rest / self.per_frame)
        return out.T


def _between(row: FloatArray, before: NDArray[np.int64], part: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values at a part of the way from samples to the next ones, by cubics through the four around."""
    a, b, c, d = (row[np.clip(before + k, 0, len(row) - 1)].astype(np.float64) for k in (-1, 0, 1, 2))
    cubic = 1.5 * (b - c) + 0.5 * (d - a)
    square = a - 2.5 * b + 2 * c - 0.5 * d
    return b + part * (0.5 * (c - a) + part * (square + part * cubic))
