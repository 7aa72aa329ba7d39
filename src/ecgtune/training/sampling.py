"""Which training rows make each batch of an epoch."""

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def epoch_batches(
    labels: NDArray[np.integer], batch: int, *, weighted: bool, draw: np.random.Generator
) -> Rows:
    """Deal one epoch's rows into batches.

    Parameters
    ----------
    labels
        Class of each training row, [n].
    batch
        Rows in a batch.
    weighted
        Draw ``n`` rows with replacement, each class as often as another, instead of shuffling.
    draw
        Where chance comes from.

    Returns
    -------
    ndarray
        int64 [batches, batch]; -1 fills the last batch up.
    """
    n = len(labels)
    if weighted:
        counts = np.bincount(labels)
        share = 1.0 / counts[labels]
        rows = draw.choice(n, size=n, p=share / share.sum())
    else:
        rows = draw.permutation(n)
    filled = np.full(-(-n // batch) * batch, -1, dtype=np.int64)
    filled[:n] = rows
    return filled.reshape(-1, batch)
