"""Candidates: no beat without one, and evidence that depends on nothing that says nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgtune.record import Record
from ecgtune.signals.candidates import FEATURES, find_candidates, nearest
from ecgtune.signals.resample import WORKING_RATE as RATE
from ecgtune.signals.simulate import simulate
from ecgtune.signals.simulate_beats import STANDARD_LEADS

FOUND = ("better lead: found by sleepecg", "other lead: found by sleepecg")


def working(record: Record) -> np.ndarray:
    """Signal of a record that is at the working rate already, [leads, samples]."""
    assert record.fs == RATE
    return np.ascontiguousarray(record.signal.T)


@pytest.fixture(scope="module")
def ecg() -> np.ndarray:
    return working(simulate(120, RATE, seed=1, noise={"muscle": 20}))


@pytest.mark.parametrize("leads", [("MLII",), ("V1",), ("MLII", "V5"), STANDARD_LEADS])
@pytest.mark.parametrize("rhythm", ["sinus", "af", "vt"])
def test_every_beat_has_a_candidate(leads: tuple[str, ...], rhythm: str) -> None:
    record = simulate(120, RATE, leads, seed=2, rhythm=rhythm)
    truth = record.annotations["truth"].sample
    found = find_candidates(working(record)).sample
    assert np.all(np.diff(found) > 0)
    assert np.mean(np.abs(found[nearest(found, truth)] - truth) <= 0.12 * RATE) >= 0.995


def test_every_candidate_has_every_feature(ecg: np.ndarray) -> None:
    candidates = find_candidates(ecg)
    assert candidates.features.shape == (len(candidates.sample), len(FEATURES))
    assert candidates.features.dtype == np.float32
    assert np.isfinite(candidates.features).all()
    assert len(set(FEATURES)) == len(FEATURES)


@pytest.mark.parametrize("gain", [-1.0, 0.3, 4.0])
def test_evidence_does_not_depend_on_gain_or_polarity(ecg: np.ndarray, gain: float) -> None:
    plain, scaled = find_candidates(ecg), find_candidates(ecg * np.float32(gain))
    np.testing.assert_array_equal(scaled.sample, plain.sample)
    # "Standing still" is told in mV, but hardly differs.
    np.testing.assert_allclose(scaled.features, plain.features, atol=0.07)


def test_evidence_does_not_depend_on_the_order_of_the_leads() -> None:
    twelve = working(simulate(60, RATE, STANDARD_LEADS, seed=3, noise={"muscle": 20}))
    plain, reversed_ = find_candidates(twelve), find_candidates(twelve[::-1])
    np.testing.assert_array_equal(reversed_.sample, plain.sample)
    np.testing.assert_allclose(reversed_.features, plain.features, atol=1e-3)


def test_offset_and_slow_wander_say_nothing(ecg: np.ndarray) -> None:
    wander = 2 * np.sin(2 * np.pi * 0.05 * np.arange(ecg.shape[1]) / RATE)
    plain, drifting = find_candidates(ecg), find_candidates((ecg + 3 + wander).astype(np.float32))
    inside = slice(3, -3)
    np.testing.assert_array_equal(drifting.sample[inside], plain.sample[inside])
    np.testing.assert_allclose(drifting.features[inside], plain.features[inside], atol=0.1)


@pytest.mark.parametrize("level", [0.3, 5.0, -150.0])
def test_a_lead_that_stands_still_looks_the_same_at_any_level(ecg: np.ndarray, level: float) -> None:
    jitter = np.random.default_rng(0).integers(-2, 3, ecg.shape[1]) * np.spacing(np.float32(level))
    at_zero, at_level = ecg.copy(), ecg.copy()
    at_zero[1] = 0
    at_level[1] = level + jitter
    expected, found = find_candidates(at_zero), find_candidates(at_level)
    np.testing.assert_array_equal(found.sample, expected.sample)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5)


def test_nothing_is_found_in_a_lead_while_it_stands_still(ecg: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    dead = slice(40 * RATE, 80 * RATE)
    lost = ecg.copy()
    lost[:, dead] = 5 + rng.integers(-2, 3, lost[:, dead].shape) * np.spacing(np.float32(5))
    found = find_candidates(lost).sample
    assert not np.any((found > 41 * RATE) & (found < 79 * RATE))


@pytest.mark.parametrize("tail", [1, 5, 15, 16, 40, 200, 2 * RATE - 1, 2 * RATE, 3 * RATE])
def test_a_lead_that_comes_alive_at_the_very_end_is_no_error(ecg: np.ndarray, tail: int) -> None:
    late = ecg.copy()
    late[1, :-tail] = late[1, -tail]
    columns = [FEATURES.index(name) for name in FOUND]
    candidates = find_candidates(late)
    assert np.isfinite(candidates.features).all()
    assert len(candidates.sample) >= 120
    assert candidates.features[:-5, columns].max(axis=1).mean() > 0.9


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_flat_signal_has_no_candidate(level: float) -> None:
    candidates = find_candidates(np.full((2, 10 * RATE), level, dtype=np.float32))
    assert len(candidates.sample) == 0
    assert candidates.features.shape == (0, len(FEATURES))


@pytest.mark.parametrize("seconds", [2, 3, 5])
def test_short_signals_are_no_error(seconds: int) -> None:
    found = find_candidates(working(simulate(seconds, RATE, seed=4)))
    assert len(found.sample) >= seconds - 1


@settings(deadline=None)
@given(st.lists(st.integers(0, 200), unique=True, min_size=1), st.lists(st.integers(-50, 250)))
def test_nearest_is_nearest(positions: list[int], to: list[int]) -> None:
    ascending, wanted = np.array(sorted(positions)), np.array(to, dtype=np.int64)
    distance = np.abs(ascending[nearest(ascending, wanted)] - wanted)
    assert distance.tolist() == [min(abs(p - t) for p in positions) for t in to]


def test_nearest_to_nothing_is_the_first() -> None:
    assert nearest(np.empty(0, dtype=np.int64), np.array([1, 2])).tolist() == [0, 0]
