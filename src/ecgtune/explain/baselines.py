"""What stands for "nothing there" where a method compares a beat with its absence."""

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import ModelError
from ecgtune.explain.subject import Examples

Floats = NDArray[np.float32]

BASELINES = ("zero", "typical-beat", "noise")
"""Of beats: the isoelectric line and a rhythm without surprise; the recording's median beat and rhythm; noise
as strong as the signal. Of images, see `ecgtune.explain.subject_images`."""


def baseline_of(examples: Examples, name: str, seed: int = 0) -> tuple[Floats, Floats | None]:
    """Signal and RR features of a baseline, each of the examples' shape.

    Parameters
    ----------
    examples
        The beats.
    name
        ``"zero"``: 0 in the network's units. ``"typical-beat"``: see `Examples.typical`. ``"noise"``: white,
        with mean and standard deviation of each example's each lead; RR features 0.
    seed
        Of the noise; an example's noise depends on its place among the examples.

    Raises
    ------
    ModelError
        On an unknown name.
    """
    rhythm = None if examples.rhythm is None else np.zeros_like(examples.rhythm)
    if name == "zero":
        return np.zeros_like(examples.signal), rhythm
    if name == "typical-beat":
        return examples.typical, examples.typical_rhythm
    if name == "noise":
        rest = tuple(range(2, examples.signal.ndim))
        mean = examples.signal.mean(axis=rest, keepdims=True)
        deviation = examples.signal.std(axis=rest, keepdims=True)
        drawn = np.random.default_rng(seed).standard_normal(examples.signal.shape, dtype=np.float32)
        return mean + deviation * drawn, rhythm
    raise ModelError(f"unknown baseline {name!r}; known: {', '.join(BASELINES)}")
