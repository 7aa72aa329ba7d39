"""One working rate for every recording: gain, phase, offsets, aliases, positions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgtune.errors import RecordError
from ecgtune.record import Record
from ecgtune.signals.resample import (
    HIGHEST_RATE,
    LOWEST_RATE,
    WORKING_RATE,
    block_unit,
    check_rate,
    resample_piece,
    to_native,
    to_working,
    working_length,
    working_ratio,
)

RATES = (100.0, 125.0, 128.0, 250.0, 256.03, 257.0, 333.33, 360.0, 500.0, 977.0, 1000.0, 2000.0)

WEEK = 7 * 24 * 3600

rates = st.floats(LOWEST_RATE, HIGHEST_RATE)


def working_times(count: int, fs: float) -> np.ndarray:
    """Seconds at which working samples lie."""
    return to_native_exact(np.arange(count), fs) / fs


def to_native_exact(sample: np.ndarray, fs: float) -> np.ndarray:
    ratio = working_ratio(fs)
    return sample * (ratio.denominator / ratio.numerator)


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("hertz", [0.5, 5.0, 20.0, 30.0])
def test_a_tone_keeps_its_height_and_its_phase(fs: float, hertz: float) -> None:
    t = np.arange(round(20 * fs)) / fs
    tone = np.sin(2 * np.pi * hertz * t + 0.3).astype(np.float32)[:, np.newaxis]
    resampled = resample_piece(tone, fs)[0]
    expected = np.sin(2 * np.pi * hertz * working_times(len(resampled), fs) + 0.3)
    inside = slice(WORKING_RATE, -WORKING_RATE)
    np.testing.assert_allclose(resampled[inside], expected[inside], atol=0.01)


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("level", [0.3, 5.0, -5.0, 150.0])
def test_a_constant_stays_constant(fs: float, level: float) -> None:
    flat = np.full((round(10 * fs), 2), level, dtype=np.float32)
    resampled = resample_piece(flat, fs)
    np.testing.assert_allclose(resampled, level, rtol=2e-6)


@pytest.mark.parametrize("fs", [rate for rate in RATES if rate > 250])
def test_tones_that_the_working_rate_cannot_hold_vanish(fs: float) -> None:
    t = np.arange(round(10 * fs)) / fs
    tone = np.sin(2 * np.pi * 100 * t).astype(np.float32)[:, np.newaxis]
    assert np.abs(resample_piece(tone, fs)[0, WORKING_RATE:-WORKING_RATE]).max() < 0.01


@pytest.mark.parametrize("fs", RATES)
def test_a_spike_stays_where_it_was(fs: float) -> None:
    spike = round(5 * fs)
    signal = np.exp(-0.5 * ((np.arange(round(10 * fs)) - spike) / (0.01 * fs)) ** 2)
    resampled = resample_piece(signal.astype(np.float32)[:, np.newaxis], fs)[0]
    found = to_native(np.array([resampled.argmax()]), fs)[0]
    assert abs(found - spike) / fs <= 0.5 / WORKING_RATE + 0.5 / fs
    assert resampled.max() > 0.85


def test_leads_do_not_mix() -> None:
    rng = np.random.default_rng(0)
    two = rng.normal(size=(3600, 2)).astype(np.float32)
    together = resample_piece(two, 360.0)
    for lead in range(2):
        np.testing.assert_array_equal(together[lead], resample_piece(two[:, lead : lead + 1], 360.0)[0])


def test_at_the_working_rate_nothing_is_touched() -> None:
    signal = np.random.default_rng(0).normal(size=(500, 2)).astype(np.float32)
    np.testing.assert_array_equal(resample_piece(signal, WORKING_RATE), signal.T)


@settings(deadline=None)
@given(rates, st.integers(0, WEEK))
def test_positions_come_back_after_a_week_too(fs: float, second: int) -> None:
    sample = np.array([round(second * fs)])
    np.testing.assert_array_equal(to_native(to_working(sample, fs), fs), sample)


@settings(deadline=None)
@given(rates)
def test_the_working_rate_is_met_to_one_part_in_four_thousand(fs: float) -> None:
    assert float(working_ratio(fs)) * fs == pytest.approx(WORKING_RATE, rel=1 / 3999)
    assert working_ratio(fs).denominator <= 2000


@pytest.mark.parametrize("fs", [100, 125, 200, 250, 257, 360, 500, 512, 977, 1000, 1024, 2000])
def test_whole_rates_are_met_exactly(fs: int) -> None:
    assert working_ratio(fs) * fs == WORKING_RATE


@settings(deadline=None)
@given(rates, st.integers(1, 100_000))
def test_working_samples_cover_the_record_and_no_more(fs: float, n: int) -> None:
    record = Record("r", fs, ("II",), n, source=None)  # type: ignore[arg-type]
    last = to_native_exact(np.array(working_length(record) - 1), fs)
    assert n - 1 - to_native_exact(np.array(1), fs) < last < n


@settings(deadline=None)
@given(rates)
def test_blocks_start_where_both_rates_have_a_sample(fs: float) -> None:
    native = to_native_exact(np.array(block_unit(fs)), fs)
    assert native == pytest.approx(round(native), abs=1e-9)


@pytest.mark.parametrize("fs", [50.0, 99.9, 2000.5, float("nan")])
def test_rates_out_of_range_are_refused_with_the_remedy(fs: float) -> None:
    record = Record.from_array(np.zeros(1000), fs, name="slow")
    with pytest.raises(RecordError, match=r"^slow: sampled at .* Hz; ecgtune reads 100 to 2000 Hz: resample"):
        check_rate(record)


@pytest.mark.parametrize("fs", [100.0, 2000.0])
def test_rates_at_the_limits_are_read(fs: float) -> None:
    check_rate(Record.from_array(np.zeros(1000), fs))
