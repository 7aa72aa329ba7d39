"""Batches of windows, and what is added of small classes."""

import numpy as np
import pytest
import torch

from ecgtune.training.small_classes import SmallClasses
from ecgtune.training.window_batches import Batches, WindowSet

WIDTH = 40


def table(counts: tuple[int, ...] = (50, 20, 4)) -> WindowSet:
    """Windows whose first sample is their row, more rows than are used."""
    labels = torch.cat([torch.full((n,), label) for label, n in enumerate(counts)])
    windows = torch.rand(len(labels) + 10, 2, WIDTH, generator=torch.Generator().manual_seed(0)) + 0.5
    windows[:, 0, 0] = torch.arange(len(windows))
    return WindowSet(
        windows, torch.cat([labels, torch.zeros(10, dtype=torch.int64)]), torch.arange(len(labels))
    )


def epoch(batches: Batches, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(seed)
    return list(batches)


@pytest.mark.parametrize("size", [1, 7, 16, 73, 74, 500])
def test_every_row_comes_once_an_epoch_in_batches_of_nearly_one_size(size):
    data = table()
    dealt = epoch(Batches(data, size))
    windows, labels = (torch.cat(part) for part in zip(*dealt, strict=True))
    rows = windows[:, 0, 0].long()
    assert sorted(rows.tolist()) == list(range(74))
    assert torch.equal(labels, data.labels[rows])
    assert torch.equal(windows, data.windows[rows])
    sizes = [len(labels) for _, labels in dealt]
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert len(dealt) == -(-74 // size)


def test_the_order_is_drawn_anew_from_torchs_seed():
    batches = Batches(table(), 16)
    first, again, other = (epoch(batches, seed)[0][0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    following = [next(iter(batches))[0] for _ in range(2)]
    assert not torch.equal(*following)


def test_a_dataset_gives_single_windows_too():
    data = table()
    window, label = data[60]
    assert torch.equal(window, data.windows[60])
    assert label == 1
    assert len(data) == 74


def test_small_classes_are_raised_to_their_targets_with_changed_copies_of_their_own():
    data = table()
    change = SmallClasses(targets=(0, 10, 30), stretch=0.1, amplitude=0.1, noise=0.01)
    assert change.counts(torch.tensor([50, 20, 4])).tolist() == [50, 20, 30]
    windows, labels = (torch.cat(part) for part in zip(*epoch(Batches(data, 16, change)), strict=True))
    assert torch.bincount(labels).tolist() == [50, 20, 30]
    given = (windows[:, None] == data.windows[None, :74]).flatten(2).all(2).any(1)
    # All that are given come as they are; what is added is like none of them.
    assert torch.bincount(labels[given]).tolist() == [50, 20, 4]
    assert (labels[~given] == 2).all()


def test_each_epoch_adds_other_windows():
    change = SmallClasses(targets=(0, 0, 30))
    batches = Batches(table(), 200, change)
    one, other = (next(iter(batches)) for _ in range(2))
    sums = [set(np.round(windows[labels == 2].sum((1, 2)).tolist(), 4)) for windows, labels in (one, other)]
    assert len(sums[0] & sums[1]) == 4


def test_windows_that_are_not_added_can_be_changed_too():
    data = table()
    change = SmallClasses(targets=(0, 0, 0), everywhere=True)
    windows, _ = (torch.cat(part) for part in zip(*epoch(Batches(data, 16, change)), strict=True))
    assert not (windows[:, None] == data.windows[None, :74]).flatten(2).all(2).any()


def test_what_is_added_is_drawn_from_the_class_that_lacks_it():
    torch.manual_seed(0)
    labels = torch.tensor([2, 0, 1, 0, 2, 0])
    added = SmallClasses(targets=(3, 2, 50)).added(labels)
    assert torch.bincount(labels[added], minlength=3).tolist() == [0, 1, 48]
    assert set(added[labels[added] == 2].tolist()) == {0, 4}
    assert SmallClasses(targets=(0, 0, 0)).added(labels).shape == (0,)
    # A class without a beat cannot be added to.
    assert SmallClasses(targets=(9, 9)).counts(torch.tensor([0, 3])).tolist() == [0, 9]


def wave(n: int = 500) -> torch.Tensor:
    """A bump at the start, one in the middle, padding behind."""
    at = torch.arange(100.0)
    one = torch.exp(-(((at - 50) / 6) ** 2)) + torch.exp(-((at / 6) ** 2)) + 0.01
    one[80:] = 0
    return one.expand(n, 1, 100)


def test_a_stretch_keeps_its_anchor_and_moves_the_rest_by_its_share():
    torch.manual_seed(0)
    made = SmallClasses((0,), stretch=0.15, anchor=0.0, amplitude=0, noise=0)(wave())
    torch.testing.assert_close(made[:, 0, 0], wave()[:, 0, 0])
    peak = made[:, 0, 25:].argmax(1) + 25
    assert 43 <= peak.min() <= 44
    assert 58 <= peak.max() <= 59
    # Nothing comes in from behind the padding.
    assert (made[:, 0, -1] == 0).all()
    middle = SmallClasses((0,), stretch=0.2, amplitude=0, noise=0)(wave())
    assert ((middle[:, 0, 25:].argmax(1) + 25) - 50).abs().max() <= 1


def test_the_amplitude_changes_by_its_share_at_most():
    torch.manual_seed(0)
    made = SmallClasses((0,), stretch=0, amplitude=0.3, noise=0)(wave())
    factor = made[:, 0, 50] / wave()[:, 0, 50]
    torch.testing.assert_close(made, wave() * factor[:, None, None])
    assert factor.min() == pytest.approx(0.7, abs=0.01)
    assert factor.max() == pytest.approx(1.3, abs=0.01)


def test_noise_has_its_standard_deviation_and_leaves_padding_alone():
    torch.manual_seed(0)
    made = SmallClasses((0,), stretch=0, amplitude=0, noise=0.05)(wave())
    assert (made[:, :, 80:] == 0).all()
    assert (made - wave())[:, :, :80].std() == pytest.approx(0.05, rel=0.02)


def test_nothing_is_changed_where_nothing_is_asked_for():
    assert torch.equal(SmallClasses((0,), stretch=0, amplitude=0, noise=0)(wave(3)), wave(3))
    assert SmallClasses((0,))(wave(0)).shape == (0, 1, 100)
