"""ECG paper under matplotlib's axes."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

QUIET = "#66727f"
"""Colour of remarks."""

_PAPER, _FINE, _COARSE = "#fff9f8", "#f7dcd8", "#eab4ac"

_RATIO = 0.4
"""Seconds that are as long as a mV is high: 25 mm/s and 10 mm/mV."""


def draw_paper(axes: Axes, second: float) -> None:
    """ECG paper behind what is drawn: small squares of 40 ms and 0.1 mV, large ones of 200 ms and 0.5 mV.

    As two collections of lines: a tick for each line would take most of a picture's time.

    Parameters
    ----------
    axes
        With its limits set.
    second
        Length of a second on the horizontal axis.
    """
    axes.set_facecolor(_PAPER)
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for step_s, step_mv, colour, width in ((0.04, 0.1, _FINE, 0.5), (0.2, 0.5, _COARSE, 0.8)):
        across = _multiples(left, right, step_s * second)
        up = _multiples(low, high, step_mv)
        lines = [[(x, low), (x, high)] for x in across] + [[(left, y), (right, y)] for y in up]
        axes.add_collection(LineCollection(lines, colors=colour, linewidths=width, zorder=0.5), autolim=False)
    axes.tick_params(length=2, color="#9aa5b1", labelcolor=QUIET, labelsize=8)


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = int(np.ceil(low / step)), int(np.floor(high / step))
    return [k * step for k in range(first, last + 1)]


def set_height(axes: Axes, mv: NDArray[np.float64], tall: float, seconds_per_inch: float) -> str:
    """Set the range in mV so that the paper has its proportions; return the gain.

    Of signals that are too tall for it, a mV is half as high, or a quarter.
    """
    low, high = float(np.nanmin(mv)), float(np.nanmax(mv))
    span, gain = tall * seconds_per_inch / _RATIO, 10.0
    while high - low > 0.9 * span and gain > 1:
        span, gain = 2 * span, gain / 2
    middle = round((low + high) / 2, 1)
    # Room for the names of the regions above.
    axes.set_ylim(middle - 0.48 * span, middle + 0.52 * span)
    return f"{gain:g} mm/mV"


def inches(axes: Axes) -> tuple[float, float]:
    """Width and height of axes."""
    box, figure = axes.get_position(), axes.get_figure(root=True)
    assert figure is not None
    width, height = figure.get_size_inches()
    return float(box.width * width), float(box.height * height)


def label_axis(axes: Axes, text: str) -> None:
    """Name the vertical axis, at one distance from it in all panels."""
    axes.set_ylabel(text, color=QUIET, fontsize=8)
    axes.yaxis.set_label_coords(-0.5 / inches(axes)[0], 0.5)


def corner(axes: Axes, text: str) -> None:
    """Write into the corner below on the left."""
    axes.text(
        *(0.008, 0.025, text),
        transform=axes.transAxes,
        fontsize=8.5,
        fontweight="bold",
        color="#3e4a56",
        zorder=6,
        bbox={"facecolor": _PAPER, "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
    )
