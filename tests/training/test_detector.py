import json

import numpy as np
import pytest

from ecgtune.databases import DS1, DS2
from ecgtune.readers import read_record
from ecgtune.record import Annotations
from ecgtune.signals import detect
from ecgtune.signals.candidates import FEATURES
from ecgtune.signals.detect import Verifier, load_verifier
from ecgtune.signals.resample import to_working
from ecgtune.training import detector
from ecgtune.training.detector import (
    NETWORKS,
    TOLERANCE,
    candidates_of,
    examples,
    fit,
    in_flutter,
    save,
    score,
    spoil,
    stretch,
    variants,
    whole,
)


@pytest.fixture(scope="module")
def signal(mitdb):
    """Five minutes of mitdb 208 at the working rate: [2, samples]."""
    return whole(read_record(mitdb / "208"))[:, : 300 * 128]


@pytest.fixture(scope="module")
def reference(mitdb):
    record = read_record(mitdb / "208")
    beats = np.round(to_working(record.annotations["atr"].beats().sample, record.fs)).astype(np.int64)
    return beats[beats < 300 * 128]


@pytest.fixture(scope="module")
def made(mitdb):
    """Examples of two records of DS1, with mitdb's own noise left out."""
    few = pytest.MonkeyPatch()
    find = detector.find_database

    class Few:
        def __init__(self, name: str) -> None:
            self.name = name

        def records(self) -> tuple[str, ...]:
            return ()

        def path(self, record: str):
            return find(self.name).path(record)

    few.setattr(detector, "find_database", Few)
    few.setattr(detector, "DS1", ("207", "208"))
    few.setattr(detector, "STRETCHES", (1.3,))
    try:
        return examples(seed=1)
    finally:
        few.undo()


def test_almost_every_annotated_beat_has_a_candidate_and_most_candidates_of_beats_are_marked(made):
    for example in made:
        assert example.candidates.features.shape == (len(example.beat), len(FEATURES))
        if example.variant == "plain":
            assert example.beat.sum() >= 0.99 * len(example.reference)
            assert example.beat.sum() <= len(example.reference)


def test_every_record_is_seen_plain_spoilt_with_one_lead_and_at_another_speed(made):
    assert [(example.record, example.variant) for example in made] == [
        (f"mitdb/{record}", variant)
        for record in ("207", "208")
        for variant in ("plain", "faults", "one lead", "x1.3")
    ]


def test_no_candidate_of_a_flutter_is_taught_as_no_beat(made, mitdb):
    record = read_record(mitdb / "207")
    annotations = record.annotations["atr"]
    assert "[" in annotations.symbol
    for example in made[:4]:
        factor = 1.3 if example.variant == "x1.3" else 1.0
        assert not in_flutter(annotations, example.candidates.sample / factor, record.fs).any()


def test_positions_between_the_marks_of_a_flutter_are_in_it():
    sample = np.array([100, 1000, 2000, 5000, 6000])
    annotations = Annotations(sample, np.array(["N", "[", "]", "]", "["]))
    at = np.array([500, 1000 - TOLERANCE - 1, 1000 - TOLERANCE, 1500, 2000 + TOLERANCE, 2100, 5500, 7000])
    # A mark without its partner encloses nothing.
    np.testing.assert_array_equal(in_flutter(annotations, at, 128.0), [0, 0, 1, 1, 1, 0, 0, 0])
    native = Annotations(2 * sample, annotations.symbol)
    np.testing.assert_array_equal(in_flutter(native, at, 256.0), [0, 0, 1, 1, 1, 0, 0, 0])


def test_a_small_network_fitted_on_one_record_finds_the_beats_of_another(made):
    verifier = fit([example for example in made if example.record == "mitdb/207"])
    assert verifier.trained_on == ("mitdb/207",)
    plain = next(e for e in made if (e.record, e.variant) == ("mitdb/208", "plain"))
    found, missed, false = score(verifier, plain)
    assert found + missed == len(plain.reference)
    assert found / (found + missed) > 0.9
    assert found / (found + false) > 0.9
    again = fit([example for example in made if example.record == "mitdb/207"])
    features = plain.candidates.features
    np.testing.assert_array_equal(verifier.probability(features), again.probability(features))


def test_a_verifier_comes_back_equal_from_its_file(made, tmp_path, monkeypatch):
    verifier = fit(made[:1])
    (tmp_path / "pretrained").mkdir()
    save(verifier, tmp_path / "pretrained" / "detector.json")
    monkeypatch.setattr(detect, "files", lambda _: tmp_path)
    loaded = load_verifier.__wrapped__()
    assert loaded.trained_on == verifier.trained_on
    assert loaded.threshold == verifier.threshold
    assert len(verifier.networks) == NETWORKS

    def numbers(of: Verifier) -> list[np.ndarray]:
        return [of.mean, of.scale, *(part for n in of.networks for part in (*n.weights, *n.biases))]

    for one, other in zip(numbers(verifier), numbers(loaded), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)
        assert other.dtype == np.float32
    features = made[0].candidates.features
    np.testing.assert_allclose(verifier.probability(features), loaded.probability(features), atol=1e-3)


def test_the_detector_that_ships_was_trained_on_ds1_and_svdb_alone():
    trained_on = set(load_verifier().trained_on)
    assert {name for name in trained_on if name.startswith("mitdb/")} == {f"mitdb/{name}" for name in DS1}
    assert not trained_on & {f"mitdb/{name}" for name in DS2}
    assert {name.split("/")[0] for name in trained_on} == {"mitdb", "svdb"}


def test_a_saved_verifier_is_plain_json(made, tmp_path):
    save(fit(made[:1]), tmp_path / "detector.json")
    card = json.loads((tmp_path / "detector.json").read_text())
    assert card["features"] == list(FEATURES)
    assert card["trained_on"] == ["mitdb/207"]


def test_faults_spoil_one_lead_at_a_time_and_leave_the_recording_as_it_was(signal):
    before = signal.copy()
    noise = {name: np.random.default_rng(0).normal(size=(2, 60 * 128 * 2)) for name in ("bw", "ma")}
    spoilt = spoil(signal, noise, np.random.default_rng(3))
    np.testing.assert_array_equal(signal, before)
    changed = spoilt != signal
    assert 0.1 < changed.any(axis=0).mean() < 0.9
    assert not changed.all(axis=0).any()


def test_a_stretched_recording_has_its_beats_where_they_are_said_to_be(signal, reference):
    *_, slow = variants(signal, reference, dict.fromkeys(("bw", "ma"), signal), np.random.default_rng(0))
    name, longer, beats = slow
    assert name == "x1.3"
    assert longer.shape == (2, int(1.3 * signal.shape[1]))
    np.testing.assert_array_equal(stretch(signal, 1.3), longer)
    at = candidates_of(longer).sample
    near = np.abs(at[np.searchsorted(at, beats).clip(1, len(at) - 1)] - beats)
    before = np.abs(at[(np.searchsorted(at, beats) - 1).clip(0)] - beats)
    assert (np.minimum(near, before) <= TOLERANCE).mean() > 0.98
