"""Regions of a beat: windows of the literature around the fiducial, by the RR intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgtune.explain.regions import REGIONS, USUAL_RR, region_masks, region_shares, regions


def span(rr: tuple[float, float], name: str) -> list[float]:
    return pytest.approx(regions([rr])[name][0].tolist(), abs=1e-6)  # type: ignore[no-any-return]


def test_regions_at_75_beats_a_minute():
    assert span((0.8, 0.8), "P") == [-0.25, -0.08]
    assert span((0.8, 0.8), "QRS") == [-0.05, 0.1]
    assert span((0.8, 0.8), "T") == [0.14, 0.5]


def test_a_beat_that_comes_early_has_little_room_for_a_p_wave():
    assert span((0.4, 0.8), "P") == [-0.16, -0.08]
    assert span((0.15, 0.8), "P") == [-0.08, -0.08]


def test_the_t_wave_ends_before_the_next_beat():
    assert span((0.8, 0.5), "T") == [0.1, 0.35]
    assert span((0.8, 0.1), "T") == [0.1, 0.1]


def test_an_unknown_interval_counts_as_usual():
    for name in REGIONS:
        assert span((np.nan, np.nan), name) == regions([[USUAL_RR, USUAL_RR]])[name][0].tolist()


@given(
    rr=st.lists(st.tuples(*[st.one_of(st.just(np.nan), st.floats(0.05, 4))] * 2), min_size=1, max_size=5),
    fs=st.sampled_from([125.0, 128.0]),
    before=st.integers(0, 130),
    width=st.integers(1, 260),
)
def test_every_sample_is_in_one_region(rr, fs, before, width):
    masks = region_masks(rr, fs=fs, before=before, width=width)
    assert list(masks) == [*REGIONS, "elsewhere"]
    total = sum(mask.astype(int) for mask in masks.values())
    assert total.shape == (len(rr), width)
    assert (total == 1).all()


def test_masks_are_the_regions_in_samples():
    masks = region_masks([[0.8, 0.8]], fs=100, before=30, width=90)
    assert np.flatnonzero(masks["P"]).tolist() == list(range(5, 22))
    assert np.flatnonzero(masks["QRS"]).tolist() == list(range(25, 40))
    assert np.flatnonzero(masks["T"]).tolist() == list(range(44, 80))


def test_shares_of_the_absolute_attribution_over_all_leads():
    masks = region_masks([[0.8, 0.8], [0.8, 0.8]], fs=100, before=30, width=90)
    values = np.zeros((2, 2, 90))
    values[0, 0, 30], values[0, 1, 50], values[0, 0, 0] = 2, -1, 1
    shares = region_shares(values, masks)
    assert {name: share[0] for name, share in shares.items()} == {
        "P": 0,
        "QRS": 0.5,
        "T": 0.25,
        "elsewhere": 0.25,
    }
    # Where nothing is attributed, nothing is shared.
    assert all(share[1] == 0 for share in shares.values())
