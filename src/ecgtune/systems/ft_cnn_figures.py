"""ft-cnn's figures: the models side by side, training curves, FT-CNN's confusion matrix, the ablation."""

import math
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from ecgtune.evaluation.bootstrap import pooled
from ecgtune.evaluation.results import Figure as Value
from ecgtune.evaluation.results import Result
from ecgtune.systems.beat_figures import (
    CLASS_COLOURS,
    PAPER,
    confusion,
    curves,
    dots,
    panels,
    points,
    save_figures,
)
from ecgtune.systems.beat_result import MACRO, Study
from ecgtune.systems.ft_cnn_result import CHANGES, PAPERS, SPLIT


def draw_figures(study: Study, result: Result, folder: Path) -> list[Path]:
    """Write the figures of what is measured as PNG files.

    Parameters
    ----------
    study
        What was measured.
    result
        Its tables and rows.
    folder
        Where they go.
    """
    name = study.config["headline"]
    figures = {}
    if "models" in result.tables:
        figures["models"] = _models(result, name)
    seeds = study.seeds_of(name, SPLIT)
    if seeds:
        seed, tried = next(iter(seeds.items()))
        title = f"{name}, {SPLIT}, seed {seed}"
        figures["confusion"] = confusion(pooled(tried.matrices), title)
        methods = study.tried[SPLIT, seed]
        histories = {
            method: methods[method].outcome.history
            for method in study.config["methods"]
            if method in methods and methods[method].outcome.history
        }
        figures["training"] = curves(histories, main=[name])
    if any(CHANGES[0] in row for row in _rows(result, "ablation").values()):
        figures["ablation"] = _ablation(result)
    return save_figures(figures, folder)


def _rows(result: Result, table: str) -> dict[str, dict[str, Value]]:
    """Rows of a table, by their label; none where it is not there."""
    if table not in result.tables:
        return {}
    return {label: result.figures[row] for row, label in result.tables[table].rows.items()}


def _models(result: Result, name: str) -> Figure:
    # Rows with a mean of seeds have no training of their own.
    rows = {label: row for label, row in _rows(result, "models").items() if "training" in row}
    papers = {place: row[PAPERS] for place, row in enumerate(rows.values()) if PAPERS in row}
    figure, (left, right) = panels(9.5, 0.28 * len(rows) + 1.4, 2, sharey=True)
    ours = {label: row["accuracy"] for label, row in rows.items()}
    points(left, ours, main=[name])
    left.plot(
        np.array([each.value for each in papers.values()], dtype=np.float64),
        list(papers),
        "D",
        ms=5,
        color=PAPER,
        markerfacecolor="white",
        label="the paper's",
    )
    # A little more than all that is shown.
    ends = [end for each in (*ours.values(), *papers.values()) for end in (each.low, each.value) if end]
    left.set(xlim=(max(0, math.floor(min(ends)) - 1), 100), xlabel="accuracy, %")
    colours = {f"{name} F1": colour for name, colour in CLASS_COLOURS.items()} | {MACRO: "black"}
    dots(right, rows, colours)
    least = min((row[name].value or 0.0 for row in rows.values() for name in colours), default=0.0)
    # Both panels share their rows, so each of them turned the axis over.
    right.set_ylim(len(rows) - 0.5, -0.5)
    right.set(xlim=(max(0.0, math.floor(10 * least) / 10 - 0.02), 1.01), xlabel="F1")
    right.tick_params(axis="y", length=0)
    for axis in (left, right):
        axis.legend(frameon=False, fontsize=8, ncols=6, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    return figure


def _ablation(result: Result) -> Figure:
    rows = {label: row for label, row in _rows(result, "ablation").items() if CHANGES[1] in row}
    figure, axes = panels(9.5, 0.32 * len(rows) + 1.0, 2, sharey=True)
    for axis, column, what in zip(axes, CHANGES, ("accuracy", "macro-F1 over five classes"), strict=True):
        points(axis, {label: row[column] for label, row in rows.items()}, main=[list(rows)[-1]])
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set(xlabel=f"change of {what}, percentage points")
    axes[0].set_ylim(len(rows) - 0.5, -0.5)
    axes[1].tick_params(axis="y", length=0)
    return figure
