"""Methods under every protocol: what a study of beats runs, whole or quick."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecgtune.labels import CLASSES
from ecgtune.systems.beat_study import Tell, Tried, methods_of, run_methods, seeds_in
from ecgtune.systems.beat_tables import PROTOCOLS, Divided, records_of
from ecgtune.systems.work import Clock

Plan = dict[tuple[str, int], list[str]]
"""Names of methods by protocol and seed."""


def run_protocols(
    config: Mapping[str, Any],
    asked: Mapping[tuple[str, int], Sequence[str]],
    seeds: Sequence[int],
    work: Path,
    clock: Clock,
    *,
    quick: bool,
    jobs: int,
    tell: Tell,
) -> dict[tuple[str, int], dict[str, Tried]]:
    """Train what is asked for under each protocol and seed, and read what else is finished.

    Parameters
    ----------
    config
        The system's TOML; see `ecgtune.systems.beat_study`. A quick run also reads ``quick.records`` and
        ``quick.every``: of each class, one beat in so many.
    asked
        Names of methods to train by protocol and seed.
    seeds
        Seeds to look for; those that ``work`` holds are looked for, too.
    work, clock
        See `ecgtune.systems.work`.
    quick
        Whether only a few records and beats are taken.
    jobs
        Processes.
    tell
        Called with lines of progress.

    Raises
    ------
    ModelError
        On an unknown model or option, and where a training side lacks a class.
    """
    # Everything that can be wrong with the methods is told before anything is trained.
    known = {protocol: methods_of(config, protocol) for protocol in PROTOCOLS}
    thin = partial(thinned, config["quick"]["every"]) if quick else _whole
    tried = {}
    for protocol in PROTOCOLS:
        records = few_records(config["quick"]["records"], protocol) if quick else None
        for seed in dict.fromkeys([*seeds, *seeds_in(work)]):
            with clock.part(f"{protocol}, seed {seed}"):
                tried[protocol, seed] = run_methods(
                    config,
                    known[protocol],
                    protocol,
                    seed,
                    work,
                    jobs=jobs,
                    tell=tell,
                    records=records,
                    thin=thin,
                    train=asked.get((protocol, seed), ()),
                )
    return tried


def few_records(chosen: Sequence[str], protocol: str, database: str = "mitdb") -> list[str]:
    """Those of some records that a protocol has."""
    every = records_of(protocol, database)
    return [record for record in chosen if record in every]


def thinned(every: Mapping[str, int], divided: Divided) -> Divided:
    """Keep one beat in so many of each class: the same ones on whatever side, under whatever protocol."""
    beats = divided.beats
    kept = beats.sample % np.array([every[name] for name in CLASSES])[beats.label] == 0
    return replace(divided, rows={side: rows[kept[rows]] for side, rows in divided.rows.items()})


def _whole(divided: Divided) -> Divided:
    return divided
