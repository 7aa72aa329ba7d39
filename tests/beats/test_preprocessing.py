"""The preprocessing of a model's card."""

import json
from typing import Any

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.errors import ModelError


def test_it_comes_back_equal_from_a_card() -> None:
    how = Preprocessing(before=40, after=60, neighbours=8, near=3, far=9, band=(1.0, 30.0), leads=1)
    assert Preprocessing.from_card(json.loads(json.dumps(how.to_card()))) == how


def test_what_a_card_does_not_say_is_the_default() -> None:
    assert Preprocessing.from_card({}) == Preprocessing()


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"rate": 256}, "preprocessing at 256 Hz asked for; this ecgtune works at 128 Hz"),
        (
            {"wavelet": "db4", "scale": 2},
            "preprocessing scale, wavelet unknown: the model needs a newer",
        ),
        ({"before": 0}, r"windows of 0 \+ 72 samples asked for; at most 128 \+ 256"),
        ({"after": 257}, r"windows of 56 \+ 257 samples asked for"),
        ({"band": [40, 0.5]}, "band of 40 to 0.5 Hz asked for at 128 Hz"),
        ({"band": [0.5, 64]}, "band of 0.5 to 64 Hz"),
        ({"band": [0.5]}, "makes no sense"),
        ({"band": 3}, "makes no sense"),
        ({"before": "many"}, "makes no sense"),
        ({"neighbours": 0}, "neighbours, near, far and leads must be 1 or more"),
        ({"leads": 0}, "must be 1 or more"),
        ({"alike": -1}, "alike -1 asked for; give 0 or more"),
        ({"usual": -1}, "usual -1 asked for; give 0 or more"),
    ],
)
def test_a_card_that_cannot_be_followed_is_refused(card: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message) as raised:
        Preprocessing.from_card(card)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("alike", [0, 5])
@pytest.mark.parametrize("usual", [0, 100])
@pytest.mark.parametrize("leads", [1, 2, 3])
def test_inputs_have_the_shapes_that_the_properties_say(leads: int, usual: int, alike: int) -> None:
    how = Preprocessing(leads=leads, alike=alike, usual=usual)
    rng = np.random.default_rng(0)
    windows = rng.normal(size=(20, leads, how.width)).astype(np.float32)
    beats, rhythm = how.inputs(windows, np.arange(20) * 100)
    assert beats.shape == (20, how.channels, how.width)
    assert rhythm.shape == (20, len(how.rhythm_features))
    assert beats.dtype == rhythm.dtype == np.float32


@pytest.mark.parametrize("alike", [0, 20])
def test_inputs_depend_on_no_more_beats_than_the_reach_says(alike: int) -> None:
    how = Preprocessing(neighbours=8, near=3, far=20, alike=alike)
    rng = np.random.default_rng(2)
    windows = rng.normal(size=(300, 2, how.width)).astype(np.float32)
    windows += np.sin(np.arange(how.width) / 5, dtype=np.float32)
    at = np.cumsum(rng.integers(60, 140, 300))
    beats, rhythm = how.inputs(windows, at)
    inner = slice(100, 200)
    # From where a group of beats with one typical beat begins.
    first = (100 - how.reach) // how.stride * how.stride
    wider = slice(first, 200 + how.reach)
    beats_alone, rhythm_alone = how.inputs(windows[wider], at[wider])
    kept = slice(100 - first, 200 - first)
    np.testing.assert_array_equal(beats_alone[kept], beats[inner])
    np.testing.assert_array_equal(rhythm_alone[kept], rhythm[inner])


@pytest.mark.parametrize("alike", [0, 20])
def test_positions_of_beats_around_may_be_told_without_their_windows(alike: int) -> None:
    how = Preprocessing(neighbours=8, near=3, far=20, alike=alike, usual=128)
    rng = np.random.default_rng(4)
    windows = rng.normal(size=(400, 2, how.width)).astype(np.float32)
    at = np.cumsum(np.repeat([100, 50, 100], [150, 100, 150]) + rng.integers(-2, 3, 400))
    beats, rhythm = how.inputs(windows, at)
    first = 96
    alone, timing = how.inputs(windows[first:300], at, first)
    inner = slice(how.reach, 300 - first - how.reach)
    assert inner.stop > inner.start
    np.testing.assert_array_equal(alone[inner], beats[first:300][inner])
    np.testing.assert_array_equal(timing[inner], rhythm[first:300][inner])
    assert np.abs(rhythm[170:230, 7]).min() > 0.5
