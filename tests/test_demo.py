"""The excerpt of the demo: where it is from, and that it is labelled."""

from pathlib import Path

import numpy as np

from ecgtune.classification import classify
from ecgtune.demo import toy_record
from ecgtune.readers import read_record
from ecgtune.signals import detect_beats


def test_it_is_five_minutes_of_one_lead() -> None:
    record = toy_record()
    assert record.duration == 300
    assert record.fs == 360
    assert record.leads == ("MLII",)
    assert 0.5 < np.ptp(record.signal) < 20


def test_it_is_the_excerpt_of_record_208_that_it_says_it_is(mitdb: Path) -> None:
    record = toy_record()
    assert record.patient == "mitdb/208"
    first = round((19 * 60 + 34.5) * 360)
    original = read_record(mitdb / "208").read(first - 720, first + record.n_samples + 720)[:, 0]
    excerpt = record.signal[:, 0]
    lags = range(1441)
    differences = [np.abs(original[lag : lag + 3600] - excerpt[:3600]).mean() for lag in lags]
    lag = int(np.argmin(differences))
    assert abs(lag - 720) <= 360
    np.testing.assert_allclose(original[lag : lag + len(excerpt)], excerpt, atol=0.006)


def test_its_beats_are_those_of_record_208(mitdb: Path) -> None:
    atr = read_record(mitdb / "208").annotations["atr"].beats().sample
    first = round((19 * 60 + 34.5) * 360)
    annotated = np.count_nonzero((atr >= first) & (atr < first + 108_000))
    assert abs(len(detect_beats(toy_record())) - annotated) <= 8


def test_a_model_trained_on_208_says_that_it_knows_the_excerpt(tiny_model: Path) -> None:
    labelled = classify(toy_record(), tiny_model)
    assert labelled.trained_on
    assert labelled.leads == ("MLII",)
    assert labelled.notes == ()
    assert len(labelled.annotations) == len(detect_beats(toy_record()))
