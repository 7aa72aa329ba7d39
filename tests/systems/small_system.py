"""The system `patient-transfer`, small enough for a test."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecgtune.beats import Beats
from ecgtune.systems.config import load_config
from ecgtune.systems.patient_transfer import NAME
from ecgtune.training.stacked import Member, Trained
from ecgtune.training.stacks import Trainer, Windows


@dataclass(frozen=True)
class Watched(Trainer):
    """Remembers what it was asked to train."""

    asked: dict[str, tuple[list[Member], Windows]]

    def train(
        self, what: str, members: Sequence[Member], table: Windows, **options: Any
    ) -> dict[str, Trained]:
        self.asked[what] = list(members), table
        return super().train(what, members, table, **options)


def short_config() -> dict[str, Any]:
    """The system's own, with an epoch or two for each training."""
    how = load_config(NAME)
    how["pretraining"]["epochs"] = how["adapted"]["epochs"] = how["image"]["epochs"] = 1
    how["image"]["pretraining_epochs"] = how["grid"]["screen_epochs"] = 1
    how["grid"]["epochs"] = 2
    how["scarcity"] |= {"epochs": [1, 2], "fractions": [0.25, 1.0], "folds": 2}
    return how


def thinned(beats: Beats, each: int) -> Beats:
    """Take so many windows of each class of each record, evenly over its time."""
    keep = []
    for record in dict.fromkeys(beats.record.tolist()):
        for label in np.unique(beats.label):
            own = np.flatnonzero((beats.record == record) & (beats.label == label))
            keep.append(own[np.linspace(0, len(own) - 1, min(each, len(own))).astype(np.intp)])
    return beats.select(np.sort(np.concatenate(keep)))
