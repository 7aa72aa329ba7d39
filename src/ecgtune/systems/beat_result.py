"""Figures of a system of beats as a result of the store: what `two-fold-focal` and `ft-cnn` report alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases import patient_of
from ecgtune.evaluation.bootstrap import bootstrap, by_patient, of_class
from ecgtune.evaluation.headline import headline, headline_mean
from ecgtune.evaluation.metrics import accuracy, f1, macro_f1
from ecgtune.evaluation.results import Figure, Result, Table
from ecgtune.labels import CLASSES
from ecgtune.systems.beat_study import BASE, Matrix, Tried
from ecgtune.systems.scored import of_records, stored
from ecgtune.training.measured import DOMINANT

Row = dict[str, Figure]
Rows = dict[str, Row]
Matrices = Mapping[str, Matrix]

CLASS_F1 = tuple(f"{name} F1" for name in CLASSES)
MACRO = "macro-F1 (all)"
"""Over all five classes; the headline's is over N, S and V."""

SUMMARY = ("V F1", "S F1", "macro-F1 (N, S, V)", "accuracy", "jk")
ECTOPIC = ("V Se", "V +P", "S Se", "S +P")
"""Figures of the headline that tables of protocols show."""

INTERVALS = "95 % by bootstrap over records; of a mean of seeds, the least and the largest of them"


@dataclass(frozen=True)
class Study:
    """What was measured.

    Parameters
    ----------
    config
        The system's TOML; ``headline`` names the method with several seeds, ``seeds`` its seeds.
    tried
        By protocol and seed, then by method.
    quick
        Whether it was a quick run.
    """

    config: Mapping[str, Any]
    tried: Mapping[tuple[str, int], Mapping[str, Tried]] = field(repr=False)
    quick: bool = False

    def seeds_of(self, method: str, protocol: str) -> dict[int, Tried]:
        """What is measured of a method under a protocol, by seed, those of the TOML first."""
        own = configured_seeds(self.config)
        found = {
            seed: methods[method]
            for (where, seed), methods in self.tried.items()
            if where == protocol and method in methods
        }
        return dict(sorted(found.items(), key=lambda each: (each[0] not in own, each[0])))

    def histories(self) -> dict[str, Any]:
        """Epochs of every network."""
        return {
            f"{method}, {protocol}, seed {seed}": list(each.outcome.history)
            for (protocol, seed), methods in self.tried.items()
            for method, each in methods.items()
            if each.outcome.history
        }


def configured_seeds(config: Mapping[str, Any]) -> list[int]:
    """Seeds of a TOML, those of all methods first."""
    return list(dict.fromkeys([*config["seeds"]["full"], *config["seeds"]["headline"]]))


def overall(matrices: Matrices) -> Row:
    """Accuracy in percent, F1 of each class and their mean, pooled, with intervals over records."""
    row = {"accuracy": percent(Figure.of(bootstrap(matrices, accuracy)))}
    for name in CLASSES:
        row[f"{name} F1"] = Figure.of(bootstrap(matrices, of_class(f1, name, CLASSES)))
    return row | {MACRO: Figure.of(bootstrap(matrices, macro_f1_all))}


def macro_f1_all(confusion: NDArray[Any]) -> NDArray[np.float64]:
    """Mean F1 over all classes that occur: float [...]."""
    return macro_f1(confusion, None)


def percent(figure: Figure) -> Figure:
    """Turn a proportion into percent, for figures that differ in their third digit."""
    value, low, high = (
        None if each is None else 100 * each for each in (figure.value, figure.low, figure.high)
    )
    return Figure(value, low, high, figure.n, "%")


def mean_of(rows: Sequence[Row]) -> Row:
    """Mean of each figure that is defined in all rows, with the least and the largest of them."""
    made = {}
    for name, first in rows[0].items():
        known = [v for row in rows if (v := row[name].value) is not None]
        if len(known) == len(rows):
            made[name] = Figure(float(np.mean(known)), min(known), max(known), len(known), first.unit)
    return made


def bare(row: Row, names: Sequence[str]) -> Row:
    """Take figures of a row without their intervals."""
    return {name: Figure(row[name].value, unit=row[name].unit) for name in names if name in row}


def cost(tried: Tried) -> Row:
    """Parameters of a network, and seconds of a training on one thread."""
    row = {"training": Figure(float(tried.outcome.seconds), unit="s")}
    if tried.outcome.parameters:
        row["parameters"] = Figure(tried.outcome.parameters)
    return row


def mean_name(name: str, count: int) -> str:
    """Name, and label, of the row with the mean of several seeds."""
    return f"{name}, mean of {count} seeds"


def table(title: str, corner: str, rows: Rows, labels: Mapping[str, str], columns: Sequence[str]) -> Table:
    """Lay rows out, with those of the columns that some row has."""
    there = tuple(column for column in columns if any(column in rows[row] for row in labels))
    return Table(title, corner, dict(labels), there)


def method_rows(
    study: Study, methods: Sequence[str], protocol: str = "beat-split"
) -> tuple[Rows, dict[str, str]]:
    """Rows of methods under a protocol, pooled, and their labels; a mean of seeds below its method.

    Parameters
    ----------
    study
        What was measured.
    methods
        Names, in order; those that are not measured have no row.
    protocol
        The protocol.

    Returns
    -------
    tuple
        Rows, named ``"METHOD, PROTOCOL"``: accuracy in percent and macro-F1 with intervals, F1 of each class,
        parameters and seconds; and the label of each.
    """
    rows, labels = {}, {}
    for method in methods:
        seeds = study.seeds_of(method, protocol)
        if not seeds:
            continue
        name = f"{method}, {protocol}"
        every = [overall(tried.matrices) for tried in seeds.values()]
        seed, tried = next(iter(seeds.items()))
        rows[name] = every[0] | bare(every[0], CLASS_F1) | cost(tried)
        labels[name] = method if seed in study.config["seeds"]["full"] else f"{method}, seed {seed}"
        if len(every) > 1:
            name, labels[name] = mean_name(name, len(every)), mean_name(method, len(every))
            mean = mean_of(every)
            rows[name] = mean | bare(mean, CLASS_F1)
    return rows, labels


def class_rows(study: Study, method: str, protocol: str = "beat-split") -> tuple[Rows, dict[str, str]]:
    """Rows of a method's seeds under a protocol, pooled, with all intervals, their mean, and their labels.

    Rows are named ``"METHOD, PROTOCOL, seed SEED"`` and ``"METHOD, PROTOCOL, seeds"``.
    """
    name = f"{method}, {protocol}"
    every = {
        f"{name}, seed {seed}": overall(tried.matrices)
        for seed, tried in study.seeds_of(method, protocol).items()
    }
    labels = {row: row.removeprefix(f"{name}, ") for row in every}
    if len(every) > 1:
        every[f"{name}, seeds"] = mean_of(list(every.values()))
        labels[f"{name}, seeds"] = f"mean of {len(labels)} seeds"
    return every, labels


def protocol_tables(study: Study, methods: Sequence[str], protocol: str) -> tuple[Rows, dict[str, Table]]:
    """The project's headline of methods under a protocol that tests new patients, as four tables.

    Parameters
    ----------
    study
        What was measured.
    methods
        Names, in order; those that are not measured have no row.
    protocol
        ``"inter-patient"``, or ``"patient-adapted"``, where each method stands untuned and tuned, over the
        same beats.

    Returns
    -------
    tuple
        Rows, named ``"METHOD, PROTOCOL"`` with ``", untuned"`` and the group behind; and the tables
        ``PROTOCOL`` (pooled), ``PROTOCOL-ectopic``, ``PROTOCOL-without-232`` and ``PROTOCOL-patients``.
    """
    rows: Rows = {}
    labels: dict[str, dict[str, str]] = {group: {} for group in _GROUPS}

    def add(name: str, label: str, matrices: Matrices) -> None:
        for group, row in _headline(matrices, study.config["windows"]["database"]).items():
            rows[name + group] = row
            labels[group][name + group] = label

    for method in methods:
        seeds = study.seeds_of(method, protocol)
        if not seeds:
            continue
        first = next(iter(seeds.values()))
        name, label = f"{method}, {protocol}", method
        if protocol in BASE:
            add(f"{name}, untuned", f"{method}, untuned", first.untuned)
            label = f"{method}, tuned"
        add(name, label, first.matrices)
        if len(seeds) > 1:
            database = study.config["windows"]["database"]
            each = [_headline(tried.matrices, database) for tried in seeds.values()]
            for group in each[0]:
                mean = mean_name(name, len(each)) + group
                rows[mean] = mean_of([groups[group] for groups in each])
                labels[group][mean] = mean_name(label, len(each))
    tables = {}
    for group, (suffix, says, columns) in _GROUPS.items():
        if labels[group]:
            tables[protocol + suffix] = Table(f"{protocol}, {says}", "model", labels[group], columns)
    if labels[""]:
        title = f"{protocol}, pooled: ventricular and supraventricular beats"
        tables[f"{protocol}-ectopic"] = Table(title, "model", labels[""], ECTOPIC)
    return rows, tables


_GROUPS = {
    "": ("", "pooled over records", SUMMARY),
    ", without record 232": ("-without-232", "without record 232", SUMMARY),
    ", mean over patients": ("-patients", "mean over patients", SUMMARY),
}


def _headline(matrices: Matrices, database: str) -> dict[str, Row]:
    """The headline's figures: pooled, without the record that holds most S beats, mean over patients."""
    wanted = dict.fromkeys((*SUMMARY, *ECTOPIC, *CLASS_F1))
    found = {"": headline(matrices)}
    if DOMINANT[1] in matrices and len(matrices) > 1:
        others = {record: matrix for record, matrix in matrices.items() if record != DOMINANT[1]}
        found[", without record 232"] = headline(others)
    patients = by_patient(matrices, {record: patient_of(database, record) for record in matrices})
    found[", mean over patients"] = headline_mean(patients)
    return {group: {name: Figure.of(figures[name]) for name in wanted} for group, figures in found.items()}


def absent(study: Study, wanted: Mapping[tuple[str, int], Sequence[str]]) -> list[str]:
    """Say in a note for each protocol and seed which methods are not measured yet."""
    notes = []
    for (protocol, seed), methods in wanted.items():
        there = study.tried.get((protocol, seed), {})
        if missing := [method for method in methods if method not in there]:
            which = "all" if len(missing) == len(methods) > 1 else ", ".join(missing)
            notes.append(f"not measured yet: {protocol}, seed {seed}: {which}")
    return notes


def protocol_notes(study: Study) -> list[str]:
    """What the protocols that are measured tell and leave out, and what seconds and intervals are of."""
    protocols = {protocol for (protocol, _), there in study.tried.items() if there}
    notes = [
        "seconds are of a training on one thread, with others beside it",
        "intervals are over records, since beats of one record are alike; several seeds stand where the row "
        "says so, all other rows are of one",
    ]
    if "beat-split" in protocols:
        notes.append("beat-split: the same patients are on both sides, so it says nothing of a new patient")
    if protocols - {"beat-split"}:
        notes.append(
            "inter-patient, patient-adapted: DS1 has eight Q beats, so Q is not learnable from it; nearly "
            "all F beats are of one patient on either side (208 and 213); epochs are chosen by macro-F1 over "
            "N, S and V of the validation patients"
        )
    if "patient-adapted" in protocols:
        notes.append(
            "patient-adapted: tuned on all labelled beats of the first five minutes, for a number of epochs "
            "fixed beforehand; untuned: labels of the same training under inter-patient, over the same "
            "beats; a classical model cannot be tuned, so is fitted again"
        )
    return notes


def result_of(
    study: Study,
    name: str,
    command: str,
    wall_s: float,
    figures: Rows,
    tables: Mapping[str, Table],
    notes: Sequence[str],
) -> Result:
    """Put figures, and everything that they come from, into the form of the result store.

    Parameters
    ----------
    study
        What was measured.
    name
        Of the result.
    command
        That measures it again.
    wall_s
        Wall time in seconds.
    figures, tables, notes
        Of the result.
    """
    database = study.config["windows"]["database"]
    facts = stored(study.tried, database)
    facts["matrices"] |= {
        f"{method}, {protocol}, seed {seed}, untuned": of_records(tried.untuned, database)
        for (protocol, seed), methods in study.tried.items()
        for method, tried in methods.items()
        if tried.untuned
    }
    shown = study.seeds_of(study.config["headline"], "beat-split")
    measured = [where for where, methods in study.tried.items() if methods]
    protocols = list(dict.fromkeys(protocol for protocol, _ in measured))
    return Result(
        name=name,
        title=study.config["title"],
        command=command,
        protocol=f"{', '.join(protocols)}; each row's name or table says which",
        figures=figures,
        wall_s=round(wall_s, 1),
        intervals=INTERVALS,
        tables=dict(tables),
        seeds=tuple(sorted({seed for _, seed in measured})),
        parameters=next(iter(shown.values())).outcome.parameters if shown else None,
        notes=tuple(notes),
        **facts,
    )
