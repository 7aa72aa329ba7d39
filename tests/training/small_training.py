"""A training small enough for a test: four records of DS1, a network of a few hundred weights."""

from collections.abc import Mapping

import numpy as np

from ecgtune.beats import Beats
from ecgtune.splits import Split
from ecgtune.training.config import Config, make_config

SIDES = {"train": ("106", "208"), "validate": ("119",), "test": ("109",)}
"""All of DS1, the test side too: no test scores DS2."""


RELATED = {
    "network": {"network": "relation-ensemble", "members": 2, "filters": [3], "size": 4, "hidden": 6},
    "preprocessing": {"before": 40, "after": 80},
}
"""Sections of a small configuration: two networks that are trained apart."""


def small_config(sections: Mapping[str, object] | None = None, **training: object) -> Config:
    """The default's shape, much smaller; some sections may be others."""
    options = {"epochs": 3, "patience": 3, "batch": 8, **training}
    content = {
        "name": "small",
        "version": "0",
        "summary": "for tests",
        "network": {"network": "beat-sequence", "filters": [3], "size": 4, "hidden": 6, "dilations": [1, 2]},
        "preprocessing": {"before": 32, "after": 32},
        "training": options,
    }
    return make_config(content | dict(sections or {}), "small.toml")


def split_by_record(index: Beats, sides: dict[str, tuple[str, ...]] = SIDES, seed: int = 0) -> Split:
    rows = {side: np.flatnonzero(np.isin(index.record, records)) for side, records in sides.items()}
    return Split("by-record", index, rows["train"], rows["validate"], rows["test"], seed=seed).check()
