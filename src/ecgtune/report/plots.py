"""Plots of the whole recording: heart rate, RR intervals, confidence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtune.labelled import RATE_WINDOW, Labelled, confidence, rr_intervals
from ecgtune.labels import CLASSES
from ecgtune.report import svg
from ecgtune.report.style import COLOURS

_WIDTH = 1080
_LEFT, _RIGHT = 54, 1068
_BINS = 360
_BIN_STEPS = (5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 14400, 21600)
_LONGEST_RR_SHOWN = 4.0


@dataclass(frozen=True)
class Trend:
    """Heart rate and ectopic beats by time.

    Parameters
    ----------
    edges
        Limits of the bins in seconds, [bins + 1].
    mean, low, high
        Heart rate in beats per minute, [bins]: 60 over the mean RR interval of those that begin in the bin;
        lowest and highest mean over `RATE_WINDOW` successive intervals. NaN where there is none.
    counts
        Beats by class, [bins, 5].
    pauses
        RR intervals longer than the given limit, [bins].
    """

    edges: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.int64]
    pauses: NDArray[np.int64]


def trend(labelled: Labelled, width: float, pause: float = np.inf) -> Trend:
    """Bin a recording by time.

    Parameters
    ----------
    labelled
        The recording.
    width
        Of a bin, in seconds; the last bin ends with the recording.
    pause
        RR intervals longer than this, in seconds, are counted as pauses.
    """
    duration = labelled.record.duration
    n = max(int(np.ceil(duration / width - 1e-9)), 1)
    times = labelled.annotations.sample / labelled.record.fs
    bins = np.minimum((times / width).astype(np.int64), n - 1)
    rr = rr_intervals(labelled)
    known = np.isfinite(rr)
    at, seconds = bins[:-1][known], rr[known]
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = 60 * np.bincount(at, minlength=n) / np.bincount(at, seconds, minlength=n)
    low, high = np.full(n, np.inf), np.full(n, -np.inf)
    if len(rr) >= RATE_WINDOW:
        moving = 60 * RATE_WINDOW / (times[RATE_WINDOW:] - times[:-RATE_WINDOW])
        broken = np.concatenate(([0], np.cumsum(~known)))
        whole = np.flatnonzero(broken[RATE_WINDOW:] == broken[:-RATE_WINDOW])
        middle = bins[whole + RATE_WINDOW // 2]
        np.minimum.at(low, middle, moving[whole])
        np.maximum.at(high, middle, moving[whole])
    low[~np.isfinite(low)] = high[~np.isfinite(high)] = np.nan
    counts = np.zeros((n, len(CLASSES)), dtype=np.int64)
    for k, name in enumerate(CLASSES):
        counts[:, k] = np.bincount(bins[labelled.annotations.symbol == name], minlength=n)
    pauses = np.bincount(at[seconds > pause], minlength=n)
    edges = np.minimum(np.arange(n + 1) * width, max(duration, width))
    return Trend(edges, mean, low, high, counts, pauses)


def bin_width(duration: float) -> int:
    """A round number of seconds that divides a recording into no more bins than a plot shows."""
    return next((step for step in _BIN_STEPS if duration / step <= _BINS), 86400)


def draw_trend(labelled: Labelled) -> str:
    """Heart rate over time, and under it the ectopic beats of each class, as SVG."""
    width = bin_width(labelled.record.duration)
    binned = trend(labelled, width)
    lanes = [k for k in range(1, len(CLASSES)) if binned.counts[:, k].any()]
    bottom, lane_height = 190, 30
    height = bottom + 6 + lane_height * len(lanes) + (40 if labelled.record.start else 24)
    x = svg.Axis(0, max(labelled.record.duration, 1), _LEFT, _RIGHT)
    y = _rate_axis(binned, bottom)
    parts = [
        _open(height, f"heart rate over time, one point for {svg.span(width)}"),
        _gaps(labelled, x, 8, bottom),
    ]
    for rate in y.ticks(20 if y.high - y.low <= 160 else 50):
        parts.append(svg.line(_LEFT, y.at(rate), _RIGHT, y.at(rate), "rule"))
        parts.append(svg.text(_LEFT - 6, y.at(rate) + 4, f"{rate:.0f}", anchor="end"))
    parts.append(svg.text(_LEFT + 6, 20, "bpm"))
    centres = x((binned.edges[:-1] + binned.edges[1:]) / 2)
    band = np.isfinite(binned.low)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], band, [False])).astype(np.int8)))
    for a, b in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
        outline_x = np.concatenate((centres[a:b], centres[a:b][::-1]))
        outline_y = np.concatenate((y(binned.high[a:b]), y(binned.low[a:b])[::-1]))
        data = svg.polylines(10 * outline_x, 10 * outline_y)
        parts.append(
            f'<path transform="scale(.1)" d="{data}z" fill="#a9c6dc" stroke="#a9c6dc" stroke-width="8" '
            'opacity=".75"/>'
        )
    data = svg.polylines(10 * centres, 10 * y(binned.mean))
    parts.append(f'<path transform="scale(.1)" d="{data}" fill="none" stroke="#1f3a52" stroke-width="15"/>')
    for row, k in enumerate(lanes):
        parts.append(_lane(CLASSES[k], binned.counts[:, k], x, binned.edges, bottom + 6 + row * lane_height))
    parts.append(_time_axis(labelled, x, bottom + 6 + lane_height * len(lanes), 8))
    return "".join(parts) + "</svg>"


def _rate_axis(binned: Trend, bottom: float) -> svg.Axis:
    rates = np.concatenate((binned.mean, binned.low, binned.high))
    rates = rates[np.isfinite(rates)]
    if not len(rates):
        return svg.Axis(40, 120, bottom, 8)
    low, high = float(rates.min()), min(float(rates.max()), 300.0)
    return svg.Axis(max(10 * np.floor(low / 10 - 0.5), 0), 10 * np.ceil(high / 10 + 0.5), bottom, 8)


def _lane(name: str, counts: NDArray[np.int64], x: svg.Axis, edges: NDArray[np.float64], top: float) -> str:
    most = int(counts.max())
    base = top + 28
    bars = []
    for k in np.flatnonzero(counts).tolist():
        left, right = x.at(edges[k]), x.at(edges[k + 1])
        tall = max(24 * counts[k] / most, 2)
        bars.append(f"M{left:.1f} {base}v{-tall:.1f}h{max(right - left - 0.3, 0.8):.1f}v{tall:.1f}z")
    width = edges[1] - edges[0]
    return (
        f"<g><title>{name} beats in {svg.span(width)}, {most:,} at most</title>"
        + svg.line(_LEFT, base, _RIGHT, base, "rule")
        + svg.text(2, base - 9, name, "letter", fill=COLOURS[name])
        + svg.text(_LEFT - 6, base - 9, f"{most:,}", anchor="end")
        + f'<path fill="{COLOURS[name]}" d="{"".join(bars)}"/></g>'
    )


def draw_rr(labelled: Labelled) -> str:
    """Each RR interval over time, in the colour of the beat that ends it, as SVG."""
    rr = rr_intervals(labelled)
    times = labelled.annotations.sample[1:] / labelled.record.fs
    symbol = labelled.annotations.symbol[1:]
    top, bottom = 10, 230
    height = bottom + (40 if labelled.record.start else 24)
    x = svg.Axis(0, max(labelled.record.duration, 1), _LEFT, _RIGHT)
    y = _rr_axis(rr, bottom, top)
    parts = [_open(height, "RR intervals over time"), _gaps(labelled, x, top, bottom)]
    parts.append(svg.text(_LEFT + 6, top + 12, "s"))
    parts.append(_rr_rules(y, vertical=True, start=_LEFT, stop=_RIGHT))
    size = 2.6 if len(rr) < 20_000 else 1.6
    parts.append(_class_dots(x(times), y(rr), symbol, size))
    parts.append(_time_axis(labelled, x, bottom, top))
    return "".join(parts) + "</svg>"


def draw_poincare(labelled: Labelled) -> str:
    """Each RR interval over the one before it, in the colour of the beat between them, as SVG."""
    rr = rr_intervals(labelled)
    before, after = rr[:-1], rr[1:]
    left, right, top, bottom = 56, 466, 8, 378
    y = _rr_axis(rr, bottom, top)
    x = svg.Axis(y.low, y.high, left, right)
    parts = [f'<svg viewBox="0 0 480 {bottom + 40}" role="img" aria-label="Poincaré plot of RR intervals">']
    parts.append(_rr_rules(y, vertical=True, start=left, stop=right))
    parts.append(_rr_rules(x, vertical=False, start=bottom, stop=top))
    parts.append(f'<path class="axis" stroke-dasharray="4 4" d="M{left} {bottom}L{right} {top}"/>')
    known = np.isfinite(before) & np.isfinite(after)
    size = 2.8 if len(rr) < 20_000 else 1.8
    symbol = labelled.annotations.symbol[1:-1]
    parts.append(_class_dots(x(before[known]), y(after[known]), symbol[known], size))
    parts.append(svg.text((left + right) / 2, bottom + 36, "RR before the beat (s)", anchor="middle"))
    parts.append(
        f'<text transform="translate(12 {(top + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        "RR after the beat (s)</text>"
    )
    return "".join(parts) + "</svg>"


def draw_confidence(labelled: Labelled) -> str:
    """For each class, how its beats' highest probabilities spread, as SVG; empty without probabilities."""
    best = confidence(labelled.annotations)
    symbol = labelled.annotations.symbol
    present = [name for name in CLASSES if np.any(symbol == name)]
    if best is None or not present:
        return ""
    left, right, row = 84, 456, 74
    edges = np.linspace(0.2, 1, 33)
    x = svg.Axis(0.2, 1, left, right)
    bottom = row * len(present) + 4
    parts = [f'<svg viewBox="0 0 480 {bottom + 40}" role="img" aria-label="confidence by class">']
    for value in (0.2, 0.4, 0.5, 0.6, 0.8, 1.0):
        kind = "axis" if value == 0.5 else "rule"
        parts.append(svg.line(x.at(value), 4, x.at(value), bottom, kind))
        parts.append(svg.text(x.at(value), bottom + 16, f"{value:.0%}", anchor="middle"))
    for k, name in enumerate(present):
        of_class = best[symbol == name]
        counts, _ = np.histogram(np.clip(of_class, 0.2, 1), edges)
        base = row * (k + 1)
        bars = [
            f"M{x.at(edges[j]) + 0.5:.1f} {base}v{-max((row - 16) * counts[j] / counts.max(), 1):.1f}"
            f"h{x.at(edges[1]) - left - 1:.1f}V{base}z"
            for j in np.flatnonzero(counts).tolist()
        ]
        parts.append(f'<path fill="{COLOURS[name]}" d="{"".join(bars)}"/>')
        parts.append(svg.line(left, base, right, base, "rule"))
        parts.append(svg.text(left - 10, base - 28, name, "letter", anchor="end", fill=COLOURS[name]))
        parts.append(svg.text(left - 10, base - 12, f"{len(of_class):,}", anchor="end"))
    parts.append(svg.text((left + right) / 2, bottom + 36, "highest class probability", anchor="middle"))
    return "".join(parts) + "</svg>"


def _open(height: int, label: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}">'


def _rr_axis(rr: NDArray[np.float64], start: float, stop: float) -> svg.Axis:
    known = rr[np.isfinite(rr)]
    # A single pause must not squeeze all other intervals to a line: it lies on the edge.
    usual = 1.3 * float(np.quantile(known, 0.995)) if len(known) else 0.0
    high = min(max(np.ceil(4 * usual) / 4, 1.25), _LONGEST_RR_SHOWN)
    return svg.Axis(0, high, start, stop)


def _rr_rules(axis: svg.Axis, *, vertical: bool, start: float, stop: float) -> str:
    parts = []
    for value in axis.ticks(0.25 if axis.high <= 2 else 0.5):
        at = axis.at(value)
        label = f"{value:g}"
        if vertical:
            parts.append(
                svg.line(start, at, stop, at, "rule") + svg.text(start - 6, at + 4, label, anchor="end")
            )
        else:
            parts.append(svg.line(at, start, at, stop, "rule"))
            parts.append(svg.text(at, start + 16, label, anchor="middle"))
    return "".join(parts)


def _class_dots(x: NDArray[np.float64], y: NDArray[np.float64], symbol: NDArray[np.str_], size: float) -> str:
    """One path a class, N first so that it lies under the others; a tenth of a pixel is the unit."""
    known = np.isfinite(x) & np.isfinite(y)
    grid = 5 if len(x) < 20_000 else 10
    parts = []
    for name in CLASSES:
        which = known & (symbol == name)
        if which.any():
            wide = 10 * (size if name == "N" else size + 0.8)
            parts.append(
                f'<path class="dots" transform="scale(.1)" stroke="{COLOURS[name]}" stroke-width="{wide:g}" '
                f'd="{svg.dots(10 * x[which], 10 * y[which], grid)}"/>'
            )
    return "".join(parts)


def _gaps(labelled: Labelled, x: svg.Axis, top: float, bottom: float) -> str:
    fs = labelled.record.fs
    return "".join(
        svg.rectangle(
            round(x.at(start / fs), 1),
            top,
            max(round(x.at(stop / fs) - x.at(start / fs), 1), 0.5),
            bottom - top,
            'fill="#dfe5ec"',
        )
        for start, stop in labelled.gaps.tolist()
    )


def _time_axis(labelled: Labelled, x: svg.Axis, base: float, top: float) -> str:
    """Times since the start and, where it is known, the time of day under them."""
    step = svg.time_step(x.high)
    parts = [svg.line(_LEFT, base, _RIGHT, base, "axis"), svg.line(_LEFT, top, _LEFT, base, "axis")]
    for second in x.ticks(step):
        at = x.at(second)
        anchor = "end" if at > _RIGHT - 14 else "middle"
        parts.append(svg.line(at, base, at, base + 5, "axis"))
        parts.append(svg.text(round(at, 1), base + 18, svg.short_clock(second, step), anchor=anchor))
        if labelled.record.start is not None:
            day = svg.time_of_day(labelled.record.start, second)
            parts.append(
                svg.text(round(at, 1), base + 33, day[-8:] if step < 60 else day[-8:-3], anchor=anchor)
            )
    return "".join(parts)
