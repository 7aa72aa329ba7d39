"""A recording as blocks: where they lie, what they hold, which seconds they call lost."""

import itertools
from dataclasses import dataclass

import numpy as np
import pytest

from ecgtune.errors import RecordError
from ecgtune.record import FloatArray, Record
from ecgtune.signals.faults import with_faults
from ecgtune.signals.resample import WORKING_RATE, block_unit, working_length
from ecgtune.signals.simulate import simulate
from ecgtune.signals.stream import CORE_SECONDS, blocks, choose_leads, diagnostic_band, probe, read_working

RATES = (100.0, 125.0, 250.0, 257.0, 333.33, 360.0, 977.0, 999.9, 2000.0)


def noise(seconds: float, fs: float, leads: int = 1) -> Record:
    rng = np.random.default_rng(1)
    return Record.from_array(rng.normal(size=(round(seconds * fs), leads)), fs, name="noise")


def lost(record: Record) -> np.ndarray:
    """Lost seconds of the whole recording, bool [leads, seconds]."""
    return np.concatenate([b.lost for b in blocks(record, range(len(record.leads)))], axis=1)


@pytest.mark.parametrize("fs", RATES)
def test_a_piece_is_the_same_whatever_is_read_around_it(fs: float) -> None:
    record = noise(60, fs, leads=2)
    n, unit = working_length(record), block_unit(fs)
    whole, _ = read_working(record, 0, n, (0, 1))
    assert whole.shape == (2, n)
    for start, stop in ((0, 1), (0, n // 2), (unit, unit + 700), (n // 2 // unit * unit, n)):
        piece, _ = read_working(record, start, stop, (0, 1))
        np.testing.assert_allclose(piece, whole[:, start:stop], atol=1e-6)


def test_leads_come_in_the_order_asked_for() -> None:
    record = noise(10, 360.0, leads=3)
    both, _ = read_working(record, 0, 1280, (2, 0))
    for row, lead in enumerate((2, 0)):
        np.testing.assert_array_equal(both[row], read_working(record, 0, 1280, (lead,))[0][0])


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("seconds", [3, 299.9, CORE_SECONDS, CORE_SECONDS + 0.01, 700])
def test_blocks_answer_for_every_sample_once(fs: float, seconds: float) -> None:
    record = noise(seconds, fs)
    every = list(blocks(record, (0,)))
    edges = [b.core for b in every]
    assert edges[0][0] == 0
    assert edges[-1][1] == working_length(record)
    assert all(one[1] == next_[0] for one, next_ in itertools.pairwise(edges))
    assert [b.last for b in every] == [False] * (len(every) - 1) + [True]
    for block in every:
        assert block.start <= block.core[0]
        assert block.start + block.signal.shape[1] >= block.core[1]
        assert np.isfinite(block.signal).all()


@pytest.mark.parametrize("fs", RATES)
def test_blocks_see_twelve_seconds_of_their_neighbours(fs: float) -> None:
    first, second, *_ = blocks(noise(950, fs), (0,))
    assert first.start == 0
    assert first.signal.shape[1] - first.core[1] >= 12 * WORKING_RATE
    assert second.core[0] - second.start >= 12 * WORKING_RATE


@dataclass(frozen=True)
class CountingSource:
    """Remembers the longest piece read."""

    record: Record
    lengths: list[int]

    def read(self, start: int, stop: int) -> FloatArray:
        self.lengths.append(stop - start)
        return self.record.read(start, stop)


def test_no_more_is_read_at_once_than_a_block_with_its_margins() -> None:
    inner = noise(1300, 250.0)
    source = CountingSource(inner, [])
    record = Record("r", 250.0, inner.leads, inner.n_samples, source)
    for _ in blocks(record, (0,)):
        pass
    assert max(source.lengths) <= (CORE_SECONDS + 2 * 12 + 1) * 250


@pytest.mark.parametrize("fs", RATES)
def test_seconds_of_all_blocks_make_up_the_recording(fs: float) -> None:
    record = noise(700.3, fs)
    assert lost(record).shape == (1, -(-working_length(record) // WORKING_RATE))
    assert not lost(record).any()


@pytest.mark.parametrize("fs", RATES)
@pytest.mark.parametrize("kind", ["flat", "off", "saturated"])
@pytest.mark.parametrize(("begin", "end"), [(50, 61), (290, 310), (610, 690)])
def test_seconds_without_signal_are_told_to_the_second(fs: float, kind: str, begin: int, end: int) -> None:
    record = with_faults(noise(700, fs, leads=2), [(1, begin, end, kind)])
    alive, spoilt = lost(record)
    assert not alive.any()
    seconds = np.flatnonzero(spoilt)
    assert set(range(begin + 1, end - 1)) <= set(seconds.tolist()) <= set(range(begin - 1, end + 1))


@pytest.mark.parametrize("fraction", [1, 3, 64, 127])
def test_a_last_second_cut_short_is_judged_by_the_whole_second_that_ends_with_it(fraction: int) -> None:
    n = 5 * WORKING_RATE + fraction
    slow = np.sin(2 * np.pi * 0.5 * np.arange(n) / WORKING_RATE)
    dead = np.where(np.arange(n) < 3 * WORKING_RATE, slow, 0.7)
    gone = np.where(np.arange(n) < 3 * WORKING_RATE, slow, np.nan)
    flags = lost(Record.from_array(np.stack([slow, dead, gone], axis=1), WORKING_RATE))
    assert flags[:, -1].tolist() == [False, True, True]


def test_a_few_missing_samples_are_bridged_by_a_straight_line_and_lose_no_second() -> None:
    ramp = np.arange(10 * 360) / 360
    holed = ramp.copy()
    holed[1000:1100] = np.nan
    (block,) = blocks(Record.from_array(holed, 360.0), (0,))
    expected = np.arange(block.signal.shape[1]) / WORKING_RATE
    np.testing.assert_allclose(block.signal[0, 10:-10], expected[10:-10], atol=1e-4)
    assert not block.lost.any()


def test_missing_samples_at_either_end_take_the_nearest_value_there_is() -> None:
    signal = np.full(3600, 2.0)
    signal[:720] = signal[-720:] = np.nan
    signal[1800] = 2.5
    (block,) = blocks(Record.from_array(signal, 360.0), (0,))
    np.testing.assert_allclose(block.signal[0, :200], 2.0, atol=1e-5)
    np.testing.assert_allclose(block.signal[0, -200:], 2.0, atol=1e-5)


def test_a_lead_without_any_sample_is_zero_and_lost() -> None:
    signal = np.stack([np.sin(np.arange(3600) / 10), np.full(3600, np.nan)], axis=1)
    (block,) = blocks(Record.from_array(signal, 360.0), (0, 1))
    assert not block.signal[1].any()
    assert block.lost[1].all()
    assert not block.lost[0].any()


def test_infinite_samples_count_as_missing() -> None:
    signal = np.sin(np.arange(3600) / 10)
    signal[100:200] = np.inf
    (block,) = blocks(Record.from_array(signal, 360.0), (0,))
    assert np.isfinite(block.signal).all()


def test_the_diagnostic_band_takes_wander_and_offset_away_and_leaves_the_beat_in_place() -> None:
    t = np.arange(60 * WORKING_RATE) / WORKING_RATE
    beat = np.exp(-0.5 * ((t - 30) / 0.02) ** 2)
    wander = 3 + 2 * np.sin(2 * np.pi * 0.05 * t)
    (filtered,) = diagnostic_band((beat + wander)[np.newaxis].astype(np.float32))
    assert abs(filtered.argmax() - 30 * WORKING_RATE) <= 1
    assert np.abs(filtered[5 * WORKING_RATE : 25 * WORKING_RATE]).max() < 0.02
    assert filtered.max() > 0.8


def test_leads_are_chosen_by_name_or_index_or_all() -> None:
    record = simulate(5, leads=("MLII", "V1", "V5"))
    assert choose_leads(record) == (0, 1, 2)
    assert choose_leads(record, ["V5", 0]) == (2, 0)
    assert choose_leads(record, ["lead mlii"]) == (0,)


@pytest.mark.parametrize(
    ("leads", "message"),
    [
        (["V2"], "no lead V2; choose by index from 0: MLII, 1: V1"),
        ([2], "no lead 2; it has 0: MLII, 1: V1"),
        ([-1], "no lead -1; it has 0: MLII, 1: V1"),
        (["V1", "v1"], "leads V1, v1 asked for; name each lead once"),
        (["MLII", 0], "leads MLII, 0 asked for; name each lead once"),
        ([], "name each lead once"),
    ],
)
def test_leads_that_are_not_there_or_asked_for_twice(leads: list[str | int], message: str) -> None:
    with pytest.raises(RecordError, match=message) as raised:
        choose_leads(simulate(5), leads)
    assert "\n" not in str(raised.value)


def test_only_leads_that_move_are_used() -> None:
    signal = np.random.default_rng(0).normal(size=(36000, 4))
    signal[:, 1] = 1.5
    signal[:, 2] = np.nan
    record = Record.from_array(signal, 360.0)
    assert probe(record, (0, 1, 2, 3)) == (0, 3)
    assert probe(record, (3, 1)) == (3,)
    assert probe(record, (1, 2)) == ()


def test_a_lead_that_dies_half_way_is_used() -> None:
    assert probe(simulate(600, faults=[("V1", 300, 600, "off")]), (0, 1)) == (0, 1)


def test_a_signal_that_every_look_misses_is_found_nevertheless() -> None:
    signal = np.zeros(3600 * 100)
    signal[100 * 500 : 100 * 520] = np.sin(np.arange(2000))
    assert probe(Record.from_array(signal, 100.0), (0,)) == (0,)


def test_rates_out_of_range_are_refused_before_anything_is_read() -> None:
    slow = Record("slow", 50.0, ("II",), 5000, source=None)  # type: ignore[arg-type]
    with pytest.raises(RecordError, match="sampled at 50 Hz"):
        next(blocks(slow, (0,)))
    with pytest.raises(RecordError, match="sampled at 50 Hz"):
        probe(slow, (0,))
