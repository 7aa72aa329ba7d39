"""A robustness study as a stored result: a figure for each kind of noise, ratio and measure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ecgtune.evaluation.bootstrap import Metric, bootstrap, of_class
from ecgtune.evaluation.metrics import HEADLINE_CLASSES, f1, macro_f1, predictivity, sensitivity
from ecgtune.evaluation.results import Figure, Table
from ecgtune.explain.methods import METHOD_NAMES
from ecgtune.explain.robustness_measure import Found, Measured
from ecgtune.explain.robustness_plan import CLEAN, LOSSES, NOISES, Condition, Plan, column
from ecgtune.labels import CLASSES

Counts = NDArray[np.float64]

OTHER_BEAT = "another beat"
"""Row of how much the attributions of two clean beats of one recording and class have in common."""

_BEATS = len(CLASSES)


@dataclass(frozen=True)
class Measure:
    """A figure of every condition.

    Parameters
    ----------
    name
        What columns call it.
    title
        What tables and panels call it.
    of
        What of `Found` it is made of: sums that add up over records.
    metric
        The figure of such sums [...].
    shown
        Whether it has a table of its own.
    """

    name: str
    title: str
    of: Callable[[Found], NDArray[np.generic]] = field(repr=False)
    metric: Metric = field(repr=False)
    shown: bool = False


def beat_sensitivity(counts: Counts) -> Counts:
    """Share of the reference beats that are found, of counts [..., 7, 7]."""
    return _ratio(counts[..., :_BEATS, :_BEATS].sum((-1, -2)), counts[..., :_BEATS, :].sum((-1, -2)))


def beat_predictivity(counts: Counts) -> Counts:
    """Share of the found beats that are beats, of counts [..., 7, 7]."""
    return _ratio(counts[..., :_BEATS, :_BEATS].sum((-1, -2)), counts[..., :, :_BEATS].sum((-1, -2)))


def class_macro_f1(counts: Counts) -> Counts:
    """Mean F1 of N, S and V, of counts [..., 7, 7]: a missed beat lowers Se, a false one +P of its label."""
    chosen = [CLASSES.index(name) for name in HEADLINE_CLASSES]
    values = f1(counts)[..., chosen]
    known = ~np.isnan(values)
    return _ratio(np.where(known, values, 0).sum(-1), known.sum(-1))


def measures(methods: Sequence[str]) -> list[Measure]:
    """Every measure, in the order of the tables."""
    found = [
        Measure("QRS Se", "Beats found (Se)", _detected, beat_sensitivity, True),
        Measure("QRS +P", "Beats found that are beats (+P)", _detected, beat_predictivity, True),
        Measure("macro-F1", "Macro-F1 over N, S, V at detected positions", _detected, class_macro_f1, True),
    ]
    parts: dict[str, Metric] = {"Se": sensitivity, "+P": predictivity, "F1": f1}
    for name in HEADLINE_CLASSES:
        for part, metric in parts.items():
            title = f"{part} of {name} at detected positions"
            # The classes' places are the same in a matrix with O and X below and beside them.
            of, shown = of_class(metric, name, CLASSES), part == "F1" and name != "N"
            found.append(Measure(f"{name} {part}", title, _detected, of, shown))
    title = "Macro-F1 over N, S, V at reference positions"
    found.append(Measure("macro-F1 (reference)", title, _reference, macro_f1, True))
    for name in HEADLINE_CLASSES:
        for part, metric in parts.items():
            title = f"{part} of {name} at reference positions"
            found.append(
                Measure(f"{name} {part} (reference)", title, _reference, of_class(metric, name, CLASSES))
            )
    title = "Beats that keep their label, at reference positions"
    found.append(Measure("labels kept", title, _kept, _share, True))
    for method in methods:
        name = METHOD_NAMES[method]
        title = f"Attributions by {name}: rank correlation with those of the clean beats"
        found.append(Measure(correlation_name(method), title, partial(_correlation, method), _share, True))
    return found


def correlation_name(method: str) -> str:
    """What columns call the correlation of a method's attributions."""
    return f"rank correlation, {METHOD_NAMES[method]}"


def figures_of(
    measured: Mapping[str, Measured], plan: Plan, seed: int
) -> tuple[dict[str, dict[str, Figure]], dict[str, Table]]:
    """Figures and tables of a study.

    Parameters
    ----------
    measured
        By record.
    plan
        What was measured.
    seed
        Of the bootstrap.

    Returns
    -------
    figures
        Rows ``"S F1: ma"`` with a figure for each ratio, and rows of lead losses with one for each measure.
    tables
        One of each measure that is shown, one of the lead losses.
    """
    figures: dict[str, dict[str, Figure]] = {}
    tables: dict[str, Table] = {}
    every = measures(plan.methods)
    ratios = (CLEAN, *(column(snr) for snr in plan.snrs))

    def figure(measure: Measure, condition: Condition) -> Figure:
        sums = {record: measure.of(each.found[condition.name]) for record, each in measured.items()}
        return Figure.of(bootstrap(sums, measure.metric, seed=seed))

    for measure in every:
        clean = figure(measure, Condition(CLEAN))
        rows = {}
        for noise in plan.noises:
            row = f"{measure.name}: {noise}"
            noisy = {column(snr): figure(measure, Condition(noise, snr)) for snr in plan.snrs}
            figures[row] = {CLEAN: clean, **noisy}
            rows[row] = NOISES[noise]
        for loss in (CLEAN, *plan.losses):
            figures.setdefault(loss, {})[measure.name] = figure(measure, Condition(loss))
        if measure.shown:
            tables[_slug(measure.name)] = Table(measure.title, "noise", rows, ratios)
    for method in plan.methods:
        floor = {record: np.array([each.floor[method]]) for record, each in measured.items()}
        named = {correlation_name(method): Figure.of(bootstrap(floor, _share, seed=seed))}
        figures.setdefault(OTHER_BEAT, {}).update(named)
    shown = tuple(measure.name for measure in every if measure.shown)
    labels = {CLEAN: CLEAN, **{loss: LOSSES[loss] for loss in plan.losses}}
    tables["loss"] = Table("Lead loss", "leads", {**labels, OTHER_BEAT: "(another clean beat)"}, shown)
    return figures, tables


def _slug(name: str) -> str:
    words = name.replace("+P", "ppv").replace("(", "").replace(")", "").replace(",", "")
    return "-".join(words.lower().split())


def _detected(found: Found) -> NDArray[np.generic]:
    return found.detected


def _reference(found: Found) -> NDArray[np.generic]:
    return found.reference


def _kept(found: Found) -> NDArray[np.generic]:
    return np.array([found.kept])


def _correlation(method: str, found: Found) -> NDArray[np.generic]:
    return np.array([found.correlation[method]])


def _share(sums: Counts) -> Counts:
    return _ratio(sums[..., 0, 0], sums[..., 0, 1])


def _ratio(over: NDArray[np.floating], under: NDArray[np.generic]) -> Counts:
    below = np.asarray(under, dtype=np.float64)
    ratio: Counts = np.divide(over, below, out=np.full(below.shape, np.nan), where=below != 0)
    return ratio
