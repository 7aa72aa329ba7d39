"""Figures of a model's confidence: reliability of labels and classes, risk and coverage."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgtune.evaluation.calibration import BINS, Reliability, reliability
from ecgtune.evaluation.results import Result
from ecgtune.evaluation.risk_coverage import LIMITS, risk_coverage
from ecgtune.explain.confidence_measure import Said
from ecgtune.explain.confidence_result import AFTER, BEFORE, WAY_NAMES, limit_row, ways_of
from ecgtune.labels import CLASSES
from ecgtune.systems.beat_figures import CLASS_COLOURS, MAIN, OTHER, plain_axis, save_figures

_COLOURS = {BEFORE: OTHER, AFTER: MAIN}
_GREY = "#777777"

_FEWEST = 10
"""A bin with fewer beats has no point: its frequency says nothing."""


def draw_figures(said: Said, result: Result, folder: Path) -> list[Path]:
    """Write ``reliability.png``, ``classes.png`` and ``risk.png``."""
    figures = {
        "reliability": reliability_figure(said, result),
        "classes": classes_figure(said),
        "risk": risk_figure(said, result),
    }
    return save_figures(figures, folder)


def reliability_figure(said: Said, result: Result) -> Figure:
    """Frequency of right labels by confidence, and how many beats are how sure."""
    ways = ways_of(said)
    figure = Figure(figsize=(4.4 * len(ways), 5.0), layout="constrained")
    axes = figure.subplots(2, len(ways), squeeze=False, sharex=True, height_ratios=(3, 1))
    for (upper, lower), (way, probability) in zip(axes.T, ways.items(), strict=True):
        curve = reliability(probability, said.true)
        _curve(upper, curve, _COLOURS[way], "")
        error = result.figures[way]["ECE"]
        between = "" if error.low is None else f" ({error.low:.3f} to {error.high:.3f})"
        temperature = result.figures[way]["temperature"].value
        warm = f" ({temperature:.3g})" if way == AFTER else ""
        upper.set_title(f"{WAY_NAMES[way]}{warm}: ECE {error.value:.3f}{between}", fontsize=9)
        width = 1 / BINS
        lower.bar(curve.edges[:-1] + width / 2, curve.count, width=0.9 * width, color=_COLOURS[way])
        lower.set(yscale="log", xlabel="confidence (largest probability)", xlim=(0, 1))
        plain_axis(lower)
    axes[0, 0].set_ylabel("share of labels that are right")
    axes[1, 0].set_ylabel("beats")
    return figure


def classes_figure(said: Said) -> Figure:
    """Of each class, how often a beat has it by the probability that it gets."""
    figure = Figure(figsize=(12.5, 2.9), layout="constrained")
    axes = figure.subplots(1, len(CLASSES), sharey=True)
    for index, (axis, name) in enumerate(zip(axes, CLASSES, strict=True)):
        for way, probability in ways_of(said).items():
            _curve(axis, reliability(probability, said.true, of_class=index), _COLOURS[way], WAY_NAMES[way])
        axis.set_title(f"{name} ({int((said.true == index).sum()):,} beats)", fontsize=9)
        axis.set_xlabel("probability of the class", fontsize=8)
    axes[0].set_ylabel("share of beats that have it")
    axes[0].legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def risk_figure(said: Said, result: Result) -> Figure:
    """Share of wrong labels by coverage, beside an oracle's; and what F1 the beats that are left have."""
    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for way, probability in ways_of(said).items():
        curve = risk_coverage(probability.max(axis=1), said.wrong)
        label = f"{WAY_NAMES[way]}: {curve.area:.4f}"
        left.plot(curve.coverage, curve.risk, color=_COLOURS[way], linewidth=1.5, label=label)
    oracle = risk_coverage(-said.wrong.astype(np.float64), said.wrong)
    share = np.linspace(1e-3, 1, 500)
    risk = float(oracle.risk[-1])
    left.plot(share, np.maximum(0, 1 - (1 - risk) / share), "--", color=_GREY, linewidth=1, label="oracle")
    left.axhline(risk, color=_GREY, linewidth=0.8, linestyle=":")
    left.text(0.5, risk, "by chance", fontsize=7, va="bottom", color=_GREY)
    left.set(xlabel="coverage", ylabel="risk: share of wrong labels", xlim=(0, 1))
    left.set_ylim(bottom=0)
    left.legend(frameon=False, fontsize=8, title="area under the curve", title_fontsize=8)
    rows = [result.figures[limit_row(limit)] for limit in LIMITS]
    coverage = [row["coverage"].value or 0.0 for row in rows]
    named = {"macro-F1": "black", "V F1": CLASS_COLOURS["V"], "S F1": CLASS_COLOURS["S"]}
    for name, colour in named.items():
        values = [np.nan if row[name].value is None else row[name].value for row in rows]
        right.plot(coverage, values, "-o", ms=3, linewidth=1.3, color=colour, label=name)
    free = np.inf
    for limit, at in zip(LIMITS, coverage, strict=True):
        right.axvline(at, color="#dddddd", linewidth=0.8, zorder=0)
        # Limits that hardly anything is below lie too close for a number each.
        if at < free:
            right.text(at, 1.03, f"{limit:g}", fontsize=6.5, ha="center", va="bottom", color=_GREY)
            free = at - 0.05
    right.set(xlabel="coverage (grey: smallest confidence)", ylabel="F1 of the beats that are left")
    right.set(xlim=(min(coverage) - 0.02, 1.01), ylim=(0, 1.02))
    right.legend(frameon=False, fontsize=8, loc="lower left")
    for axis in (left, right):
        plain_axis(axis)
    return figure


def _curve(axis: Axes, curve: Reliability, colour: str, label: str) -> None:
    known = curve.count >= _FEWEST
    axis.plot([0, 1], [0, 1], color="#999999", linewidth=0.8)
    axis.plot(
        curve.confidence[known],
        curve.frequency[known],
        "-o",
        ms=3.5,
        linewidth=1.3,
        color=colour,
        label=label,
    )
    axis.set(xlim=(0, 1), ylim=(0, 1.02))
    plain_axis(axis)
