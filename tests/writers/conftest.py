import numpy as np
import pytest

from ecgtune.labelled import Labelled
from ecgtune.labels import CLASSES
from ecgtune.record import Annotations, Record


@pytest.fixture
def labelled() -> Labelled:
    """A minute of two leads with beats of every class."""
    rng = np.random.default_rng(1)
    signal = rng.normal(0, 0.1, (60 * 250, 2)).astype(np.float32)
    symbols = np.array(list("NNNNVNNSNNVVVNNFNNQN" * 3))
    sample = 100 + np.arange(len(symbols)) * 200 + rng.integers(0, 40, len(symbols))
    probability = np.full((len(symbols), len(CLASSES)), 0.05, dtype=np.float32)
    probability[np.arange(len(symbols)), [CLASSES.index(symbol) for symbol in symbols]] = 0.8
    return Labelled(
        Record.from_array(signal, 250, ("MLII", "V1"), name="r1"),
        Annotations(sample, symbols, probability=probability),
        ("MLII", "V1"),
        "test 1.0",
        "abc123",
        ("lead V1 noisy",),
    )
