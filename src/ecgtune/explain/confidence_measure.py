"""Probabilities that a model gives to annotated beats, before and after its temperature."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases import DS1
from ecgtune.errors import ModelError
from ecgtune.evaluation.calibration import fit_temperature, tempered
from ecgtune.explain.beats_of import Index, held_out, index_records, records_of
from ecgtune.explain.study import Studied, studied_model
from ecgtune.explain.subject_sequence import SequenceSubject
from ecgtune.model import CARD
from ecgtune.training.tables import RecordKey, open_record

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Said:
    """What was said of the annotated beats of some records, at reference positions.

    Parameters
    ----------
    record
        ``database/record`` of each beat, str [beats].
    true
        Index of its class, int64 [beats].
    before
        Probabilities without the temperature, with self-training where there is any, float64
        [beats, classes].
    after
        With its logits divided by the temperature; None where there is none.
    temperature
        Of each beat, float64 [beats]: that of its model.
    fold
        Number of the fold whose model labelled it, int64 [beats]; 0 where there is one model.
    """

    record: NDArray[np.str_] = field(repr=False)
    true: Ints = field(repr=False)
    before: Floats = field(repr=False)
    after: Floats | None = field(repr=False)
    temperature: Floats = field(repr=False)
    fold: Ints = field(repr=False)

    @property
    def best(self) -> Floats:
        """The probabilities that a user sees."""
        return self.before if self.after is None else self.after

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether the most probable class is another than the true one, bool [beats]."""
        return np.asarray(self.before.argmax(axis=1) != self.true, dtype=np.bool_)


def folds_in(folder: Path) -> list[Path]:
    """Models of a run folder of ``ecgtune train --folds``, in order; none where it is another folder."""
    if (folder / CARD).is_file():
        return []
    numbered = [(path.parent.name.removeprefix("fold-"), path) for path in folder.glob("fold-*/model")]
    return [
        path for number, path in sorted(numbered, key=lambda pair: int(pair[0])) if (path / CARD).is_file()
    ]


def said_by(studied: Studied, index: Index) -> Said:
    """Label the annotated beats of records by a model."""
    subject = studied.subject
    temperature = subject.temperature if isinstance(subject, SequenceSubject) else 1.0
    record, true, after = _labelled(studied, index)
    count = len(true)
    return Said(
        record,
        true,
        tempered(after, 1 / temperature),
        after if temperature != 1 else None,
        np.full(count, temperature),
        np.zeros(count, dtype=np.int64),
    )


def said_out_of_fold(folder: Path) -> tuple[Said, Index]:
    """Label each of DS1's records by the model of the fold that left it out.

    The temperature of a fold's beats is fitted to the beats of all other folds, so that it has not seen them.

    Raises
    ------
    ModelError
        Where there are fewer than two folds, or one left nobody out.
    """
    models = folds_in(folder)
    if len(models) < 2:
        raise ModelError(
            f"{folder}: fewer than two folds are finished; run `ecgtune train --folds` to its end"
        )
    every = index_records(records_of("mitdb", DS1))
    parts = []
    keys: list[RecordKey] = []
    for path in models:
        studied = studied_model(path)
        left = _left_out(studied, every)
        if not left:
            raise ModelError(f"{path}: its card names all of DS1; a fold leaves patients out: train it again")
        keys += left
        parts.append(_labelled(studied, index_records(left), raw=True))
    record, true, before = (np.concatenate(each) for each in zip(*parts, strict=True))
    fold = np.repeat(np.arange(len(parts)), [len(part[1]) for part in parts])
    logits = np.log(np.maximum(before, 1e-30))
    found = [fit_temperature(logits[fold != number], true[fold != number]) for number in range(len(parts))]
    temperature = np.array(found)[fold]
    after = np.concatenate([tempered(before[fold == n], each) for n, each in enumerate(found)])
    return Said(record, true, before, after, temperature, fold), index_records(keys)


def _left_out(studied: Studied, every: Index) -> tuple[RecordKey, ...]:
    """Records of DS1 that a fold's model was not trained on; 201 is on no side."""
    return tuple(key for key in held_out(every, studied.subject.trained_on) if key[1] != "201")


def _labelled(studied: Studied, index: Index, *, raw: bool = False) -> tuple[NDArray[np.str_], Ints, Floats]:
    """Records, classes and probabilities of annotated beats; ``raw`` takes the temperature out again."""
    subject = studied.subject
    records, true, probability = [], [], []
    for key in index.keys:
        record, annotations = open_record(key)
        reading = subject.read(record, annotations, database=key[0])
        known = reading.label >= 0
        records.append(np.full(int(known.sum()), "/".join(key)))
        true.append(reading.label[known])
        probability.append(subject.probability(reading)[known].astype(np.float64))
    joined = np.concatenate(probability)
    if raw and isinstance(subject, SequenceSubject):
        joined = tempered(joined, 1 / subject.temperature)
    return np.concatenate(records), np.concatenate(true).astype(np.int64), joined


def temperatures_of(said: Said) -> list[float]:
    """Temperature of each fold."""
    numbers: Iterable[int] = np.unique(said.fold).tolist()
    return [float(said.temperature[said.fold == number][0]) for number in numbers]
