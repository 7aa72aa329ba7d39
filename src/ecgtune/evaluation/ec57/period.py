"""The part of a recording that is compared."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import EvaluationError
from ecgtune.record import Annotations

START_S = 300.0
"""The standard's learning period: the first five minutes are not compared."""

WINDOW_S = 0.15
"""The standard's match window: beats that far apart may still be the same beat."""

FAR = 1 << 62
"""A sample later than any recording lasts."""


@dataclass(frozen=True)
class Period:
    """The part of a recording that is compared, in samples.

    Parameters
    ----------
    start, stop
        First sample, and the one after the last.
    window
        Largest distance between matching beats.
    end
        Last sample of the recording.
    """

    start: int
    stop: int
    window: int
    end: int

    @classmethod
    def of(
        cls,
        fs: float,
        start: float,
        stop: float | None,
        window: float,
        end: int,
        record: str = "",
    ) -> "Period":
        """Convert seconds to samples.

        Parameters
        ----------
        fs
            Sampling rate in Hz.
        start, stop
            Seconds; `stop` None: to the end.
        window
            Seconds; rounded down to whole samples, so that no match is farther apart than it says.
        end
            Last sample of the recording.
        record
            The record's name, for messages.

        Raises
        ------
        EvaluationError
            Where a figure is not usable.
        """
        name = f"{record}: " if record else ""
        if not (math.isfinite(fs) and fs > 0):
            raise EvaluationError(f"{name}sampling rate {fs} Hz; give a positive one")
        if not (math.isfinite(start) and start >= 0):
            raise EvaluationError(f"{name}start {start} s; give 0 or more")
        if stop is not None and not stop > start:
            raise EvaluationError(f"{name}stop {stop} s is not after start {start} s")
        if not (math.isfinite(window) and window >= 0):
            raise EvaluationError(f"{name}match window {window} s; give 0 or more")
        tiny = 1e-6  # 0.15 s x 360 Hz is 53.999..., and 54 samples are meant
        return cls(
            math.ceil(start * fs - tiny),
            FAR if stop is None or math.isinf(stop) else math.ceil(stop * fs - tiny),
            math.floor(window * fs + tiny),
            end,
        )

    def holds(self, sample: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which samples are in the period: bool [n]."""
        held: NDArray[np.bool_] = (sample >= self.start) & (sample < self.stop)
        return held


def last_sample(reference: Annotations, test: Annotations, n_samples: int | None) -> int:
    """Where the recording ends: its length if known, else the last annotation."""
    if n_samples is not None:
        return n_samples
    return max((int(a.sample[-1]) for a in (reference, test) if len(a)), default=0)
