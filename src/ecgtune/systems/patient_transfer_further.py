"""patient-transfer beyond the paper: fewer labels, the image form, and protocols that divide time.

Every training here has fixed settings (sections ``scarcity``, ``image`` and ``adapted`` of the TOML): a
search would need a validation side that scarce labels do not give.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Beats, concatenate
from ecgtune.errors import SplitError
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.images import three_channels
from ecgtune.labels import CLASSES
from ecgtune.splits import Split, make_split
from ecgtune.splits.choose import patient_folds
from ecgtune.systems.patient_transfer import (
    BINARY,
    TOGETHER,
    Rows,
    Side,
    as_windows,
    classes_of,
    load_windows,
    pretraining_member,
    seed_of,
    sides_by_record,
)
from ecgtune.training.stacked import Member, Settings, Trained, decide, weights_hash
from ecgtune.training.stacks import Trainer, Windows, predict_all
from ecgtune.training.tables import rows_of

Matrix = NDArray[np.int64]

UNTUNED, INDIVIDUAL, TUNED, TUNED_OWN = (
    "untuned",
    "individual",
    "fine-tuned",
    "fine-tuned, own in pre-training",
)


@dataclass(frozen=True)
class Scarcity:
    """Test matrices of each way at each share of the patient's windows.

    Parameters
    ----------
    eligible
        Records that have a window of each class at every share.
    matrices
        By share, way and record; the share 0 is the network that other patients pre-trained, as it is.
    minutes
        Mean labelled minutes (training and validation) that a share stands for.
    """

    eligible: tuple[str, ...]
    matrices: dict[float, dict[str, dict[str, Matrix]]] = field(repr=False)
    minutes: dict[float, float]


def part_of(
    labels: NDArray[np.integer],
    rows: Rows,
    fraction: float,
    seed: int,
    *,
    name: str,
    classes: Sequence[str] = BINARY,
    least: int = 0,
) -> Rows:
    """Take a share, rounded, of the rows of each class.

    Parameters
    ----------
    labels
        Of the whole table.
    rows
        Rows to take from.
    fraction
        0 to 1.
    seed
        Draws which; a smaller share is part of a larger one.
    name, classes
        Whose rows, and names of the labels, for messages.
    least
        Rows to take of a class at least.

    Raises
    ------
    SplitError
        Where that leaves a class without a row; the text says which share would do.
    """
    taken = []
    for label in np.unique(labels[rows]):
        own = rows[labels[rows] == label]
        count = max(math.floor(fraction * len(own) + 0.5), least)
        if not count:
            raise SplitError(
                f"{name}: {fraction:g} of its {len(own)} {classes[label]} windows leaves none; "
                f"give {math.ceil(50 / len(own)) / 100:g} or more"
            )
        taken.append(np.random.default_rng((seed, int(label))).permutation(own)[:count])
    return np.sort(np.concatenate(taken))


def scarcity(
    config: Mapping[str, Any], beats: Beats, split: Split, everyone: Trained, trainer: Trainer
) -> Scarcity:
    """Train each patient on shares of the windows, from scratch and from pre-trained weights.

    Pre-training as the paper does it has seen all of the patient's own training windows, which someone with
    few labels does not have. So each patient is also tuned from a network that was pre-trained without them;
    201 and 202, who are one, are left out together.
    """
    how = config["scarcity"]
    table = as_windows(config, beats)
    sides = sides_by_record(beats, split)
    others = _pretrained_on_others(config, beats, split, table, trainer)
    parts = _shares(config, table.labels, sides, split.seed)
    members = {}
    for record, by_share in parts.items():
        starts = {INDIVIDUAL: None, TUNED: others[record].weights, TUNED_OWN: everyone.weights}
        for fraction, side in by_share.items():
            settings = _by_steps(how, len(side.train))
            for way, start in starts.items():
                name = f"{fraction:g} of {record} {way} {split.seed} {settings}"
                seed = seed_of(record, split.seed)
                members[fraction, way, record] = side.member(name, settings, start, seed=seed)
    done = trainer.train("fewer labels", list(members.values()), table)
    matrices: dict[float, dict[str, dict[str, Matrix]]] = {
        0.0: {UNTUNED: {record: _tested(others[record], sides[record].test, table) for record in parts}}
    }
    for (fraction, way, record), member in members.items():
        by_way = matrices.setdefault(fraction, {}).setdefault(way, {})
        by_way[record] = _tested(done[member.name], sides[record].test, table)
    minutes = {fraction: _labelled_minutes(beats, parts, fraction) for fraction in how["fractions"]}
    return Scarcity(tuple(parts), matrices, minutes)


def _pretrained_on_others(
    config: Mapping[str, Any], beats: Beats, split: Split, table: Windows, trainer: Trainer
) -> dict[str, Trained]:
    """By record, a network that was pre-trained without its patient; patients of a fold share one."""
    members = {}
    for group in patient_folds(beats, split.train, config["scarcity"]["folds"], split.seed):
        train, validate = (
            rows[~np.isin(beats.patient[rows], group)] for rows in (split.train, split.validate)
        )
        name = f"pre-training {split.seed} without {' '.join(group)}"
        members[tuple(group)] = pretraining_member(config, name, train, validate)
    done = trainer.train("pre-training without the patient", list(members.values()), table, together=TOGETHER)
    patients = dict(zip(beats.record.tolist(), beats.patient.tolist(), strict=True))
    return {
        record: done[member.name]
        for group, member in members.items()
        for record, patient in patients.items()
        if patient in group
    }


def _shares(
    config: Mapping[str, Any], labels: NDArray[np.integer], sides: Mapping[str, Side], seed: int
) -> dict[str, dict[float, Side]]:
    """By record and share, the part of its side; without records of which a share would leave a class out."""
    classes = classes_of(config)

    def part(rows: Rows, fraction: float, record: str, least: int = 0) -> Rows:
        draw = seed_of(record, seed)
        return part_of(labels, rows, fraction, draw, name=record, classes=classes, least=least)

    found = {}
    for record, side in sides.items():
        try:
            found[record] = {
                f: Side(part(side.train, f, record), part(side.validate, f, record, least=1), side.test)
                for f in config["scarcity"]["fractions"]
            }
        except SplitError:
            continue
    return found


def _labelled_minutes(beats: Beats, parts: Mapping[str, Mapping[float, Side]], fraction: float) -> float:
    """Mean minutes of a recording for which the labelled windows of a share stand."""
    minutes = []
    for record, by_share in parts.items():
        own = beats.record == record
        labelled = len(by_share[fraction].train) + len(by_share[fraction].validate)
        minutes.append(labelled / np.sum(own) * np.ptp(beats.sample[own] / beats.fs[own]) / 60)
    return float(np.mean(minutes))


def _by_steps(how: Mapping[str, Any], windows: int) -> Settings:
    """So many epochs that small shares get as many steps of Adam as they need."""
    least, most = how["epochs"]
    epochs = min(max(math.ceil(how["steps"] / math.ceil(windows / how["batch"])), least), most)
    return Settings(how["lr"], how["batch"], how["weighted"], epochs, math.ceil(epochs / 3))


def as_images(windows: NDArray[np.float32]) -> NDArray[np.float16]:
    """Draw windows [n, width] as Gramian, Markov and recurrence images: float16 [n, 3, 64, 64], 0 to 1."""
    # In pieces: a whole training side at once would take gigabytes.
    pieces = [
        three_channels(part).astype(np.float16) for part in np.array_split(windows, len(windows) // 512 + 1)
    ]
    return np.concatenate(pieces)


@dataclass(frozen=True)
class Images:
    """The image form on the paper's split: the pre-trained network, test matrices by way and record."""

    pretrained: Trained
    matrices: dict[str, dict[str, Matrix]] = field(repr=False)


def images(config: Mapping[str, Any], beats: Beats, split: Split, trainer: Trainer) -> Images:
    """Train the two-dimensional form of the network on images of the windows."""
    how = config["image"]
    plain = as_windows(config, beats)
    network = plain.network | {"channels": 3, "width": how["size"], "dimensions": 2}
    table = Windows(plain.windows, plain.labels, network, as_images)
    sides = sides_by_record(beats, split)
    first = config["pretraining"] | {"epochs": how["pretraining_epochs"]}
    everyone = Member(
        f"images, pre-training {split.seed}",
        split.train,
        split.validate,
        Settings(**first),
        seed=seed_of("images", split.seed),
    )
    # Wide enough by itself to keep a processor busy: a stack gains nothing.
    alone = trainer.train("images, pre-training", [everyone], table, together=1)[everyone.name]
    settings = Settings(how["lr"], how["batch"], how["weighted"], how["epochs"], how["patience"])
    members = {
        (way, record): side.member(
            f"images, {record} {way} {split.seed}",
            settings,
            start,
            seed=seed_of("images", record, split.seed),
        )
        for record, side in sides.items()
        for way, start in ((INDIVIDUAL, None), (TUNED, alone.weights))
    }
    done = trainer.train("images", list(members.values()), table, together=1)
    matrices: dict[str, dict[str, Matrix]] = {}
    for (way, record), member in members.items():
        matrices.setdefault(way, {})[record] = _tested(done[member.name], sides[record].test, table)
    return Images(alone, matrices)


@dataclass(frozen=True)
class Adapted:
    """One protocol in which a patient's own time is divided.

    Parameters
    ----------
    split
        The split.
    classes
        Names of the classes.
    matrices
        Test matrices by way and record. Where the labelled part has one class, nothing can be tuned: the
        record keeps the pre-trained network, and has no individual one.
    kept
        Those records.
    models
        Hash over the weights of the networks that were scored.
    """

    split: Split
    classes: tuple[str, ...]
    matrices: dict[str, dict[str, Matrix]] = field(repr=False)
    kept: tuple[str, ...]
    models: str


READS_S = 0.7
"""Seconds before and after an annotation that a window may read: half of it, the way to the fiducial (0.1 s),
and the margin of the resampling."""


def adapted(
    config: Mapping[str, Any],
    protocol: str,
    records: Sequence[str],
    trainer: Trainer,
    *,
    classes: Sequence[str] = BINARY,
    seed: int = 0,
) -> Adapted:
    """Pre-train, tune to each tested patient's early part, test on the late one.

    Parameters
    ----------
    config
        See `ecgtune.systems.config.load_config`.
    protocol
        ``chronological``, ``patient-adapted`` or ``patient-adapted-24``.
    records
        Records of the database.
    trainer, seed
        As for the paper's run.
    classes
        Normal against abnormal, or the AAMI classes.
    """
    whole = load_windows(config, records, classes=classes)
    split = make_split(
        whole.without_windows(), protocol, seed=seed, classes=tuple(classes), window=(READS_S, READS_S)
    )
    own = protocol == "chronological"
    early, late = ("train", "validate") if own else ("tune", "tune_validate")
    # Nothing of a later side is read for an earlier one, not even for a filter or for the scale.
    cut = {early: split.signal_until, late: split.validate_until, "test": {}}
    tables, rows, count = [], {}, 0
    for name, wanted in split.sides():
        table = whole
        if name in cut:
            names = [record for _, record in split.records(name)]
            until = cut[name]
            table = load_windows(config, names, until=until, scale_until=split.signal_until, classes=classes)
        picked = rows_of(table, whole, wanted)
        tables.append(table.select(picked))
        rows[name] = np.arange(count, count + len(picked))
        count += len(picked)
    beats = concatenate(tables)
    outputs = 1 if tuple(classes) == BINARY else len(classes)
    windows = as_windows(config, beats, classes)
    everyone = pretraining_member(
        config, f"{protocol} pre-training {outputs} {seed}", rows["train"], rows["validate"]
    )
    pretrained = trainer.train(f"{protocol}, pre-training", [everyone], windows)[everyone.name]

    how = config["adapted"]
    weighted = how["weighted"] and outputs == 1
    settings = Settings(how["lr"], how["batch"], weighted, how["epochs"], how["patience"])
    tested = [record for _, record in split.records("test")]
    sides = {
        record: Side(*(rows[name][beats.record[rows[name]] == record] for name in (early, late, "test")))
        for record in tested
    }
    kept = [
        record
        for record, side in sides.items()
        if len(np.unique(beats.label[side.train])) < 2 or not len(side.validate)
    ]
    members = {
        (way, record): side.member(
            f"{protocol} {record} {way} {outputs} {seed}", settings, start, seed=seed_of(record, seed)
        )
        for record, side in sides.items()
        if record not in kept
        for way, start in ((INDIVIDUAL, None), (TUNED, pretrained.weights))
    }
    done = trainer.train(protocol, list(members.values()), windows)
    matrices: dict[str, dict[str, Matrix]] = {UNTUNED: {}, INDIVIDUAL: {}, TUNED: {}}
    for record, side in sides.items():
        matrices[UNTUNED][record] = _tested(pretrained, side.test, windows)
        for way in (INDIVIDUAL, TUNED):
            if (way, record) in members:
                matrices[way][record] = _tested(done[members[way, record].name], side.test, windows)
        matrices[TUNED].setdefault(record, matrices[UNTUNED][record])
    models = weights_hash([pretrained, *done.values()])
    return Adapted(split, tuple(classes), matrices, tuple(kept), models)


def _tested(trained: Trained, rows: Rows, table: Windows) -> Matrix:
    (logits,) = predict_all([trained.weights], [rows], table)
    names = BINARY if logits.shape[1] == 1 else CLASSES
    return confusion_matrix(table.labels[rows], decide(logits), names)
