"""The tables of a report: rows of figures with intervals over records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecgtune.evaluation.results import Figure, Table
from ecgtune.explain.faithfulness import Curves
from ecgtune.explain.report_faith import EDGES, RANDOM, By, Faith
from ecgtune.explain.report_plan import Took
from ecgtune.explain.report_sanity import Sanity
from ecgtune.explain.report_verdicts import QUESTIONS, Verdict, by_record, passed
from ecgtune.explain.subject import Examples

Row = dict[str, Figure]
Mask = NDArray[np.bool_]


@dataclass
class Laid:
    """Rows of figures by name, and the tables that show them."""

    rows: dict[str, Row] = field(default_factory=dict)
    tables: dict[str, Table] = field(default_factory=dict)

    def add(
        self, name: str, title: str, corner: str, rows: Mapping[str, Row], columns: Sequence[str] = ()
    ) -> None:
        """Add a table; its rows are kept as ``"LABEL, NAME"``."""
        self.rows |= {f"{label}, {name}": row for label, row in rows.items()}
        shown = tuple(columns) or tuple(dict.fromkeys(column for row in rows.values() for column in row))
        self.tables[name] = Table(title, corner, {f"{label}, {name}": label for label in rows}, shown)


def lay_out(
    classes: Sequence[str],
    faith: Faith,
    sanity: Sanity,
    verdicts: Sequence[Verdict],
    parts: Mapping[str, Took],
) -> Laid:
    """Lay out everything that was measured.

    Parameters
    ----------
    classes
        Names of the classes.
    faith, sanity, verdicts
        What was measured, and what follows.
    parts
        How long each part took.
    """
    laid = Laid()
    _verdicts(laid, faith, verdicts)
    _beats(laid, classes, faith)
    _curves(laid, "deletion", "less is better", faith, faith.deletion)
    _curves(laid, "insertion", "more is better", faith, faith.insertion)
    _classes(laid, classes, faith)
    _foretold(laid, faith, sanity)
    _agreement(laid, faith)
    _regions(laid, classes, faith)
    _sanity(laid, sanity)
    laid.add(
        "seconds",
        "seconds of each part",
        "part",
        {
            name: {
                "wall": Figure(round(took.wall, 1), unit="s"),
                "processor": Figure(round(took.processor, 1), unit="s"),
            }
            for name, took in parts.items()
        },
    )
    return laid


def _label(by: By) -> str:
    return f"{by[1]}, {by[0]}"


def _figure(values: NDArray[np.float64], examples: Examples) -> Figure:
    return Figure.of(by_record(values, examples))


def _verdicts(laid: Laid, faith: Faith, verdicts: Sequence[Verdict]) -> None:
    counts = passed(verdicts)
    laid.add(
        "verdicts",
        f"with how many of {len(faith.fillings)} fillings each method passes",
        "method",
        {
            method: {question: Figure(len(counts[method, question])) for question in QUESTIONS}
            for method in faith.methods
        },
    )


def _of_classes(classes: Sequence[str], examples: Examples) -> dict[str, Mask]:
    """Beats of each annotated class that has some."""
    masks = {name: examples.label == place for place, name in enumerate(classes)}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _beats(laid: Laid, classes: Sequence[str], faith: Faith) -> None:
    rows = {}
    for name, mask in _of_classes(classes, faith.examples).items():
        some = faith.examples.select(mask)
        rows[name] = {
            "beats": Figure(int(mask.sum())),
            "records": Figure(len(set(zip(some.database.tolist(), some.record.tolist(), strict=True)))),
            "labelled so": Figure(int((faith.target[mask] == some.label).sum())),
        }
    laid.add("beats", "beats explained, by annotation", "class", rows)


def _curves(laid: Laid, name: str, better: str, faith: Faith, curves: Mapping[By, Curves]) -> None:
    every = np.ones(len(faith.examples), dtype=np.bool_)
    rows = {
        _label(by): {
            **_areas(faith, curves, by, every),
            "logit": _figure(each.logit_area, faith.examples),
        }
        for by, each in curves.items()
    }
    title = f"{name}: area under the label's probability, and under its logit; {better}"
    laid.add(name, title, "order, filling", rows, ("area", "minus random", "minus edges", "logit"))


def _areas(faith: Faith, curves: Mapping[By, Curves], by: By, mask: Mask) -> Row:
    """Area of an order over some beats, and its differences from the orders that need no network."""
    some, area = faith.examples.select(mask), curves[by].area[mask]
    row = {"area": _figure(area, some)}
    for other in (RANDOM, EDGES):
        if by[1] not in (RANDOM, other):
            row[f"minus {other}"] = _figure(area - curves[by[0], other].area[mask], some)
    return row


def _classes(laid: Laid, classes: Sequence[str], faith: Faith) -> None:
    rows = {
        f"{name}, {_label((filling, method))}": _areas(faith, faith.deletion, (filling, method), mask)
        for name, mask in _of_classes(classes, faith.examples).items()
        for filling in faith.fillings
        for method in faith.methods
    }
    laid.add("classes", "deletion by class", "class, method, filling", rows)


def _foretold(laid: Laid, faith: Faith, sanity: Sanity) -> None:
    rows: dict[str, Row] = {}
    for by, values in faith.infidelity.items():
        row = rows[_label(by)] = {"infidelity": _figure(values, faith.examples)}
        if by in faith.values:
            row["beats without any"] = Figure(int((~faith.values[by].any(axis=(1, 2))).sum()))
        if by in sanity.sensitivity:
            row["sensitivity"] = _figure(sanity.sensitivity[by], sanity.examples)
        if by[1] == "integrated-gradients" and by[0] in faith.error:
            row["convergence error"] = _figure(faith.error[by[0]], faith.examples)
    laid.add("infidelity", "infidelity and sensitivity; less is better", "method, filling", rows)


def _agreement(laid: Laid, faith: Faith) -> None:
    rows = {
        f"{one} and {other}, {filling}": {
            "rank correlation": _figure(found[0], faith.examples),
            "top tenth in common": _figure(found[1], faith.examples),
        }
        for (filling, one, other), found in faith.agreement.items()
    }
    title = "agreement of methods; with the edge detector, of sizes alone; chance: 0 and 0.1"
    laid.add("agreement", title, "methods, filling", rows)
    between: dict[str, Row] = {}
    for (method, one, other), values in faith.between.items():
        between.setdefault(method, {})[f"{one} and {other}"] = _figure(values, faith.examples)
    title = "agreement of a method with itself under two fillings, rank correlation"
    laid.add("fillings", title, "method", between)


def _regions(laid: Laid, classes: Sequence[str], faith: Faith) -> None:
    masks = _of_classes(classes, faith.examples)
    for filling in faith.fillings:
        rows: dict[str, Row] = {}
        for name, mask in masks.items():
            some = faith.examples.select(mask)
            for method in faith.methods:
                shares = faith.regions[filling, method]
                rows[f"{name}, {method}"] = {
                    region: _figure(share[mask], some) for region, share in shares.items()
                }
            rows[f"{name}, share of the window"] = {
                region: _figure(share[mask], some) for region, share in faith.room.items()
            }
        laid.add(
            f"regions-{filling}", f"share of the attribution by region, filling {filling}", "class", rows
        )


def _sanity(laid: Laid, sanity: Sanity) -> None:
    of = len(sanity.stages)
    for name, kind in (("contributions", "signed"), ("sizes", "size")):
        rows: dict[str, Row] = {}
        for by, points in sanity.weights.items():
            row = rows[_label(by)] = {}
            for depth, found in zip(sanity.depths, points, strict=True):
                row[f"{depth} of {of}"] = _figure(getattr(found, kind), sanity.examples)
            row["permuted labels"] = _figure(getattr(sanity.labels[by], kind), sanity.examples)
        title = f"rank correlation of {name} with the original, so many layers from the top random"
        laid.add(f"sanity-{kind}", title, "method, filling", rows)
