"""Real training on little data."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from small_training import SIDES, small_config, split_by_record

from ecgtune.beats import Beats
from ecgtune.splits import Split
from ecgtune.training import run
from ecgtune.training.tables import RecordKey, index_database, training_table


@pytest.fixture(scope="session")
def small_index(mitdb: Path) -> Beats:
    """Annotated beats of the four records."""
    index = index_database("mitdb")
    return index.select(np.isin(index.record, [record for records in SIDES.values() for record in records]))


@pytest.fixture(scope="session")
def small_table(small_index: Beats) -> Beats:
    """Detected beats of the records that are trained and validated on."""
    keys = [("mitdb", record) for side in ("train", "validate") for record in SIDES[side]]
    return training_table(sorted(keys), small_config().preprocessing)


@pytest.fixture
def small_mitdb(monkeypatch: pytest.MonkeyPatch, small_index: Beats, small_table: Beats) -> None:
    """Make `run.train` see the four records alone, detected once for all tests."""

    def table(keys: list[RecordKey], *_: object) -> Beats:
        assert set(keys) == set(small_table.records())
        return small_table

    def split(index: Beats, protocol: str, *, seed: int, **_: object) -> Split:
        return split_by_record(index, seed=seed)

    monkeypatch.setattr(run, "index_database", lambda *_, **__: small_index)
    monkeypatch.setattr(run, "training_table", table)
    monkeypatch.setattr(run, "make_split", split)


@pytest.fixture
def no_export(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], dict[str, np.ndarray]]:
    """Save weights alone, which takes no time; returns what reads them back."""
    import torch

    def save_model(network: torch.nn.Module, card: object, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        torch.save(network.state_dict(), folder / "weights.pt")

    def weights(run_folder: Path) -> dict[str, np.ndarray]:
        state = torch.load(run_folder / "model" / "weights.pt", weights_only=True)
        return {name: tensor.numpy() for name, tensor in state.items()}

    monkeypatch.setattr(run, "save_model", save_model)
    return weights
