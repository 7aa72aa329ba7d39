"""Signs of what the atria do: irregular intervals and P waves over the beats around."""

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.beats.atria import FEATURES, irregularity, p_waves
from ecgtune.errors import ModelError

LOWER, MIDDLE, UPPER = range(3)
LIKE, LIKE_UPPER, HEIGHT, CLEAR, CLEAR_UPPER = range(5)
BEFORE, WIDTH = 56, 128
HOW = Preprocessing(atria=32)


def windows(n: int, *, wave: float, fibrillating: float = 0.0, leads: int = 2, seed: int = 0) -> np.ndarray:
    """Beats with a QRS of height 1, a P wave, and fibrillation waves of any phase; the same in all leads."""
    draw = np.random.default_rng(seed)
    time = (np.arange(WIDTH) - BEFORE) / 128
    beat = np.exp(-((time / 0.02) ** 2)) + wave * np.exp(-(((time + 0.16) / 0.025) ** 2))
    phase = draw.uniform(0, 2 * np.pi, (n, 1))
    made = (
        beat + fibrillating * np.sin(2 * np.pi * 6 * time + phase) + 0.01 * draw.standard_normal((n, WIDTH))
    )
    return np.repeat(made[:, np.newaxis], leads, axis=1).astype(np.float32)


def waves(scaled: np.ndarray) -> np.ndarray:
    typical = np.broadcast_to(np.median(scaled, axis=0), scaled.shape)
    return p_waves(scaled, np.ascontiguousarray(typical), BEFORE, 32)


def test_sinus_rhythm_is_regular_and_fibrillation_is_not() -> None:
    draw = np.random.default_rng(0)
    regular = irregularity(np.log(0.8 + 0.01 * draw.standard_normal(400)), 64)
    irregular = irregularity(np.log(0.6 * np.exp(0.2 * draw.standard_normal(400))), 64)
    assert regular.shape == (401, 3)
    assert regular.dtype == np.float32
    assert (regular < 0.2).all()
    assert (irregular[:, MIDDLE] > 0.5).all()
    assert (irregular[:, LOWER] > 0.4).all()


def test_early_beats_now_and_then_leave_the_lower_quartile_low() -> None:
    seconds = np.full(400, 0.8) + 0.01 * np.random.default_rng(0).standard_normal(400)
    seconds[::8], seconds[1::8] = 0.5, 1.1
    found = irregularity(np.log(seconds), 64)
    assert (found[:, LOWER] < 0.2).all()
    assert (found[:, UPPER] > 0.4).all()


def test_irregularity_is_that_of_the_beats_around() -> None:
    draw = np.random.default_rng(0)
    seconds = np.concatenate([np.full(300, 0.8), 0.6 * np.exp(0.2 * draw.standard_normal(300))])
    found = irregularity(np.log(seconds), 64)
    assert (found[:200] == 0).all()
    assert (found[400:, MIDDLE] > 0.5).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_intervals_are_no_error(n: int) -> None:
    found = irregularity(np.log(np.linspace(0.7, 0.9, n)), 64)
    assert found.shape == (n + 1, 3)
    assert np.isfinite(found).all()


def test_p_waves_are_seen_in_sinus_rhythm_and_not_in_fibrillation() -> None:
    sinus, fibrillation = waves(windows(100, wave=0.1)), waves(windows(100, wave=0, fibrillating=0.1))
    assert sinus.shape == (100, len(FEATURES) - 3)
    assert sinus.dtype == np.float32
    assert (sinus[:, LIKE] > 0.8).all()
    assert (fibrillation[:, LIKE] < 0.7).all()
    for column in (HEIGHT, CLEAR):
        assert sinus[:, column].min() > fibrillation[:, column].max() + 0.3


def test_early_beats_without_p_wave_do_not_hide_those_of_the_others() -> None:
    some = windows(100, wave=0.1)
    some[::3] = windows(34, wave=0, seed=1)
    found = waves(some)
    assert (found[:, [LIKE, LIKE_UPPER]] > 0.8).all()


def test_the_better_lead_counts_and_a_lost_one_does_not() -> None:
    clear, hidden = windows(60, wave=0.1), windows(60, wave=0, fibrillating=0.1)
    alone = waves(clear)
    mixed = clear.copy()
    mixed[:, 1] = hidden[:, 1]
    lost = clear.copy()
    lost[:, 0] = 0
    np.testing.assert_allclose(waves(mixed), alone, atol=0.05)
    np.testing.assert_allclose(waves(lost), alone, atol=1e-6)
    nothing = waves(np.zeros_like(clear))
    assert np.isfinite(nothing).all()
    assert (nothing[:, LIKE] == 0).all()


def test_a_slope_is_no_p_wave() -> None:
    some = windows(60, wave=0)
    slope = np.linspace(-0.5, 0.5, WIDTH, dtype=np.float32)
    np.testing.assert_allclose(waves(some + slope), waves(some), atol=1e-3)


def test_a_model_that_asks_reads_them_and_looks_further_for_it() -> None:
    plain = Preprocessing()
    assert HOW.rhythm_features == (*plain.rhythm_features, *FEATURES)
    assert HOW.reach == plain.neighbours + 5 * plain.neighbours // 4 + 32
    some, at = windows(300, wave=0.1), 64 + 100 * np.arange(300)
    rhythm = HOW.inputs(some, at)[1]
    assert rhythm.shape == (300, len(HOW.rhythm_features))
    np.testing.assert_array_equal(rhythm[:, :-8], plain.inputs(some, at)[1])


def test_beats_beyond_the_reach_change_nothing() -> None:
    draw = np.random.default_rng(1)
    some = windows(600, wave=0.1) * draw.uniform(0.8, 1.2, (600, 1, 1)).astype(np.float32)
    at = np.cumsum(draw.integers(70, 130, 600))
    reach = -(-HOW.reach // HOW.stride) * HOW.stride
    begin = 320 - reach
    whole = HOW.inputs(some, at)[1]
    part = HOW.inputs(some[begin : 321 + reach], at, begin)[1]
    np.testing.assert_allclose(part[reach], whole[320], atol=1e-6)


def test_a_model_cannot_ask_for_fewer_than_none() -> None:
    with pytest.raises(ModelError, match="atria -1 asked for"):
        Preprocessing(atria=-1)


def test_windows_that_do_not_hold_the_p_wave_are_refused() -> None:
    with pytest.raises(ModelError, match="from 30 samples before the beat asked for"):
        Preprocessing(before=30, atria=32)
    assert Preprocessing(before=30).atria == 0
