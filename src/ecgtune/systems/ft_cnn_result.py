"""ft-cnn's figures beside the paper's: fifteen models, FT-CNN by class, its ablation, new patients."""

from collections.abc import Mapping, Sequence

from ecgtune.evaluation.bootstrap import compare_models
from ecgtune.evaluation.metrics import accuracy
from ecgtune.evaluation.results import Figure, Table
from ecgtune.labels import CLASSES
from ecgtune.systems.beat_result import (
    CLASS_F1,
    MACRO,
    Row,
    Rows,
    Study,
    bare,
    class_rows,
    cost,
    macro_f1_all,
    mean_name,
    method_rows,
    overall,
    percent,
    protocol_notes,
    protocol_tables,
    table,
)
from ecgtune.systems.beat_study import Tried

SPLIT = "beat-split"

SHARES = "the same patients are in training and test"

PAPERS = "paper's accuracy"

CHANGES = ("accuracy, change", "macro-F1, change")
"""Names of figures."""


def figures_of(
    study: Study, methods: Sequence[str], ablation: Mapping[str, str]
) -> tuple[Rows, dict[str, Table]]:
    """Every table of the study, and the rows that they are made of.

    Parameters
    ----------
    study
        What was measured.
    methods
        Names of the methods side by side.
    ablation
        Names of the methods of the ablation, the whole one first, and their labels.
    """
    names = in_the_papers_order(study, methods)
    figures: Rows = {}
    tables: dict[str, Table] = {}
    for name, (rows, made) in {
        "models": _models(study, names),
        "differences": _differences(study, names),
        "classes": _classes(study),
        "ablation": _ablation(study, ablation),
    }.items():
        if rows:
            figures |= rows
            tables[name] = made
    for protocol in ("inter-patient", "patient-adapted"):
        rows, several = protocol_tables(study, names, protocol)
        figures |= rows
        tables |= several
    return figures, tables


def in_the_papers_order(study: Study, methods: Sequence[str]) -> list[str]:
    """Those that the paper gives an accuracy of, the highest first, then the others as they are."""
    paper = study.config["paper"]["accuracy"]
    return sorted(methods, key=lambda name: -paper.get(name, 0.0))


def _models(study: Study, names: Sequence[str]) -> tuple[Rows, Table]:
    rows, labels = method_rows(study, names, SPLIT)
    for name, value in study.config["paper"]["accuracy"].items():
        if f"{name}, {SPLIT}" in rows:
            rows[f"{name}, {SPLIT}"][PAPERS] = percent(Figure(value))
    columns = ("accuracy", PAPERS, *CLASS_F1, MACRO, "parameters", "training")
    return rows, table(f"{len(names)} models, {SPLIT}: {SHARES}", "model", rows, labels, columns)


def _differences(study: Study, names: Sequence[str]) -> tuple[Rows, Table]:
    """Other methods less the headline's, over the same records."""
    name = study.config["headline"]
    seed = study.config["seeds"]["full"][0]
    there = study.tried.get((SPLIT, seed), {})
    others = [other for other in names if other in there and other != name]
    if name not in there or not others:
        return {}, Table("", "", {}, ())
    rows = {f"{other} less {name}": _change(there[other], there[name]) for other in others}
    labels = {f"{other} less {name}": other for other in others}
    title = f"Other models less {name}, {SPLIT}, seed {seed}; percentage points, paired over records"
    return rows, table(title, "model", rows, labels, CHANGES)


def _change(other: Tried, reference: Tried) -> Row:
    """What accuracy and macro-F1 are more than a reference's, in percentage points."""
    return {
        column: percent(Figure.of(compare_models(other.matrices, reference.matrices, metric).interval))
        for column, metric in zip(CHANGES, (accuracy, macro_f1_all), strict=True)
    }


def _classes(study: Study) -> tuple[Rows, Table]:
    name = study.config["headline"]
    rows, labels = class_rows(study, name, SPLIT)
    if not rows:
        return {}, Table("", "", {}, ())
    ours = rows[list(rows)[-1]]
    paper, goals = study.config["paper"], study.config["goals"]
    rows[f"paper: {name}"] = _given(paper["accuracy"][name], paper["f1"])
    rows["goal"] = _given(goals["accuracy"], goals)
    rows["beyond the goal"] = {
        column: Figure(_less(ours[column], goal), unit=goal.unit) for column, goal in rows["goal"].items()
    }
    labels |= {row: row for row in (f"paper: {name}", "goal")}
    labels["beyond the goal"] = f"{labels[list(labels)[-3]]}, less the goal"
    columns = ("accuracy", *CLASS_F1, MACRO)
    return rows, table(f"{name} by class, {SPLIT}: {SHARES}", "", rows, labels, columns)


def _given(value: float, by_class: Mapping[str, float]) -> Row:
    return {"accuracy": percent(Figure(value))} | {f"{c} F1": Figure(by_class[c]) for c in CLASSES}


def _less(ours: Figure, goal: Figure) -> float | None:
    return None if ours.value is None or goal.value is None else ours.value - goal.value


def _ablation(study: Study, ablation: Mapping[str, str]) -> tuple[Rows, Table]:
    how = study.config
    there = study.tried.get((how["ablation"]["protocol"], how["seeds"]["full"][0]), {})
    whole = there.get(next(iter(ablation)))
    rows: Rows = {}
    for name in (name for name in ablation if name in there):
        row = overall(there[name].matrices)
        rows[name] = row | bare(row, CLASS_F1) | cost(there[name])
        if whole is not None and name != whole.method.name:
            rows[name] |= _change(there[name], whole)
    labels = {name: ablation[name] for name in rows}
    if rows:
        paper = how["paper"]
        full, gain = paper["accuracy"][how["headline"]], paper["gain"]
        rows["paper: whole"] = {"accuracy": percent(Figure(full))}
        rows["paper: baseline"] = {
            "accuracy": percent(Figure(full - gain)),
            CHANGES[0]: percent(Figure(-gain)),
        }
        labels |= {"paper: whole": "paper: FT-CNN", "paper: baseline": "paper: its baseline"}
    columns = ("accuracy", CHANGES[0], MACRO, CHANGES[1], *CLASS_F1, "parameters")
    title = (
        f"{how['headline']} in {how['ablation']['epochs']} epochs without one component or another, "
        f"{how['ablation']['protocol']}; changes in percentage points"
    )
    return rows, table(title, "", rows, labels, columns)


def notes_of(study: Study, methods: Sequence[str], ablation: Mapping[str, str]) -> list[str]:
    """Decisions, and what the figures come to, in words."""
    how = study.config
    windows, training = how["windows"], how["training"]
    rate = windows["width"] / windows["seconds"]
    low, high = windows["band_hz"]
    notes = ["a quick run of a few records, beats and epochs: it shows that all works, no more"] * study.quick
    notes += [
        "the paper's text at hand, its abstract, gives neither input rate, leads, window, kernels nor "
        f"epochs; ours: {windows['leads']} leads, {rate:g} Hz, {windows['seconds']:g} s around the R peak, "
        f"{low:g} to {high:g} Hz, scaled by the recording's own range (under patient-adapted that of "
        "its first five minutes); see ft_cnn.toml",
        "all models see the same windows and rows; all networks have the same epochs "
        f"({training['epochs']}), batch ({training['batch']}), learning rate and schedule, and keep the "
        "epoch with the best macro-F1 of the validation side; the other models learn from the training "
        "side alone",
        *protocol_notes(study),
        *_goals(study),
        *_places(study, methods),
    ]
    if any(name in there for there in study.tried.values() for name in ablation):
        notes += [
            "the ablation has one seed: a change whose interval holds 0 tells nothing",
            f"the paper's {100 * how['paper']['gain']:.2f} are taken for points of accuracy over its "
            f"baseline; ours is the row {list(ablation.values())[-1]!r}: the same layers, no component",
        ]
    return notes


def _goals(study: Study) -> list[str]:
    name = study.config["headline"]
    rows, _ = _classes(study)
    if not rows:
        return []
    said = []
    for column, beyond in rows["beyond the goal"].items():
        goal = rows["goal"][column]
        shown = f"{goal.value:g}{' %' if goal.unit else ''}"
        if beyond.value is None:
            said.append(f"{column} {shown} not measured")
        else:
            reached = "reached" if beyond.value >= 0 else f"missed by {-beyond.value:.2g}"
            said.append(f"{column} {shown} {reached}")
    count = len(study.seeds_of(name, SPLIT))
    of = mean_name(name, count) if count > 1 else f"{name}, one seed"
    return [f"goals, {of}: {'; '.join(said)}"]


def _places(study: Study, methods: Sequence[str]) -> list[str]:
    """Say where the headline's method stands among all, if all are measured."""
    name = study.config["headline"]
    rows, _ = method_rows(study, methods, SPLIT)
    first = {method: rows[f"{method}, {SPLIT}"] for method in methods if f"{method}, {SPLIT}" in rows}
    if len(first) < max(2, len(methods)) or name not in first:
        return []
    said = []
    for column in ("accuracy", MACRO):
        order = sorted(first, key=lambda method: -(first[method][column].value or 0.0))
        said.append(f"place {order.index(name) + 1} of {len(order)} by {column} (first: {order[0]})")
    return [f"{name} under {SPLIT}, one seed: {', '.join(said)}"]
