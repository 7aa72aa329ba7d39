"""Strips: a few seconds of ECG on its paper, with the beats marked.

Units inside a strip are twentieths of a millimetre of ECG paper (25 mm/s, slower for a long RR interval;
10 mm/mV), so that coordinates are whole numbers; printed at 100 %, a strip has its true size.
"""

from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ecgtune.labelled import Labelled, confidence
from ecgtune.labels import CLASSES
from ecgtune.record import Annotations
from ecgtune.report import svg
from ecgtune.report.choice import PAPER_MM, SLOW, SPEEDS, Excerpt
from ecgtune.report.style import COLOURS

GRID = (
    '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>'
    '<pattern id="paper" width="100" height="100" patternUnits="userSpaceOnUse">'
    '<rect width="100" height="100" fill="#fff9f8"/>'
    '<path d="M20 0v100M40 0v100M60 0v100M80 0v100M0 20h100M0 40h100M0 60h100M0 80h100" fill="none" '
    'stroke="#f7dcd8" stroke-width="2"/><path d="M0 0v100M0 0h100M100 0v100M0 100h100" fill="none" '
    'stroke="#eab4ac" stroke-width="3"/></pattern>'
    '<pattern id="missing" width="24" height="24" patternUnits="userSpaceOnUse" '
    'patternTransform="rotate(45)"><rect width="24" height="24" fill="#e4e9ef"/>'
    '<path d="M0 0v24" stroke="#b3bdc9" stroke-width="10"/></pattern>'
    "</defs></svg>"
)
"""Patterns that every strip refers to; once a page."""

MOST_LEADS = 3

_MM = 20
_MARGIN = 10 * _MM  # left of the signal: the calibration pulse
_HEAD = 10 * _MM  # above the paper: letters, confidence, RR intervals
_FOOT = 5 * _MM  # below the paper: times
_TALLEST = 45  # of one lead, mm; more amplitude is drawn at half gain
_HIGHEST = 40  # above or below the median, mm
_SHADE_S = 0.2  # on both sides of what the strip shows
_TIME_STEPS_S = (1, 2, 5, 10, 20)
_TIME_WIDTH = 250  # that the text of a time needs
_POINTS = 3500  # of one trace; more are reduced to the extremes of small pieces


@dataclass(frozen=True)
class _Lead:
    """One lead of a strip: signal around its median in mV, gain in mm/mV, mm above and below the median."""

    name: str
    signal: NDArray[np.float64]
    gain: int
    above: int
    below: int


def shown_leads(labelled: Labelled) -> list[int]:
    """Indices of the leads that strips show: those the model used first, `MOST_LEADS` at most."""
    names = labelled.record.leads
    order: list[int] = []
    for name in (*labelled.leads, *names):
        free = [i for i, other in enumerate(names) if other == name and i not in order]
        order += free[:1]
    return order[:MOST_LEADS]


def draw_strip(labelled: Labelled, excerpt: Excerpt) -> str:
    """Draw a piece of the recording; reads just this piece of the signal.

    Parameters
    ----------
    labelled
        The recording.
    excerpt
        Which piece, and why.

    Returns
    -------
    str
        An HTML ``figure`` with its caption.

    Raises
    ------
    RecordError
        Where the signal cannot be read.
    """
    record = labelled.record
    signal = record.read(excerpt.start, excerpt.stop)
    leads = [_lead(record.leads[i], signal[:, i]) for i in shown_leads(labelled)]
    seconds = (excerpt.stop - excerpt.start) / record.fs
    per_second = excerpt.speed * _MM
    # Whole squares of 5 mm, so that the paper ends on a line.
    width = _MARGIN + 5 * _MM * int(np.ceil(seconds * excerpt.speed / 5 - 1e-6))
    # Slow paper may be short; it is drawn no larger for that.
    full = width if excerpt.speed == SPEEDS[0] else max(width, _MARGIN + round(PAPER_MM * _MM))
    height = _MM * sum(lead.above + lead.below for lead in leads)
    parts = [
        f'<svg class="strip" viewBox="0 0 {full} {_HEAD + height + _FOOT}" role="img" '
        f'aria-label="{escape(_describe(labelled, excerpt))}">',
        f'<g transform="translate(0 {_HEAD})">',
        svg.rectangle(0, 0, width, height, 'fill="url(#paper)"'),
        _subject(excerpt, record.fs, height),
    ]
    top = 0
    for lead in leads:
        parts.append(_draw_lead(lead, top, per_second / record.fs))
        top += _MM * (lead.above + lead.below)
    parts += [_times(excerpt, record.fs, height), "</g>", _beats(labelled, excerpt, height), "</svg>"]
    return f'<figure>{_caption(labelled, excerpt, leads)}<div class="scroll">{"".join(parts)}</div></figure>'


def _subject(excerpt: Excerpt, fs: float, height: int) -> str:
    """A shade behind what the strip was chosen for."""
    if excerpt.length_s is None:
        return ""
    start, stop = excerpt.start / fs, excerpt.stop / fs
    per_second = excerpt.speed * _MM
    left = max(excerpt.at_s - _SHADE_S, start)
    right = min(excerpt.at_s + excerpt.length_s + _SHADE_S, stop)
    return svg.rectangle(
        round(_MARGIN + (left - start) * per_second),
        0,
        round((right - left) * per_second),
        height,
        'fill="#ffd23f" opacity=".25"',
    )


def _lead(name: str, signal: NDArray[np.float32]) -> _Lead:
    values = signal.astype(np.float64)
    known = values[np.isfinite(values)]
    if not len(known):
        return _Lead(name, values, 10, 5, 5)
    values = values - np.median(known)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    gain = 10 if 10 * (high - low) <= _TALLEST else 5
    above = 5 * int(np.ceil((gain * high + 2) / 5))
    below = 5 * int(np.ceil((2 - gain * low) / 5))
    # What is still too tall is cut off evenly; an artefact then fills the band and hides nothing else.
    return _Lead(name, values, gain, min(max(above, 10), _HIGHEST), min(max(below, 5), _HIGHEST))


def _draw_lead(lead: _Lead, top: int, per_sample: float) -> str:
    zero = top + _MM * lead.above
    bottom = zero + _MM * lead.below
    x = _MARGIN + np.arange(len(lead.signal), dtype=np.float64) * per_sample
    y = np.clip(zero - lead.signal * (lead.gain * _MM), top, bottom)
    parts = []
    missing = np.flatnonzero(np.diff(np.concatenate(([False], np.isnan(y), [False])).astype(np.int8)))
    for start, stop in zip(missing[0::2].tolist(), missing[1::2].tolist(), strict=True):
        begin, length = _MARGIN + start * per_sample, (stop - start) * per_sample
        parts.append(svg.rectangle(round(begin), top, round(length), bottom - top, 'fill="url(#missing)"'))
        if length > 20 * _MM:
            parts.append(svg.text(begin + length / 2, zero, "no signal", anchor="middle"))
    parts.append(f'<path class="trace" d="{svg.polylines(*_reduced(x, y))}"/>')
    pulse = min(lead.gain * _MM, _MM * lead.above)
    parts.append(f'<path class="trace" d="M{_MM} {zero}h{2 * _MM}v{-pulse}h{4 * _MM}v{pulse}h{2 * _MM}"/>')
    parts.append(svg.text(_MM, zero + 70, lead.name, "lead"))
    return "".join(parts)


def _reduced(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lowest and highest point of each small piece, where there are more points than a strip can show."""
    piece = int(np.ceil(2 * len(x) / _POINTS))
    if piece <= 2:
        return x, y
    n = len(x) // piece * piece
    pieces = y[:n].reshape(-1, piece)
    extremes = np.column_stack((pieces.min(axis=1), pieces.max(axis=1)))
    rising = pieces[:, -1] >= pieces[:, 0]
    extremes[~rising] = extremes[~rising, ::-1]
    ends = x[:n].reshape(-1, piece)[:, [0, piece // 2]]
    return ends.ravel(), extremes.ravel()


def _times(excerpt: Excerpt, fs: float, height: int) -> str:
    start, stop = excerpt.start / fs, excerpt.stop / fs
    parts = []
    per_second = excerpt.speed * _MM
    step = next(step for step in _TIME_STEPS_S if step * per_second >= _TIME_WIDTH)
    first = step * int(np.ceil(start / step - 1e-9))
    for second in range(first, int(np.floor(stop + 1e-9)) + 1, step):
        x = _MARGIN + (second - start) * per_second
        parts.append(f'<path class="axis" stroke-width="4" d="M{x:.0f} {height}v30"/>')
        if stop - second > 0.3 and second - start > 0.1:
            parts.append(svg.text(round(x), height + 82, svg.clock(second), "small", anchor="middle"))
    return "".join(parts)


def _beats(labelled: Labelled, excerpt: Excerpt, height: int) -> str:
    """Letters, confidence and marks of the beats, and the RR intervals between them in ms."""
    annotations, fs = labelled.annotations, labelled.record.fs
    first, last = np.searchsorted(annotations.sample, (excerpt.start, excerpt.stop))
    inside = annotations.select(slice(int(first), int(last)))
    best = confidence(inside) if excerpt.speed >= SLOW else None
    sure = [] if best is None else _sure(inside, best, labelled.rejected[first:last])
    x = np.rint(_MARGIN + (inside.sample - excerpt.start) * (excerpt.speed * _MM / fs)).astype(int).tolist()
    marks, parts = [], []
    for i, (at, symbol) in enumerate(zip(x, inside.symbol.tolist(), strict=True)):
        colour = COLOURS.get(symbol, COLOURS["Q"])
        normal = symbol == "N"
        fill, ink = ("#fff", colour) if normal else (colour, "#fff")
        marks.append(
            f'<path class="mark" stroke="{colour}" opacity="{0.28 if normal else 0.75}" '
            f'd="M{at} {88 if best is None else 130}V{_HEAD + height}"/>'
        )
        parts.append(
            f'<circle cx="{at}" cy="44" r="40" fill="{fill}" stroke="{colour}" '
            f'stroke-width="{3 if normal else 5}"/>'
        )
        parts.append(svg.text(at, 66, symbol, "letter", anchor="middle", fill=ink))
        if best is not None:
            parts.append(svg.text(at, 126, sure[i], "small", anchor="middle"))
    for left, right, interval in zip(x, x[1:], np.diff(inside.sample).tolist(), strict=False):
        if right - left > 200:
            parts.append(
                svg.text((left + right) / 2, 62, f"{1000 * interval / fs:.0f}", "small", anchor="middle")
            )
    return "".join(marks + parts)


def _sure(annotations: Annotations, best: NDArray[np.float32], rejected: NDArray[np.bool_]) -> list[str]:
    """Confidence of each beat; of one that was called Q for lack of it, also what it might be."""
    assert annotations.probability is not None
    own = annotations.probability.argmax(axis=1)
    beats = zip(own.tolist(), best.tolist(), rejected.tolist(), strict=True)
    return [f"{CLASSES[name]} " * doubtful + f"{value:.0%}" for name, value, doubtful in beats]


def _describe(labelled: Labelled, excerpt: Excerpt) -> str:
    seconds = (excerpt.stop - excerpt.start) / labelled.record.fs
    at = svg.clock(excerpt.start / labelled.record.fs, 1)
    return f"{seconds:.1f} s of ECG from {at}: {excerpt.reason}"


def _caption(labelled: Labelled, excerpt: Excerpt, leads: list[_Lead]) -> str:
    record = labelled.record
    at = f"at {svg.clock(excerpt.at_s, 1)}"
    if record.start is not None:
        at += f" ({svg.time_of_day(record.start, excerpt.at_s)})"
    gains = {lead.gain for lead in leads}
    gain = (
        f"{gains.pop()} mm/mV"
        if len(gains) == 1
        else ", ".join(f"{lead.name} {lead.gain} mm/mV" for lead in leads)
    )
    reason = excerpt.reason[:1].upper() + excerpt.reason[1:]
    return (
        f"<figcaption><b>{escape(reason)}</b><span>{at}</span>"
        f"<span>{excerpt.speed:g} mm/s · {escape(gain)}</span></figcaption>"
    )
