"""Recordings of ventricular tachycardia: their rhythm is labelled, and with it every beat.

Few training patients have runs of more than some ventricular beats; a network that has seen none takes the
beats of a tachycardia for what the beats around are, which is tachycardia itself.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ecgtune.beats import Preprocessing
from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES
from ecgtune.training.sequences import IGNORED, Recording
from ecgtune.training.unlabelled import Unlabelled, databases_of, in_rhythm, read_unlabelled

TACHYCARDIA, NORMAL = {"vfdb": "VT"}, {"vfdb": "N"}
PACED = {"vfdb": "PM"}
"""What rhythms are called in each database: ventricular tachycardia, normal rhythm, ectopic beats or not, and
a pacemaker's."""

ON_TIME = 0.1
"""How far the logarithms of a beat's intervals may lie from those around, for it to be on time."""

ALIKE = -2.0
"""Logarithm of the share of look-alikes from which on a beat looks like most of those around it."""


@dataclass(frozen=True)
class Tachycardia(Unlabelled):
    """A recording, and in which rhythms its beats lie.

    Parameters
    ----------
    ventricular, normal, paced
        Which beats lie in ventricular tachycardia, which in normal rhythm and which in a pacemaker's, bool
        [n].
    """

    ventricular: NDArray[np.bool_]
    normal: NDArray[np.bool_]
    paced: NDArray[np.bool_]


def tachycardia_recordings(names: Iterable[str], how: Preprocessing) -> list[Tachycardia]:
    """Read recordings of ventricular tachycardia, and those beside them in their databases.

    Parameters
    ----------
    names, how
        Of the databases, keys of `TACHYCARDIA`, and preprocessing of the model. Errors as in
        `ecgtune.training.unlabelled.databases_of`.
    """
    found = []
    for database in databases_of(names, TACHYCARDIA, "ventricular"):
        for name in database.records():
            read = read_unlabelled(database, name, how)
            if read is not None:
                record, one = read
                ventricular, normal, paced = (
                    in_rhythm(rhythm[database.name], record, one.at)
                    for rhythm in (TACHYCARDIA, NORMAL, PACED)
                )
                found.append(Tachycardia(**vars(one), ventricular=ventricular, normal=normal, paced=paced))
    return found


def taught_by(found: Sequence[Tachycardia], how: Preprocessing) -> list[Recording]:
    """Prepare recordings of tachycardia: its beats are V.

    Of normal rhythm, which may have ectopic beats, those are N that come on time and look like most of the
    beats around; of a pacemaker's rhythm they are Q. All others teach nothing.

    Raises
    ------
    ModelError
        Where the preprocessing finds no look-alikes, without which nothing tells which beats are N.
    """
    if not found:
        return []
    if not how.alike:
        raise ModelError("[data] ventricular: needs look-alikes ([preprocessing] alike)")
    early, late, share = (
        how.rhythm_features.index(name)
        for name in ("RR before / near", "RR after / near", "share of look-alikes")
    )
    taught = []
    for one in found:
        beats, rhythm = how.inputs(one.windows, one.at)
        on_time = (np.abs(rhythm[:, [early, late]]) < ON_TIME).all(axis=1)
        label = np.full(len(one.at), IGNORED, dtype=np.int64)
        prevails = on_time & (rhythm[:, share] > ALIKE)
        label[one.normal & prevails] = CLASSES.index("N")
        label[one.paced & prevails] = CLASSES.index("Q")
        label[one.ventricular] = CLASSES.index("V")
        taught.append(Recording("/".join(one.key), *map(torch.from_numpy, (beats, rhythm, label))))
    return taught
