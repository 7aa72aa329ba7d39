"""A model's confidence as figures and tables: calibration, and what leaving beats open brings."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ecgtune.evaluation.bootstrap import Interval, Metric, bootstrap, of_class
from ecgtune.evaluation.calibration import brier_score, expected_error, negative_log_likelihood
from ecgtune.evaluation.metrics import accuracy, f1, macro_f1
from ecgtune.evaluation.results import Figure, Table
from ecgtune.evaluation.risk_coverage import (
    LIMITS,
    area_interval,
    kept_share,
    matrices_above,
    matrices_rejected,
    oracle_area,
)
from ecgtune.explain.confidence_measure import Floats, Said
from ecgtune.labels import CLASS_NAMES, CLASSES

Figures = dict[str, dict[str, Figure]]

BEFORE, AFTER, WITHOUT_232 = "before", "after", "without record 232"

WAY_NAMES = {BEFORE: "before the temperature", AFTER: "divided by the temperature"}
"""What tables and figures call probabilities before and after the temperature."""

DOMINANT = "mitdb/232"
"""Holds 75 % of DS2's S beats, most of which every model misses."""

CALIBRATION = ("temperature", "ECE", "NLL", "Brier score", "mean confidence", "accuracy")
SELECTIVE = (
    *("coverage", "V kept", "S kept", "accuracy", "macro-F1", "V F1", "S F1"),
    "macro-F1, Q counted",
)


def ways_of(said: Said) -> dict[str, Floats]:
    """Probabilities before and, where there is a temperature, after it."""
    return {BEFORE: said.before} if said.after is None else {BEFORE: said.before, AFTER: said.after}


def figures_of(said: Said, seed: int) -> tuple[Figures, dict[str, Table]]:
    """Figures and tables.

    Parameters
    ----------
    said
        What the model said.
    seed
        Of the bootstrap.
    """
    ways = ways_of(said)
    figures: Figures = {}
    names = dict(WAY_NAMES)
    for way, probability in ways.items():
        temperature = 1.0 if way == BEFORE else float(np.mean(np.unique(said.temperature)))
        figures[way] = _calibration(said, probability, np.ones(len(said.true), np.bool_), temperature, seed)
    if DOMINANT in said.record and len(np.unique(said.record)) > 1:
        others, way = said.record != DOMINANT, list(ways)[-1]
        temperature = 1.0 if way == BEFORE else float(np.mean(np.unique(said.temperature)))
        figures[WITHOUT_232] = _calibration(said, ways[way], others, temperature, seed)
        names[WITHOUT_232] = f"{names[way]}, {WITHOUT_232}"
    rows = {row: names[row] for row in figures}
    tables = {"calibration": Table("Calibration", "probabilities", rows, CALIBRATION)}

    for index, name in enumerate(CLASSES):
        errors = {
            f"ECE {way}": _figure(
                expected_error(probability, said.true, said.record, of_class=index, seed=seed)
            )
            for way, probability in ways.items()
        }
        figures[f"class {name}"] = {"beats": Figure(int((said.true == index).sum())), **errors}
    labels = {f"class {name}": f"{name}, {CLASS_NAMES[name]}" for name in CLASSES}
    columns = ("beats", *(f"ECE {way}" for way in ways))
    tables["classes"] = Table("Calibration of each class's own probability", "class", labels, columns)

    selective, shown = _selective(said, seed)
    tables["selective"] = Table(
        "What is left where beats below a confidence are Q", "at least", shown, SELECTIVE
    )
    figures |= selective
    wrong = float(said.wrong.mean())
    for way, probability in ways.items():
        area = _figure(area_interval(probability.max(axis=1), said.wrong, said.record, seed=seed))
        figures[f"risk {way}"] = {
            "AURC": area,
            "least possible": Figure(oracle_area(wrong)),
            "by chance": Figure(wrong),
        }
    tables["risk"] = Table(
        "Area under the risk-coverage curve",
        "probabilities",
        {f"risk {way}": names[way] for way in ways},
        ("AURC", "least possible", "by chance"),
    )
    return figures, tables


def limit_row(limit: float) -> str:
    """Row of a limit."""
    return f"at least {limit:g}"


def _calibration(
    said: Said, probability: Floats, which: NDArray[np.bool_], temperature: float, seed: int
) -> dict[str, Figure]:
    p, true, record = probability[which], said.true[which], said.record[which]
    above = matrices_above(p, true, record, 0.0, CLASSES)
    return {
        "temperature": Figure(temperature),
        "ECE": _figure(expected_error(p, true, record, seed=seed)),
        "NLL": _figure(negative_log_likelihood(p, true, record)),
        "Brier score": _figure(brier_score(p, true, record)),
        "mean confidence": Figure(float(p.max(axis=1).mean())),
        "accuracy": _figure(bootstrap(above, accuracy, seed=seed)),
    }


def _selective(said: Said, seed: int) -> tuple[Figures, dict[str, str]]:
    """Figures of the beats that keep their label at each limit."""
    named: Mapping[str, Metric] = {
        "accuracy": accuracy,
        "macro-F1": macro_f1,
        "V F1": of_class(f1, "V", CLASSES),
        "S F1": of_class(f1, "S", CLASSES),
    }
    figures, shown = {}, {}
    for limit in LIMITS:
        matrices = matrices_above(said.best, said.true, said.record, limit, CLASSES)
        called = matrices_rejected(said.best, said.true, said.record, limit, CLASSES)
        row = limit_row(limit)
        figures[row] = {
            "coverage": _figure(kept_share(said.best, said.record, limit, seed=seed)),
            **{
                f"{name} kept": _figure(
                    kept_share(said.best, said.record, limit, said.true == CLASSES.index(name), seed=seed)
                )
                for name in CLASSES
            },
            **{name: _figure(bootstrap(matrices, metric, seed=seed)) for name, metric in named.items()},
            "macro-F1, Q counted": _figure(bootstrap(called, macro_f1, seed=seed)),
        }
        shown[row] = f"{limit:g}" if limit else "0 (every beat)"
    return figures, shown


def _figure(interval: Interval) -> Figure:
    return Figure.of(interval)
