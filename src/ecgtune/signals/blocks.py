"""Signals generated in fixed blocks, so that a piece does not depend on how it is read."""

from abc import ABC, abstractmethod

import numpy as np

from ecgtune.record import FloatArray


def block_length(fs: float) -> int:
    """Samples in a block: the power of two that holds at least a minute at ``fs`` Hz.

    A minute resolves baseline wander of 0.05 Hz; a power of two suits the FFT.
    """
    return 1 << int(np.ceil(np.log2(max(60 * fs, 2))))


class BlockSource(ABC):
    """A `ecgtune.record.SignalSource` without end that is generated block by block.

    Every block is always computed whole and in the same way; a piece is cut from the blocks it touches.
    Pieces are therefore bit-identical however the signal is read, and memory is bounded by the piece.

    Parameters
    ----------
    fs
        Sampling rate in Hz.
    n_leads
        Number of leads.
    """

    def __init__(self, fs: float, n_leads: int) -> None:
        self.fs = float(fs)
        self.n_leads = n_leads
        self.block = block_length(fs)
        self._last: tuple[int, FloatArray] | None = None

    @abstractmethod
    def generate(self, index: int) -> FloatArray:
        """Samples of block number ``index``, float32 [block, leads]."""

    def read(self, start: int, stop: int) -> FloatArray:
        """Samples ``start`` to ``stop``, float32 [samples, leads]."""
        out = np.empty((stop - start, self.n_leads), dtype=np.float32)
        for index in range(start // self.block, -(-stop // self.block)):
            first = index * self.block
            a, b = max(start, first), min(stop, first + self.block)
            out[a - start : b - start] = self._whole(index)[a - first : b - first]
        return out

    def _whole(self, index: int) -> FloatArray:
        # A local copy: another thread may replace the block that is kept.
        last = self._last
        if last is None or last[0] != index:
            last = self._last = (index, self.generate(index))
        return last[1]
