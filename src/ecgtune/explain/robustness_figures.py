"""Curves of a robustness study: what is left at each signal-to-noise ratio, and under lead loss."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ecgtune.evaluation.results import Figure as Value
from ecgtune.evaluation.results import Result
from ecgtune.explain.robustness_plan import CLEAN, LOSSES, NOISES, Plan, column
from ecgtune.explain.robustness_result import OTHER_BEAT, correlation_name
from ecgtune.systems.beat_figures import SHADES, plain_axis, save_figures

_INKS = ("#1b6ca8", "#c8553d", "#5a9367", "#a9b83d", "#7b5aa6", "#d98cb3", "#444444")
COLOURS = dict(zip(NOISES, _INKS, strict=True))
"""Of the kinds of noise."""

_ACROSS, _DOWN = 3.3, 2.7


def draw_figures(result: Result, plan: Plan, folder: Path) -> list[Path]:
    """Write ``curves.png`` and, where leads are lost, ``loss.png``; every number is the result's."""
    figures = {"curves": curves(result, plan)} if plan.noises else {}
    if plan.losses:
        figures["loss"] = losses(result, plan)
    return save_figures(figures, folder)


def panels_of(plan: Plan) -> dict[str, str]:
    """Measures that are drawn, and what their panels are called."""
    return {
        "QRS Se": "beats found (Se)",
        "QRS +P": "found beats that are beats (+P)",
        "macro-F1": "macro-F1 (N, S, V), detected positions",
        "V F1": "F1 of V, detected positions",
        "S F1": "F1 of S, detected positions",
        "macro-F1 (reference)": "macro-F1 (N, S, V), reference positions",
        "labels kept": "labels kept, reference positions",
        **{correlation_name(method): correlation_name(method) for method in plan.methods},
    }


def curves(result: Result, plan: Plan) -> Figure:
    """A panel for each measure, a curve for each kind of noise, from clean to the strongest."""
    named = panels_of(plan)
    columns = 3
    rows = -(-len(named) // columns)
    figure = Figure(figsize=(_ACROSS * columns, _DOWN * rows + 0.6), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    ratios = (CLEAN, *(column(snr) for snr in plan.snrs))
    at = np.arange(len(ratios))
    for axis, (measure, title) in zip(axes, named.items(), strict=False):
        for noise in plan.noises:
            values = [result.figures[f"{measure}: {noise}"][ratio] for ratio in ratios]
            _line(axis, at, values, COLOURS[noise], NOISES[noise])
        floor = result.figures[OTHER_BEAT].get(measure)
        if floor is not None and floor.value is not None:
            axis.axhline(floor.value, color="#777777", linewidth=0.9, linestyle=":")
            across = axis.get_yaxis_transform()
            # On the right, where strong noise has spread the curves.
            place = {"transform": across, "ha": "right", "va": "bottom"}
            axis.text(0.99, floor.value, OTHER_BEAT, fontsize=7, color="#777777", **place)
        labels = [CLEAN, *(f"{snr:g}" for snr in plan.snrs)]
        axis.set_xticks(at, labels)
        axis.set_title(title, fontsize=9)
        axis.set_ylim(min(-0.02, axis.dataLim.y0 - 0.02), 1.02)
        plain_axis(axis)
    for axis in axes[len(named) :]:
        axis.set_visible(False)
    for axis in axes[max(0, len(named) - columns) : len(named)]:
        axis.set_xlabel("SNR, dB", fontsize=8)
    handles, names = axes[0].get_legend_handles_labels()
    _legend(figure, handles, names, 4, "noise; bands: 95 % intervals")
    return figure


def losses(result: Result, plan: Plan) -> Figure:
    """A group of points for each measure, a point for each lead loss."""
    named = panels_of(plan)
    conditions = {CLEAN: CLEAN, **{loss: LOSSES[loss] for loss in plan.losses}}
    figure = Figure(figsize=(9.5, 0.42 * len(named) + 1.3), layout="constrained")
    axis = figure.subplots()
    spread = np.linspace(-0.28, 0.28, len(conditions))
    for offset, colour, (row, label) in zip(spread, ("black", *SHADES), conditions.items(), strict=False):
        values = [result.figures[row][measure] for measure in named]
        places = np.arange(len(named)) + offset
        for place, each in zip(places, values, strict=True):
            if each.low is not None and each.high is not None:
                axis.plot([each.low, each.high], [place, place], color=colour, linewidth=1.1, alpha=0.6)
        axis.plot(_values(values), places, "o", ms=4.5, color=colour, label=label)
    axis.set_yticks(np.arange(len(named)), list(named.values()))
    axis.set_ylim(len(named) - 0.5, -0.5)
    axis.set_xlim(min(0.0, axis.get_xlim()[0]), 1.02)
    plain_axis(axis)
    axis.set_xlabel("share, F1 or correlation, as named on the left", fontsize=8)
    _legend(figure, *axis.get_legend_handles_labels(), 3, "leads; lines: 95 % intervals")
    return figure


def _legend(figure: Figure, handles: list[Artist], names: list[str], columns: int, title: str) -> None:
    options: dict[str, Any] = {"frameon": False, "fontsize": 8, "title_fontsize": 8}
    figure.legend(handles, names, ncols=columns, title=title, loc="outside lower center", **options)


def _line(axis: Axes, at: np.ndarray, values: list[Value], colour: str, label: str) -> None:
    low = [np.nan if each.low is None else each.low for each in values]
    high = [np.nan if each.high is None else each.high for each in values]
    axis.fill_between(at, low, high, color=colour, alpha=0.08, linewidth=0)
    axis.plot(at, _values(values), "-o", ms=2.8, linewidth=1.3, color=colour, label=label)


def _values(values: list[Value]) -> list[float]:
    return [np.nan if each.value is None else float(each.value) for each in values]
