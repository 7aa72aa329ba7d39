"""patient-transfer's figures as a result of the store: tables beside the paper's, and answers in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from ecgtune.beats import Beats
from ecgtune.evaluation.bootstrap import bootstrap, bootstrap_mean, bootstrap_values, of_class
from ecgtune.evaluation.metrics import balanced_accuracy, f1, predictivity, sensitivity
from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import Division, Figure, Result, Scoring, Table, plain_matrices
from ecgtune.labels import CLASSES
from ecgtune.systems.patient_transfer import BINARY, PaperRun
from ecgtune.systems.patient_transfer_further import (
    INDIVIDUAL,
    TUNED,
    TUNED_OWN,
    UNTUNED,
    Adapted,
    Images,
    Scarcity,
)
from ecgtune.training.stacked import weights_hash

NETWORKS = {
    "individual": "individual, own grid",
    "reused": "fine-tuned, the individual's settings (the paper's way)",
    "fine_tuned": "fine-tuned, own grid",
    "frozen": "fine-tuned, own grid, frozen stages chosen",
    "table1": "individual, settings of the paper's Table 1",
}
"""Networks of a patient (`ecgtune.systems.patient_transfer.Patient`) and what tables call them."""

KIRANYAZ = {"V Se": 0.939, "V +P": 0.906, "S Se": 0.603, "S +P": 0.635}
"""Kiranyaz 2016, doi:10.1109/TBME.2015.2468589: 24 records of the 200-series, tuned on five minutes."""

EFFECT = 0.005
"""Fine-tuning helps or harms a patient where it changes the balanced accuracy by more than this."""


@dataclass(frozen=True)
class Study:
    """What was measured.

    Parameters
    ----------
    config
        The parameters.
    beats
        Windows of the paper's records.
    runs
        The paper's experiment by seed.
    scarcity, images, adapted
        Further parts; None, or empty, where they were not asked for.
    quick, bfloat16
        Whether it was a quick run, and whether training multiplied in bfloat16.
    """

    config: Mapping[str, Any]
    beats: Beats = field(repr=False)
    runs: dict[int, PaperRun] = field(repr=False)
    scarcity: Scarcity | None = None
    images: Images | None = None
    adapted: dict[str, Adapted] = field(default_factory=dict)
    quick: bool = False
    bfloat16: bool = False


def test_values(study: Study, network: str) -> dict[str, float]:
    """Balanced accuracy on the test side by record, the mean over the seeds that have the network."""
    found: dict[str, list[float]] = {}
    for run in study.runs.values():
        for record, patient in run.patients.items():
            if (choice := getattr(patient, network)) is not None:
                found.setdefault(record, []).append(float(balanced_accuracy(choice.test)))
    return {record: float(np.mean(values)) for record, values in found.items()}


def result_of(study: Study, name: str, command: str, wall_s: float) -> Result:
    """Put a study into the form of the result store.

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
    """
    figures: dict[str, dict[str, Figure]] = {}
    tables: dict[str, Table] = {}
    for part in (_headline, _by_seed, _by_patient, _fewer_labels, _protocols, _five_classes):
        rows, table = part(study)
        if rows:
            figures |= rows
            tables[part.__name__.lstrip("_").replace("_", "-")] = table
    first = next(iter(study.runs.values()))
    splits = [run.split for run in study.runs.values()] + [each.split for each in study.adapted.values()]
    keys = {key for split in splits for side, _ in split.sides() for key in split.records(side)}
    when = now().isoformat()
    return Result(
        name=name,
        title=study.config["title"],
        created=date.fromisoformat(when[:10]),
        command=command,
        protocol="beat-split; chronological, patient-adapted and patient-adapted-24 where rows say so",
        figures=figures,
        tables=tables,
        intervals="95 % by bootstrap over records",
        divisions=tuple(Division(split.protocol, split.seed, split.hash) for split in splits),
        data=data_used(sorted(keys)),
        code=code_version(),
        seeds=tuple(study.runs),
        parameters=len(first.pretrained.weights),
        machine=machine_class(),
        wall_s=round(wall_s, 1),
        notes=tuple(_notes(study)),
        scorings=tuple(Scoring(when, *each) for each in _scored(study)),
        matrices=_matrices(study),
    )


def _scored(study: Study) -> Iterator[tuple[str, str, str]]:
    """Protocol, split and models (hash over their weights) of each scoring of test sides."""
    for run in study.runs.values():
        chosen = [choice for p in run.patients.values() for choice in vars(p).values() if choice is not None]
        yield run.split.protocol, run.split.hash, weights_hash([each.trained for each in chosen])
    for each in study.adapted.values():
        yield each.split.protocol, each.split.hash, each.models


def _headline(study: Study) -> tuple[dict[str, dict[str, Figure]], Table]:
    paper = study.config["paper"]
    rows = {
        "paper: individual": {
            "mean balanced accuracy": Figure(paper["individual"]),
            "patients above 0.95": Figure(paper["individual_high"]),
        },
        "paper: fine-tuned": {
            "mean balanced accuracy": Figure(paper["fine_tuned"]),
            "patients above 0.95": Figure(paper["fine_tuned_high"]),
        },
    }
    labels = {"paper: individual": "paper: individual", "paper: fine-tuned": "paper: fine-tuned"}
    for network, label in NETWORKS.items():
        values = test_values(study, network)
        if not values:
            continue
        seeds = [run for run in study.runs.values() if getattr(next(iter(run.patients.values())), network)]
        rows[network] = {
            "mean balanced accuracy": Figure.of(bootstrap_values(list(values.values()))),
            "patients above 0.95": Figure(sum(value > 0.95 for value in values.values())),
            "splits": Figure(len(seeds)),
        }
        labels[network] = label
    tuned, reused, alone = (test_values(study, name) for name in ("fine_tuned", "reused", "individual"))
    for row, better, label in (
        ("gain", tuned, "gain of fine-tuning, own grid"),
        ("gain, reused", reused, "gain of fine-tuning, the paper's way"),
    ):
        differences = [better[record] - alone[record] for record in alone]
        rows[row] = {
            "mean balanced accuracy": Figure.of(bootstrap_values(differences)),
            "splits": Figure(len(study.runs)),
        }
        labels[row] = label
    if study.images is not None:
        for way, matrices in study.images.matrices.items():
            row = f"images, {way}"
            every = [float(balanced_accuracy(matrix)) for matrix in matrices.values()]
            rows[row] = {
                "mean balanced accuracy": Figure.of(bootstrap_mean(matrices, balanced_accuracy)),
                "patients above 0.95": Figure(sum(value > 0.95 for value in every)),
                "splits": Figure(1),
            }
            labels[row] = f"image form (Gramian, Markov, recurrence), {way}"
    columns = ("mean balanced accuracy", "patients above 0.95", "splits")
    title = "Test side of the paper's split; the same patients are in training and test"
    return rows, Table(title, "network", labels, columns)


def _by_seed(study: Study) -> tuple[dict[str, dict[str, Figure]], Table]:
    rows = {}
    for seed, run in study.runs.items():
        row = {"best pre-training epoch": Figure(run.pretrained.best + 1)}
        for network in ("individual", "reused", "fine_tuned"):
            values = [float(balanced_accuracy(getattr(p, network).test)) for p in run.patients.values()]
            row[_short(network)] = Figure(float(np.mean(values)))
            row[f"{_short(network)}, above 0.95"] = Figure(sum(value > 0.95 for value in values))
        rows[f"seed {seed}"] = row
    paper = study.config["paper"]
    rows["paper"] = {
        "best pre-training epoch": Figure(paper["best_pretraining_epoch"]),
        _short("individual"): Figure(paper["individual"]),
        "individual, above 0.95": Figure(paper["individual_high"]),
        _short("reused"): Figure(paper["fine_tuned"]),
        "reused, above 0.95": Figure(paper["fine_tuned_high"]),
    }
    columns = (*rows["paper"], "fine-tuned", "fine-tuned, above 0.95")
    return rows, Table("By split", "split", {row: row for row in rows}, columns)


def _by_patient(study: Study) -> tuple[dict[str, dict[str, Figure]], Table]:
    beats, paper = study.beats, study.config["paper"]["settings"]
    validation: dict[str, list[float]] = {}
    for run in study.runs.values():
        for record, patient in run.patients.items():
            validation.setdefault(record, []).append(patient.individual.trained.kept.balanced_accuracy)
    tested = {network: test_values(study, network) for network in NETWORKS}
    rows = {}
    for record, values in validation.items():
        own = beats.record == record
        row = {
            "windows": Figure(int(own.sum())),
            "abnormal": Figure(int(np.sum(beats.label[own] > 0))),
            "paper, validation": Figure(paper[record][3]),
            "ours, validation": Figure(float(np.mean(values))),
        }
        row |= {
            _short(network): Figure(found[record]) for network, found in tested.items() if record in found
        }
        row["gain"] = Figure(tested["fine_tuned"][record] - tested["individual"][record])
        rows[f"patient {record}"] = row
    columns = tuple(next(iter(rows.values())))
    title = "By patient: balanced accuracy, validation as the paper's Table 1 has it, then on the test side"
    return rows, Table(title, "record", {row: row.split()[1] for row in rows}, columns)


def _short(network: str) -> str:
    return network.replace("_", "-")


def _fewer_labels(study: Study) -> tuple[dict[str, dict[str, Figure]], Table]:
    few = study.scarcity
    if few is None:
        return {}, Table("", "", {}, ())
    rows = {
        "share 0": {"minutes": Figure(0.0, unit="min"), TUNED: _mean(few.matrices[0.0][UNTUNED].values())}
    }
    labels = {"share 0": "none (pre-trained on others, untuned)"}
    for fraction, ways in few.matrices.items():
        if not fraction:
            continue
        row = {"minutes": Figure(few.minutes[fraction], unit="min")}
        row |= {way: _mean(matrices.values()) for way, matrices in ways.items()}
        row["gain"] = _gain(ways[TUNED], ways[INDIVIDUAL])
        rows[f"share {fraction:g}"] = row
        labels[f"share {fraction:g}"] = f"{100 * fraction:g} %"
    title = (
        f"Fewer labels: {len(few.eligible)} patients who have windows of both classes at every share; "
        "fine-tuned from a network that was pre-trained without the patient"
    )
    return rows, Table(
        title, "share of the training windows", labels, ("minutes", INDIVIDUAL, TUNED, "gain", TUNED_OWN)
    )


def _mean(matrices: Any) -> Figure:
    return Figure.of(bootstrap_values([float(balanced_accuracy(matrix)) for matrix in matrices]))


def _gain(better: Mapping[str, Any], worse: Mapping[str, Any]) -> Figure:
    return Figure.of(
        bootstrap_values([float(balanced_accuracy(better[r]) - balanced_accuracy(worse[r])) for r in worse])
    )


def _protocols(study: Study) -> tuple[dict[str, dict[str, Figure]], Table]:
    rows = {}
    for protocol, found in study.adapted.items():
        if found.classes != BINARY:
            continue
        # A record whose late part holds one class alone has no balanced accuracy.
        both = [r for r, m in found.matrices[UNTUNED].items() if np.asarray(m).sum(1).all()]
        shared = [record for record in both if record in found.matrices[INDIVIDUAL]]
        row = {"records": Figure(len(both)), "tuned": Figure(len(shared))}
        for way in (UNTUNED, TUNED):
            row[way] = _mean([found.matrices[way][record] for record in both])
        row["individual, tuned ones"] = _mean([found.matrices[INDIVIDUAL][record] for record in shared])
        row["fine-tuned, tuned ones"] = _mean([found.matrices[TUNED][record] for record in shared])
        rows[protocol] = row
    title = (
        "Protocols that divide time: mean balanced accuracy over the records whose test part has both classes"
    )
    columns = ("records", "tuned", UNTUNED, TUNED, "individual, tuned ones", "fine-tuned, tuned ones")
    return rows, Table(title, "protocol", {row: row for row in rows}, columns)


def _five_classes(study: Study) -> tuple[dict[str, dict[str, Figure]], Table]:
    found = study.adapted.get("patient-adapted-24")
    if found is None:
        return {}, Table("", "", {}, ())
    rows = {}
    for way in (UNTUNED, TUNED):
        matrices = found.matrices[way]
        rows[f"patient-adapted-24, {way}"] = {
            f"{name} {label}": Figure.of(bootstrap(matrices, of_class(metric, name, CLASSES)))
            for name in ("V", "S")
            for label, metric in (("Se", sensitivity), ("+P", predictivity), ("F1", f1))
        }
    rows["patient-adapted-24, Kiranyaz 2016"] = {name: Figure(value) for name, value in KIRANYAZ.items()}
    labels = {row: row.split(", ", 1)[1] for row in rows}
    labels["patient-adapted-24, Kiranyaz 2016"] = "published: Kiranyaz 2016"
    title = "patient-adapted-24, five classes: the 200-series from minute 5, pooled"
    return rows, Table(title, "network", labels, tuple(next(iter(rows.values()))))


def _notes(study: Study) -> list[str]:
    paper, beats = study.config["paper"], study.beats
    notes = [
        f"{len(beats):,} windows of {len(beats.records())} records; the paper has {paper['windows']:,} of 29 "
        'after "excluding imbalanced samples", which it does not define',
        "201 and 202 are one patient; they are two here, as in the paper",
        "epochs, patience, order of the filter and the recording's range are ours where the paper is silent; "
        "see patient_transfer.toml",
        "the grid: all settings for a few epochs, the best from the start again in full; a setting is "
        "chosen by validation balanced accuracy, then validation loss, then the smaller rate",
        "the paper's Table 1 shows validation figures, so it stands beside ours on the validation side",
        "training multiplied in bfloat16, evaluation in float32" if study.bfloat16 else "all in float32",
    ]
    if study.quick:
        notes.insert(0, "a quick run of a few records, windows and epochs: it shows that all works, no more")
    tuned, alone = test_values(study, "fine_tuned"), test_values(study, "individual")
    helped = [r for r in alone if tuned[r] - alone[r] > EFFECT]
    harmed = [r for r in alone if tuned[r] - alone[r] < -EFFECT]
    notes.append(f"fine-tuning (own grid) helps by more than {EFFECT:g}: {' '.join(helped) or 'nobody'}")
    notes.append(f"it harms by more than {EFFECT:g}: {' '.join(harmed) or 'nobody'}")
    if study.scarcity is not None:
        notes.append(_answer(study.scarcity))
    for protocol, found in study.adapted.items():
        if found.kept:
            notes.append(
                f"{protocol}: the labelled part of {' '.join(found.kept)} has one class only, or nothing to "
                "validate on: they keep the pre-trained network"
            )
    return notes


def _answer(few: Scarcity) -> str:
    """Say from how many labelled minutes on pre-training no longer helps."""
    gains = sorted(
        (few.minutes[fraction], _gain(ways[TUNED], ways[INDIVIDUAL]))
        for fraction, ways in few.matrices.items()
        if fraction
    )
    for place, (minutes, gain) in enumerate(gains):
        # The first share at which the interval of the gain reaches down to zero.
        if gain.low is None or gain.low <= 0:
            begin = "pre-training on other patients"
            if not place:
                return f"{begin} helps surely (interval above zero) at no number of labelled minutes"
            return (
                f"{begin} helps surely (interval above zero) with {gains[place - 1][0]:.1f} labelled minutes "
                f"of the patient; from {minutes:.1f} minutes on it no longer does"
            )
    return f"pre-training on other patients helps surely with all {gains[-1][0]:.1f} labelled minutes"


def _matrices(study: Study) -> dict[str, dict[str, tuple[tuple[int, ...], ...]]]:
    database = study.config["windows"]["database"]

    def named(matrices: Mapping[str, Any]) -> dict[str, tuple[tuple[int, ...], ...]]:
        return plain_matrices({f"{database}/{record}": matrix for record, matrix in matrices.items()})

    found = {}
    for seed, run in study.runs.items():
        for network in NETWORKS:
            chosen = {r: getattr(patient, network) for r, patient in run.patients.items()}
            if all(chosen.values()):
                found[f"{_short(network)}, seed {seed}"] = named({r: c.test for r, c in chosen.items()})
    if study.images is not None:
        found |= {f"images, {way}": named(m) for way, m in study.images.matrices.items()}
    for protocol, each in study.adapted.items():
        found |= {f"{protocol}, {way}": named(m) for way, m in each.matrices.items()}
    if study.scarcity is not None:
        for fraction, ways in study.scarcity.matrices.items():
            found |= {f"share {fraction:g}, {way}": named(m) for way, m in ways.items()}
    return found
