"""How much attributions change with a little noise."""

import numpy as np
import pytest
from made_up_beats_explained import Weighing, examples_of, random_reading, small_network, subject_around

from ecgtune.explain.sensitivity import sensitivity

pytestmark = pytest.mark.usefixtures("one_thread")


def measured(subject, examples, target=1, **options):
    settings = {"method": "integrated-gradients", "baseline": "zero", "steps": 4, "draws": 5} | options
    return sensitivity(subject, examples, np.full(len(examples), target), **settings)


def test_a_linear_network_moves_as_its_input():
    subject = subject_around(Weighing(np.ones((1, 32))), classes=("N", "V"))
    examples = examples_of(subject, np.ones((4, 1, 32)))
    found = measured(subject, examples, radius=0.02)
    # Uniform noise up to 2 % on ones: 0.02 / sqrt(3) of the norm on average, never more than 2 %.
    assert ((found > 0.008) & (found < 0.02)).all()
    np.testing.assert_allclose(measured(subject, examples, radius=0.04), 2 * found, rtol=1e-3)


def test_the_noise_is_as_large_as_the_beat():
    subject = subject_around(Weighing(np.ones((1, 32))), classes=("N", "V"))
    small, large = (
        measured(subject, examples_of(subject, np.full((2, 1, 32), size))) for size in (0.1, 10.0)
    )
    np.testing.assert_allclose(small, large, rtol=1e-2)


def test_noise_comes_from_the_seed():
    subject = subject_around(small_network())
    examples = subject.examples(random_reading(n=6))
    found = [measured(subject, examples, baseline="noise", seed=seed) for seed in (1, 1, 2)]
    assert (found[0] == found[1]).all()
    assert (found[0] != found[2]).any()
    assert (found[0] > 0).all()


def test_an_attribution_of_nothing_has_no_sensitivity():
    subject = subject_around(Weighing(np.zeros((1, 32))), classes=("N", "V"))
    assert np.isnan(measured(subject, examples_of(subject, np.ones((2, 1, 32))))).all()
