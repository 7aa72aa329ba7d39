"""Trainings of the residual network small enough for a test: two kinds of bump, windows of 61 samples."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecgtune.training.networks.residual_window import ResidualWindow
from ecgtune.training.stacked import Member, Settings
from ecgtune.training.stacks import Windows

WIDTH = 61
"""The narrowest window that passes four times through the pooling."""

SETTINGS = Settings(lr=0.001, batch=8, weighted=False, epochs=3, patience=10)


def build(models: int) -> ResidualWindow:
    return ResidualWindow(width=WIDTH, models=models)


def made_up(
    n: int = 240, classes: int = 2, noise: float = 0.7
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Windows [n, width] with a bump whose width tells the class; the last third has wrong labels."""
    draw = np.random.default_rng(0)
    labels = draw.integers(classes, size=n)
    at = np.arange(WIDTH) - draw.normal(WIDTH // 2, 3, size=(n, 1))
    windows = np.exp(-0.5 * (at / (2.0 + 3 * labels[:, np.newaxis])) ** 2) + noise * draw.normal(
        size=(n, WIDTH)
    )
    labels[wrong(n)] = (labels[wrong(n)] + 1) % classes
    return windows.astype(np.float32), labels.astype(np.int64)


def wrong(n: int = 240) -> NDArray[np.int64]:
    """Rows with wrong labels: the better a network has learnt, the worse it does on them."""
    return np.arange(2 * n // 3, n)


def member(
    name: str, train: int = 40, validate: int = 20, *, begin: int = 0, seed: int = 0, **settings
) -> Member:
    """Train on some right rows, validate on the next."""
    start, end = settings.pop("start", None), begin + train
    rows = np.arange(begin, end), np.arange(end, end + validate)
    assert end + validate <= len(wrong()) * 2, "among the wrong rows"
    return Member(name, *rows, replace(SETTINGS, **settings), start, seed)


def table(**options) -> Windows:
    return Windows(*made_up(), {"width": WIDTH}, **options)


def two_batch_sizes() -> list[Member]:
    """Seven members, of which `train_all` makes four stacks of at most two."""
    return [
        *(member(f"eight {seed}", 41, seed=seed, epochs=8) for seed in range(4)),
        *(member(f"four {seed}", 33, seed=seed, batch=4, patience=1) for seed in range(3)),
    ]
