"""Figures that the systems of beats share: models side by side, training curves, a confusion matrix."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator
from numpy.typing import ArrayLike

from ecgtune.evaluation.results import Figure as Value
from ecgtune.labels import CLASSES

MAIN, OTHER, PAPER = "#c8553d", "#1b6ca8", "#444444"
"""Colours of the system's own method, of the others, and of published figures."""

SHADES = (
    *("#1b6ca8", "#e0a458", "#5a9367", "#7b5aa6", "#8c6d5a", "#d98cb3", "#777777", "#a9b83d", "#3fb5c4"),
)
"""Colours of other curves, all unlike that of the main one."""

CLASS_COLOURS = dict(zip(CLASSES, ("#777777", "#1b6ca8", "#c8553d", "#e0a458", "#5a9367"), strict=True))


def panels(width: float, height: float, columns: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """Make a figure of so many inches with axes side by side."""
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False, **options)[0]
    return figure, list(axes)


def plain_axis(axis: Axes) -> None:
    """Take away the frame above and on the right; a pale grid, small numbers."""
    axis.grid(linewidth=0.4, color="#dddddd")
    axis.set_axisbelow(True)
    axis.tick_params(labelsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def save_figures(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write figures as PNG files, by name."""
    paths = []
    for name, figure in figures.items():
        path = folder / f"{name}.png"
        # No date and no version in the file: the same figures give the same bytes.
        figure.savefig(path, dpi=110, metadata={"Software": None})
        paths.append(path)
    return paths


def points(axis: Axes, values: Mapping[str, Value], main: Sequence[str] = ()) -> None:
    """Draw a point with its interval for each label, the first on top; the axis need not begin at zero.

    Parameters
    ----------
    axis
        Where.
    values
        By label; an undefined one has no point.
    main
        Labels that stand out.
    """
    for place, (label, each) in enumerate(values.items()):
        colour = MAIN if label in main else OTHER
        if each.low is not None and each.high is not None:
            axis.plot([each.low, each.high], [place, place], color=colour, linewidth=1.4)
        if each.value is not None:
            axis.plot(each.value, place, "o", ms=6.5, color=colour)
    axis.set_yticks(np.arange(len(values)), list(values))
    axis.grid(axis="y", linewidth=0.4, color="#dddddd")
    axis.set_axisbelow(True)
    axis.invert_yaxis()


def dots(axis: Axes, rows: Mapping[str, Mapping[str, Value]], colours: Mapping[str, str]) -> None:
    """Draw a row of dots for each label, the first on top; a dot for each name that has a colour."""
    for place, (name, colour) in enumerate(colours.items()):
        found = [row[name].value if name in row else None for row in rows.values()]
        values = [np.nan if value is None else value for value in found]
        # The first is larger, so that it shows behind another.
        size = 4.5 if place else 7.5
        axis.plot(values, np.arange(len(rows)), "o", ms=size, color=colour, label=name, clip_on=False)
    axis.set_yticks(np.arange(len(rows)), list(rows))
    axis.grid(axis="y", linewidth=0.4, color="#dddddd")
    axis.set_axisbelow(True)
    axis.invert_yaxis()


def curves(histories: Mapping[str, Sequence[Mapping[str, Any]]], main: Sequence[str] = ()) -> Figure:
    """Training loss and macro-F1 of the validation side over the epochs; a dot on the epoch that is kept.

    Parameters
    ----------
    histories
        By label, see `ecgtune.training.window_estimator.FittedWindows`.
    main
        Labels whose curves stand out.
    """
    figure, (left, right) = panels(9.5, 3.9, 2)
    for place, (label, history) in enumerate(histories.items()):
        style: dict[str, Any] = {"color": SHADES[place % len(SHADES)], "linewidth": 1.0}
        if label in main:
            style = {"color": MAIN, "linewidth": 2.0, "zorder": 5}
        epochs = [row["epoch"] for row in history]
        left.plot(epochs, [row["train_loss"] for row in history], label=label, **style)
        scores = [row.get("macro_f1", np.nan) for row in history]
        right.plot(epochs, scores, **style)
        best = int(np.argmax(scores))
        right.plot(epochs[best], scores[best], "o", ms=4, **style)
    for axis in (left, right):
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set_xlabel("epoch")
    left.set(ylabel="training loss", yscale="log")
    # Some numbers between the powers of ten, which may be none.
    left.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    for set_formatter in (left.yaxis.set_major_formatter, left.yaxis.set_minor_formatter):
        set_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    right.set(ylabel="macro-F1, validation side")
    figure.legend(frameon=False, fontsize=8, ncols=5, loc="outside lower center")
    return figure


def confusion(matrix: ArrayLike, title: str, classes: Sequence[str] = CLASSES) -> Figure:
    """Confusion matrix: counts, shaded by the share of the true class."""
    counts = np.asarray(matrix)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure, (axis,) = panels(4.2, 3.9)
    axis.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.5 else "black"
        axis.text(column, row, f"{count:,}", ha="center", va="center", color=colour, fontsize=8)
    at = np.arange(len(classes))
    axis.set_xticks(at, list(classes))
    axis.set_yticks(at, list(classes))
    axis.set(xlabel="predicted", ylabel="true", title=title)
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    return figure
