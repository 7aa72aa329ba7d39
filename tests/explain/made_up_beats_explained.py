"""Made-up beats and small networks whose explanations can be worked out by hand."""

import numpy as np
import torch
from torch import Tensor, nn

from ecgtune.explain.beats_of import Drawn
from ecgtune.explain.subject import Examples, Reading
from ecgtune.explain.subject_windows import WindowSubject


class Weighing(nn.Module):
    """Logits 0 and the weighted sum of all samples."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(torch.as_tensor(np.asarray(weights), dtype=torch.float32))

    def forward(self, windows: Tensor) -> Tensor:
        total = (windows * self.weights).sum(dim=(1, 2))
        return torch.stack([torch.zeros_like(total), total], dim=1)


def small_network(seed=0, leads=1, width=32, classes=3):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv1d(leads, 6, 5, padding=2),
        nn.BatchNorm1d(6),
        nn.ReLU(),
        nn.Conv1d(6, 6, 5, padding=2, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(6 * width // 2, 16),
        nn.ReLU(),
        nn.Linear(16, classes),
    ).eval()


def subject_around(network, leads=1, width=32, classes=("N", "V", "S"), trained_on=frozenset()):
    return WindowSubject(
        name="made up",
        network=network,
        classes=tuple(classes),
        windows={},
        lead_count=leads,
        fs=128.0,
        before=width // 2,
        width=width,
        trained_on=trained_on,
    )


def reading_of(signal, label=None, record="100") -> Reading:
    signal = np.asarray(signal, dtype=np.float32)
    n, leads, _ = signal.shape
    return Reading(
        database="made-up",
        record=record,
        patient=f"made-up/{record}",
        fs=128.0,
        leads=tuple(f"lead {i}" for i in range(leads)),
        sample=128 * np.arange(n, dtype=np.int64),
        label=np.zeros(n, dtype=np.int64) if label is None else np.asarray(label, dtype=np.int64),
        signal=signal,
        scale=np.ones((n, leads), dtype=np.float32),
        offset=np.zeros((n, leads), dtype=np.float32),
        rhythm=None,
        rr=np.ones((n, 2), dtype=np.float32),
        readable=np.ones(n, dtype=np.bool_),
    )


def random_reading(n=24, leads=1, width=32, seed=0, classes=3, record="100") -> Reading:
    rng = np.random.default_rng(seed)
    return reading_of(rng.normal(size=(n, leads, width)), np.arange(n) % classes, record)


def examples_of(subject, signal, label=None) -> Examples:
    return subject.examples(reading_of(signal, label))


def all_of(*readings) -> Drawn:
    return Drawn(readings, tuple(np.arange(len(each), dtype=np.int64) for each in readings))
