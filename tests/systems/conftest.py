"""The system `patient-transfer` on few windows of real records, and on spoilt ones."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_system import Watched, short_config, thinned

from ecgtune.beats import Beats
from ecgtune.labels import is_beat
from ecgtune.record import Annotations, ArraySource, Record
from ecgtune.systems import patient_transfer
from ecgtune.systems.config import load_config
from ecgtune.systems.patient_transfer import NAME, load_windows
from ecgtune.training.tables import RecordKey, open_record


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """Trains in this process; one folder for all tests of a module."""
    return Watched(tmp_path_factory.mktemp("trained"), 1, False, lambda _: None, {})


@pytest.fixture
def config() -> dict[str, Any]:
    return short_config()


@pytest.fixture(scope="session")
def two_records(mitdb: Path) -> Beats:
    """All windows of 106 and 119, both of DS1."""
    return load_windows(load_config(NAME), ["106", "119"])


@pytest.fixture(scope="session")
def few_windows(two_records: Beats) -> Beats:
    return thinned(two_records, 30)


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, float]], None]:
    """From a second on, replace the signal of some records by noise and their beats' symbols by V."""

    def make(after: Mapping[str, float]) -> None:
        def spoilt(key: RecordKey) -> tuple[Record, Annotations]:
            record, annotations = open_record(key)
            if key[1] not in after:
                return record, annotations
            begin = int(after[key[1]] * record.fs)
            signal = np.array(record.read(0, record.n_samples))
            signal[begin:] = np.random.default_rng(0).normal(scale=3, size=signal[begin:].shape)
            late_beat = (annotations.sample >= begin) & is_beat(annotations.symbol)
            symbol = np.where(late_beat, "V", annotations.symbol)
            return replace(record, source=ArraySource(signal)), replace(annotations, symbol=symbol)

        monkeypatch.setattr(patient_transfer, "open_record", spoilt)

    return make
