"""Windows around beats: where they are cut, their unit, the typical beat."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecgtune.beats.windows import cut_windows, scale_windows, typical_beats


def beats(n: int, height: float = 1.0, width: int = 128, leads: int = 2, seed: int = 0) -> np.ndarray:
    """Windows with a spike of some height at sample 56, on a little noise."""
    windows = np.random.default_rng(seed).normal(0, 0.01, (n, leads, width)).astype(np.float32)
    windows[:, :, 54:59] += height * np.array([0.3, 0.8, 1.0, 0.8, 0.3], dtype=np.float32)
    return windows


def test_a_window_holds_what_lies_around_its_beat() -> None:
    signal = np.arange(2000, dtype=np.float32).reshape(2, 1000)
    windows = cut_windows(signal, np.array([100, 500]), 30, 40)
    assert windows.shape == (2, 2, 70)
    np.testing.assert_array_equal(windows[0, 0], np.arange(70, 140))
    np.testing.assert_array_equal(windows[1, 1], np.arange(1470, 1540))


def test_a_window_beyond_the_signal_repeats_its_ends() -> None:
    signal = np.arange(100, dtype=np.float32)[np.newaxis]
    first, last = cut_windows(signal, np.array([2, 98]), 5, 5)
    assert first[0].tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 5, 6]
    assert last[0].tolist() == [93, 94, 95, 96, 97, 98, 99, 99, 99, 99]


def test_no_beat_gives_no_window() -> None:
    empty = cut_windows(np.zeros((2, 100), dtype=np.float32), np.empty(0, dtype=np.int64), 5, 5)
    assert empty.shape == (0, 2, 10)


@pytest.mark.parametrize("gain", [0.1, 1.0, 20.0])
@pytest.mark.parametrize("offset", [0.0, -3.0])
def test_scaled_windows_do_not_depend_on_gain_or_offset(gain: float, offset: float) -> None:
    plain = scale_windows(beats(80), 56, 32, 0.02)
    scaled = scale_windows((beats(80) * gain + offset).astype(np.float32), 56, 32, 0.02)
    np.testing.assert_allclose(scaled, plain, atol=2e-5)
    assert np.ptp(plain[:, :, 43:69], axis=2).mean() == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(np.median(plain, axis=2), 0, atol=1e-6)


def test_each_lead_has_its_own_unit_and_a_lost_one_is_zero() -> None:
    windows = beats(80, leads=3)
    windows[:, 1] *= 5
    windows[:, 2] = 0.005 * windows[:, 2] + 7
    scaled = scale_windows(windows, 56, 32, 0.02)
    np.testing.assert_allclose(scaled[:, 1], scale_windows(windows[:, 1:2], 56, 32, 0.02)[:, 0])
    assert not scaled[:, 2].any()


def test_a_lead_lost_for_a_while_is_zero_for_about_as_long() -> None:
    windows = beats(300)
    windows[100:200, 0] = 0
    scaled = scale_windows(windows, 56, 16, 0.02)
    assert not scaled[100:200, 0].any()
    assert scaled[:90, 0].any(axis=1).all()
    assert scaled[210:, 0].any(axis=1).all()
    assert scaled[:, 1].any(axis=1).all()


def test_one_tall_beat_does_not_change_the_unit_and_artefacts_are_clipped() -> None:
    windows = beats(80)
    windows[40] *= 3
    windows[60] *= 1000
    scaled = scale_windows(windows, 56, 32, 0.02)
    assert np.ptp(scaled[40, 0]) == pytest.approx(3, rel=0.1)
    assert np.abs(scaled).max() == 8
    np.testing.assert_allclose(scaled[:30], scale_windows(beats(80), 56, 32, 0.02)[:30], rtol=0.05, atol=0.01)


def test_windows_given_are_left_as_they_are() -> None:
    windows = beats(20)
    before = windows.copy()
    typical_beats(scale_windows(windows, 56, 8, 0.02), 8)
    np.testing.assert_array_equal(windows, before)


@pytest.mark.parametrize("before", [1, 5, 13, 56, 120])
def test_the_fiducial_may_lie_near_the_edge_of_the_window(before: int) -> None:
    scaled = scale_windows(beats(10), before, 4, 0.0001)
    assert np.isfinite(scaled).all()
    assert scaled.any()


@pytest.mark.parametrize("width", [70, 71, 128])
def test_the_unit_is_the_median_height_of_the_beats_on_either_side(width: int) -> None:
    windows = np.random.default_rng(1).normal(size=(60, 2, width)).astype(np.float32)
    neighbours, before = 7, 33
    scaled = scale_windows(windows, before, neighbours, 0.02)
    centred = windows - np.median(windows, axis=2, keepdims=True)
    height = np.ptp(centred[:, :, before - 13 : before + 13], axis=2)
    for i in range(neighbours, 60 - neighbours):
        unit = np.median(height[i - neighbours : i + neighbours + 1], axis=0)
        np.testing.assert_allclose(scaled[i], centred[i] / unit[:, np.newaxis], atol=1e-6)


@settings(deadline=None)
@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 80), st.just(1), st.just(3)), elements=st.floats(-8, 8, width=32)
    ),
    st.sampled_from([4, 8, 32]),
)
def test_the_typical_beat_is_the_median_around_its_group(scaled: np.ndarray, neighbours: int) -> None:
    typical = typical_beats(scaled, neighbours)
    assert typical.dtype == np.float32
    group, aside = neighbours // 2, 3 * neighbours // 4
    for i in range(len(scaled)):
        begin = i // group * group
        around = scaled[max(0, begin - aside) : begin + group + aside : 2]
        np.testing.assert_array_equal(typical[i], np.sort(around, axis=0)[len(around) // 2])


def test_the_typical_beat_of_a_patient_with_many_ectopic_beats_is_the_usual_one() -> None:
    usual, ectopic = np.float32([[0, 1, 0]]), np.float32([[-1, -2, 3]])
    scaled = np.stack([ectopic if i % 5 in (1, 3) else usual for i in range(200)])
    np.testing.assert_array_equal(typical_beats(scaled, 32), np.broadcast_to(usual, scaled.shape))
