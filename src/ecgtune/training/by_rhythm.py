"""Recordings that train by what is known of their rhythm, or of the whole of them; or are left out."""

from collections.abc import Collection
from typing import TypeVar

from ecgtune.beats import Preprocessing
from ecgtune.errors import SplitError
from ecgtune.training.config import DataOptions
from ecgtune.training.fibrillating import FIBRILLATION, Fibrillating, fibrillating_recordings
from ecgtune.training.sequences import Recording
from ecgtune.training.tables import RecordKey
from ecgtune.training.tachycardias import TACHYCARDIA, Tachycardia, tachycardia_recordings, taught_by
from ecgtune.training.unlabelled import Unlabelled, at_hand, left_out
from ecgtune.training.weak import calm_recordings, weak_recordings
from ecgtune.training.without_ectopy import WITHOUT_ECTOPY, WithoutEctopy, recordings_without_ectopy

Kind = TypeVar("Kind", bound=Unlabelled)


class ByRhythm:
    """Those of a configuration's databases, or of all at hand.

    Parameters
    ----------
    data
        Says which databases train.
    how
        Preprocessing of the model.
    all_at_hand
        Whether recordings of other databases are read, too, to be left out.
    """

    fibrillating: list[Fibrillating]
    tachycardias: list[Tachycardia]
    without_ectopy: list[WithoutEctopy]

    def __init__(self, data: DataOptions, how: Preprocessing, *, all_at_hand: bool = False) -> None:
        def names(train: tuple[str, ...], known: Collection[str]) -> list[str]:
            return list(dict.fromkeys([*train, *(at_hand(known) if all_at_hand else ())]))

        self._data, self._how = data, how
        self.fibrillating = fibrillating_recordings(names(data.weak, FIBRILLATION), how)
        self.tachycardias = tachycardia_recordings(names(data.ventricular, TACHYCARDIA), how)
        self.without_ectopy = recordings_without_ectopy(names(data.without_ectopy, WITHOUT_ECTOPY), how)

    def left_out(self, folds: int, seed: int) -> list[set[RecordKey]]:
        """Deal recordings to folds, those of a patient to one; each is left out in its fold."""
        kinds: tuple[list[Unlabelled], ...] = (
            [*self.fibrillating],
            [*self.tachycardias],
            [*self.without_ectopy],
        )
        whose = [{(one.key[0], one.patient) for one in kind} for kind in kinds]
        if sum(map(len, whose)) > len(set().union(*whose)):
            raise SplitError("a patient has recordings of several kinds, which several folds may get")
        dealt = [left_out(recordings, folds, seed) for recordings in kinds]
        return [set().union(*of_a_fold) for of_a_fold in zip(*dealt, strict=True)]

    def teach(self, length: int, without: Collection[RecordKey] = ()) -> list[Recording]:
        """Prepare the recordings of databases that train, in sequences of ``length`` beats or whole."""
        fibrillating, tachycardias, calm = self._training(without)
        how = self._how
        return [
            *weak_recordings(fibrillating, how, length),
            *taught_by(tachycardias, how),
            *calm_recordings(calm, how, length),
        ]

    def patients(self, without: Collection[RecordKey] = ()) -> set[str]:
        """Tell whose recordings `teach` gives."""
        return {one.patient for kind in self._training(without) for one in kind}

    def _training(
        self, without: Collection[RecordKey]
    ) -> tuple[list[Fibrillating], list[Tachycardia], list[WithoutEctopy]]:
        data = self._data
        return (
            _kept(self.fibrillating, data.weak, without),
            _kept(self.tachycardias, data.ventricular, without),
            _kept(self.without_ectopy, data.without_ectopy, without),
        )


def _kept(found: list[Kind], databases: tuple[str, ...], without: Collection[RecordKey]) -> list[Kind]:
    return [one for one in found if one.key[0] in databases and one.key not in without]
