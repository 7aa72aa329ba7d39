"""Where the P wave, the QRS complex and the T wave of a beat are to be expected, from its RR intervals.

Windows of the literature around the fiducial, not a delineation: whether there is a wave in them nobody has
looked. They say where an attribution lies, roughly, and alike for every beat.

* QRS: 50 ms before to 100 ms after the fiducial (de Chazal 2004, doi:10.1109/TBME.2004.827359).
* P: 200 to 30 ms before the QRS (Laguna 1994, doi:10.1006/cbmr.1994.1006), which begins 50 ms before the
  fiducial; after a short interval, at most 0.4 of it before the fiducial, where the T wave before has ended.
* T: 140 to 500 ms after the fiducial, or 100 ms to 0.7 RR where the beats are under 0.7 s apart (the same).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

REGIONS = ("P", "QRS", "T")

ELSEWHERE = "elsewhere"

USUAL_RR = 0.8
"""Seconds that an unknown RR interval counts for."""

_QRS = (-0.05, 0.10)
_P_BEFORE_QRS = (0.20, 0.03)
_P_OF_RR = 0.4
_SHORT_RR = 0.7
_T, _T_SHORT, _T_OF_RR = (0.14, 0.50), 0.10, 0.7


def regions(rr: ArrayLike) -> dict[str, Floats]:
    """Begin and end of each region in seconds from the fiducial.

    Parameters
    ----------
    rr
        Seconds from the beat before and to the beat after, [n, 2]; NaN where there is none.

    Returns
    -------
    dict
        float32 [n, 2] by name, in the order of `REGIONS`; a region that has no room ends where it begins.
    """
    known = np.where(np.isfinite(rr), rr, USUAL_RR).astype(np.float32).reshape(-1, 2)
    before, after = known[:, 0], known[:, 1]
    end_p = np.full(len(known), _QRS[0] - _P_BEFORE_QRS[1])
    begin_p = np.minimum(np.maximum(_QRS[0] - _P_BEFORE_QRS[0], -_P_OF_RR * before), end_p)
    short = after < _SHORT_RR
    begin_t = np.where(short, _T_SHORT, _T[0])
    end_t = np.maximum(np.where(short, _T_OF_RR * after, _T[1]), begin_t)
    begin_qrs, end_qrs = (np.full(len(known), edge) for edge in _QRS)
    spans = {"P": (begin_p, end_p), "QRS": (begin_qrs, end_qrs), "T": (begin_t, end_t)}
    return {name: np.stack(span, axis=1).astype(np.float32) for name, span in spans.items()}


def region_masks(rr: ArrayLike, *, fs: float, before: int, width: int) -> dict[str, Mask]:
    """Which samples of a window lie in each region.

    Parameters
    ----------
    rr
        See `regions`.
    fs
        Samples of a window per second.
    before
        Samples before the fiducial.
    width
        Samples of a window.

    Returns
    -------
    dict
        bool [n, width] by name: `REGIONS`, and ``"elsewhere"``. Each sample is in one of them.
    """
    # In whole microseconds: a sample on the edge of a region is on the same side of it every time.
    at = _microseconds((np.arange(width) - before) / fs)
    masks: dict[str, Mask] = {}
    for name, span in regions(rr).items():
        edges = _microseconds(span)
        masks[name] = (at >= edges[:, :1]) & (at < edges[:, 1:])
    masks[ELSEWHERE] = ~np.logical_or.reduce(list(masks.values()))
    return masks


def _microseconds(seconds: NDArray[np.floating]) -> NDArray[np.int64]:
    return np.round(1e6 * seconds.astype(np.float64)).astype(np.int64)


def region_shares(values: ArrayLike, masks: dict[str, Mask]) -> dict[str, NDArray[np.float64]]:
    """Share of each region in the absolute attribution of all leads, by name, float64 [n] summing to 1.

    Parameters
    ----------
    values
        Attribution [n, leads, width].
    masks
        See `region_masks`.
    """
    weight = np.abs(np.asarray(values, dtype=np.float64)).sum(axis=1)
    total = weight.sum(axis=1)
    whole = np.where(total > 0, total, 1)
    return {name: (weight * mask).sum(axis=1) / whole for name, mask in masks.items()}
