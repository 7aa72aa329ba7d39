"""two-fold-focal's figures as a result of the store: tables beside the paper's, and remarks in words."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.evaluation.bootstrap import pooled
from ecgtune.evaluation.metrics import macro_f1
from ecgtune.evaluation.results import Division, Figure, Result, Scoring, Table, plain_matrices
from ecgtune.labels import CLASSES
from ecgtune.systems.beat_result import (
    MACRO,
    Row,
    Rows,
    Study,
    class_rows,
    mean_of,
    method_rows,
    protocol_tables,
    result_of,
    table,
)
from ecgtune.systems.beat_study import Tried
from ecgtune.systems.two_fold_focal_infarction import FULL
from ecgtune.systems.two_fold_focal_paper import BY_CLASS, by_class, class_balanced, implied, overall
from ecgtune.systems.two_fold_focal_transfer import DIVISIONS, WAYS, Transferred, figures

Laid = tuple[Rows, dict[str, Table]]
"""Rows, and tables of them by name; both empty where nothing is measured."""

SPLIT = "beat-split"
NEW_PATIENTS = ("inter-patient", "patient-adapted")


def measured(
    study: Study,
    transferred: Sequence[Transferred],
    remarks: Sequence[str],
    *,
    name: str,
    command: str,
    wall_s: float,
) -> Result:
    """Put a study into the form of the result store.

    Parameters
    ----------
    study
        What was measured on mitdb.
    transferred
        What was measured on infarction.
    remarks
        Further notes.
    name, command, wall_s
        As of `Result`.
    """
    parts = [part(study) for part in (_table_1, _table_1_balanced, _implied)]
    parts += [_table_2(study, transferred), _goals(study), _methods(study)]
    parts += [_seeds_apart(study), _counts(study)]
    parts += [protocol_tables(study, list(study.config["methods"]), each) for each in NEW_PATIENTS]
    parts += [_infarction(found) for found in transferred]
    rows = {row: figures for made, _ in parts for row, figures in made.items()}
    tables = {key: laid for _, made in parts for key, laid in made.items()}
    notes = [*_notes(study, transferred), *remarks]
    result = result_of(study, name, command, wall_s, rows, tables, notes)
    return replace(
        result,
        protocol=result.protocol + "; infarction by grouped-k-fold and k-fold" * bool(transferred),
        divisions=(*result.divisions, *(Division(t.protocol, t.seeds[0], t.hash) for t in transferred)),
        data=result.data | {t.data.name: t.data.data for t in transferred},
        scorings=tuple(sorted([*result.scorings, *map(_scoring, transferred)], key=lambda each: each.when)),
        matrices=result.matrices
        | {
            f"infarction, {t.data.name}, {t.protocol}, {way}": plain_matrices(t.beats(way))
            for t in transferred
            for way in WAYS
        },
    )


def class_counts(tried: Tried) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Training beats of each class, and how many of it an epoch shows after augmentation."""
    before = tried.split.counts(tried.split.train)
    more = tried.method.options.augmentation
    after = before if more is None else more.counts(torch.from_numpy(before)).numpy()
    return before, np.asarray(after, dtype=np.int64)


def _headline(study: Study, protocol: str = SPLIT) -> list[Tried]:
    """The headline's method under a protocol, a trial for each seed."""
    return list(study.seeds_of(study.config["headline"], protocol).values())


def _mean(rows: Sequence[Mapping[str, float]]) -> Row:
    """Figures of the only seed, or the mean of several with the least and the largest."""
    made = [{name: Figure(None if np.isnan(v) else v) for name, v in row.items()} for row in rows]
    return made[0] if len(made) == 1 else mean_of(made)


def _seeds(count: int) -> str:
    return f"mean of {count} seeds, the least and the largest of them" if count > 1 else "one seed"


def _table_1(study: Study, *, balanced: bool = False) -> Laid:
    seeds = [pooled(tried.matrices) for tried in _headline(study)]
    if not seeds:
        return {}, {}
    paper = study.config["paper"]["classes"]
    every = [by_class(class_balanced(matrix) if balanced else matrix) for matrix in seeds]
    suffix = ", class-balanced" * balanced
    rows = {
        f"class {name}{suffix}": {
            f"paper {column}": Figure(value) for column, value in zip(BY_CLASS, paper[name], strict=True)
        }
        | _mean([one[name] for one in every])
        for name in CLASSES
    }
    labels = dict(zip(rows, CLASSES, strict=True))
    columns = [f"{who}{column}" for column in BY_CLASS for who in ("paper ", "")]
    side = "each class counts the same (rows of the matrix normalised)" if balanced else "natural frequencies"
    title = f"Beside the paper's Table 1: {SPLIT}, {side}; {_seeds(len(seeds))}"
    return rows, {f"table-1{'-balanced' * balanced}": table(title, "class", rows, labels, columns)}


def _table_1_balanced(study: Study) -> Laid:
    return _table_1(study, balanced=True)


def _shares(study: Study) -> dict[str, float]:
    """Share of each class among all beats of the paper's protocol."""
    split = _headline(study)[0].split
    counts = split.counts(np.concatenate([rows for _, rows in split.sides()]))
    return dict(zip(CLASSES, (counts / counts.sum()).tolist(), strict=True))


def _implied(study: Study) -> Laid:
    if not _headline(study):
        return {}, {}
    paper = study.config["paper"]
    sides = {
        "as in mitdb": _shares(study),
        "each class the same": dict.fromkeys(CLASSES, 1 / len(CLASSES)),
    }
    found = {side: implied(paper["classes"], shares) for side, shares in sides.items()}
    rows = {f"Table 1, {side}": {k: Figure(v) for k, v in said.items()} for side, said in found.items()}
    labels = dict(zip(rows, sides, strict=True))
    title = (
        f"What the paper's Table 1 says of the whole, which has an accuracy of {paper['accuracy']} in its "
        "Table 2; every figure rounded in its favour"
    )
    columns = list(next(iter(found.values())))
    return rows, {"table-1-implies": table(title, "shares of the classes", rows, labels, columns)}


def _table_2(study: Study, transferred: Sequence[Transferred]) -> Laid:
    paper = study.config["paper"]
    columns = ("accuracy", "precision", "recall")
    rows: Rows = {
        "paper": {name: Figure(paper[name]) for name in columns},
        "paper, Kachuee 2018": dict(zip(columns, map(Figure, paper["kachuee"]), strict=True)),
    }
    labels = {
        "paper": "paper: proposed, task not said",
        "paper, Kachuee 2018": "paper: Kachuee 2018, infarction",
    }
    for protocol in (SPLIT, *NEW_PATIENTS):
        seeds: list[NDArray[Any]] = [pooled(tried.matrices) for tried in _headline(study, protocol)]
        sides: dict[str, list[NDArray[Any]]] = {protocol: seeds} if seeds else {}
        if seeds and protocol == SPLIT:
            sides[f"{SPLIT}, class-balanced test side"] = [class_balanced(matrix) for matrix in seeds]
        for side, matrices in sides.items():
            rows[f"overall, {side}"] = _mean([overall(matrix) for matrix in matrices])
            labels[f"overall, {side}"] = f"five classes, {side}"
    for found in transferred:
        row = f"overall, {found.data.name}, {found.protocol}"
        got = figures(found, "fine-tuned")
        # Over two classes the mean recall is the balanced accuracy.
        names = ("beats: accuracy", "beats: precision", "beats: balanced accuracy")
        rows[row] = {column: Figure.of(got[name]) for column, name in zip(columns, names, strict=True)}
        labels[row] = f"infarction, {found.data.name}, {DIVISIONS[found.protocol]}, fine-tuned"
    title = "Beside the paper's Table 2: by beats; precision, recall and F1 are means over the classes"
    return rows, {"table-2": table(title, "", rows, labels, [*columns, "macro-F1"])}


def _goals(study: Study) -> Laid:
    seeds = [overall(pooled(tried.matrices)) for tried in _headline(study)]
    if not seeds:
        return {}, {}
    rows: Rows = {}
    for name, (goal, stretch) in study.config["goals"].items():
        ours = float(np.mean([one[name] for one in seeds]))
        figures_of = {"measured": ours, "goal": goal, "above": ours - goal}
        figures_of |= {"stretch": stretch, "above the stretch": ours - stretch}
        rows[f"goal {name}"] = {column: Figure(value) for column, value in figures_of.items()}
    labels = {row: row.removeprefix("goal ") for row in rows}
    title = f"Goals: {SPLIT}, natural frequencies, all five classes; {_seeds(len(seeds)).partition(',')[0]}"
    return rows, {"goals": table(title, "", rows, labels, list(next(iter(rows.values()))))}


def _methods(study: Study) -> Laid:
    names = list(study.config["methods"])
    rows, labels = method_rows(study, names, SPLIT)
    if not rows:
        return {}, {}
    for name in names:
        if seeds := study.seeds_of(name, SPLIT):
            balanced = class_balanced(pooled(next(iter(seeds.values())).matrices))
            rows[f"{name}, {SPLIT}"]["class-balanced macro-F1"] = Figure(float(macro_f1(balanced, None)))
    title = (
        f"{SPLIT}: two focal losses, one and none; six pairs of convolutions and three; settings as published"
    )
    columns = ["accuracy", MACRO, *(f"{name} F1" for name in CLASSES), "class-balanced macro-F1"]
    return rows, {"methods": table(title, "method", rows, labels, [*columns, "parameters", "training"])}


def _seeds_apart(study: Study) -> Laid:
    rows, labels = class_rows(study, study.config["headline"], SPLIT)
    if not rows:
        return {}, {}
    columns = ["accuracy", MACRO, *(f"{name} F1" for name in CLASSES)]
    title = f"{study.config['headline']}, {SPLIT}, by seed of split and training"
    return rows, {"seeds": table(title, "", rows, labels, columns)}


def _counts(study: Study) -> Laid:
    if not _headline(study):
        return {}, {}
    tried = _headline(study)[0]
    before, after = class_counts(tried)
    split = tried.split
    sides = {
        "all": split.counts(np.concatenate([rows for _, rows in split.sides()])),
        "training": before,
        "shown in an epoch": after,
        "validation": split.counts(split.validate),
        "test": split.counts(split.test),
    }
    rows = {
        f"beats {name}": {side: Figure(int(counts[place])) for side, counts in sides.items()}
        for place, name in enumerate(CLASSES)
    }
    labels = {f"beats {name}": name for name in CLASSES}
    title = (
        f"Beats of each class, {SPLIT}; an epoch shows those of small classes more often, a little changed"
    )
    return rows, {"counts": table(title, "class", rows, labels, list(sides))}


def _infarction(found: Transferred) -> Laid:
    begin = f"infarction, {found.data.name}, {found.protocol}"
    rows = {f"{begin}, {way}": figures(found, way) for way in WAYS}
    rows |= {f"{begin}, {way} minus scratch": figures(found, way, "scratch") for way in TUNED}
    shown = {row: {name: Figure.of(value) for name, value in made.items()} for row, made in rows.items()}
    has = found.data.subjects
    title = (
        f"Infarction, {found.data.name}, {DIVISIONS[found.protocol]}: {len(found.data.beats):,} beats of "
        f"{len(has)} subjects, {sum(has.values())} with infarction; {len(found.seeds)} "
        f"division{'s' * (len(found.seeds) > 1)} into folds; intervals over subjects"
    )
    labels = {row: row.removeprefix(f"{begin}, ") for row in rows}
    name = f"infarction-{found.data.name}-{DIVISIONS[found.protocol].replace(' ', '-')}"
    columns = list(next(iter(rows.values())))
    return shown, {name: table(title, "convolutions", shown, labels, columns)}


TUNED = tuple(way for way, (started, _) in WAYS.items() if started)


def _scoring(found: Transferred) -> Scoring:
    """All folds as one scoring: the time of the last, and a hash over the names of all trainings."""
    trainings = " ".join(outcome.folder.name for outcome in found.outcomes)
    when = max(outcome.when for outcome in found.outcomes)
    return Scoring(when, found.protocol, found.hash, hashlib.sha256(trainings.encode()).hexdigest())


def _notes(study: Study, transferred: Sequence[Transferred]) -> Iterator[str]:
    if study.quick:
        yield "a quick run of a few records, beats and epochs: it shows that all works, no more"
    yield (
        f"{SPLIT} has the same patients on both sides and says nothing of a new patient; inter-patient and "
        "patient-adapted do"
    )
    yield (
        "the paper's formula has six pairs of convolutions, its text three: the formula's is the headline; "
        "filters, kernels, pooling and dense units are ours"
    )
    yield (
        "the paper gives no gamma and no alpha, and names categorical cross-entropy as well: ours are in "
        "two_fold_focal.toml; as-published has its rate and epochs and the whole inverse frequency"
    )
    yield "the paper says nothing of its augmentation: ours stretches and scales beats and adds noise"
    if _headline(study):
        yield from _paper_notes(study)
        yield from _loss_notes(study)
    if study.seeds_of(study.config["headline"], "inter-patient"):
        yield "DS1 has eight Q beats, and nearly all its F beats in one record: little to learn of either"
    for found in transferred:
        yield _transfer_note(found)
        if found.data.name == FULL and found.protocol == "grouped-k-fold":
            has, paper = found.data.subjects.values(), study.config["paper"]["patients"]
            yield (
                f"{FULL}: {sum(has)} patients with infarction and {len(has) - sum(has)} healthy; the paper "
                f"has {paper[0]} and {paper[1]}"
            )


def _paper_notes(study: Study) -> Iterator[str]:
    paper, goals = study.config["paper"], study.config["goals"]
    natural = implied(paper["classes"], _shares(study))
    same = implied(paper["classes"], dict.fromkeys(CLASSES, 1 / len(CLASSES)))
    if natural["called N, at least"] > natural["missed, at most"]:
        yield (
            "the paper's Table 1 is not of beats in their natural frequencies: N's precision would need "
            f"{natural['called N, at least']:.1%} of all beats to be of other classes and called N, and "
            f"their recalls leave {natural['missed, at most']:.1%} at most; it looks like a class-balanced "
            "test side, so ours stands beside it on both"
        )
    if max(natural["accuracy, at most"], same["accuracy, at most"]) < paper["accuracy"]:
        yield (
            f"its Table 1 cannot give the {paper['accuracy']} of its Table 2: at most "
            f"{natural['accuracy, at most']:.3f} with mitdb's frequencies, {same['accuracy, at most']:.3f} "
            "where each class counts the same"
        )
    seeds = [overall(pooled(tried.matrices)) for tried in _headline(study)]
    for name, (goal, stretch) in goals.items():
        ours = float(np.mean([one[name] for one in seeds]))
        said = f"reached with {ours:.4f}" if ours >= goal else f"missed by {goal - ours:.4f}"
        more = "reached" if ours >= stretch else f"missed by {stretch - ours:.4f}"
        yield f"goal {name} {goal}: {said}; stretch {stretch}: {more}"


def _loss_notes(study: Study) -> Iterator[str]:
    """Say how losses and depths differ beside how seeds do."""
    name = study.config["headline"]
    seeds = study.seeds_of(name, SPLIT)
    value = {seed: float(macro_f1(pooled(tried.matrices), None)) for seed, tried in seeds.items()}
    spread = max(value.values()) - min(value.values())
    differences = []
    for other in study.config["methods"]:
        same = study.tried.get((SPLIT, next(iter(seeds))), {}).get(other)
        if other != name and same is not None:
            ours = value[next(iter(seeds))]
            differences.append(f"{ours - float(macro_f1(pooled(same.matrices), None)):+.4f} to {other}")
    if differences:
        beside = f"; its own seeds differ by {spread:.4f}" if len(seeds) > 1 else ""
        listed = ", ".join(differences)
        yield f"macro-F1 of {name} over five classes, difference on the same split: {listed}{beside}"


def _transfer_note(found: Transferred) -> str:
    has = list(found.data.subjects.values())
    common = max(np.mean(has), 1 - np.mean(has))
    where = f"infarction, {found.data.name}, {DIVISIONS[found.protocol]}"
    if found.protocol == "k-fold":
        return (
            f"{where}: each subject is on both sides, as in the literature; it says nothing of a new subject"
        )
    said = []
    for way in TUNED:
        gain = figures(found, way, "scratch")["subjects: AUROC"]
        surely = (
            "surely better" if gain.low > 0 else "surely worse" if gain.high < 0 else "not surely different"
        )
        said.append(f"{way} is {surely} ({gain.value:+.3f}, {gain.low:+.3f} to {gain.high:+.3f})")
    return (
        f"{where}: {found.data.note}; calling every subject the same is right for {common:.1%}; AUROC beside "
        f"a network from scratch: {'; '.join(said)}"
    )
