"""Beats beside the recording's usual one: runs that last, leads that are lost, stretches."""

import numpy as np
import pytest

from ecgtune.beats import Preprocessing, usual_beat
from ecgtune.beats.usual_beat import Stretch, UsualBeats, beside_usual, seconds_between
from ecgtune.beats.windows import typical_beats
from ecgtune.errors import ModelError

BEFORE, WIDTH, NEIGHBOURS, GROUP = 56, 128, 16, 8
LIKENESS, WIDER, TYPICAL_LIKENESS, TYPICAL_WIDER = range(4)


def windows(ventricular: np.ndarray, *, leads: int = 2, seed: int = 0) -> np.ndarray:
    """Beats with a narrow QRS, and wide ones of another shape, [n, leads, width]."""
    draw = np.random.default_rng(seed)
    time = (np.arange(WIDTH) - BEFORE) / 128
    narrow = np.exp(-((time / 0.02) ** 2))
    wide = np.exp(-(((time - 0.03) / 0.05) ** 2)) - 0.8 * np.exp(-(((time - 0.14) / 0.05) ** 2))
    made = np.where(ventricular[:, np.newaxis], wide, narrow)
    made = made[:, np.newaxis] + 0.02 * draw.standard_normal((len(ventricular), leads, WIDTH))
    return made.astype(np.float32)


def compared(
    scaled: np.ndarray, seconds: np.ndarray | None = None, stretch: Stretch | None = None
) -> np.ndarray:
    typical = typical_beats(scaled, NEIGHBOURS)
    lasting = np.full(len(scaled), 0.8) if seconds is None else seconds
    found, _ = beside_usual([scaled, typical], typical, lasting, BEFORE, GROUP, stretch)
    return found


def in_run(n: int, begin: int, end: int) -> np.ndarray:
    return (np.arange(n) >= begin) & (np.arange(n) < end)


def test_beats_of_a_run_that_lasts_are_unlike_the_usual_beat_and_wider() -> None:
    run = in_run(600, 200, 400)
    found = compared(windows(run))
    assert found.shape == (600, 4)
    assert found.dtype == np.float32
    assert (found[~run, LIKENESS] > 0.9).all()
    assert (found[run, LIKENESS] < 0.75).all()
    assert (found[run, WIDER] > 0.5).all()
    assert (np.abs(found[~run, WIDER]) < 0.3).all()
    inner = in_run(600, 220, 380)
    # The typical beat of the beats around is ventricular itself there.
    assert (found[inner, TYPICAL_LIKENESS] < 0.75).all()
    assert (found[inner, TYPICAL_WIDER] > 0.5).all()


def test_a_qrs_that_lies_a_little_off_is_still_the_usual_one() -> None:
    scaled = windows(np.zeros(200, dtype=bool))
    scaled[100], scaled[101] = (np.roll(scaled[i], by, axis=1) for i, by in ((100, 4), (101, 12)))
    found = compared(scaled)
    assert found[100, LIKENESS] > 0.9
    assert found[101, LIKENESS] < 0.75


def test_what_is_usual_is_told_by_time_and_not_by_beats() -> None:
    run = in_run(600, 250, 600)
    seconds = np.where(run, 0.3, 0.9)
    assert run.sum() > 300
    assert (compared(windows(run), seconds)[run, LIKENESS] < 0.75).all()
    assert (compared(windows(run))[run, LIKENESS] > 0.9).all()


def test_a_lost_lead_has_no_say() -> None:
    run = in_run(400, 300, 360)
    both, lost = windows(run), windows(run)
    lost[:, 1] = 0
    lost[:200, 0], lost[:200, 1] = 0, both[:200, 1]
    found = compared(lost)
    assert (found[~run, LIKENESS] > 0.85).all()
    assert (found[run, LIKENESS] < 0.75).all()
    nothing = compared(np.zeros((20, 2, WIDTH), dtype=np.float32))
    assert (nothing == 0).all()


def test_a_lead_that_is_off_for_a_while_has_no_say() -> None:
    run = in_run(400, 300, 360)
    scaled, off = windows(run), in_run(400, 100, 104) | in_run(400, 320, 324)
    scaled[off, 1] = 0.3
    found = compared(scaled)
    assert (found[off & ~run, LIKENESS] > 0.9).all()
    assert (np.abs(found[off & ~run, WIDER]) < 0.3).all()
    assert (found[off & run, LIKENESS] < 0.75).all()


def test_each_stretch_has_a_usual_beat_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual_beat, "STRETCH", 160)
    later = in_run(480, 160, 320)
    assert (compared(windows(later))[:, LIKENESS] > 0.9)[~in_run(480, 152, 328)].all()


def test_a_short_last_stretch_is_compared_with_the_beats_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual_beat, "STRETCH", 160)
    run = in_run(190, 160, 190)
    assert (compared(windows(run))[run, LIKENESS] < 0.75).all()


def test_stretch_by_stretch_is_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usual_beat, "STRETCH", 160)
    scaled = windows(in_run(400, 100, 250))
    whole, beats = compared(scaled), UsualBeats(GROUP)
    for begin in (0, 160, 320):
        low, end = max(0, begin - 40), min(begin + 160, 400)
        around, own = slice(low, end + 40), slice(begin - low, end - low)
        typical = typical_beats(scaled, NEIGHBOURS)[around]
        seconds = np.full(len(typical), 0.8)
        kinds, stretch = [scaled[around], typical], Stretch(own, beats)
        found, usual = beside_usual(kinds, typical, seconds, BEFORE, GROUP, stretch)
        assert usual.shape == (1, 2, WIDTH)
        np.testing.assert_allclose(found[own], whole[begin:end], atol=1e-6)


def test_seconds_are_limited_and_one_for_each_beat() -> None:
    np.testing.assert_allclose(seconds_between(np.array([0, 128, 138, 1418])), [1, 0.2, 3, 0.2])
    assert seconds_between(np.empty(0, dtype=np.int64)).shape == (0,)


@pytest.mark.parametrize(("before", "after"), [(20, 72), (56, 30)])
def test_windows_that_do_not_hold_the_qrs_are_refused(before: int, after: int) -> None:
    with pytest.raises(ModelError, match="usual_beat = false does without"):
        Preprocessing(before=before, after=after, usual_beat=True)
    assert not Preprocessing(before=before, after=after).usual_beat


@pytest.mark.parametrize(("alike", "n"), [(0, 0), (0, 1), (0, 40), (12, 1), (12, 2), (12, 40)])
def test_preprocessing_gives_them_by_name(alike: int, n: int) -> None:
    how = Preprocessing(alike=alike, usual_beat=True)
    names = [name for name in how.rhythm_features if "usual beat" in name]
    assert len(names) == (6 if alike else 4)
    given = np.random.default_rng(0).normal(size=(n, 2, how.width)).astype(np.float32)
    _, rhythm = how.inputs(given, np.arange(n) * 100)
    assert rhythm.shape == (n, len(how.rhythm_features))
    assert np.isfinite(rhythm).all()
    assert how.rhythm_features[-1] != names[-1] or not alike
