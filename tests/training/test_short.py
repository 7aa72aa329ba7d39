"""Stretches of recordings as if nothing else had been recorded."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_recordings import made_up_table

from ecgtune.beats import Preprocessing
from ecgtune.beats.jumps import FEATURES as OF_JUMPS
from ecgtune.beats.rhythm import FEATURES
from ecgtune.labels import CLASSES
from ecgtune.training import short
from ecgtune.training.sequences import IGNORED, Recording
from ecgtune.training.short import short_recordings

HOW = Preprocessing(before=32, after=32)
S, V = CLASSES.index("S"), CLASSES.index("V")


@pytest.fixture
def unjoined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short, "join_recordings", lambda found, _: list(found))


@pytest.mark.usefixtures("unjoined")
def test_a_stretch_is_what_a_recording_of_it_alone_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(short, "_ALONE", 0)
    table = made_up_table({"a": 200})
    for made in short_recordings(table, np.arange(200), HOW, 20, 128):
        n = len(made.label)
        assert 10 <= n < 200
        places = [i for i in range(200 - n + 1) if (table.label[i : i + n] == made.label.numpy()).all()]
        inputs = [HOW.inputs(table.windows[i : i + n], table.at[i : i + n]) for i in places]
        assert any(
            np.array_equal(beats, made.beats) and np.array_equal(rhythm, made.rhythm)
            for beats, rhythm in inputs
        )


@pytest.mark.usefixtures("unjoined")
def test_most_have_one_lead_that_may_stand_for_two() -> None:
    table = made_up_table({"a": 200})
    made = short_recordings(table, np.arange(200), HOW, 200, 128)
    second = [one.beats[:, 1].abs().max() > 0 for one in made]
    copied = [
        bool(there) and np.allclose(one.beats[:, 1].abs(), one.beats[:, 0].abs(), atol=1e-5)
        for one, there in zip(made, second, strict=True)
    ]
    alone = 1 - np.mean(second) + np.mean(copied)
    assert 0.6 < alone < 0.9
    assert 0.4 < np.mean(copied) / alone < 0.8
    # What was read stays as it was.
    assert (table.windows == made_up_table({"a": 200}).windows).all()


@pytest.mark.usefixtures("unjoined")
def test_half_of_them_keep_the_usual_rate_of_the_whole_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    how = replace(HOW, usual=1024)
    own = slice(len(FEATURES), len(FEATURES) + len(OF_JUMPS))
    table = made_up_table({"a": 300})
    # The second half is twice as fast, normal beats at first.
    table.at[:] = 64 + np.cumsum(np.where(np.arange(300) < 150, 120, 60))
    table.label[:] = np.where(np.arange(300) < 225, 0, S)

    def levels(begin: int) -> list[float]:
        """Rate beside the usual one, of many stretches of 60 beats."""
        monkeypatch.setattr(short, "_stretches", lambda *_: [slice(begin, begin + 60)] * 100)
        made = short_recordings(table, np.arange(300), how, 100, 128)
        return [float(one.rhythm[:, own][:, 2].median()) for one in made]

    kept = np.array(levels(160))
    assert set(np.round(kept, 1)) == {0, -0.7}
    assert 0.3 < (kept < -0.5).mean() < 0.7
    # What is S throughout is so by the recording's rate alone, and keeps it.
    assert max(levels(235)) < -0.5
    assert short_recordings(table, np.arange(300), HOW, 100, 128) == []


@pytest.mark.usefixtures("unjoined")
def test_stretches_in_which_v_prevails_teach_nothing() -> None:
    table = made_up_table({"a": 300})
    table.label[:] = np.where(np.arange(300) < 150, 0, V)
    made = short_recordings(table, np.arange(300), HOW, 100, 128)
    assert made
    assert all((one.label == V).float().mean() <= 0.5 for one in made)


@pytest.mark.usefixtures("unjoined")
def test_ectopic_beats_are_sought_and_no_other_side_is_taught() -> None:
    table = made_up_table({"a": 600, "b": 300})
    table.label[:] = 0
    table.label[[50, 880]] = V
    rows = np.arange(600)
    made = short_recordings(table, rows, HOW, 40, 128)
    assert {one.name for one in made} == {"db/a"}
    assert 0.4 < np.mean([(one.label == V).any() for one in made]) < 0.9
    own = np.arange(0, 600, 2)
    for one in short_recordings(table, own, HOW, 10, 128):
        assert 0.4 < (one.label == IGNORED).float().mean() < 0.6


def test_half_minutes_of_one_lead_are_labelled_one_by_one() -> None:
    asked: list[tuple[np.ndarray, np.ndarray]] = []

    def predict(windows: np.ndarray, at: np.ndarray) -> np.ndarray:
        asked.append((windows, at))
        return np.eye(len(CLASSES))[np.zeros(len(at), dtype=int)]

    table = made_up_table({"a": 200, "b": 30})
    rows = np.arange(0, 230, 3)
    matrices = short.score_short(SimpleNamespace(predict=predict), table, table, rows)
    assert len(asked) > 4
    for windows, at in asked:
        assert not windows[:, 1].any()
        assert windows[:, 0].any()
        assert np.ptp(at // short.HALF_MINUTE) == 0
    np.testing.assert_array_equal(np.concatenate([at for _, at in asked]), table.at)
    assert list(matrices) == [("db", "a"), ("db", "b")]
    counts = np.bincount(table.label[rows[rows < 200]], minlength=len(CLASSES))
    np.testing.assert_array_equal(matrices["db", "a"][:, 0], counts)


def test_stretches_are_joined_to_sequences_and_are_the_same_whoever_else_trains() -> None:
    def beats(made: list[Recording]) -> np.ndarray:
        return np.concatenate([one.beats.numpy() for one in made])

    both = made_up_table({"a": 300, "c": 200})
    table = both.select(slice(300))
    made = short_recordings(table, np.arange(300), HOW, 20, 32)
    assert {one.beats.shape for one in made} == {(32, HOW.channels, HOW.width)}
    again = short_recordings(both, np.arange(500), HOW, 20, 32)
    np.testing.assert_array_equal(beats(again)[: len(beats(made))], beats(made))
    assert short_recordings(table, np.arange(300), HOW, 0, 32) == []
