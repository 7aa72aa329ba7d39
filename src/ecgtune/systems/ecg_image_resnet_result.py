"""ecg-image-resnet's figures beside the paper's: ways, reports, epochs, rates, and scans."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ecgtune.evaluation.bootstrap import bootstrap, bootstrap_mean, compare_models, pooled
from ecgtune.evaluation.metrics import accuracy, balanced_accuracy, f1, predictivity, sensitivity
from ecgtune.evaluation.results import Figure, Result, Table, plain_matrices
from ecgtune.systems.beat_result import Row, Rows, mean_name, mean_of
from ecgtune.systems.ecg_image_resnet_scans import Scans
from ecgtune.systems.ecg_image_resnet_trials import Tried
from ecgtune.systems.scored import stored

INTERVALS = (
    "95 % by bootstrap over records (scans: over images); of a mean of seeds, the least and the largest; "
    "of the paper, binomial over its 1,000 images"
)

FROZEN, TUNED = "frozen", "fine-tuned"

SHARES = {
    "beat-split": "the same patients are in training and test",
    "inter-patient": "new patients",
}
"""What is said of a protocol in the titles of tables."""


@dataclass(frozen=True)
class Study:
    """What was measured.

    Parameters
    ----------
    config
        The TOML.
    network
        torchvision's name of the network with ImageNet weights.
    tried
        By protocol and seed, then by method.
    scans
        Of a folder of images, where there is one.
    quick
        Whether it was a quick run.
    """

    config: Mapping[str, Any]
    network: str
    tried: Mapping[tuple[str, int], Mapping[str, Tried]] = field(repr=False)
    scans: Scans | None = None
    quick: bool = False

    def seeds_of(self, method: str, protocol: str) -> dict[int, Tried]:
        """What is measured of a method under a protocol, by seed."""
        return {
            seed: methods[method]
            for (where, seed), methods in self.tried.items()
            if where == protocol and method in methods
        }

    def protocols(self) -> list[str]:
        """Protocols that anything is measured under."""
        return list(dict.fromkeys(where for (where, _), methods in self.tried.items() if methods))

    def seeds(self) -> tuple[int, ...]:
        """Seeds that anything is measured of."""
        return tuple(sorted({seed for (_, seed), methods in self.tried.items() if methods}))


def figures_of(study: Study) -> tuple[Rows, dict[str, Table]]:
    """Every table of the study, and the rows that they are made of."""
    figures: Rows = {}
    tables: dict[str, Table] = {}
    for protocol in study.protocols():
        for make in (_ways, _report, _epochs, _rates):
            rows, table = make(study, protocol)
            if table.rows:
                figures |= rows
                tables[f"{make.__name__[1:]}-{protocol}"] = table
    if study.scans is not None:
        rows, table = _scans(study.scans)
        figures |= rows
        tables["scans"] = table
    return figures, tables


def paper_accuracy(study: Study, method: str) -> Figure | None:
    """The paper's accuracy with its binomial interval over the images that it is reported on."""
    paper = study.config["paper"]
    if method not in paper or method not in (FROZEN, TUNED):
        return None
    value, n = paper[method]["accuracy"], paper["images"]
    reach = 1.96 * math.sqrt(value * (1 - value) / n)
    return Figure(value, value - reach, value + reach, n)


def _ways(study: Study, protocol: str) -> tuple[Rows, Table]:
    rows: Rows = {}
    labels: dict[str, str] = {}
    for method in study.config["methods"]:
        seeds = study.seeds_of(method, protocol)
        if not seeds:
            continue
        name = f"{method}, {protocol}"
        each = [_scores(tried) for tried in seeds.values()]
        first = next(iter(seeds.values()))
        cost = {
            "rate x 1000": Figure(1000 * first.chosen.lr),
            "trained parameters": Figure(first.chosen.trained),
            "training": Figure(first.chosen.seconds, unit="s"),
            "features": Figure(first.chosen.feature_seconds or None, unit="s"),
        }
        rows[name], labels[name] = each[0] | cost, method
        if len(each) > 1:
            mean = mean_name(name, len(each))
            rows[mean], labels[mean] = mean_of(each), mean_name(method, len(each))
    for method in (FROZEN, TUNED):
        paper = paper_accuracy(study, method)
        if paper is not None and f"{method}, {protocol}" in rows and protocol == "beat-split":
            rows[f"paper: {method}"] = {"accuracy": paper}
            labels[f"paper: {method}"] = f"paper: {method}"
    both = [study.seeds_of(method, protocol) for method in (TUNED, FROZEN)]
    if shared := sorted(set(both[0]) & set(both[1])):
        seed = shared[0]
        gain = compare_models(both[0][seed].matrices, both[1][seed].matrices, accuracy)
        name = f"{TUNED} less {FROZEN}, {protocol}"
        rows[name], labels[name] = {"accuracy": Figure.of(gain.interval)}, f"{TUNED} less {FROZEN}"
    columns = (
        *("accuracy", "balanced, pooled", "balanced, mean over records"),
        *("rate x 1000", "trained parameters", "training", "features"),
    )
    there = tuple(column for column in columns if any(column in row for row in rows.values()))
    return rows, Table(f"Ways of training, {protocol}: {SHARES[protocol]}", "way", labels, there)


def _scores(tried: Tried) -> Row:
    return {
        "accuracy": Figure.of(bootstrap(tried.matrices, accuracy)),
        "balanced, pooled": Figure.of(bootstrap(tried.matrices, balanced_accuracy)),
        "balanced, mean over records": Figure.of(
            bootstrap_mean(_with_both(tried.matrices), balanced_accuracy)
        ),
    }


def _with_both(matrices: Mapping[str, Any]) -> dict[str, Any]:
    """Matrices of the records whose test part has both classes; all where none has."""
    both = {name: matrix for name, matrix in matrices.items() if np.all(np.sum(matrix, axis=1))}
    return both or dict(matrices)


def _report(study: Study, protocol: str) -> tuple[Rows, Table]:
    rows: Rows = {}
    labels: dict[str, str] = {}
    names = study.config["classes"]
    for method in (FROZEN, TUNED):
        seeds = study.seeds_of(method, protocol)
        if not seeds:
            continue
        matrix = pooled(next(iter(seeds.values())).matrices)
        by_class = {"precision": predictivity(matrix), "recall": sensitivity(matrix), "F1": f1(matrix)}
        for place, name in enumerate(names):
            row = f"{method}, {protocol}: {name}"
            rows[row] = {metric: _plain(values[place]) for metric, values in by_class.items()}
            rows[row]["images"] = Figure(int(matrix[place].sum()))
            labels[row] = f"{method}: {name}"
            paper = study.config["paper"][method]
            for metric in by_class:
                rows[row][f"paper's {metric}"] = Figure(paper[metric.lower()][place])
        row = f"{method}, {protocol}: mean"
        rows[row] = {metric: _plain(np.mean(values)) for metric, values in by_class.items()}
        labels[row] = f"{method}: mean of both"
    columns = ["precision", "recall", "F1", "images"]
    if protocol == "beat-split":
        columns += ["paper's precision", "paper's recall", "paper's F1"]
    title = f"Report on the test images, {protocol}"
    return rows, Table(title, "way and class", labels, tuple(columns) if labels else ())


def _epochs(study: Study, protocol: str) -> tuple[Rows, Table]:
    rows: Rows = {}
    labels: dict[str, str] = {}
    for method in study.config["methods"]:
        seeds = study.seeds_of(method, protocol)
        if not seeds:
            continue
        paper = study.config["paper"].get(method, {}) if method in (FROZEN, TUNED) else {}
        for place, epoch in enumerate(next(iter(seeds.values())).chosen.history):
            row = f"{method}, {protocol}, epoch {epoch['epoch']}"
            rows[row] = {
                "loss": Figure(epoch["train_loss"]),
                "accuracy": Figure(epoch["train_accuracy"]),
                "validation loss": Figure(epoch["valid_loss"]),
                "validation accuracy": Figure(epoch["valid_accuracy"]),
                "seconds": Figure(epoch["seconds"], unit="s"),
            }
            if paper and place < len(paper["loss_by_epoch"]):
                rows[row]["paper's loss"] = Figure(paper["loss_by_epoch"][place])
                rows[row]["paper's accuracy"] = Figure(paper["accuracy_by_epoch"][place])
            labels[row] = f"{method}, epoch {epoch['epoch']}"
    columns = (
        *("loss", "accuracy", "paper's loss", "paper's accuracy"),
        *("validation loss", "validation accuracy", "seconds"),
    )
    there = tuple(column for column in columns if any(column in row for row in rows.values()))
    return rows, Table(f"Epochs at the chosen rate, {protocol}", "way and epoch", labels, there)


def _rates(study: Study, protocol: str) -> tuple[Rows, Table]:
    rows: Rows = {}
    labels: dict[str, str] = {}
    for method in study.config["methods"]:
        seeds = study.seeds_of(method, protocol)
        if not seeds:
            continue
        tried = next(iter(seeds.values()))
        for each in tried.sweep:
            row = f"{method}, {protocol}, rate {each.lr:g}"
            last = each.history[-1]
            rows[row] = {
                "loss": Figure(last["train_loss"]),
                "accuracy": Figure(last["train_accuracy"]),
                "validation loss": Figure(last["valid_loss"]),
                "validation accuracy": Figure(last["valid_accuracy"]),
            }
            chosen = ", chosen" if each is tried.chosen and len(tried.sweep) > 1 else ""
            labels[row] = f"{method}, {each.lr:g}{chosen}"
    columns = ("loss", "accuracy", "validation loss", "validation accuracy") if labels else ()
    return rows, Table(f"Learning rates after the last epoch, {protocol}", "way and rate", labels, columns)


def _scans(scans: Scans) -> tuple[Rows, Table]:
    rows: Rows = {f"scans: {name}": {"accuracy": Figure.of(each)} for name, each in scans.accuracy.items()}
    labels = {f"scans: {name}": name for name in scans.accuracy}
    rows["scans: chance"] = {"accuracy": Figure(scans.chance)}
    rows["scans: bound"] = {"accuracy": Figure(scans.bound)}
    labels |= {
        "scans: chance": "share of the largest class",
        "scans: bound": "what guessing reaches once in twenty sets",
    }
    counts = ", ".join(f"{name} {n}" for name, n in scans.found.counts.items())
    title = f"Images of {scans.folder} ({counts}), cross-validated"
    return rows, Table(title, "method", labels, ("accuracy",))


def notes_of(study: Study) -> list[str]:
    """What is ours, what was chosen how, and whether the goals are reached."""
    how = study.config
    strips, paper = how["strips"], how["paper"]
    notes = []
    if study.quick:
        notes.append("a quick run: a few images and epochs; its figures mean nothing")
    if study.tried:
        notes += [
            f"images: strips of one lead of {strips['database']} (MLII where present), "
            f"{strips['before_s']:g} s before and {strips['after_s']:g} s after a beat, 0.5-40 Hz, drawn at "
            f"{strips['mm_per_s']:g} mm/s and {strips['mm_per_mv']:g} mm/mV, {strips['width']} pixels wide; "
            "the paper's images are not public, so its figures are of other images",
            f"network: {study.network} with ImageNet weights, unless a row's name says otherwise; the paper "
            "has a ResNet of unnamed depth; resnet18 is taken where its weights are at hand or can be "
            "downloaded",
            "two balanced classes: normal beats are drawn at random until they are as many as the abnormal "
            "ones (S, V, F, Q), on each side of a split; accuracy is of such sides, not of beats in their "
            "natural frequencies",
            "the rate of each way is chosen by accuracy on the validation side after the last epoch; the "
            "last epoch is kept, as in the paper; the chosen model alone meets the test side, once",
            f"the paper reports on {paper['images']:,} of its test images, so its accuracies are uncertain "
            "by about three points; it does not say how patients were divided",
            "accuracy of an epoch is counted while the network learns, so it lags; seconds are of the "
            "training steps on one thread, with others beside it; features of the frozen network are "
            "computed once for all images, epochs and rates",
        ]
    if "inter-patient" in study.protocols():
        notes.append(
            "inter-patient: trained on DS1 without 201, tested on DS2; hardly any paced beat is there, which "
            "beat-split has many of"
        )
    if study.scans is not None:
        notes.append(
            f"{study.scans.folder}: stratified {how['scans']['folds']}-fold cross-validation, repeated "
            f"{how['scans']['repeats']} times, on frozen features of {study.network}; with permuted labels "
            f"the first method reaches its accuracy in a share of {study.scans.p:.3f} of "
            f"{how['scans']['permutations']} draws (one cross-validation each, the observed one among them); "
            "whether two images are of one patient is not known"
        )
    return notes + _goal_notes(study)


def _goal_notes(study: Study) -> list[str]:
    notes = []
    for method, goal in study.config["goals"].items():
        seeds = study.seeds_of(method, "beat-split")
        if seeds and not study.quick:
            mean = float(np.mean([accuracy(pooled(tried.matrices)) for tried in seeds.values()]))
            said = "reached" if mean >= goal else "not reached"
            several = f"mean of {len(seeds)} seeds" if len(seeds) > 1 else "one seed"
            notes.append(f"goal, {method}, beat-split, {several}: accuracy {goal:g}; {mean:.4f}, {said}")
    return notes


def result_of(
    study: Study,
    name: str,
    command: str,
    wall_s: float,
    notes: Sequence[str],
) -> Result:
    """Put everything into the form of the result store."""
    figures, tables = figures_of(study)
    database = study.config["strips"]["database"]
    facts = stored(study.tried, database)
    if study.scans is not None:
        facts["matrices"] |= {
            f"scans, {method}": plain_matrices({study.scans.folder: matrix})
            for method, matrix in study.scans.matrices.items()
        }
    tuned = [methods[TUNED] for methods in study.tried.values() if TUNED in methods]
    protocols = study.protocols() + ["repeated cross-validation of scans"] * (study.scans is not None)
    return Result(
        name=name,
        title=study.config["title"],
        command=command,
        protocol=f"{', '.join(protocols)}; each table says which",
        figures=figures,
        wall_s=round(wall_s, 1),
        intervals=INTERVALS,
        tables=tables,
        seeds=study.seeds(),
        parameters=tuned[0].chosen.parameters if tuned else None,
        notes=tuple(notes),
        **facts,
    )


def _plain(value: Any) -> Figure:
    return Figure(None if np.isnan(value) else float(value))
