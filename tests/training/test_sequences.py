import math
from functools import partial

import numpy as np
import pytest
import torch
from made_up_recordings import made_up_table
from torch.utils.data import DataLoader

from ecgtune.beats import Preprocessing
from ecgtune.training.sequences import IGNORED, Augmentation, Excerpts, Recording, class_weights, prepare

HOW = Preprocessing(before=32, after=32)

OFF = Augmentation(swap=0, lose_first=0, lose_second=0, invert=0, gain=0, noise=0, shift=0, rhythm=0)


def recording(n: int, leads: int = 2, parts: int = 2) -> Recording:
    """Beats whose samples are all their number, counted from one."""
    number = torch.arange(1, n + 1, dtype=torch.float32)
    beats = number[:, None, None].repeat(1, parts * leads, 8)
    return Recording("db/r", beats, number[:, None].repeat(1, 3), torch.arange(n) % 5)


def batch(how: Augmentation, items: int = 200, leads: int = 2, seed: int = 0, parts: int = 2):
    torch.manual_seed(seed)
    one = Excerpts([recording(16, leads, parts)], 16, jitter=False)[0]
    return how([one] * items, leads), one


def test_beats_that_are_not_asked_for_stay_as_context_without_their_labels():
    table = made_up_table({"a": 50, "b": 40})
    rows = np.flatnonzero((table.record == "a") & (np.arange(len(table)) % 3 == 0))
    (prepared,) = prepare(table, rows, HOW)
    assert prepared.name == "db/a"
    assert prepared.beats.shape == (50, HOW.channels, HOW.width)
    assert prepared.rhythm.shape == (50, len(HOW.rhythm_features))
    asked = np.isin(np.arange(50), rows)
    np.testing.assert_array_equal(prepared.label[asked], table.label[:50][asked])
    assert (prepared.label[~asked] == IGNORED).all()


def test_beats_without_an_annotation_teach_nothing_even_when_asked_for():
    table = made_up_table({"a": 30})
    table.label[[3, 4]] = -1
    (prepared,) = prepare(table, np.arange(30), HOW)
    np.testing.assert_array_equal(np.flatnonzero(prepared.label == IGNORED), [3, 4])


def test_inputs_of_a_recording_are_those_of_prediction():
    table = made_up_table({"a": 30, "b": 25})
    for prepared, name in zip(prepare(table, np.arange(55), HOW), "ab", strict=True):
        own = table.of("db", name)
        beats, rhythm = HOW.inputs(table.windows[own], table.at[own])
        np.testing.assert_array_equal(prepared.beats, beats)
        np.testing.assert_array_equal(prepared.rhythm, rhythm)


def test_without_jitter_excerpts_hold_every_beat_once_and_the_last_is_padded():
    excerpts = Excerpts([recording(10), recording(3)], 4, jitter=False)
    assert len(excerpts) == 4
    seen = [excerpts[i] for i in range(4)]
    assert all(inputs["beats"].shape == (4, 4, 8) and label.shape == (4,) for inputs, label in seen)
    numbers = [inputs["beats"][:, 0, 0].tolist() for inputs, _ in seen]
    assert numbers == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 0, 0], [1, 2, 3, 0]]
    labels = [label.tolist() for _, label in seen]
    assert labels[2] == [3, 4, IGNORED, IGNORED]
    assert labels[3] == [0, 1, 2, IGNORED]
    assert seen[3][0]["rhythm"][3].tolist() == [0, 0, 0]


def test_jitter_moves_an_excerpt_by_at_most_half_its_length_and_never_off_the_recording():
    excerpts = Excerpts([recording(100)], 10, jitter=True)
    torch.manual_seed(0)
    for item in range(10):
        starts = {int(excerpts[item][0]["beats"][0, 0, 0]) - 1 for _ in range(200)}
        middle = 10 * item
        assert starts == set(range(max(0, middle - 5), min(90, middle + 5) + 1))
        assert all(IGNORED not in excerpts[item][1] for _ in range(10))


def test_jitter_comes_from_the_seed():
    excerpts = Excerpts([recording(1000)], 10, jitter=True)

    def draw() -> list[float]:
        torch.manual_seed(5)
        return [float(excerpts[i][0]["beats"][0, 0, 0]) for i in range(100)]

    assert draw() == draw()


def test_a_recording_shorter_than_an_excerpt_is_padded_though_jittered():
    inputs, label = Excerpts([recording(3)], 8, jitter=True)[0]
    assert inputs["beats"][:, 0, 0].tolist() == [1, 2, 3, 0, 0, 0, 0, 0]
    assert (label[3:] == IGNORED).all()


def test_augmentation_keeps_shapes_types_and_labels():
    (inputs, label), (one, expected) = batch(Augmentation())
    assert inputs["beats"].shape == (200, *one["beats"].shape)
    assert inputs["rhythm"].shape == (200, *one["rhythm"].shape)
    assert inputs["beats"].dtype == inputs["rhythm"].dtype == torch.float32
    assert (label == expected).all()


def test_augmentation_switched_off_changes_nothing():
    (inputs, _), (one, _) = batch(OFF)
    assert (inputs["beats"] == one["beats"]).all()
    assert (inputs["rhythm"] == one["rhythm"]).all()


def test_augmentation_never_writes_into_the_dataset():
    excerpts = Excerpts([recording(64)], 16, jitter=True)
    every = Augmentation(swap=0.5, lose_first=0.3, lose_second=0.3, invert=0.5, gain=1, noise=1, rhythm=1)
    before = excerpts._recordings[0].beats.clone(), excerpts._recordings[0].rhythm.clone()
    for _ in DataLoader(excerpts, batch_size=2, shuffle=True, collate_fn=partial(every, leads=2)):
        pass
    assert torch.equal(excerpts._recordings[0].beats, before[0])
    assert torch.equal(excerpts._recordings[0].rhythm, before[1])


@pytest.mark.parametrize(("lost", "kept"), [("lose_first", 1), ("lose_second", 0)])
def test_a_lost_lead_is_zero_in_its_window_and_its_typical_beat_noise_and_all(lost, kept):
    off = {"swap": 0.5, "lose_first": 0.0, "lose_second": 0.0}
    (inputs, _), _ = batch(Augmentation(**{**off, lost: 1.0}))
    gone = 1 - kept
    assert (inputs["beats"][:, :, [gone, 2 + gone]] == 0).all()
    assert (inputs["beats"][:, :, [kept, 2 + kept]] != 0).all()


def test_leads_are_lost_as_often_as_asked_and_never_both():
    (inputs, _), _ = batch(Augmentation(lose_first=0.2, lose_second=0.3), items=2000)
    gone = (inputs["beats"] == 0).all(dim=(1, 3))
    assert gone[:, 0].float().mean() == pytest.approx(0.2, abs=0.03)
    assert gone[:, 1].float().mean() == pytest.approx(0.3, abs=0.03)
    assert not (gone[:, 0] & gone[:, 1]).any()
    assert torch.equal(gone[:, :2], gone[:, 2:])


def test_with_look_alikes_a_lead_is_lost_and_changed_in_all_three_parts():
    off = {"swap": 0.0, "lose_first": 1.0, "lose_second": 0.0, "gain": 0.3, "noise": 0.0}
    (inputs, _), (one, _) = batch(Augmentation(**off), parts=3)
    factor = (inputs["beats"] / one["beats"])[:, 0, :, 0]
    assert (factor[:, ::2] == 0).all()
    assert (factor[:, 1::2] != 0).all()
    assert torch.allclose(factor[:, [1, 1]], factor[:, [3, 5]], rtol=1e-4)


def test_the_only_lead_is_never_lost():
    (inputs, _), _ = batch(Augmentation(lose_first=0.5, lose_second=0.5), leads=1)
    assert (inputs["beats"] != 0).all()


def test_swapped_leads_take_their_typical_beats_along():
    torch.manual_seed(0)
    beats = torch.arange(4, dtype=torch.float32)[None, :, None].repeat(6, 1, 8)
    one = ({"beats": beats, "rhythm": torch.zeros(6, 3)}, torch.zeros(6, dtype=torch.int64))
    swap = Augmentation(swap=1, lose_first=0, lose_second=0, gain=0, noise=0, shift=0, rhythm=0)
    assert swap([one], 2)[0]["beats"][0, 0, :, 0].tolist() == [1, 0, 3, 2]


def test_gain_and_inversion_act_on_a_lead_and_its_typical_beat_alike():
    varied = Augmentation(swap=0, lose_first=0, lose_second=0, invert=0.5, gain=0.3, noise=0, shift=0)
    (inputs, _), (one, _) = batch(varied)
    factor = inputs["beats"] / one["beats"]
    assert torch.allclose(factor, factor[:, :1, :, :1].expand_as(factor), rtol=1e-4)
    assert torch.allclose(factor[:, :, :2], factor[:, :, 2:], rtol=1e-4)
    assert (factor[:, 0, 0, 0] < 0).float().mean() == pytest.approx(0.5, abs=0.1)
    assert torch.log(factor[:, 0, :2, 0].abs()).std() == pytest.approx(0.3, abs=0.04)


def test_class_weights_are_a_power_of_the_inverse_frequency_and_rare_classes_are_bounded():
    label = torch.tensor([0] * 1600 + [1] * 100 + [2] * 400 + [3] * 5 + [IGNORED] * 50)
    expected = [1.0, 4.0, 2.0, math.sqrt(80), math.sqrt(80)]
    np.testing.assert_allclose(class_weights([label[:700], label[700:]], 0.5), expected, rtol=1e-6)
    np.testing.assert_allclose(class_weights([label], 0.0), np.ones(5))
    np.testing.assert_allclose(class_weights([label], 1.0, fewest=1), [1, 16, 4, 320, 1600])
