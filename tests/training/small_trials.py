"""Trials small enough for a test: waves of three frequencies in noise, networks of little size."""

from dataclasses import replace
from typing import Any

import numpy as np

from ecgtune.training.trials import Method, Trial, WindowTable
from ecgtune.training.window_options import WindowOptions

CLASSES = ("low", "middle", "high")
WIDTH = 24
OPTIONS = WindowOptions(epochs=4, batch=16, lr=0.01, bfloat16=False)


def made_up(n: int = 260, seed: int = 0, shift: int = 0) -> WindowTable:
    """Windows [n, 1, WIDTH]; the last ``shift`` are labelled as the class after their own."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(3, n, p=[0.5, 0.3, 0.2])
    labels[:3] = [0, 1, 2]
    phase = draw.uniform(0, 6, (n, 1))
    waves = np.sin(np.arange(WIDTH) * (0.3 + 0.3 * labels[:, None]) + phase)
    windows = waves + 0.4 * draw.standard_normal((n, WIDTH))
    labels[n - shift :] = (labels[n - shift :] + 1) % 3
    return WindowTable(windows[:, None].astype(np.float32), labels.astype(np.int64), CLASSES)


def network(name: str = "small-cnn", **options: Any) -> Method:
    arguments = options.pop("arguments", {"filters": [4]})
    return Method(name, "cnn", arguments, replace(OPTIONS, **options))


def tree(name: str = "tree", **other: Any) -> Method:
    return Method(name, "decision-tree", **other)


def trial(method: Method, **other: Any) -> Trial:
    """Train on 180 rows, validate on 40, test on 40."""
    given = {
        "protocol": "beat-split",
        "seed": 0,
        "train": np.arange(180),
        "validate": np.arange(180, 220),
        "test": np.arange(220, 260),
    }
    return Trial(method, **(given | other))
