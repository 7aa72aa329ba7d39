"""How alike two attributions of the same beats are."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float32]
Figures = NDArray[np.float64]
Ints = NDArray[np.int64]

TOP = 0.1
"""Share of the samples that count as the most important."""


def rank_correlation(first: Floats, second: Floats) -> Figures:
    """Spearman's rank correlation of two attributions of each beat.

    Parameters
    ----------
    first, second
        [beats, ...], the same shape.

    Returns
    -------
    ndarray
        float64 [beats], -1 to 1; NaN where one of the two has the same value everywhere, so no order.
    """
    ranks = [rankdata(each.reshape(len(each), -1), axis=1) for each in (first, second)]
    centred = [rank - rank.mean(axis=1, keepdims=True) for rank in ranks]
    size = np.sqrt((centred[0] ** 2).sum(1) * (centred[1] ** 2).sum(1))
    found = np.full(len(first), np.nan)
    np.divide((centred[0] * centred[1]).sum(1), size, out=found, where=size > 0)
    return found


def order_of(values: Floats, seed: int = 0) -> Ints:
    """Places of all samples of all leads from the largest value to the smallest.

    Parameters
    ----------
    values
        [beats, ...].
    seed
        Of the draw that orders equal values: those of Grad-CAM are equal in all leads.

    Returns
    -------
    ndarray
        int64 [beats, cells]: places in the flattened beat.
    """
    flat = values.reshape(len(values), -1)
    drawn = np.random.default_rng(seed).random(flat.shape)
    return np.lexsort((drawn, -flat), axis=1).astype(np.int64)


def top_overlap(first: Floats, second: Floats, share: float = TOP, seed: int = 0) -> Figures:
    """Share of the most important samples that two attributions have in common.

    Parameters
    ----------
    first, second
        [beats, ...], the same shape.
    share
        Of the samples that count as the most important; also what two unrelated orders have in common.
    seed
        See `order_of`.

    Returns
    -------
    ndarray
        float64 [beats], 0 to 1; NaN where one of the two has the same value everywhere.
    """
    flat = [each.reshape(len(each), -1) for each in (first, second)]
    count = max(1, round(share * flat[0].shape[1]))
    chosen = np.zeros((2, *flat[0].shape), dtype=np.bool_)
    for place, each in enumerate(flat):
        np.put_along_axis(chosen[place], order_of(each, seed + place)[:, :count], True, axis=1)
    common = chosen.all(axis=0).sum(axis=1) / count
    constant = np.any([np.ptp(each, axis=1) == 0 for each in flat], axis=0)
    return np.where(constant, np.nan, common)
