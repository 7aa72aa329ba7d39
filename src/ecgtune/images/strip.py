"""Beats and strips drawn as an ECG is printed: a dark trace on paper with a grid of millimetres.

The trace is the straight lines between the samples, drawn by a pen with a round point. It is exact in height
and in quarters of a pixel in width: the lowest and highest ink in every narrow column is found for all images
at once, and a pixel is as dark as the share of it that is covered.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

_FINE = 4
"""Columns that a pixel is divided into."""

_POINTS = 16
"""Places of the pen that are looked at in a pixel's width."""

_PAPER = (255, 255, 255)
_THIN, _THICK = (250, 218, 216), (238, 160, 154)
_TRACE = (20, 20, 24)

_LEAST_SPACING = 3.0
"""Pixels between grid lines; closer ones would only tint the paper, so they are left out."""

_PIXELS_TOGETHER = 1 << 17
"""Of images that are drawn in one step, so that they stay in the processor's cache."""


@dataclass(frozen=True)
class StripOptions:
    """How strips are drawn. A millimetre of paper is as wide as it is high.

    Parameters
    ----------
    width, height
        Of the images in pixels; ``height`` 0 is as much as ``width``.
    seconds
        Time from the left edge to the right one. The first sample lies on the left edge; what comes later
        than ``seconds`` is not drawn.
    mm_per_s, mm_per_mv
        Speed and gain of the paper.
    grid
        Whether lines are drawn every millimetre (where they are `_LEAST_SPACING` pixels apart) and, darker,
        every five.
    line_width
        Of the trace, in pixels.
    baseline
        Where 0 mV lies: 0 is the upper edge, 1 the lower.
    """

    width: int = 128
    height: int = 0
    seconds: float = 1.0
    mm_per_s: float = 25.0
    mm_per_mv: float = 10.0
    grid: bool = True
    line_width: float = 1.5
    baseline: float = 0.6

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 0:
            raise ValueError(f"images of {self.width} x {self.height} pixels; give whole numbers above 0")
        for name in ("seconds", "mm_per_s", "mm_per_mv", "line_width"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} = {getattr(self, name):g}; it is above 0")

    @property
    def rows(self) -> int:
        """Height of the images in pixels."""
        return self.height or self.width

    @property
    def px_per_mm(self) -> float:
        """Pixels of a millimetre of paper."""
        return self.width / (self.seconds * self.mm_per_s)

    @property
    def range_mv(self) -> tuple[float, float]:
        """Lowest and highest voltage that the images show."""
        px_per_mv = self.px_per_mm * self.mm_per_mv
        zero = self.baseline * self.rows
        return (zero - self.rows) / px_per_mv, zero / px_per_mv


def draw_strips(signals: ArrayLike, fs: float, options: StripOptions) -> Bytes:
    """Draw signals as they would be printed.

    Parameters
    ----------
    signals
        mV, [n, samples]. Missing samples (NaN) leave the paper blank; what lies beyond the paper is not seen.
    fs
        Sampling rate in Hz.
    options
        See `StripOptions`.

    Returns
    -------
    ndarray
        uint8 [n, height, width, 3], RGB.

    Raises
    ------
    ValueError
        On signals of another shape.
    """
    mv: Floats = np.asarray(signals, dtype=np.float32)
    if mv.ndim != 2 or not mv.shape[1]:
        raise ValueError(f"signals of shape {mv.shape}; give [n, samples]")
    images = np.empty((len(mv), options.rows, options.width, 3), dtype=np.uint8)
    paper = _paper(options)
    images[:] = np.rint(paper).astype(np.uint8)
    together = max(1, _PIXELS_TOGETHER // (options.rows * options.width))
    for at in range(0, len(mv), together):
        cover = _ink(mv[at : at + together], fs, options).ravel()
        # Most of a picture is paper.
        inked = np.flatnonzero(cover > 0)
        ground = np.take(paper.reshape(-1, 3), inked % (options.rows * options.width), axis=0)
        shade = ground + cover[inked, np.newaxis] * (np.array(_TRACE, dtype=np.float32) - ground)
        images[at : at + together].reshape(-1, 3)[inked] = np.rint(shade)
    return images


def _ink(mv: Floats, fs: float, options: StripOptions) -> Floats:
    """Share of each pixel that the trace covers, float32 [n, rows, width]."""
    top, bottom = _covered(mv, fs, options)
    # Ink above each edge between two rows, summed over the columns of a pixel; a row holds the difference.
    edges = np.arange(options.rows + 1, dtype=np.float32)[:, np.newaxis]
    above = np.zeros((len(mv), options.rows + 1, options.width), dtype=np.float32)
    own = np.empty_like(above)
    for k in range(_FINE):
        begin, end = (np.ascontiguousarray(rows[:, np.newaxis, k::_FINE]) for rows in (top, bottom))
        np.subtract(edges, begin, out=own)
        np.maximum(own, 0, out=own)
        np.minimum(own, end - begin, out=own)
        above += own
    cover: Floats = np.diff(above, axis=1)
    cover *= np.float32(1 / _FINE)
    return cover


def _covered(mv: Floats, fs: float, options: StripOptions) -> tuple[Floats, Floats]:
    """Rows between which the trace covers the middle of each narrow column, float32 [n, columns] twice.

    That is all within reach of the pen's centre while it passes: the less it reaches up and down, the
    farther it is to the side.
    """
    row, highest, lowest = _trace(mv, fs, options)
    aside, radius = _aside(options), options.line_width / 2
    reach = np.sqrt(np.maximum(radius**2 - (np.arange(aside + 1) / _POINTS) ** 2, 0)).astype(np.float32)
    n, step = options.width * _FINE, _POINTS // _FINE

    def at(values: Floats, point: int) -> Floats:
        """Values so many points from each column's middle."""
        first = aside + step // 2 + point
        return values[:, first : first + n * step : step]

    top, bottom = at(row, 0) - reach[0], at(row, 0) + reach[0]
    for k in range(1, aside + 1):
        for point, stretch in ((-k, -k), (k, k - 1)):
            np.fmin(top, np.fmin(at(row, point), at(highest, stretch)) - reach[k], out=top)
            np.fmax(bottom, np.fmax(at(row, point), at(lowest, stretch)) + reach[k], out=bottom)
    blank = np.isnan(top)
    top[blank] = bottom[blank] = 0
    return top, bottom


def _trace(mv: Floats, fs: float, options: StripOptions) -> tuple[Floats, Floats, Floats]:
    """Rows of the trace: at points a sixteenth of a pixel apart, and the extremes from each to the next.

    NaN where there is no trace. Points go on beyond the image by as much as the pen is wide.
    """
    place, before, share, points = _places(mv.shape[1], fs, options)
    last = mv.shape[1] - 1
    px_per_mv = np.float32(options.px_per_mm * options.mm_per_mv)
    samples = np.float32(options.baseline * options.rows) - mv * px_per_mv
    row = samples[:, before]
    between = share > 0
    following = samples[:, np.minimum(before[between] + 1, last)]
    row[:, between] += (following - row[:, between]) * share[between]
    row[:, (place < 0) | (place > last)] = np.nan
    here = row[:, points]
    # A stretch ends where the next begins, and holds that point too.
    highest = np.fmin(np.fmin.reduceat(row, points, axis=1)[:, :-1], here[:, 1:])
    lowest = np.fmax(np.fmax.reduceat(row, points, axis=1)[:, :-1], here[:, 1:])
    return here, highest, lowest


@lru_cache(maxsize=8)
def _places(
    n_samples: int, fs: float, options: StripOptions
) -> tuple[NDArray[np.float64], NDArray[np.int64], Floats, NDArray[np.int64]]:
    """Points a sixteenth of a pixel apart and the samples between them, in order.

    Returns the place of each in samples, the sample before it, its share of the way to the next, and which
    are points.
    """
    aside = _aside(options)
    points = np.arange(-aside, options.width * _POINTS + aside + 1) * (
        options.seconds * fs / (options.width * _POINTS)
    )
    # A point at a sample is that sample, however it was rounded.
    points = np.where(np.abs(points - np.rint(points)) < 1e-6, np.rint(points), points)
    samples = np.arange(n_samples, dtype=np.float64)
    place = np.union1d(points, samples[(samples >= points[0]) & (samples <= points[-1])])
    before = np.clip(np.floor(place), 0, n_samples - 1)
    share = np.clip(place - before, 0, 1).astype(np.float32)
    return place, before.astype(np.int64), share, np.searchsorted(place, points)


def _aside(options: StripOptions) -> int:
    """Points that the pen covers on either side of its centre."""
    return round(options.line_width / 2 * _POINTS)


@lru_cache(maxsize=8)
def _paper(options: StripOptions) -> Floats:
    """Paper without a trace, float32 [rows, width, 3]."""
    paper = np.empty((options.rows, options.width, 3), dtype=np.float32)
    paper[:] = _PAPER
    if not options.grid:
        return paper
    mm = options.px_per_mm
    zero = options.baseline * options.rows
    for spacing, colour, width in ((mm, _THIN, max(0.5, 0.1 * mm)), (5 * mm, _THICK, max(0.7, 0.15 * mm))):
        if spacing < _LEAST_SPACING:
            continue
        rows = _line_cover(options.rows, spacing, zero % spacing, width)
        columns = _line_cover(options.width, spacing, 0, width)
        cover = np.maximum(rows[:, np.newaxis], columns)[..., np.newaxis]
        paper += cover * (np.asarray(colour, dtype=np.float32) - paper)
    return paper


def _line_cover(n: int, spacing: float, first: float, width: float) -> Floats:
    """Share of each of n pixels in a row that lines, ``spacing`` pixels apart, cover."""
    lines = np.arange(first - spacing, n + spacing, spacing)[:, np.newaxis]
    pixels = np.arange(n)
    shared = np.minimum(pixels + 1, lines + width / 2) - np.maximum(pixels, lines - width / 2)
    cover: Floats = np.clip(np.maximum(shared, 0).sum(axis=0), 0, 1).astype(np.float32)
    return cover
