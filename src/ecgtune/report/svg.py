"""Drawing as text: compact SVG paths, axes and times.

Plain strings rather than a drawing library: a page of a dozen strips takes a tenth of the time that importing
one would, and it stays sharp at any size.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape

import numpy as np
from numpy.typing import NDArray

_TIME_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


def clock(seconds: float, decimals: int = 0) -> str:
    """Time since the recording's start as ``hh:mm:ss``, with ``decimals`` digits of the second."""
    units = round(seconds * 10**decimals)
    whole, fraction = divmod(units, 10**decimals)
    text = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    return f"{text}.{fraction:0{decimals}d}" if decimals else text


def time_of_day(start: datetime, seconds: float) -> str:
    """Time of day ``seconds`` after ``start``; with the date from the second day on."""
    moment = start + timedelta(seconds=seconds)
    return f"{moment:%H:%M:%S}" if moment.date() == start.date() else f"{moment:%Y-%m-%d %H:%M:%S}"


def short_clock(seconds: float, step: float) -> str:
    """Time for an axis with ticks every ``step`` seconds: ``h:mm``, or ``h:mm:ss`` for steps under 60 s."""
    text = clock(seconds)
    return text.removeprefix("0") if step < 60 else text.removeprefix("0")[:-3]


def span(seconds: float) -> str:
    """A round length of time in words: ``30 s``, ``5 min``, ``2 h``."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:g} {unit}"
    return f"{seconds:g} s"


def time_step(duration: float, most: int = 12) -> int:
    """A round number of seconds that divides ``duration`` into at most ``most`` parts."""
    for step in _TIME_STEPS:
        if duration / step <= most:
            return step
    return 86400 * int(np.ceil(duration / most / 86400))


def polyline(x: NDArray[np.int64], y: NDArray[np.int64]) -> str:
    """Path data through one or more points on a whole-numbered grid, in relative coordinates."""
    steps = np.empty(2 * (len(x) - 1), dtype=np.int64)
    steps[0::2], steps[1::2] = np.diff(x), np.diff(y)
    line = " ".join(map(str, steps.tolist())).replace(" -", "-")
    return f"M{x[0]} {y[0]}" + (f"l{line}" if line else "h0")


def polylines(x: NDArray[np.float64], y: NDArray[np.float64]) -> str:
    """Path data through points, rounded to whole numbers, lifted where ``y`` is NaN."""
    known = np.isfinite(y)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], known, [False])).astype(np.int8)))
    pieces = zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True)
    return "".join(
        polyline(np.rint(x[a:b]).astype(np.int64), np.rint(y[a:b]).astype(np.int64)) for a, b in pieces
    )


def dots(x: NDArray[np.float64], y: NDArray[np.float64], size: int = 1) -> str:
    """Path data of points >= 0 on a grid of ``size``; any number of points costs no more than the grid has.

    Points that fall together are drawn once and those that touch vertically as one line; the path's stroke,
    of round caps, makes them visible.
    """
    # One number a cell: numpy sorts those many times faster than pairs.
    column, row = (np.rint(values / size).astype(np.int64) for values in (x, y))
    cells = np.unique(column << 32 | row)
    if not len(cells):
        return ""
    first = np.concatenate(([0], np.flatnonzero(np.diff(cells) != 1) + 1))
    last = np.append(first[1:], len(cells)) - 1
    left, top, tall = cells[first] >> 32, cells[first] & 0xFFFFFFFF, cells[last] - cells[first]
    return "".join(
        f"M{size * a} {size * b}v{size * c}"
        for a, b, c in zip(left.tolist(), top.tolist(), tall.tolist(), strict=True)
    )


def text(x: float, y: float, content: str, kind: str = "", **attributes: str) -> str:
    """A text element; ``kind`` is its CSS class, ``anchor`` and ``fill`` may be given."""
    # Colour by style, since the page's style sheet outranks an attribute.
    forms = {"anchor": ' text-anchor="{}"', "fill": ' style="fill:{}"'}
    more = "".join(forms[name].format(value) for name, value in attributes.items())
    css = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{css}{more}>{escape(content)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line of a CSS class."""
    return f'<path class="{kind}" d="M{x1:g} {y1:g}L{x2:g} {y2:g}"/>'


def rectangle(x: float, y: float, width: float, height: float, attributes: str) -> str:
    """A rectangle; ``attributes`` as they stand in the element."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" {attributes}/>'


@dataclass(frozen=True)
class Axis:
    """Maps values linearly to positions: ``low`` to ``start``, ``high`` to ``stop``."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions of values; values outside ``low`` to ``high`` lie on the edge, NaN stays NaN."""
        part = (np.clip(value, self.low, self.high) - self.low) / (self.high - self.low)
        return self.start + part * (self.stop - self.start)

    def at(self, value: float) -> float:
        """Position of one value."""
        return float(self(np.array(value, dtype=np.float64)))

    def ticks(self, step: float) -> list[float]:
        """Multiples of ``step`` between ``low`` and ``high``."""
        first = int(np.ceil(self.low / step - 1e-9))
        last = int(np.floor(self.high / step + 1e-9))
        return [k * step for k in range(first, last + 1)]
