"""The comparison with the usual beat as explanations see it is that of preprocessing."""

import numpy as np
import pytest
import torch

from ecgtune.beats import Preprocessing
from ecgtune.beats.usual_beat import ALIKE, BEAT, OF_A_BEAT, TYPICAL_BEAT, feature_name
from ecgtune.explain.beside_usual import beside_usual

HOW = Preprocessing(neighbours=8, alike=12, usual_beat=True)

LOST = {
    "nothing": np.s_[:0],
    "a lead now and then": np.s_[20:50, 1],
    "a lead for a moment": np.s_[20:23, 1],
    "a lead": np.s_[:, 0],
    "everything": np.s_[:],
}


@pytest.mark.parametrize("lost", LOST)
def test_numbers_are_those_that_the_network_is_trained_by(lost: str) -> None:
    draw = np.random.default_rng(0)
    windows = np.cumsum(draw.normal(size=(60, 2, HOW.width)), axis=2).astype(np.float32)
    windows[LOST[lost]] = 0
    parts = HOW.parts(windows, 100 * np.arange(60))
    assert parts.usual is not None
    assert parts.alike is not None
    usual = torch.from_numpy(np.repeat(parts.usual, 60, axis=0))
    typical = torch.from_numpy(parts.typical)
    names = HOW.rhythm_features
    _, rhythm = parts.inputs()
    for kind, own in ((BEAT, parts.scaled), (TYPICAL_BEAT, parts.typical), (ALIKE, parts.alike.mean)):
        found = beside_usual(torch.from_numpy(own), typical, usual, HOW.before).numpy()
        columns = [names.index(feature_name(kind, what)) for what in OF_A_BEAT]
        np.testing.assert_allclose(found, rhythm[:, columns], atol=1e-4)


def test_samples_of_the_qrs_get_the_credit() -> None:
    draw = np.random.default_rng(0)
    windows, usual = (torch.from_numpy(draw.normal(size=(3, 2, HOW.width)).astype(np.float32)) for _ in "ab")
    windows.requires_grad_(True)
    beside_usual(windows, usual, usual, HOW.before).sum().backward()
    assert windows.grad is not None
    assert (windows.grad[:, :, HOW.before - 10 : HOW.before + 10] != 0).any()
    assert (windows.grad[:, :, : HOW.before - 30] == 0).all()
