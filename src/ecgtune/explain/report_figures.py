"""The page of figures of a report, drawn from the numbers that its tables are made of."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from ecgtune.evaluation.bootstrap import Interval
from ecgtune.explain.faithfulness import Curves
from ecgtune.explain.report_faith import EDGES, RANDOM, By, Faith
from ecgtune.explain.report_result import Measured
from ecgtune.explain.report_sanity import Sanity
from ecgtune.explain.report_verdicts import LIMIT, QUESTIONS, Verdict, by_record, passed

COLOURS = {
    "integrated-gradients": "#c8553d",
    "occlusion": "#1b6ca8",
    "grad-cam": "#e0a458",
    EDGES: "#777777",
    RANDOM: "#aaaaaa",
}
MARKS = ("o", "s", "^")
"""Of the fillings."""

REGION_COLOURS = {"P": "#5a9367", "QRS": "#c8553d", "T": "#1b6ca8", "elsewhere": "#cccccc"}

SHORT = {"integrated-gradients": "IG", "grad-cam": "CAM"}

PAGE_INCHES = (11.0, 14.5)


def draw_page(measured: Measured) -> bytes:
    """Draw a report's figures on one page, as PNG.

    Deletion and insertion curves of each filling; how much better each method is than orders that need no
    network; agreement; regions by class; infidelity and sensitivity; the cascade of random weights; verdicts.
    """
    faith, sanity = measured.faith, measured.sanity
    style: dict[Any, Any] = {
        "font.size": 8.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 9.5,
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=PAGE_INCHES, layout=ConstrainedLayoutEngine(h_pad=0.1))
        axes = figure.subplots(4, 3)
        for column, filling in enumerate(faith.fillings[:3]):
            _curves(axes[0, column], faith, faith.deletion, filling, f"deletion, filling {filling}")
            _curves(axes[1, column], faith, faith.insertion, filling, f"insertion, filling {filling}")
        for row in (0, 1):
            axes[row, 0].set_ylabel("probability of the label")
        axes[0, 0].legend(frameon=False, fontsize=7.5, loc="best")
        _differences(axes[2, 0], faith)
        _foretold(axes[2, 1], faith, sanity)
        _regions(axes[2, 2], measured.subject.classes, faith)
        _cascade(axes[3, 0], sanity)
        _agreement(axes[3, 1], faith)
        _verdicts(axes[3, 2], faith, measured.verdicts)
        file = io.BytesIO()
        # No date and no version in the file: the same figures give the same bytes.
        figure.savefig(file, format="png", dpi=110, metadata={"Software": None})
    return file.getvalue()


def _curves(axis: Axes, faith: Faith, curves: Mapping[By, Curves], filling: str, title: str) -> None:
    for name in (*faith.methods, EDGES, RANDOM):
        found = curves[filling, name]
        mean = [by_record(step, faith.examples).value for step in found.probability.T]
        style = {EDGES: "--", RANDOM: ":"}.get(name, "-")
        axis.plot(100 * found.shares, mean, style, color=COLOURS[name], linewidth=1.5, label=name)
    axis.set(title=title, xlim=(0, 100), ylim=(0, 1.02), xlabel="samples replaced, %")


def _point(axis: Axes, place: float, found: Interval, colour: str, mark: str) -> None:
    axis.plot([found.low, found.high], [place, place], color=colour, linewidth=1.3)
    axis.plot(found.value, place, mark, color=colour, ms=5)


def _places(names: Sequence[str], fillings: Sequence[str]) -> dict[By, float]:
    """A place on the axis for each method and filling, those of a method side by side."""
    return {
        (filling, name): row + 0.22 * (column - (len(fillings) - 1) / 2)
        for row, name in enumerate(names)
        for column, filling in enumerate(fillings)
    }


def _label_rows(axis: Axes, names: Sequence[str]) -> None:
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.tick_params(axis="y", length=0)


def _differences(axis: Axes, faith: Faith) -> None:
    rows = {
        f"{method}\nminus {other}": (method, other) for method in faith.methods for other in (RANDOM, EDGES)
    }
    for (filling, label), place in _places(list(rows), faith.fillings).items():
        method, other = rows[label]
        less = faith.deletion[filling, method].area - faith.deletion[filling, other].area
        mark = MARKS[faith.fillings.index(filling) % len(MARKS)]
        _point(axis, place, by_record(less, faith.examples), COLOURS[method], mark)
    axis.axvline(0, color="black", linewidth=0.8)
    _label_rows(axis, list(rows))
    axis.locator_params(axis="x", nbins=4)
    axis.set(title="deletion area minus that of other orders", xlabel="left of 0: better")
    _fillings(axis, faith.fillings)


def _fillings(axis: Axes, fillings: Sequence[str]) -> None:
    for filling, mark in zip(fillings, MARKS, strict=False):
        axis.plot([], [], mark, color="#555555", ms=5, label=filling)
    axis.legend(frameon=False, fontsize=7, loc="best", handletextpad=0.1)


def _foretold(axis: Axes, faith: Faith, sanity: Sanity) -> None:
    rows = [f"{method}\n{what}" for method in faith.methods for what in ("infidelity", "sensitivity")]
    for (filling, label), place in _places(rows, faith.fillings).items():
        method, what = label.split("\n")
        by = (filling, method)
        mark = MARKS[faith.fillings.index(filling) % len(MARKS)]
        if what == "infidelity":
            found = by_record(faith.infidelity[by], faith.examples)
        else:
            found = by_record(sanity.sensitivity[by], sanity.examples)
        _point(axis, place, found, COLOURS[method], mark)
    axis.axvline(LIMIT, color="black", linewidth=0.8, linestyle=":")
    _label_rows(axis, rows)
    axis.set(title="infidelity and sensitivity", xlabel="less is better; dotted: limit of sensitivity")
    axis.set_xlim(left=0)


def _regions(axis: Axes, classes: Sequence[str], faith: Faith) -> None:
    filling = faith.fillings[0]
    rows: list[str] = []
    for place, name in enumerate(classes):
        mask = faith.examples.label == place
        if not mask.any():
            continue
        some = faith.examples.select(mask)
        shares = {method: faith.regions[filling, method] for method in faith.methods} | {"window": faith.room}
        for method, share in shares.items():
            left = 0.0
            for region, colour in REGION_COLOURS.items():
                width = by_record(share[region][mask], some).value
                axis.barh(len(rows), width, left=left, color=colour, height=0.8)
                left += 0.0 if np.isnan(width) else width
            rows.append(f"{name} {SHORT.get(method, method)}")
    _label_rows(axis, rows)
    axis.tick_params(axis="y", labelsize=6.5)
    axis.set(title=f"attribution by region, filling {filling}", xlim=(0, 1))
    for region, colour in REGION_COLOURS.items():
        axis.barh([0], [0], color=colour, label=region)
    axis.legend(frameon=False, fontsize=7, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.06))


def _cascade(axis: Axes, sanity: Sanity) -> None:
    methods = dict.fromkeys(method for _, method in sanity.weights)
    first = next(iter(sanity.weights))[0]
    end = len(sanity.stages) + max(1, round(0.15 * len(sanity.stages)))
    for method in methods:
        points, labels = sanity.weights[first, method], sanity.labels[first, method]
        for kind, style in (("signed", "-"), ("size", "--")):
            mean = [1.0, *(by_record(getattr(found, kind), sanity.examples).value for found in points)]
            axis.plot([0, *sanity.depths], mean, style, color=COLOURS[method], marker=".", linewidth=1.4)
            found = by_record(getattr(labels, kind), sanity.examples)
            fill = COLOURS[method] if kind == "signed" else "white"
            axis.plot(end, found.value, "D", color=COLOURS[method], markerfacecolor=fill, ms=5)
    axis.axhline(LIMIT, color="black", linewidth=0.8, linestyle=":")
    axis.axhline(0, color="#bbbbbb", linewidth=0.8)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(
        title=f"random weights from the top down, filling {first}",
        xlabel="layers that are random; diamonds: permuted labels",
        ylabel="rank correlation with the original",
    )
    axis.plot([], [], "-", color="#555555", label="contributions")
    axis.plot([], [], "--", color="#555555", label="their sizes")
    axis.legend(frameon=False, fontsize=7, loc="best", title="colours as above", title_fontsize=7)


def _agreement(axis: Axes, faith: Faith) -> None:
    pairs = dict.fromkeys((one, other) for _, one, other in faith.agreement)
    rows = [f"{one}\n{other}" for one, other in pairs]
    named = dict(zip(rows, pairs, strict=True))
    for (filling, label), place in _places(rows, faith.fillings).items():
        correlation, _ = faith.agreement[(filling, *named[label])]
        mark = MARKS[faith.fillings.index(filling) % len(MARKS)]
        _point(axis, place, by_record(correlation, faith.examples), "#444444", mark)
    axis.axvline(0, color="black", linewidth=0.8)
    _label_rows(axis, rows)
    axis.set(title="agreement of two methods", xlabel="rank correlation (with edges: of sizes)")


def _verdicts(axis: Axes, faith: Faith, verdicts: Sequence[Verdict]) -> None:
    counts, of = passed(verdicts), len(faith.fillings)
    share = np.array(
        [[len(counts[method, question]) / of for question in QUESTIONS] for method in faith.methods]
    )
    axis.imshow(share, cmap="RdYlGn", vmin=-0.2, vmax=1.2, aspect="auto")
    for (row, column), value in np.ndenumerate(share):
        axis.text(column, row, f"{round(value * of)} of {of}", ha="center", va="center")
    axis.set_xticks(range(len(QUESTIONS)), QUESTIONS)
    axis.set_yticks(range(len(faith.methods)), faith.methods)
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    axis.set(title="fillings with which a method passes")
