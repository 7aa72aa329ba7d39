"""Images of series: closed forms, arrays worked out by hand, and the formulas written as loops."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ecgtune.images import (
    gramian_angular_field,
    markov_transition_field,
    recurrence_plot,
    three_channels,
)

KINDS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {
    "summation": gramian_angular_field,
    "difference": lambda windows, size: gramian_angular_field(windows, size, "difference"),
    "quantile": markov_transition_field,
    "uniform": lambda windows, size: markov_transition_field(windows, size, 5, "uniform"),
    "distance": recurrence_plot,
    "recurrence": lambda windows, size: recurrence_plot(windows, size, 0.5),
    "three": three_channels,
}

every_kind = pytest.mark.parametrize("kind", KINDS)
some_windows = arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(2, 12)), elements=st.floats(-4, 4, width=16)
)


def walks(n: int = 6, width: int = 48, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, width)).cumsum(axis=1).astype(np.float32)


def means_of_parts(window: np.ndarray, size: int) -> np.ndarray:
    """Piecewise aggregate approximation: every sample repeated ``size`` times, then whole parts."""
    return np.repeat(window.astype(np.float64), size).reshape(size, len(window)).mean(axis=1)


def means_of_blocks(field: np.ndarray, size: int) -> np.ndarray:
    repeated = np.repeat(np.repeat(field, size, axis=0), size, axis=1)
    return repeated.reshape(size, len(field), size, len(field)).mean(axis=(1, 3))


def angular_by_loops(window: np.ndarray, size: int, method: str) -> np.ndarray:
    x = means_of_parts(window, size)
    x = ((x - x.max()) + (x - x.min())) / (x.max() - x.min())
    phi = np.arccos(np.clip(x, -1, 1))
    image = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            image[i, j] = np.cos(phi[i] + phi[j]) if method == "summation" else np.sin(phi[i] - phi[j])
    return image


def markov_by_loops(window: np.ndarray, size: int, bins: int, strategy: str) -> np.ndarray:
    width = len(window)
    fractions = [k / bins for k in range(1, bins)]
    if strategy == "quantile":
        edges = [np.quantile(window, fraction) for fraction in fractions]
    else:
        edges = [window.min() + np.ptp(window) * np.float32(fraction) for fraction in fractions]
    state = [sum(x > edge for edge in edges) for x in window]
    follows = np.zeros((bins, bins))
    for now, after in pairwise(state):
        follows[now, after] += 1
    for row in follows:
        row /= max(row.sum(), 1)
    field = np.array([[follows[state[i], state[j]] for j in range(width)] for i in range(width)])
    return means_of_blocks(field, size)


@pytest.mark.parametrize("method", ["summation", "difference"])
@pytest.mark.parametrize("size", [1, 7, 16, 31, 48])
def test_an_angular_field_is_that_of_its_formula(method: str, size: int) -> None:
    windows = walks()
    images = gramian_angular_field(windows, size, method)
    assert images.shape == (6, size, size)
    assert images.dtype == np.float32
    if size > 1:
        expected = [angular_by_loops(window, size, method) for window in windows]
        np.testing.assert_allclose(images, expected, atol=2e-5)


def test_the_angular_field_of_a_ramp_of_three_samples() -> None:
    # Scaled to -1, 0, 1: angles of 180, 90 and 0 degrees.
    ramp = np.array([[10, 20, 30]])
    np.testing.assert_allclose(
        gramian_angular_field(ramp, 3), [[[1, 0, -1], [0, -1, 0], [-1, 0, 1]]], atol=1e-6
    )
    np.testing.assert_allclose(
        gramian_angular_field(ramp, 3, "difference"), [[[0, 1, 0], [-1, 0, 1], [0, -1, 0]]], atol=1e-6
    )


def test_the_angular_field_of_a_cosine_is_a_wave_along_the_diagonal() -> None:
    # Over half a period the angles are the phases themselves.
    phase = np.linspace(0, np.pi, 33)
    cosine = np.cos(phase)[np.newaxis]
    np.testing.assert_allclose(
        gramian_angular_field(cosine, 33)[0], np.cos(phase[:, np.newaxis] + phase), atol=1e-3
    )
    np.testing.assert_allclose(
        gramian_angular_field(cosine, 33, "difference")[0], np.sin(phase[:, np.newaxis] - phase), atol=1e-3
    )


def test_the_diagonal_of_a_summation_field_holds_the_window() -> None:
    # cos(2 phi) = 2 x^2 - 1
    window = walks(1)
    x = 2 * (window - window.min()) / np.ptp(window) - 1
    diagonal = np.diagonal(gramian_angular_field(window, 48), axis1=1, axis2=2)
    np.testing.assert_allclose(diagonal, 2 * x**2 - 1, atol=1e-5)


@given(some_windows)
def test_symmetries_of_angular_fields(windows: np.ndarray) -> None:
    size = windows.shape[1]
    summation = gramian_angular_field(windows, size)
    difference = gramian_angular_field(windows, size, "difference")
    np.testing.assert_array_equal(summation, summation.transpose(0, 2, 1))
    np.testing.assert_array_equal(difference, -difference.transpose(0, 2, 1))
    assert np.abs(summation).max() <= 1
    assert np.abs(difference).max() <= 1
    # Upside down, each angle becomes its supplement: the sum's cosine stays, the difference's sine turns.
    np.testing.assert_array_equal(gramian_angular_field(-windows, size), summation)
    np.testing.assert_array_equal(gramian_angular_field(-windows, size, "difference"), -difference)


@pytest.mark.parametrize("strategy", ["quantile", "uniform"])
@pytest.mark.parametrize("bins", [2, 5, 8])
@pytest.mark.parametrize("size", [1, 7, 16, 48])
def test_a_transition_field_is_that_of_its_formula(strategy: str, bins: int, size: int) -> None:
    windows = walks()
    images = markov_transition_field(windows, size, bins, strategy)
    assert images.dtype == np.float32
    expected = [markov_by_loops(window, size, bins, strategy) for window in windows]
    np.testing.assert_allclose(images, expected, atol=1e-6)


def test_the_transition_field_of_four_samples() -> None:
    window = np.array([[1, 3, 0, 1.5]])
    # The median of 0, 1, 1.5, 3 is 1.25, so 1.5 is high: low, high, low, high; each is followed by the other.
    np.testing.assert_array_equal(
        markov_transition_field(window, 4, 2)[0], [[0, 1, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 1, 0]]
    )
    # Bins alike in width meet at 1.5, and a sample on the edge is low: low, high, low, low.
    # Low is followed by high and by low once each, high by low always.
    low, high = [0.5, 0.5, 0.5, 0.5], [1, 0, 1, 1]
    np.testing.assert_array_equal(markov_transition_field(window, 4, 2, "uniform")[0], [low, high, low, low])
    np.testing.assert_array_equal(
        markov_transition_field(window, 2, 2, "uniform")[0], [[0.5, 0.75], [0.5, 0.5]]
    )


def test_a_ramp_climbs_from_state_to_state() -> None:
    # Eight states of four samples each: three of four stay, the fourth goes one up; the last state stays.
    field = markov_transition_field(np.arange(32.0)[np.newaxis], 8)[0]
    expected = np.diag([0.75] * 7 + [1.0]) + np.diag([0.25] * 7, k=1)
    np.testing.assert_allclose(field, expected, atol=1e-6)


@given(some_windows, st.integers(2, 6), st.sampled_from(["quantile", "uniform"]))
def test_transition_fields_are_probabilities(windows: np.ndarray, bins: int, strategy: str) -> None:
    image = markov_transition_field(windows, windows.shape[1], bins, strategy)
    assert image.min() >= 0
    assert image.max() <= 1
    along = np.arange(windows.shape[1] - 1)
    assert (image[:, along, along + 1] > 0).all()


def test_the_recurrence_plot_of_three_samples() -> None:
    window = np.array([[1, 4, 2]])
    np.testing.assert_array_equal(recurrence_plot(window, 3)[0], [[0, 3, 1], [3, 0, 2], [1, 2, 0]])
    np.testing.assert_array_equal(recurrence_plot(window, 3, 1)[0], [[1, 0, 1], [0, 1, 0], [1, 0, 1]])
    np.testing.assert_array_equal(recurrence_plot(window, 3, 0)[0], np.eye(3))


@pytest.mark.parametrize("threshold", [None, 0.8])
@pytest.mark.parametrize("size", [7, 16, 48])
def test_a_recurrence_plot_is_that_of_its_formula(threshold: float | None, size: int) -> None:
    windows = walks()
    images = recurrence_plot(windows, size, threshold)
    assert images.dtype == np.float32
    for window, image in zip(windows, images, strict=True):
        x = means_of_parts(window, size)
        distance = np.array([[abs(x[i] - x[j]) for j in range(size)] for i in range(size)])
        expected = distance if threshold is None else distance <= threshold
        np.testing.assert_allclose(image, expected, atol=1e-5)


def test_the_recurrence_plot_of_a_ramp_is_the_distance_from_the_diagonal() -> None:
    ramp = 0.5 * np.arange(12)[np.newaxis]
    apart = np.abs(np.arange(6)[:, np.newaxis] - np.arange(6))
    np.testing.assert_allclose(recurrence_plot(ramp, 6)[0], apart, atol=1e-6)
    np.testing.assert_array_equal(recurrence_plot(ramp, 6, 2.5)[0], apart <= 2)


def test_a_periodic_window_recurs_after_a_period() -> None:
    wave = np.tile(np.random.default_rng(0).normal(size=8), 4)[np.newaxis]
    image = recurrence_plot(wave, 32)[0]
    np.testing.assert_array_equal(image[:-8], image[8:])
    np.testing.assert_array_equal(np.diagonal(image, 8), 0)


@every_kind
@pytest.mark.parametrize("size", [1, 60, 64, 100, 128])
@pytest.mark.parametrize("level", [0.0, 0.3, -7.7])
def test_constant_windows_give_one_flat_image(kind: str, size: int, level: float) -> None:
    image = KINDS[kind](np.full((2, 128), level), size)
    flat = {"summation": -1, "difference": 0, "quantile": 1, "uniform": 1, "distance": 0, "recurrence": 1}
    if kind == "three":
        np.testing.assert_allclose(image[0, :, 0, 0], [0, 1, 0], atol=1e-6)
        np.testing.assert_array_equal(image, np.broadcast_to(image[:1, :, :1, :1], image.shape))
    else:
        np.testing.assert_allclose(image, flat[kind], atol=1e-6)


@every_kind
@pytest.mark.parametrize("size", [24, 31, 48])
def test_a_window_has_its_own_image_whatever_lies_beside_it(kind: str, size: int) -> None:
    windows = walks()
    together = KINDS[kind](windows, size)
    for window, image in zip(windows, together, strict=True):
        np.testing.assert_allclose(KINDS[kind](window[np.newaxis], size)[0], image, atol=1e-6)


@pytest.mark.parametrize("kind", ["summation", "difference", "quantile", "uniform", "three"])
@pytest.mark.parametrize("size", [24, 48])
def test_gain_and_offset_do_not_matter(kind: str, size: int) -> None:
    # Powers of two and whole numbers: the samples are then scaled without rounding.
    windows = np.round(walks() * 64)
    np.testing.assert_allclose(KINDS[kind](4 * windows + 256, size), KINDS[kind](windows, size), atol=1e-6)


@every_kind
def test_no_window_gives_no_image(kind: str) -> None:
    shape = KINDS[kind](np.empty((0, 128)), 64).shape
    assert shape == ((0, 3, 64, 64) if kind == "three" else (0, 64, 64))


@every_kind
def test_windows_given_are_left_as_they_are(kind: str) -> None:
    windows = walks()
    before = windows.copy()
    KINDS[kind](windows, 48)
    np.testing.assert_array_equal(windows, before)


def test_the_three_channels_are_the_three_images_from_zero_to_one() -> None:
    windows = walks(width=128)
    images = three_channels(windows)
    assert images.shape == (6, 3, 64, 64)
    assert images.dtype == np.float32
    np.testing.assert_allclose(2 * images[:, 0] - 1, gramian_angular_field(windows, 64), atol=1e-6)
    np.testing.assert_array_equal(images[:, 1], markov_transition_field(windows, 64))
    distance = recurrence_plot(windows, 64)
    np.testing.assert_allclose(images[:, 2], distance / distance.max(axis=(1, 2), keepdims=True), atol=1e-6)
    assert images.min() >= 0
    assert images[:, 2].max(axis=(1, 2)).tolist() == [1] * 6
    assert images.max() <= 1


@every_kind
def test_what_makes_no_image_is_refused(kind: str) -> None:
    draw = KINDS[kind]
    for size in (0, 49):
        with pytest.raises(ValueError, match=rf"^images of side {size} asked for; windows have 48 samples"):
            draw(walks(), size)
    with pytest.raises(ValueError, match=r"^windows of shape \(48,\); give \[n, width\]$"):
        draw(walks()[0], 16)
    broken = walks()
    broken[3, 5] = np.nan
    with pytest.raises(ValueError, match=r"^window 3 has missing samples; bridge them first$"):
        draw(broken, 16)


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown angular field 'product'; known: summation, difference"):
        gramian_angular_field(walks(), 16, "product")
    with pytest.raises(ValueError, match="unknown bins 'normal'; known: quantile, uniform"):
        markov_transition_field(walks(), 16, strategy="normal")
    with pytest.raises(ValueError, match="1 bins asked for; at least 2"):
        markov_transition_field(walks(), 16, 1)
    for threshold in (-0.1, float("nan")):
        with pytest.raises(ValueError, match=r"threshold .* asked for; differences are 0 or more"):
            recurrence_plot(walks(), 16, threshold)
