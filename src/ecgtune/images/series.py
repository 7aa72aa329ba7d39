"""Series as images: pixel (i, j) tells how the parts i and j of a window relate.

Gramian angular and Markov transition fields are those of Wang and Oates, "Imaging time-series to improve
classification and imputation" (IJCAI 2015, arXiv:1506.00327); recurrence plots those of Eckmann, Kamphorst
and Ruelle (1987, doi:10.1209/0295-5075/4/9/004) without embedding, that is of one sample a point.

Windows are reduced to the image's size by piecewise aggregate approximation: the mean over each of ``size``
equal parts. Where the parts do not divide a window into whole samples, a sample that two parts share counts
in both by its share.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]

METHODS = ("summation", "difference")
"""Kinds of Gramian angular field."""

STRATEGIES = ("quantile", "uniform")
"""Bins of a Markov transition field: alike in samples or alike in width."""


def gramian_angular_field(windows: ArrayLike, size: int, method: str = "summation") -> Floats:
    """Draw the Gramian angular field of each window.

    A window is reduced to ``size`` values, those are scaled to -1..1 and taken as cosines of angles phi;
    a pixel is cos(phi_i + phi_j) (summation, symmetric) or sin(phi_i - phi_j) (difference, antisymmetric).
    Gain and offset of a window do not matter. In a constant window every cosine is zero: -1 everywhere
    (summation) or 0 (difference).

    Parameters
    ----------
    windows
        [n, width].
    size
        Side of the images, at most ``width``.
    method
        One of `METHODS`.

    Returns
    -------
    ndarray
        float32 [n, size, size], -1 to 1.

    Raises
    ------
    ValueError
        On a method, a size or windows that make no image.
    """
    if method not in METHODS:
        raise ValueError(f"unknown angular field {method!r}; known: {', '.join(METHODS)}")
    series = _reduce(_checked(windows, size), size)
    low, high = series.min(axis=1, keepdims=True), series.max(axis=1, keepdims=True)
    flat = high == low
    span = np.where(flat, 1, high - low)
    # From the distances to both ends: 1 - cos^2 loses half of its digits where the cosine nears 1.
    above, below = np.where(flat, 0.5, (series - low) / span), np.where(flat, 0.5, (high - series) / span)
    cos, sin = above - below, 2 * np.sqrt(above * below)
    if method == "summation":
        field = _outer(cos, cos) - _outer(sin, sin)
    else:
        field = _outer(sin, cos) - _outer(cos, sin)
    return np.clip(field, -1, 1, out=field)


def markov_transition_field(
    windows: ArrayLike, size: int, bins: int = 8, strategy: str = "quantile"
) -> Floats:
    """Draw the Markov transition field of each window.

    Every sample is put into one of ``bins`` states by its value within its window; pixel (i, j) of the full
    field is the probability, counted over successive samples of the window, that the state of sample i is
    followed by that of sample j. The image is its mean over blocks. A state that is only the last sample's
    is followed by nothing: zero. In a constant window the one state follows itself: 1 everywhere.

    Parameters
    ----------
    windows
        [n, width].
    size
        Side of the images, at most ``width``.
    bins
        States, 2 or more. A sample that equals the edge between two bins belongs to the lower.
    strategy
        ``"quantile"``: edges at the quantiles of the window's samples; ``"uniform"``: at equal distances
        between its least and its greatest sample.

    Returns
    -------
    ndarray
        float32 [n, size, size], 0 to 1; not symmetric.

    Raises
    ------
    ValueError
        On a strategy, a number of bins, a size or windows that make no image.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"unknown bins {strategy!r}; known: {', '.join(STRATEGIES)}")
    if bins < 2:
        raise ValueError(f"{bins} bins asked for; at least 2")
    series = _checked(windows, size)
    n, width = series.shape
    inner = np.linspace(0, 1, bins + 1)[1:-1]
    if strategy == "quantile":
        edges = np.quantile(series, inner, axis=1)
    else:
        low, high = series.min(axis=1), series.max(axis=1)
        edges = low + (high - low) * inner[:, np.newaxis]
    state = np.zeros(series.shape, dtype=np.int64)
    for edge in edges:
        state += series > edge[:, np.newaxis]

    step = (np.arange(n)[:, np.newaxis] * bins + state[:, :-1]) * bins + state[:, 1:]
    counts = np.bincount(step.ravel(), minlength=n * bins * bins).reshape(n, bins, bins)
    follows = (counts / np.maximum(counts.sum(axis=2, keepdims=True), 1)).astype(np.float32)
    # The mean over blocks of follows[state_i, state_j] is the mean of follows under the states of both parts.
    is_state = (state[:, np.newaxis] == np.arange(bins)[:, np.newaxis]).astype(np.float32)
    share = _reduce(is_state.reshape(n * bins, width), size).reshape(n, bins, size)
    field: Floats = share.transpose(0, 2, 1) @ (follows @ share)
    return np.clip(field, 0, 1, out=field)


def recurrence_plot(windows: ArrayLike, size: int, threshold: float | None = None) -> Floats:
    """Draw the recurrence plot of each window.

    The definition reduces nothing: the window is reduced to ``size`` values before they are compared.

    Parameters
    ----------
    windows
        [n, width].
    size
        Side of the images, at most ``width``.
    threshold
        In the windows' unit: pixels are 1 where two values differ by at most as much, else 0. None gives the
        differences themselves.

    Returns
    -------
    ndarray
        float32 [n, size, size], symmetric: 0 to the window's range without a threshold, else 0 or 1.

    Raises
    ------
    ValueError
        On a negative threshold, a size or windows that make no image.
    """
    if threshold is not None and not threshold >= 0:
        raise ValueError(f"threshold {threshold:g} asked for; differences are 0 or more")
    series = _reduce(_checked(windows, size), size)
    difference = series[:, :, np.newaxis] - series[:, np.newaxis, :]
    np.abs(difference, out=difference)
    return difference if threshold is None else (difference <= threshold).astype(np.float32)


def three_channels(windows: ArrayLike, size: int = 64) -> Floats:
    """Draw each window as one image of three channels, all from 0 to 1.

    The channels are the Gramian angular summation field, moved from -1..1 to 0..1; the Markov transition
    field of 8 quantile bins; and the recurrence plot without threshold, each window's divided by its
    greatest difference (0 everywhere in a constant window). Gain and offset of a window do not matter.

    Parameters
    ----------
    windows
        [n, width].
    size
        Side of the images, at most ``width``.

    Returns
    -------
    ndarray
        float32 [n, 3, size, size].

    Raises
    ------
    ValueError
        On a size or windows that make no image.
    """
    series = _checked(windows, size)
    images = np.empty((len(series), 3, size, size), dtype=np.float32)
    np.multiply(gramian_angular_field(series, size) + np.float32(1), np.float32(0.5), out=images[:, 0])
    images[:, 1] = markov_transition_field(series, size)
    differences = recurrence_plot(series, size)
    greatest = np.ptp(_reduce(series, size), axis=1)[:, np.newaxis, np.newaxis]
    np.divide(differences, np.where(greatest > 0, greatest, 1), out=images[:, 2])
    return images


def _checked(windows: ArrayLike, size: int) -> Floats:
    series: Floats = np.asarray(windows, dtype=np.float32)
    if series.ndim != 2:
        raise ValueError(f"windows of shape {series.shape}; give [n, width]")
    if not 1 <= size <= series.shape[1]:
        raise ValueError(
            f"images of side {size} asked for; windows have {series.shape[1]} samples: 1 to that"
        )
    if not np.isfinite(series).all():
        missing = int(np.flatnonzero(~np.isfinite(series).all(axis=1))[0])
        raise ValueError(f"window {missing} has missing samples; bridge them first")
    return series


def _reduce(series: Floats, size: int) -> Floats:
    """Means over ``size`` equal parts of [n, width]: float32 [n, size]."""
    n, width = series.shape
    means: Floats
    if width % size == 0:
        means = series.reshape(n, size, width // size).mean(axis=2)
        return means
    edge = np.arange(size + 1) * (width / size)
    sample = np.arange(width)[:, np.newaxis]
    shared = np.minimum(sample + 1, edge[1:]) - np.maximum(sample, edge[:-1])
    weights = (np.maximum(shared, 0) * (size / width)).astype(np.float32)
    # About the first sample, so that a constant window stays exactly constant: it may be scaled up later.
    first = series[:, :1]
    means = (series - first) @ weights + first
    return means


def _outer(rows: Floats, columns: Floats) -> Floats:
    return rows[:, :, np.newaxis] * columns[:, np.newaxis, :]
