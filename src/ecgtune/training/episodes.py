"""Made-up episodes: a patient's own beats in a rhythm whose labels are known.

Few training patients have runs of supraventricular tachycardia. A network that has seen none calls them
normal, since inside a run each beat looks like its neighbours and comes when they do. Put together from
normal beats, runs can be had of every patient: the rate jumps, T waves are drawn together, the P wave is gone
or is another one. So can early beats, single ones or many: few training patients have many of them, each
patient's come at an interval of their own, and of most patients' atria a network has seen no early beat at
all. What must not be taken for them is made up too: fibrillation, runs of the patient's ventricular beats,
sinus rhythm that speeds up little by little, and stretches slower than usual, after which the rate jumps
back.

It is the signal that is put together, and it is read as any other: filters, detector, typical beats and
look-alikes find an episode as they would find a real one.
"""

from collections.abc import Sequence

import numpy as np

from ecgtune.beats import Preprocessing, detected_beats
from ecgtune.model import preferred_leads
from ecgtune.training.episode_signal import Longer, with_episodes
from ecgtune.training.sequences import Recording, prepare, stretches_around
from ecgtune.training.tables import RecordKey, open_until

CONTEXT = 96
"""Beats on either side of an episode that are kept with it, with their labels."""


def episode_recordings(
    key: RecordKey, how: Preprocessing, copies: Sequence[Sequence[str]], until: float = np.inf
) -> list[Recording]:
    """Prepare episodes of copies of a recording, with the beats around them.

    Parameters
    ----------
    key
        The recording, as `ecgtune.training.made_up.undivided` gives it. One that is too fast or has too few
        normal beats gives nothing.
    how
        Preprocessing of the model.
    copies
        Kinds of episodes that are put into each copy, of `ecgtune.training.episode_rhythms.KINDS`; nothing is
        read where there are none.
    until
        Second after which nothing of the recording is read.
    """
    found = []
    for copy, kinds in enumerate(copies):
        # Drawn by the recording's name: its episodes are the same whoever else trains.
        draw = np.random.default_rng([*"/".join(key).encode(), copy])
        longer = with_episodes(*open_until(key, until), kinds, draw)
        if longer is not None:
            found += _around_episodes(longer, key, how, f"episodes ({copy + 1})")
    return found


def _around_episodes(longer: Longer, key: RecordKey, how: Preprocessing, what: str) -> list[Recording]:
    leads = preferred_leads(longer.record, tuple(range(len(longer.record.leads))), how.leads)
    table = detected_beats(longer.record, longer.annotations, leads, how, database=key[0])
    (whole,) = prepare(table, np.arange(len(table)), how)
    made_up = np.isin(table.sample, longer.annotations.sample[longer.made_up]) & (table.label >= 0)
    return stretches_around(whole, made_up, CONTEXT, what)
