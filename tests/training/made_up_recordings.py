"""Tables of beats with made-up windows, for what does not care whose heart it was."""

import numpy as np

from ecgtune.beats import Beats


def made_up_table(lengths: dict[str, int], width: int = 64, seed: int = 0) -> Beats:
    """Beats of some recordings of database ``db``, classes in turn, one recording a patient."""
    rng = np.random.default_rng(seed)
    n = sum(lengths.values())
    names = np.repeat(list(lengths), list(lengths.values()))
    at = np.concatenate([np.cumsum(rng.integers(60, 140, length)) for length in lengths.values()])
    return Beats(
        np.full(n, "db"),
        names,
        names,
        at * 2,
        np.full(n, 256.0),
        (np.arange(n) % 5).astype(np.int8),
        at,
        rng.normal(size=(n, 2, width)).astype(np.float32),
    )
