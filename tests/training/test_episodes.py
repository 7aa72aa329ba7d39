"""Made-up episodes: nothing is lost, the rhythm is what it is called, and it reads as a real one does."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.record import Annotations, Record
from ecgtune.training import tables
from ecgtune.training.episode_rhythms import (
    KINDS,
    Episode,
    Kind,
    acceleration,
    ectopy,
    fibrillation,
    sick_sinus,
    slower,
    tachycardia,
    ventricular,
    ventricular_ectopy,
)
from ecgtune.training.episode_signal import Longer, with_episodes
from ecgtune.training.episodes import CONTEXT, episode_recordings

FS = 250.0
PREMATURE = 150
ALL = tuple(KINDS)


def sinus_rhythm(interval: float = 0.8, n: int = 400, leads: int = 2) -> tuple[Record, Annotations]:
    """P, QRS and T as bumps on a straight line that rises; one ventricular beat."""
    rng = np.random.default_rng(0)
    at = np.round(FS * np.cumsum(interval * (1 + 0.02 * rng.standard_normal(n)))).astype(np.int64)
    time = np.arange(int(at[-1] + FS)) / FS
    signal = 0.2 * time / time[-1]
    for height, shift, width in ((0.15, -0.17, 0.02), (1.0, 0.0, 0.012), (0.3, 0.28, 0.04)):
        for centre in at / FS + shift:
            near = slice(max(0, int((centre - 0.3) * FS)), int((centre + 0.3) * FS))
            signal[near] += height * np.exp(-0.5 * ((time[near] - centre) / width) ** 2)
    symbol = np.full(n, "N")
    symbol[min(PREMATURE, n - 1)] = "V"
    return Record.from_array(np.stack([signal] * leads, axis=1), FS, name="made"), Annotations(at, symbol)


def with_ventricular_beats() -> tuple[Record, Annotations]:
    record, annotations = sinus_rhythm()
    symbol = annotations.symbol.copy()
    symbol[5::10] = "V"
    return record, Annotations(annotations.sample, symbol)


def made_of(kind: Kind, monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> Longer:
    """A recording whose episodes are all of one kind."""
    for name in ALL:
        monkeypatch.setitem(KINDS, name, KINDS[name]._replace(kind=kind))
    source = with_ventricular_beats() if kind is ventricular else sinus_rhythm()
    longer = with_episodes(*source, ALL, np.random.default_rng(seed))
    assert longer is not None
    return longer


def stretches(longer: Longer) -> list[slice]:
    edges = np.flatnonzero(np.diff(longer.made_up, prepend=False, append=False))
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_taken_out(seed: int) -> None:
    record, annotations = sinus_rhythm()
    longer = with_episodes(record, annotations, ALL, np.random.default_rng(seed))
    assert longer is not None
    assert (np.diff(longer.annotations.sample) > 0).all()
    np.testing.assert_array_equal(longer.annotations.symbol[~longer.made_up], annotations.symbol)
    assert longer.record.n_samples > record.n_samples
    assert longer.record.leads == record.leads
    assert longer.record.fs == record.fs


@pytest.mark.parametrize("kind", [tachycardia, ventricular, fibrillation, acceleration, slower, ectopy])
def test_every_beat_lies_on_its_qrs(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    longer = made_of(kind, monkeypatch)
    signal, at = longer.record.signal[:, 0], longer.annotations.sample
    around = signal[at[2:-2, np.newaxis] + np.arange(-20, 21)]
    assert np.abs(around.argmax(axis=1) - 20).max() <= 1
    assert around.max(axis=1) == pytest.approx(np.full(len(around), 1.0), abs=0.25)


def test_a_tachycardia_is_supraventricular_and_abrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_pause(usual: float, draw: np.random.Generator) -> Episode:
        return tachycardia(usual, draw)._replace(pause=1.0)

    longer = made_of(without_pause, monkeypatch)
    at = longer.annotations.sample
    assert set(longer.annotations.symbol[longer.made_up]) == {"S"}
    found = stretches(longer)
    assert found
    for own in found:
        intervals = np.diff(at[own.start - 1 : own.stop]) / FS
        assert intervals.max() < 0.95 * 0.8
        assert (at[own.stop] - at[own.stop - 1]) / FS == pytest.approx(0.8, rel=0.2)


def test_after_a_tachycardia_the_sinus_node_may_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    def paused(usual: float, draw: np.random.Generator) -> Episode:
        return tachycardia(usual, draw)._replace(pause=2.0)

    longer = made_of(paused, monkeypatch)
    at, signal = longer.annotations.sample, longer.record.signal[:, 0]
    for own in stretches(longer):
        last, following = at[own.stop - 1], at[own.stop]
        assert (following - last) / FS == pytest.approx(1.6, rel=0.1)
        # Nothing but the next beat's P wave in it, once the T wave is over.
        assert np.abs(signal[last + round(0.6 * FS) : following - round(0.3 * FS)]).max() < 0.1


def test_a_tachycardia_has_no_p_wave_or_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_p_wave(wave: tuple[float, float] | None) -> Longer:
        def kind(usual: float, draw: np.random.Generator) -> Episode:
            return tachycardia(usual, draw)._replace(p_wave=wave)

        return made_of(kind, monkeypatch)

    without, upright, inverted = (with_p_wave(wave) for wave in (None, (1.0, 0.1), (-1.0, 0.1)))
    inside = without.annotations.sample[without.made_up]
    # From 0.28 to 0.1 s before each beat; the crest of the bump lies in its middle.
    crest = inside - round(0.19 * FS)
    for other, height in ((upright, 0.15), (inverted, -0.15)):
        np.testing.assert_array_equal(other.annotations.sample, without.annotations.sample)
        more = (other.record.signal - without.record.signal)[crest, 0]
        assert np.median(more) == pytest.approx(height, abs=0.03)


def test_fibrillation_is_normal_irregular_and_without_p_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    def quiet(usual: float, draw: np.random.Generator) -> Episode:
        return fibrillation(usual, draw)._replace(waves=None)

    longer = made_of(quiet, monkeypatch)
    at, signal = longer.annotations.sample, longer.record.signal[:, 0]
    assert set(longer.annotations.symbol[longer.made_up]) == {"N"}
    for own in stretches(longer):
        intervals = np.diff(at[own]) / FS
        assert np.std(np.log(intervals)) > 0.07
        late = at[own][1:][intervals > 0.7]
        before_qrs = signal[late[:, np.newaxis] - np.arange(round(0.1 * FS), round(0.26 * FS))]
        assert np.abs(before_qrs).max(initial=0) < 0.12


def test_fibrillating_atria_make_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    def with_waves(height: float) -> Longer:
        def kind(usual: float, draw: np.random.Generator) -> Episode:
            return fibrillation(usual, draw)._replace(waves=(height, 6.0))

        return made_of(kind, monkeypatch)

    still, waves = with_waves(0.0), with_waves(0.1)
    more = (waves.record.signal - still.record.signal)[:, 0]
    inside = np.abs(more) > 0
    assert 0.02 < np.abs(more[inside]).max() < 0.14
    rate = np.count_nonzero(np.diff(np.sign(more[inside])) > 0) / (inside.sum() / FS)
    assert rate == pytest.approx(6, rel=0.2)


def test_a_ventricular_run_is_made_of_ventricular_beats(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = made_of(ventricular, monkeypatch)
    assert set(longer.annotations.symbol[longer.made_up]) == {"V"}
    for own in stretches(longer):
        intervals = np.diff(longer.annotations.sample[own.start - 1 : own.stop]) / FS
        assert intervals.max() < 0.95 * 0.8


def test_without_enough_ventricular_beats_there_is_no_run_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ALL:
        monkeypatch.setitem(KINDS, name, KINDS[name]._replace(kind=ventricular))
    assert with_episodes(*sinus_rhythm(), ALL, np.random.default_rng(0)) is None


def with_early(*early: int, n: int = 20, p_wave: tuple[float, float] | None = None) -> Kind:
    """Beats of one rate, but for early ones and the pauses after them."""

    def kind(usual: float, draw: np.random.Generator) -> Episode:
        sinus = ~np.isin(np.arange(n), early)
        intervals = np.where(sinus, usual, 0.7 * usual)
        return ectopy(usual, draw)._replace(intervals=intervals, sinus=sinus, p_wave=p_wave)

    return kind


def test_early_beats_are_supraventricular_among_normal_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = made_of(with_early(5, 10, 11), monkeypatch)
    at, symbol = longer.annotations.sample, longer.annotations.symbol
    for own in stretches(longer):
        early = symbol[own] == "S"
        assert set(symbol[own][~early]) == {"N"}
        intervals = np.diff(at[own]) / FS
        assert intervals[early[1:]] == pytest.approx(np.full(early.sum(), 0.56), rel=0.05)
        assert np.median(intervals[~early[1:]]) == pytest.approx(0.8, rel=0.05)


def test_early_beats_lack_the_p_wave_that_normal_ones_have(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = made_of(with_early(5, 10), monkeypatch)
    at, signal = longer.annotations.sample[longer.made_up], longer.record.signal[:, 0]
    early = longer.annotations.symbol[longer.made_up] == "S"
    # The crest of the P wave, above what comes between it and the QRS.
    crest, flat = at - round(0.17 * FS), at - round(0.1 * FS)
    height = signal[crest] - signal[flat]
    assert np.median(height[~early]) == pytest.approx(0.15, abs=0.03)
    assert np.abs(np.median(height[early])) < 0.05


def test_early_beats_may_have_another_p_wave(monkeypatch: pytest.MonkeyPatch) -> None:
    without, inverted = (made_of(with_early(5, 10, p_wave=wave), monkeypatch) for wave in (None, (-1.0, 0.1)))
    at, early = without.annotations.sample, without.annotations.symbol == "S"
    more = (inverted.record.signal - without.record.signal)[at - round(0.19 * FS), 0]
    assert np.median(more[early & without.made_up]) == pytest.approx(-0.15, abs=0.03)
    assert np.abs(more[~early]).max() < 0.01


@pytest.mark.parametrize("seed", range(8))
def test_ectopy_begins_and_ends_with_the_sinus_node(seed: int) -> None:
    episode = ectopy(0.8, np.random.default_rng(seed))
    assert episode.sinus is not None
    assert episode.sinus[[0, -1]].all()
    early = ~episode.sinus
    assert 0 <= early.mean() < 0.6
    assert len(episode.intervals) == len(early)
    assert episode.intervals.min() >= 0.3
    if early.any():
        assert np.median(episode.intervals[early]) < 0.95 * np.median(episode.intervals[~early])


@pytest.mark.parametrize("seed", range(8))
def test_where_the_sinus_node_fails_it_beats_after_pauses_alone(seed: int) -> None:
    episode = sick_sinus(0.8, np.random.default_rng(seed))
    sinus, intervals = episode.of_sinus, episode.intervals
    assert not sinus[0]
    assert 0.4 <= np.median(intervals[~sinus]) <= 0.84
    # Regular within a run; into the sinus node's beats leads a pause longer than any interval of a run.
    assert intervals[~sinus].std() < 0.1 * intervals[~sinus].mean()
    pause = sinus & ~np.roll(sinus, 1)
    assert not pause.any() or intervals[pause].min() > max(1.1, 1.2 * intervals[~sinus].max())
    assert intervals.max() <= 3.0


def test_early_ventricular_beats_lie_among_normal_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    record, annotations = with_ventricular_beats()
    tall = record.signal.copy()
    wide = annotations.sample[annotations.symbol == "V"]
    tall[(wide[:, np.newaxis] + np.arange(-5, 6)).ravel()] += 1.0
    for name in ALL:
        monkeypatch.setitem(KINDS, name, KINDS[name]._replace(kind=ventricular_ectopy))
    longer = with_episodes(
        Record.from_array(tall, FS, name="made"), annotations, ALL, np.random.default_rng(1)
    )
    assert longer is not None
    symbol = longer.annotations.symbol[longer.made_up]
    height = longer.record.signal[longer.annotations.sample[longer.made_up], 0]
    assert height[symbol == "V"] == pytest.approx(np.full((symbol == "V").sum(), 2.0), abs=0.25)
    assert height[symbol == "N"] == pytest.approx(np.full((symbol == "N").sum(), 1.0), abs=0.25)
    assert min((symbol == "V").sum(), (symbol == "N").sum()) > 10


def test_an_acceleration_is_normal_and_gradual_but_for_a_slow_stretch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    longer = made_of(acceleration, monkeypatch)
    assert set(longer.annotations.symbol[longer.made_up]) == {"N"}
    for own in stretches(longer):
        intervals = np.diff(longer.annotations.sample[own.start - 1 : own.stop + 1]) / FS
        assert intervals.min() < 0.87 * 0.8
        # Into the slow stretch and out of it; the rest of it is gradual.
        assert (np.abs(np.diff(np.log(intervals))) > 0.2).sum() in (0, 2)


def test_half_of_the_accelerations_hold_one_slow_stretch() -> None:
    held = 0
    for seed in range(60):
        intervals = acceleration(0.8, np.random.default_rng(seed)).intervals
        steps = np.diff(np.log(intervals))
        abrupt = np.flatnonzero(np.abs(steps) > 0.12)
        if len(abrupt):
            begin, end = abrupt
            assert steps[begin] > 0 > steps[end]
            assert 3 <= end - begin <= 15
            held += 1
    assert 15 <= held <= 40


def test_a_slower_stretch_is_normal_and_slower_from_its_first_beat(monkeypatch: pytest.MonkeyPatch) -> None:
    longer = made_of(slower, monkeypatch)
    assert set(longer.annotations.symbol[longer.made_up]) == {"N"}
    for own in stretches(longer):
        intervals = np.diff(longer.annotations.sample[own][: own.stop - own.start]) / FS
        assert np.median(intervals) > 1.1 * 0.8


@pytest.mark.parametrize(
    ("interval", "n"), [(0.8, 10), (0.38, 400)], ids=["too few beats", "too fast already"]
)
def test_where_there_is_no_room_nothing_is_made_up(interval: float, n: int) -> None:
    assert with_episodes(*sinus_rhythm(interval, n), ALL, np.random.default_rng(0)) is None


def test_missing_samples_are_bridged() -> None:
    record, annotations = sinus_rhythm()
    signal = record.signal.copy()
    signal[20_000:20_400, 1] = np.nan
    broken = Record.from_array(signal, FS)
    longer = with_episodes(broken, annotations, ALL, np.random.default_rng(0))
    assert longer is not None
    assert np.isfinite(longer.record.signal).all()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Records of a database that is made up; counts how often one is opened."""
    count = 0

    def open_record(_: tuple[str, str]) -> tuple[Record, Annotations]:
        nonlocal count
        count += 1
        return sinus_rhythm()

    monkeypatch.setattr(tables, "open_record", open_record)
    return lambda: count


HOW = Preprocessing(usual=1024, alike=20)


@pytest.mark.usefixtures("opened")
def test_episodes_are_kept_with_the_beats_around_them() -> None:
    made = episode_recordings(("db", "1"), HOW, [ALL])
    assert made
    for one in made:
        assert one.beats.shape[1:] == (HOW.channels, HOW.width)
        assert one.rhythm.shape == (len(one.label), len(HOW.rhythm_features))
        assert (one.label[:CONTEXT] != 1).all() or " 0" in one.name
    labels = np.concatenate([one.label.numpy() for one in made])
    assert (labels == 1).sum() > 20
    assert (labels == 0).sum() > (labels == 1).sum() / 4


@pytest.mark.usefixtures("opened")
def test_they_are_drawn_by_the_name_of_the_recording() -> None:
    (one, *_), (again, *_) = (episode_recordings(("db", "2"), HOW, [ALL]) for _ in range(2))
    np.testing.assert_array_equal(one.beats, again.beats)
    other = episode_recordings(("db", "3"), HOW, [ALL])
    assert not any(np.array_equal(each.beats, one.beats) for each in other)


def test_nothing_is_read_where_nothing_is_asked_for(opened: Callable[[], int]) -> None:
    assert episode_recordings(("db", "1"), HOW, ()) == []
    assert opened() == 0


@pytest.mark.usefixtures("opened")
def test_each_list_of_kinds_has_a_copy_of_its_own() -> None:
    one, two = ["tachycardia"], ["ectopy"]
    both = episode_recordings(("db", "1"), HOW, [one, two])
    first = episode_recordings(("db", "1"), HOW, [one])
    assert 0 < len(first) < len(both)
    for made, alone in zip(both, first, strict=False):
        np.testing.assert_array_equal(made.beats, alone.beats)
    again = episode_recordings(("db", "1"), HOW, [one, one])
    assert not any(np.array_equal(again[0].beats, made.beats) for made in again[len(first) :])


@pytest.mark.usefixtures("opened")
def test_only_kinds_that_are_asked_for_are_made_up() -> None:
    made = episode_recordings(("db", "1"), HOW, [["acceleration", "slower"]])
    assert all(1 not in one.label for one in made)


@pytest.mark.usefixtures("opened")
def test_nothing_is_read_beyond_the_second_that_is_given() -> None:
    made = episode_recordings(("db", "1"), HOW, [ALL], 100.0)
    assert len(made) > 0
    # The ventricular beat comes later, and so do most normal ones.
    assert all(2 not in one.label for one in made)
    assert episode_recordings(("db", "1"), HOW, [ALL], 5.0) == []


def test_an_episode_of_a_real_recording_reads_as_one(mitdb: Path) -> None:
    made = episode_recordings(("mitdb", "101"), HOW, [["tachycardia", "fibrillation"]])
    supra = np.concatenate([one.label.numpy() == 1 for one in made])
    rhythm = np.concatenate([one.rhythm.numpy() for one in made])
    since, until = (HOW.rhythm_features.index(f"drop {which} a jump") for which in ("since", "until"))
    # Where an episode follows fibrillation, only its end is a jump.
    drop = np.maximum(rhythm[:, since], rhythm[:, until])
    assert supra.sum() > 20
    assert np.median(drop[supra]) > 0.2
    assert np.median(drop[~supra]) < 0.05
