"""The temperature of a training: fitted to the beats of a side that the network was not fitted to."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ecgtune.evaluation.calibration import fit_temperature
from ecgtune.labels import CLASSES
from ecgtune.self_training import SelfTraining
from ecgtune.training.saying import said_of
from ecgtune.training.sequences import IGNORED, Recording


def logits_of(
    network: nn.Module, recordings: Sequence[Recording], how: SelfTraining
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What a network says of the labelled beats of recordings, each seen whole and self-trained on.

    Returns
    -------
    logits
        float32 [beats, classes].
    label
        int64 [beats].
    """
    network.eval()
    logits, labels = [np.zeros((0, len(CLASSES)), np.float32)], [np.zeros(0, np.int64)]
    for recording in recordings:
        known = recording.label != IGNORED
        logits.append(said_of(network, recording, how)[known.numpy()])
        labels.append(recording.label[known].numpy())
    return np.concatenate(logits), np.concatenate(labels)


def temperature_on(network: nn.Module, recordings: Sequence[Recording], how: SelfTraining) -> float:
    """Temperature of a network, to three decimals, fitted to the labelled beats of recordings.

    Of few patients it depends much on which they are; see ``temperature`` in
    `ecgtune.training.config.TrainingOptions`.

    Raises
    ------
    EvaluationError
        Where no beat is labelled.
    """
    return round(fit_temperature(*logits_of(network, recordings, how)), 3)
