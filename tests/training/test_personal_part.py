"""Labels that are too few: which of them are of no use, and why."""

import re
from pathlib import Path

import pytest

from ecgtune.errors import RecordError
from ecgtune.model import Model, load_model
from ecgtune.record import Annotations, Record
from ecgtune.signals.simulate import simulate
from ecgtune.training.personal_part import check_match, labelled_part
from ecgtune.training.personalize import personalize


@pytest.fixture(scope="module")
def parent(tiny_model: Path) -> Model:
    return load_model(tiny_model)


@pytest.fixture(scope="module")
def record() -> Record:
    return simulate(60, 250, seed=2, ectopy={"V": 0.1})


@pytest.fixture(scope="module")
def labels(record: Record) -> Annotations:
    return next(iter(record.annotations.values())).beats()


HELD_OUT = r"\d+ are too near \d+\.\d s, where the labels that are held out first begin \(a beat's input"
END = r"\d+ are as near the end at 20 s; 30 usable ones are needed: label more beats or give a later --until"


@pytest.mark.parametrize(
    ("first", "until", "reasons"),
    [
        (4, None, f"0 usable labels of 4 are too few to learn a patient from; {HELD_OUT}"),
        (19, None, f"; {HELD_OUT}"),
        (60, 20, f"; {HELD_OUT}.*; {END}"),
    ],
)
def test_labels_of_no_use_are_counted_by_the_reason(
    record: Record,
    labels: Annotations,
    parent: Model,
    tmp_path: Path,
    first: int,
    until: float | None,
    reasons: str,
) -> None:
    some = labels.select(slice(0, first))
    with pytest.raises(RecordError, match=reasons) as error:
        personalize(record, some, parent, out=tmp_path / "new", until=until)
    text = str(error.value)
    usable, given = map(int, re.findall(r"(\d+) usable labels of (\d+)", text)[0])
    assert given == (first if until is None else sum(some.sample < until * record.fs))
    assert given == usable + sum(map(int, re.findall(r"(\d+) (?:is|are) (?:too|as) near", text)))


def test_labels_that_match_no_beat_are_counted_apart(
    record: Record, labels: Annotations, parent: Model
) -> None:
    how = parent.preprocessing
    part = labelled_part(record, labels.select(slice(0, 35)), how, None, None, None)
    with pytest.raises(
        RecordError, match=r"\d usable labels of 35 .*; 1 is nowhere near a beat \(150 ms\); "
    ):
        check_match(part, len(part.whole) - 1, how)
