"""Made-up episodes: a patient's own beats in a rhythm whose labels are known.

Few training patients have runs of supraventricular tachycardia. A network that has seen none calls them
normal, since inside a run each beat looks like its neighbours and comes when they do. Put together from
normal beats, runs can be had of every patient: the rate jumps, T waves are drawn together, the P wave is gone
or is another one. What must not be taken for them is made up too: fibrillation, runs of the patient's
ventricular beats, sinus rhythm that speeds up little by little, and stretches slower than usual, after which
the rate jumps back.

It is the signal that is put together, and it is read as any other: filters, detector, typical beats and
look-alikes find an episode as they would find a real one.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from scipy.ndimage import binary_dilation

from ecgtune.beats import Preprocessing, detected_beats
from ecgtune.model import preferred_leads
from ecgtune.splits import Split
from ecgtune.splits.beat_index import Rows, record_codes
from ecgtune.training.episode_signal import Longer, with_episodes
from ecgtune.training.sequences import Recording, prepare
from ecgtune.training.tables import RecordKey, open_record, record_until

CONTEXT = 96
"""Beats on either side of an episode that are kept with it, with their labels."""


def undivided(split: Split, rows: Rows, until: Mapping[RecordKey, float]) -> list[RecordKey]:
    """List the records of some rows of a split that no other side has a beat of, up to the seconds given.

    An episode is made of any of a recording's beats and lies among the others, so that all of them train.
    """
    other = np.concatenate([side for _, side in split.sides()])
    other = np.setdiff1d(other, rows)
    (own, _), (others, code) = (record_codes(split.beats, some) for some in (rows, other))
    limit = np.array([until.get(key, np.inf) for key in others])
    early = split.beats.sample[other] / split.beats.fs[other] < limit[code]
    shared = {others[i] for i in np.unique(code[early])}
    return [key for key in own if key not in shared]


class Episodes:
    """Episodes of recordings, each recording's made once and kept.

    Parameters
    ----------
    how, kinds
        As in `episode_recordings`.
    """

    def __init__(self, how: Preprocessing, kinds: Sequence[str]) -> None:
        self._how, self._kinds = how, kinds
        self._made: dict[tuple[RecordKey, float], list[Recording]] = {}

    def of(
        self, keys: Iterable[RecordKey], until: Mapping[RecordKey, float] | None = None
    ) -> list[Recording]:
        """Prepare episodes of recordings, up to the seconds given; see `episode_recordings`."""
        found: list[Recording] = []
        for key in sorted(keys):
            limit = (until or {}).get(key, np.inf)
            if (key, limit) not in self._made:
                made = episode_recordings([key], self._how, self._kinds, {key: limit})
                self._made[key, limit] = made
            found += self._made[key, limit]
        return found


def episode_recordings(
    keys: Iterable[RecordKey],
    how: Preprocessing,
    kinds: Sequence[str],
    until: Mapping[RecordKey, float] | None = None,
) -> list[Recording]:
    """Prepare episodes of recordings, with the beats around them.

    Parameters
    ----------
    keys
        The recordings, as `undivided` gives them. One that is too fast or has too few normal beats gives
        nothing.
    how
        Preprocessing of the model.
    kinds
        Of `ecgtune.training.episode_rhythms.KINDS`; nothing is read where there are none.
    until
        As in `ecgtune.training.tables.training_table`.
    """
    made: list[Recording] = []
    for key in sorted(keys) if kinds else ():
        record, annotations = open_record(key)
        record = record_until(record, (until or {}).get(key, np.inf))
        annotations = annotations.select(annotations.sample < record.n_samples)
        # Not by its place in the list: a recording's episodes are the same whoever else trains.
        longer = with_episodes(record, annotations, kinds, np.random.default_rng([*"/".join(key).encode()]))
        if longer is not None:
            made += _around_episodes(longer, key, how)
    return made


def _around_episodes(longer: Longer, key: RecordKey, how: Preprocessing) -> list[Recording]:
    leads = preferred_leads(longer.record, tuple(range(len(longer.record.leads))), how.leads)
    table = detected_beats(longer.record, longer.annotations, leads, how, database=key[0])
    (whole,) = prepare(table, np.arange(len(table)), how)
    made_up = np.isin(table.sample, longer.annotations.sample[longer.made_up]) & (table.label >= 0)
    near = binary_dilation(made_up, iterations=CONTEXT)
    edges = np.flatnonzero(np.diff(near, prepend=False, append=False))
    return [
        Recording(
            f"{whole.name} with episodes, from beat {begin}",
            whole.beats[begin:end].clone(),
            whole.rhythm[begin:end],
            whole.label[begin:end],
        )
        for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]
