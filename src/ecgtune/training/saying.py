"""What a network in training says of prepared recordings, as the exported model would."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ecgtune.labels import CLASSES
from ecgtune.self_training import SelfTraining, moved_by_stretches
from ecgtune.training.sequences import Recording

_PIECE = 2048


def said_of(network: nn.Module, recording: Recording, how: SelfTraining) -> NDArray[np.float32]:
    """Logits of all beats of a recording, after self-training, float32 [n, classes].

    In pieces, so that a day fits in memory.

    Parameters
    ----------
    network
        In evaluation mode; takes beats and rhythm, gives logits [batch, beats, classes], and tells its
        ``reach``: beats on either side that they depend on. For self-training it gives ``evidence`` too.
    recording
        Prepared beats, labelled or not.
    how
        Of the model.
    """
    n, reach = len(recording.label), int(network.reach)  # type: ignore[arg-type]
    logits, evidence = [np.zeros((0, len(CLASSES)), np.float32)], []
    with torch.inference_mode():
        for begin in range(0, n, _PIECE):
            low, end = max(0, begin - reach), min(begin + _PIECE, n)
            seen = slice(low, end + reach)
            beats, rhythm = recording.beats[None, seen], recording.rhythm[None, seen]
            own = slice(begin - low, end - low)
            logits.append(network(beats, rhythm)[0, own].numpy())
            if how.active:
                known = network.evidence(beats[:, own], rhythm[:, own])  # type: ignore[operator]
                evidence.append(known[0].numpy())
    said = np.concatenate(logits)
    return moved_by_stretches(said, np.concatenate(evidence), how)[0] if evidence else said
