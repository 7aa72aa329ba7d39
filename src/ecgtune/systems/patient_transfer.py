"""patient-transfer: one network for each patient, pre-trained on all.

Vavekanand 2025, Journal of Surgical Case Reports and Images, "ECG classification using CNNs and transfer
learning". From top to bottom: configuration, windows, split, pre-training, search, test. Every parameter and
the paper's figures are in ``patient_transfer.toml``, which says what the paper leaves open; what this system
does beyond the paper is in `ecgtune.systems.patient_transfer_further`.

The paper has 49,245 windows "after excluding imbalanced samples", which it does not define; windows around
all beats of its 29 records are 70,265, and all are used here. Its 29 "patients" are 28: 201 and 202 are one.
"""

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Beats, Preprocessing, annotated_beats, concatenate
from ecgtune.beats.fixed import fixed_windows
from ecgtune.errors import ModelError, SplitError
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.labels import CLASSES
from ecgtune.signals.filters import bandpass
from ecgtune.signals.resample import to_native
from ecgtune.splits import Split, make_split
from ecgtune.training.stacked import Member, Settings, Trained, decide
from ecgtune.training.stacks import Trainer, Windows, predict_all
from ecgtune.training.tables import open_record, record_until
from ecgtune.training.window_augmentation import WindowAugmentation

Rows = NDArray[np.int64]
Key = tuple[str, str, Settings]
"""Record, way and settings of a training."""

NAME = "patient-transfer"

BINARY = ("normal", "abnormal")
"""Every symbol but N is abnormal, so bundle branch block (which AAMI counts as N) is too."""

WAYS = ("individual", "fine-tuned")

TOGETHER = 3
"""Pre-trainings in a stack: they are few and long, and every process should have some."""


def load_windows(
    config: Mapping[str, Any],
    records: Sequence[str],
    *,
    until: Mapping[tuple[str, str], float] | None = None,
    scale_until: Mapping[tuple[str, str], float] | None = None,
    classes: Sequence[str] | None = None,
) -> Beats:
    """Cut a scaled window around each annotated beat of some records.

    Parameters
    ----------
    config
        See `ecgtune.systems.config.load_config`.
    records
        Names of records of the configured database.
    until
        Second after which nothing of a record is read, not even to filter it; all where not listed.
    scale_until
        Second up to which a recording's scale is read; all of it where not listed.
    classes
        `BINARY` or `ecgtune.labels.CLASSES`; the configured ones where None.

    Returns
    -------
    Beats
        ``windows`` float32 [n, 1, width], ``label`` an index into ``classes``.

    Raises
    ------
    DataError
        Where a record is not there.
    """
    how = config["windows"]
    classes = classes_of(config) if classes is None else classes
    tables = []
    for name in records:
        key = (how["database"], name)
        record, annotations = open_record(key)
        record = record_until(record, (until or {}).get(key, math.inf))
        annotations = annotations.select(annotations.sample < record.n_samples)
        lead = record.leads.index(how["lead"]) if how["lead"] in record.leads else 0
        beats = annotated_beats(record, annotations, [lead], Preprocessing(leads=1), database=key[0])
        signal = record.read(0, record.n_samples)[:, lead]
        filtered = bandpass(signal, record.fs, *how["band_hz"], order=how["order"])
        at = to_native(beats.at, record.fs)
        cut = fixed_windows(filtered, record.fs, at, seconds=how["seconds"], width=how["width"])
        seen = int(min((scale_until or {}).get(key, math.inf) * record.fs, len(filtered)))
        windows = scale_recording(cut, filtered[:seen], how)[:, np.newaxis]
        label = beats.label
        if tuple(classes) == BINARY:
            symbols = dict(zip(annotations.sample.tolist(), annotations.symbol.tolist(), strict=True))
            label = np.array([symbols[sample] != "N" for sample in beats.sample.tolist()], dtype=np.int8)
        tables.append(replace(beats, windows=windows, label=label))
    return concatenate(tables)


def scale_recording(
    windows: NDArray[np.float32], signal: NDArray[np.float32], how: Mapping[str, Any]
) -> NDArray[np.float32]:
    """Bring windows to the range of the recording they come from, as the paper's "normalize signals".

    A recording's range is that of all but its most extreme samples (``scale_percent`` of them on each side);
    what lies beyond is cut off half a range outside. Scaling each window by itself would hide its amplitude.
    """
    extreme = how["scale_percent"]
    low, high = np.percentile(signal, [extreme, 100 - extreme])
    unit = np.clip((windows - low) / max(high - low, 1e-6), -0.5, 1.5)
    least, greatest = how["scale"]
    return np.asarray(least + (greatest - least) * unit, dtype=np.float32)


def classes_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the classes that the study tells apart."""
    kind = config["windows"]["classes"]
    if kind not in ("binary", "aami"):
        raise ModelError(f"{NAME}: windows.classes is {kind!r}; give binary or aami")
    return BINARY if kind == "binary" else CLASSES


def as_windows(config: Mapping[str, Any], beats: Beats, classes: Sequence[str] | None = None) -> Windows:
    """Hand the table to the trainer."""
    classes = classes_of(config) if classes is None else classes
    # One output for two classes.
    network = {} if tuple(classes) == BINARY else {"outputs": len(classes)}
    changes = WindowAugmentation(**config["augmentation"])
    augmentation = None if changes == WindowAugmentation() else changes
    return Windows(beats.windows[:, 0], beats.label.astype(np.int64), network, augmentation=augmentation)


@dataclass(frozen=True)
class Side:
    """One patient's rows: to train on, to validate on, to test on."""

    train: Rows
    validate: Rows
    test: Rows

    def member(
        self, name: str, settings: Settings, start: NDArray[np.float32] | None, *, seed: int
    ) -> Member:
        """One network of the patient: tuned from the weights ``start``, from scratch where None."""
        return Member(name, self.train, self.validate, settings, start, seed)


def sides_by_record(beats: Beats, split: Split) -> dict[str, Side]:
    """Rows of each record on each side."""
    return {
        record: Side(
            *(rows[beats.record[rows] == record] for rows in (split.train, split.validate, split.test))
        )
        for record in dict.fromkeys(beats.record.tolist())
    }


def check_classes(config: Mapping[str, Any], beats: Beats, sides: Mapping[str, Side]) -> None:
    """Refuse a patient who has only one class on a side.

    Raises
    ------
    SplitError
        Names the record, the side and the class.
    """
    classes = classes_of(config)
    for record, side in sides.items():
        for name in ("train", "validate", "test"):
            counts = np.bincount(beats.label[getattr(side, name)], minlength=len(classes))
            if (counts > 0).sum() < 2:
                listing = ", ".join(f"{count} {one}" for one, count in zip(classes, counts, strict=True))
                raise SplitError(
                    f"{config['windows']['database']}/{record}: one class only to {name} on ({listing}): "
                    "that teaches nothing; leave the record out"
                )


def seed_of(*parts: object) -> int:
    """Seed of one training, from what it is: it does not depend on which others run."""
    return zlib.crc32(" ".join(map(str, parts)).encode())


def pretraining_member(config: Mapping[str, Any], name: str, train: Rows, validate: Rows) -> Member:
    """One network for all patients' windows."""
    return Member(name, train, validate, Settings(**config["pretraining"]), seed=seed_of(name))


def grid(config: Mapping[str, Any]) -> Iterator[Settings]:
    """Yield the 18 settings."""
    how = config["grid"]
    for lr in how["lr"]:
        for batch in how["batch"]:
            for weighted in how["weighted"]:
                yield Settings(lr, batch, weighted, how["epochs"], how["patience"])


@dataclass(frozen=True)
class Choice:
    """A finished network of a patient: its settings, its training, its confusion matrix on the test side."""

    settings: Settings
    trained: Trained
    test: NDArray[np.int64]


@dataclass(frozen=True)
class Patient:
    """One patient's finished networks.

    Parameters
    ----------
    individual
        From scratch, settings chosen from the grid.
    reused
        Fine-tuned with the settings of ``individual``, as the paper does.
    fine_tuned
        Fine-tuned with settings chosen from its own grid.
    frozen
        Fine-tuned so, with the best choice of frozen stages; None where that was not tried.
    table1
        From scratch, with the settings that the paper's Table 1 has for the patient; None as above.
    """

    individual: Choice
    reused: Choice
    fine_tuned: Choice
    frozen: Choice | None = None
    table1: Choice | None = None


@dataclass(frozen=True)
class PaperRun:
    """The paper's experiment on one split.

    Parameters
    ----------
    split
        The split.
    pretrained
        The network that all fine-tuning starts from.
    patients
        By record.
    """

    split: Split
    pretrained: Trained
    patients: dict[str, Patient] = field(repr=False)


def paper_split(config: Mapping[str, Any], beats: Beats, seed: int) -> Split:
    """Divide each patient's windows at random, by class: 80/20, then 80/20 of the rest."""
    classes = classes_of(config)
    return make_split(beats.without_windows(), "beat-split", seed=seed, by_patient=True, classes=classes)


def pretrain(
    config: Mapping[str, Any], beats: Beats, splits: Mapping[int, Split], trainer: Trainer
) -> dict[int, Trained]:
    """Pre-train one network on all patients for each seed."""
    members = {
        seed: pretraining_member(config, f"pre-training {seed}", split.train, split.validate)
        for seed, split in splits.items()
    }
    done = trainer.train("pre-training", list(members.values()), as_windows(config, beats), together=TOGETHER)
    return {seed: done[member.name] for seed, member in members.items()}


def paper_run(
    config: Mapping[str, Any],
    beats: Beats,
    split: Split,
    pretrained: Trained,
    trainer: Trainer,
    *,
    further: bool = True,
) -> PaperRun:
    """Run the paper's experiment on one split: search, fine-tune, score each finished network once.

    Parameters
    ----------
    config
        See `ecgtune.systems.config.load_config`.
    beats
        See `load_windows`.
    split, pretrained
        See `paper_split` and `pretrain`.
    trainer
        Where and how.
    further
        Whether freezing and the paper's own settings are tried too.

    Raises
    ------
    SplitError
        Where a patient has one class only.
    """
    table = as_windows(config, beats)
    sides = sides_by_record(beats, split)
    check_classes(config, beats, sides)
    search = _Search(split.seed, sides, pretrained, table, trainer)
    how = config["grid"]
    everyone = [(record, way) for record in sides for way in WAYS]
    short = {settings: replace(settings, epochs=how["screen_epochs"]) for settings in grid(config)}
    # A screening of full length is the full training, too.
    weights = how["screen_epochs"] == how["epochs"]
    search.train("screening", [(*who, s) for who in everyone for s in short.values()], weights=weights)
    kept = {
        who: [full for _, full in sorted((search.preference(*who, s), f) for f, s in short.items())][
            : how["screen_kept"]
        ]
        for who in everyone
    }
    search.train("the best in full", [(*who, s) for who, several in kept.items() for s in several])
    best = {who: search.best(*who, several) for who, several in kept.items()}

    alone = {record: best[record, "individual"] for record in sides}
    tuned = {record: best[record, "fine-tuned"] for record in sides}
    search.train("settings reused", [(record, "fine-tuned", alone[record]) for record in sides])
    chosen = {
        record: [("individual", alone[record]), ("fine-tuned", alone[record]), ("fine-tuned", tuned[record])]
        for record in sides
    }
    if further:
        partly = {record: [replace(tuned[record], frozen=n) for n in (0, *how["frozen"])] for record in sides}
        paper = {record: _of_paper(config, record) for record in sides}
        search.train(
            "frozen stages", [(r, "fine-tuned", s) for r, several in partly.items() for s in several]
        )
        search.train("the paper's settings", [(record, "individual", paper[record]) for record in sides])
        for record in sides:
            frozen = search.best(record, "fine-tuned", partly[record])
            chosen[record] += [("fine-tuned", frozen), ("individual", paper[record])]
    patients = {
        record: Patient(*(search.test(record, *each, classes_of(config)) for each in several))
        for record, several in chosen.items()
    }
    return PaperRun(split, pretrained, patients)


class _Search:
    """The trainings of one split's patients: each is done once, whoever asks for it."""

    def __init__(
        self, seed: int, sides: Mapping[str, Side], pretrained: Trained, table: Windows, trainer: Trainer
    ) -> None:
        self.seed, self.sides, self.pretrained, self.table, self.trainer = (
            seed,
            sides,
            pretrained,
            table,
            trainer,
        )
        self.done: dict[Key, Trained] = {}

    def train(self, what: str, keys: Sequence[Key], **options: Any) -> None:
        members = {key: self._member(*key) for key in keys if key not in self.done}
        if members:
            done = self.trainer.train(
                f"seed {self.seed}, {what}", list(members.values()), self.table, **options
            )
            self.done |= {key: done[member.name] for key, member in members.items()}

    def _member(self, record: str, way: str, settings: Settings) -> Member:
        start = self.pretrained.weights if way == "fine-tuned" else None
        name = f"{record} {way} {self.seed} {settings}"
        return self.sides[record].member(name, settings, start, seed=seed_of(record, self.seed))

    def preference(self, record: str, way: str, settings: Settings) -> tuple[float, float, float]:
        """Order of choice: balanced accuracy on the validation side, its lower loss, the lower rate."""
        kept = self.done[record, way, settings].kept
        return (-kept.balanced_accuracy, kept.loss if math.isfinite(kept.loss) else math.inf, settings.lr)

    def best(self, record: str, way: str, several: Sequence[Settings]) -> Settings:
        return min(several, key=lambda settings: self.preference(record, way, settings))

    def test(self, record: str, way: str, settings: Settings, classes: Sequence[str]) -> Choice:
        trained, rows = self.done[record, way, settings], self.sides[record].test
        (logits,) = predict_all([trained.weights], [rows], self.table)
        matrix = confusion_matrix(self.table.labels[rows], decide(logits), classes)
        return Choice(settings, trained, np.asarray(matrix, dtype=np.int64))


def _of_paper(config: Mapping[str, Any], record: str) -> Settings:
    batch, lr, weighted, _ = config["paper"]["settings"][record]
    how = config["grid"]
    return Settings(lr, batch, weighted, how["epochs"], how["patience"])
