"""One explained beat as a picture: where it stands in the recording, its leads on ECG paper, its rhythm."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MultipleLocator
from numpy.typing import NDArray

from ecgtune.explain.draw_paper import QUIET, corner, draw_paper, inches, label_axis, set_height
from ecgtune.explain.explained import Explained
from ecgtune.explain.methods import METHOD_NAMES
from ecgtune.explain.regions import regions
from ecgtune.report.style import COLOURS
from ecgtune.report.svg import clock

FOR, AGAINST, TRACE = "#c84e00", "#0072b2", "#14181d"
"""Colours of what speaks for the class and against it (after Okabe and Ito), and of the trace."""

SHADES = LinearSegmentedColormap.from_list("attribution", [AGAINST, "#9cc7e0", "#fff9f8", "#f2b48c", FOR])

_DASHES = (0, (4, 2))

_STRIP_S = 3.0
"""Seconds on either side of the beat in the strip above."""

_STRIP_HEIGHT, _LEAD_HEIGHT, _CURVE_HEIGHT = 1.9, 3.1, 0.85
_LARGE_ERROR = 0.05
"""Of the sum of contributions, in logits, from which on the picture tells it."""

_SHOWN = 12
"""Features that have a bar of their own."""

_WIDTH, _HEIGHT, _LEFT = 12.0, 7.8, 0.068


@dataclass(frozen=True)
class _Lead:
    """One lead of one beat: ms from the fiducial, mV, the typical beat's mV, contribution in 10 ms."""

    name: str
    ms: NDArray[np.float64]
    mv: NDArray[np.float64]
    typical: NDArray[np.float64] | None
    shares: NDArray[np.float64]


def draw_beat(found: Explained, i: int) -> Figure:
    """Draw one of the explained beats.

    Parameters
    ----------
    found
        Explained beats.
    i
        Which one.
    """
    leads = _leads(found, i)
    most = max(float(np.abs(lead.shares).max()) for lead in leads) or 1.0
    with matplotlib.rc_context({"font.size": 9, "axes.linewidth": 0.8, "axes.edgecolor": "#9aa5b1"}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor="white")
        bars = found.attribution.rhythm is not None
        widths = [*([3.1] * len(leads)), *([2.6] if bars else [])]
        if len(widths) == 1:
            # A lead alone, drawn over the whole width, would be flat.
            widths.append(2.6)
        outer = GridSpec(
            2,
            1,
            figure=figure,
            height_ratios=[_STRIP_HEIGHT, _LEAD_HEIGHT + _CURVE_HEIGHT],
            left=_LEFT,
            right=0.985,
            top=0.865,
            bottom=0.112,
            hspace=0.24,
        )
        grid = outer[1].subgridspec(
            *(2, len(widths)),
            height_ratios=[_LEAD_HEIGHT, _CURVE_HEIGHT],
            width_ratios=widths,
            hspace=0.05,
            wspace=0.26,
        )
        _title(figure, found, i)
        _strip(figure.add_subplot(outer[0]), found, i)
        for place, lead in enumerate(leads):
            above = figure.add_subplot(grid[0, place])
            _trace(above, lead, found, i, most)
            below = figure.add_subplot(grid[1, place])
            _curve(below, lead, most, found.attribution.method)
        if bars:
            _rhythm(figure.add_subplot(grid[:, -1]), found, i)
        _legend(figure, found, i)
    return figure


def _leads(found: Explained, i: int) -> list[_Lead]:
    examples, attribution = found.examples.select(slice(i, i + 1)), found.attribution
    per_10_ms = 1.0 if attribution.method == "grad-cam" else found.subject.fs / 100
    compared = attribution.baseline == "typical-beat"
    typical = examples.with_signal(examples.typical).millivolts[0]
    # A window that ends in zeros is padded: nothing was recorded there.
    padded = np.logical_and.accumulate((examples.signal[0] == 0)[:, ::-1], axis=1)[:, ::-1]
    mv = np.where(padded, np.nan, examples.millivolts[0]).astype(np.float64)
    return [
        _Lead(
            name,
            found.times_ms,
            mv[k],
            typical[k].astype(np.float64) if compared else None,
            attribution.values[i, k].astype(np.float64) * per_10_ms,
        )
        for k, name in enumerate(examples.leads[0].tolist())
        if name != "-"
    ]


def _title(figure: Figure, found: Explained, i: int) -> None:
    classes, examples = found.subject.classes, found.examples
    label, predicted = int(examples.label[i]), int(found.predicted[i])
    sure = 100 * float(found.probability[found.rows[i], predicted])
    said = f"labelled {classes[predicted]} ({sure:.0f} %)"
    known = f", annotated {classes[label]}" if label >= 0 else ""
    figure.text(
        *(_LEFT, 0.955, f"{found.record.name}   {clock(float(examples.time[i]), 2)}   {said}{known}"),
        fontsize=14,
        fontweight="bold",
        color=TRACE,
    )
    target = classes[int(found.attribution.target[i])]
    figure.text(_LEFT, 0.922, f"What speaks for {target}: {method_text(found)}", color=QUIET, fontsize=10)


def method_text(found: Explained) -> str:
    """Method and baseline in words."""
    attribution = found.attribution
    name = METHOD_NAMES[attribution.method]
    if not attribution.baseline:
        return f"{name}, of all leads together"
    against = {"zero": "the zero line", "typical-beat": "the recording's typical beat", "noise": "noise"}
    return f"{name}, against {against.get(attribution.baseline, attribution.baseline)}"


def _strip(axes: Axes, found: Explained, i: int) -> None:
    """The seconds around the beat in the first lead, with every beat's label and the RR intervals."""
    record, reading, row = found.record, found.reading, int(found.rows[i])
    # What is cut around stands in the middle; labels stand where the beats are marked.
    at = int((reading.sample if reading.fiducial is None else reading.fiducial)[row])
    reach = int(_STRIP_S * record.fs)
    start, stop = max(0, at - reach), min(record.n_samples, at + reach)
    lead = record.lead_index(reading.leads[0])
    mv = np.asarray(record.read(start, stop)[:, lead], dtype=np.float64)
    if np.isfinite(mv).any():
        mv = mv - np.nanmedian(mv)
    seconds = (np.arange(start, stop) - at) / record.fs
    axes.set_xlim(-_STRIP_S, _STRIP_S)
    wide, high = inches(axes)
    gain = set_height(axes, np.nan_to_num(mv), high, 2 * _STRIP_S / wide)
    draw_paper(axes, 1)
    axes.yaxis.set_major_locator(MultipleLocator(1))
    window = found.times_ms[[0, -1]] / 1000
    axes.axvspan(*window, color="#dfe6ee", alpha=0.75, zorder=0.9, linewidth=0)
    axes.plot(seconds, mv, color=TRACE, linewidth=0.9)
    axes.xaxis.set_major_locator(MultipleLocator(1))
    axes.set_xlabel("s from the beat", color=QUIET, fontsize=8, labelpad=1)
    label_axis(axes, "mV")
    corner(axes, f"{reading.leads[0]}  25 mm/s  {gain}")
    near = np.flatnonzero((reading.sample > start) & (reading.sample < stop))
    times = (reading.sample[near] - at) / record.fs
    top = axes.get_ylim()[1]
    for which, time in zip(near.tolist(), times.tolist(), strict=True):
        name = found.subject.classes[int(found.probability[which].argmax())]
        axes.annotate(
            name,
            (time, top),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            color=COLOURS.get(name, TRACE),
            fontweight="bold",
            fontsize=12 if which == row else 9,
            annotation_clip=False,
        )
    for before, after in pairwise(times.tolist()):
        axes.annotate(
            f"{1000 * (after - before):.0f}",
            ((before + after) / 2, top),
            xytext=(0, 3.5),
            textcoords="offset points",
            ha="center",
            color=QUIET,
            fontsize=7.5,
            annotation_clip=False,
        )


def _trace(axes: Axes, lead: _Lead, found: Explained, i: int, most: float) -> None:
    """The window in mV and ms: a halo in the colours of the attribution behind the trace."""
    axes.set_xlim(lead.ms[0], lead.ms[-1])
    wide, high = inches(axes)
    gain = set_height(axes, lead.mv, high, (lead.ms[-1] - lead.ms[0]) / 1000 / wide)
    draw_paper(axes, 1000)
    axes.yaxis.set_major_locator(MultipleLocator(0.5))
    axes.xaxis.set_major_locator(MultipleLocator(200))
    low, top = axes.get_ylim()
    for name, span in regions(found.examples.rr[i : i + 1]).items():
        begin, end = (1000 * float(edge) for edge in span[0])
        begin, end = max(begin, lead.ms[0]), min(end, lead.ms[-1])
        if end - begin < 1:
            continue
        edge = top - 0.012 * (top - low)
        axes.plot([begin, end], [edge, edge], color=QUIET, linewidth=3.2, solid_capstyle="butt", zorder=5)
        axes.axvspan(begin, end, color="#8c98a5", alpha=0.10, linewidth=0, zorder=0.8)
        axes.text((begin + end) / 2, top - 0.028 * (top - low), name, ha="center", va="top", color="#3e4a56")
    points = np.stack([lead.ms, lead.mv], axis=1)
    pieces = np.stack([points[:-1], points[1:]], axis=1)
    strength = (lead.shares[:-1] + lead.shares[1:]) / 2
    halo = LineCollection(
        [*pieces],
        cmap=SHADES,
        norm=Normalize(-most, most),
        linewidths=3 + 8 * np.abs(strength) / most,
        capstyle="round",
        zorder=3,
    )
    halo.set_array(strength)
    axes.add_collection(halo)
    if lead.typical is not None:
        axes.plot(*(lead.ms, lead.typical), color=QUIET, linewidth=1, linestyle=_DASHES, zorder=2.5)
    axes.plot(lead.ms, lead.mv, color=TRACE, linewidth=1.1, zorder=4)
    axes.axvline(0, color=QUIET, linewidth=0.8, linestyle=(0, (3, 3)), zorder=2)
    label_axis(axes, "mV")
    axes.tick_params(labelbottom=False)
    corner(axes, f"{lead.name}  {gain}")


def _curve(axes: Axes, lead: _Lead, most: float, method: str) -> None:
    """The attribution itself, below the trace."""
    for part, colour in ((np.maximum(lead.shares, 0), FOR), (np.minimum(lead.shares, 0), AGAINST)):
        axes.fill_between(lead.ms, 0, part, color=colour, linewidth=0)
    axes.set_xlim(lead.ms[0], lead.ms[-1])
    axes.set_ylim(0 if method == "grad-cam" else -1.08 * most, 1.08 * most)
    axes.axhline(0, color=QUIET, linewidth=0.6)
    axes.axvline(0, color=QUIET, linewidth=0.8, linestyle=(0, (3, 3)))
    axes.xaxis.set_major_locator(MultipleLocator(200))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(length=2, color="#9aa5b1", labelcolor=QUIET, labelsize=8)
    axes.set_xlabel("ms from the fiducial", color=QUIET, fontsize=8, labelpad=1)
    label_axis(axes, "weight" if method == "grad-cam" else "logit / 10 ms")


def _rhythm(axes: Axes, found: Explained, i: int) -> None:
    """The features that count most as bars, each with its value, and what the others come to."""
    attribution, examples = found.attribution, found.examples
    assert attribution.rhythm is not None
    assert examples.rhythm is not None
    rows, bars = strongest(
        found.subject.rhythm_features, examples.rhythm[i], attribution.rhythm[i].astype(np.float64)
    )
    place = np.arange(len(rows))
    axes.barh(place, bars, height=0.34, color=[FOR if bar >= 0 else AGAINST for bar in bars], zorder=3)
    most = float(np.abs(bars).max()) or 1.0
    axes.set_xlim(-1.15 * most, 1.15 * most)
    axes.set_ylim(len(rows) - 0.4, -0.75)
    axes.axvline(0, color=QUIET, linewidth=0.8, zorder=4)
    axes.set_yticks([])
    for k, (name, value) in enumerate(rows):
        plain: dict[str, Any] = {"va": "bottom", "fontsize": 8.5, "zorder": 5}
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
        axes.text(-1.15 * most, k - 0.27, name, color=TRACE, bbox=box, **plain)
        axes.text(1.15 * most, k - 0.27, value, ha="right", color=QUIET, **plain)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="x", color="#e4e9ef", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=2, color="#9aa5b1", labelcolor=QUIET, labelsize=8)
    axes.set_xlabel("logit", color=QUIET, fontsize=8, labelpad=1)
    axes.set_title("Rhythm: features and their values", fontsize=9, color="#3e4a56", loc="left", pad=4)


def strongest(
    names: Sequence[str], values: NDArray[np.floating], attribution: NDArray[np.float64]
) -> tuple[list[tuple[str, str]], NDArray[np.float64]]:
    """Choose the features to show.

    Parameters
    ----------
    names, values, attribution
        Of every feature.

    Returns
    -------
    rows
        Name and value of the `_SHOWN` features of largest attribution, in their order; then the others
        together, where there are more.
    bars
        What is attributed to each row.
    """
    kept = np.sort(np.argsort(-np.abs(attribution), kind="stable")[:_SHOWN])
    rows = [(names[k], feature_text(names[k], float(values[k]))) for k in kept]
    if not (others := len(names) - len(kept)):
        return rows, attribution[kept]
    rest = attribution.sum() - attribution[kept].sum()
    return [*rows, (f"{others} others together", "")], np.append(attribution[kept], rest)


def feature_text(name: str, value: float) -> str:
    """A feature's value as people read it: `ecgtune.beats.rhythm` and `look_alikes` have logarithms."""
    if " / " in name:
        return f"× {np.exp(value):.2f}"
    if name == "near RR":
        return f"{1000 * np.exp(value):.0f} ms"
    if name.startswith("share"):
        return f"{100 * np.exp(value):.0f} %"
    return f"{value:.2f}"


def _legend(figure: Figure, found: Explained, i: int) -> None:
    """What the colours mean, on the right above; shares and sums in the lowest line."""
    attribution = found.attribution
    target = found.subject.classes[int(attribution.target[i])]
    entries: list[Patch | Line2D] = [Patch(color=FOR, label=f"speaks for {target}")]
    if attribution.method != "grad-cam":
        entries.append(Patch(color=AGAINST, label=f"against {target}"))
    if attribution.baseline == "typical-beat":
        entries.append(Line2D([], [], color=QUIET, linewidth=1, linestyle=_DASHES, label="typical beat"))
    figure.legend(
        handles=entries,
        loc="upper right",
        bbox_to_anchor=(0.992, 0.952),
        ncols=len(entries),
        frameon=False,
        fontsize=9.5,
        labelcolor="#3e4a56",
        handlelength=1.3,
        handletextpad=0.5,
    )
    below = [shares_text(found, i)]
    if attribution.method != "grad-cam":
        below.append(_sums(found, i))
    for line, said in enumerate(below):
        figure.text(_LEFT, 0.042 - 0.026 * line, said, color="#3e4a56", fontsize=9.5, va="center")


def shares_text(found: Explained, i: int) -> str:
    """Say how much of the leads' attribution lies in each region, or that there is none."""
    if not found.attribution.values[i].any():
        target = found.subject.classes[int(found.attribution.target[i])]
        return (
            f"{METHOD_NAMES[found.attribution.method]} finds nothing in this window that speaks for {target}."
        )
    shares = ", ".join(f"{name} {100 * float(share[i]):.0f} %" for name, share in found.shares().items())
    return f"Of the leads' attribution: {shares}."


def _sums(found: Explained, i: int) -> str:
    """How the contributions make up the logit; those of occlusion need not."""
    attribution = found.attribution
    logit, shape = float(found.logits[i, attribution.target[i]]), float(attribution.values[i].sum())
    parts = f"shape {shape:+.2f}"
    total = shape
    if attribution.rhythm is not None:
        rhythm = float(attribution.rhythm[i].sum())
        parts += f", rhythm {rhythm:+.2f}"
        total += rhythm
    if attribution.delta is None:
        return f"In sum {parts}; the logit is {logit:.2f}.".replace("-", "\u2212")
    start = logit - total + float(attribution.delta[i])
    if abs(delta := float(attribution.delta[i])) >= _LARGE_ERROR:
        parts += f" (their sum's error is {abs(delta):.2f})"
    return f"Logit {logit:.2f} = {start:.2f} of the baseline, {parts}.".replace("-", "\u2212")


def file_name(found: Explained, i: int) -> str:
    """Name of a beat's picture: record, time, label."""
    time = clock(float(found.examples.time[i]), 1).replace(":", "-")
    return f"{found.record.name}-{time}-{found.subject.classes[int(found.predicted[i])]}.png"
