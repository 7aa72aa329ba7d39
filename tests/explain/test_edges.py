"""Where a signal is steep."""

import numpy as np

from ecgtune.explain.edges import edges

FS = 128.0


def test_a_step_is_steepest_where_it_is():
    signal = np.zeros((1, 2, 64), dtype=np.float32)
    signal[0, 1, 40:] = 1.0
    found = edges(signal, FS)
    assert found.shape == signal.shape
    assert found[0, 1].argmax() in (39, 40)
    assert not found[0, 0].any()


def test_the_slope_of_a_ramp_is_its_own_with_either_sign():
    ramp = np.linspace(0, 6.4, 65, dtype=np.float32)
    for signal in (ramp, -ramp):
        np.testing.assert_allclose(edges(signal, FS)[10:-10], 0.1, rtol=1e-3)


def test_a_level_says_nothing():
    signal = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    np.testing.assert_allclose(edges(signal + 5, FS), edges(signal, FS), atol=1e-5)
    assert not edges(np.full((2, 50), 3.0, dtype=np.float32), FS).any()


def test_smoothing_is_in_seconds():
    signal = np.zeros(200, dtype=np.float32)
    signal[100:] = 1.0
    # A step spreads over twice the samples at twice the rate.
    assert edges(signal, FS).max() > 1.8 * edges(signal, 2 * FS).max()
