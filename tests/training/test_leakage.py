"""The whole measurement, on four records of DS1: no test scores DS2."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_training import SIDES, small_config, split_by_record

from ecgtune.beats import Beats
from ecgtune.errors import RecordError
from ecgtune.evaluation.result_tables import markdown
from ecgtune.evaluation.results import load_result, save_result
from ecgtune.splits import Split, make_split
from ecgtune.training import leakage, memoriser, run
from ecgtune.training.leakage import MEMORISER, NETWORK, PROTOCOLS, Runs, assemble, measure
from ecgtune.training.tables import open_record, record_until, rows_of, split_options, training_table

HOW = small_config().preprocessing


def divide(index: Beats, protocol: str, *, seed: int = 0, **options: object) -> Split:
    """As `make_split`, with DS1's records on both sides of `inter-patient`."""
    if protocol == "inter-patient":
        return replace(split_by_record(index, seed=seed), protocol=protocol)
    return make_split(index, protocol, seed=seed, **options)


@pytest.fixture(scope="module")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("leakage")


@pytest.fixture(scope="module")
def found(small_index: Beats, runs_folder: Path) -> Runs:
    with pytest.MonkeyPatch.context() as patch:
        for module in (run, memoriser):
            patch.setattr(module, "index_database", lambda *_, **__: small_index)
            patch.setattr(module, "make_split", divide)
        return measure(small_config(epochs=1), runs_folder)


def test_every_method_under_every_protocol(found: Runs) -> None:
    assert set(found) == {(method, protocol, 0) for method in (NETWORK, MEMORISER) for protocol in PROTOCOLS}
    for (method, protocol, _), result in found.items():
        same = found[NETWORK if method == MEMORISER else MEMORISER, protocol, 0]
        assert [d.split_hash for d in result.divisions] == [d.split_hash for d in same.divisions]
        assert len(result.scorings) == 1
        beats = {
            record: np.sum(matrix, axis=1).tolist() for record, matrix in result.matrices["test"].items()
        }
        assert beats == {
            record: np.sum(matrix, axis=1).tolist() for record, matrix in same.matrices["test"].items()
        }
    patients = {protocol: set(found[NETWORK, protocol, 0].matrices["test"]) for protocol in PROTOCOLS}
    assert patients["inter-patient"] == {"mitdb/109"}
    assert (
        patients["beat-split"]
        == patients["chronological"]
        == {f"mitdb/{record}" for records in SIDES.values() for record in records}
    )


def test_the_memoriser_is_good_only_where_it_has_seen_the_patient(found: Runs) -> None:
    seen, new = (
        found[MEMORISER, protocol, 0].figures["pooled"]["V F1"].value
        for protocol in ("beat-split", "inter-patient")
    )
    assert seen is not None
    assert seen > 0.9
    assert new is None or new < 0.8


def test_one_result_and_its_tables(found: Runs, tmp_path: Path) -> None:
    result = assemble(found, "python -m ecgtune.training.leakage")
    assert load_result(save_result(result, tmp_path / "leakage.json")).to_json() == result.to_json()
    drop = result.figures["1-NN memoriser: beat-split less inter-patient"]["accuracy"]
    one = found[MEMORISER, "beat-split", 0].matrices["test"]["mitdb/109"]
    other = found[MEMORISER, "inter-patient", 0].matrices["test"]["mitdb/109"]
    expected = [np.trace(np.array(matrix)) / np.sum(matrix) for matrix in (one, other)]
    assert drop.value == pytest.approx(expected[0] - expected[1])
    assert drop.n == 1
    assert len(result.scorings) == 6
    text = markdown(result)
    for title in ("What each protocol claims", "The drop", "three ways"):
        assert title in text
    assert "by seed" not in text


def test_done_runs_are_not_done_again(
    found: Runs, runs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("train", "memorise"):
        monkeypatch.setattr(leakage, name, lambda *_, **__: pytest.fail("done again"))
    assert measure(small_config(epochs=1), runs_folder) == found


def test_seeds_are_told_apart(found: Runs) -> None:
    more = found | {(NETWORK, protocol, 1): found[NETWORK, protocol, 0] for protocol in PROTOCOLS}
    result = assemble(more, "python -m ecgtune.training.leakage")
    row = result.figures["network, beat-split by seed"]
    assert row["seed 0"] == row["seed 1"]
    assert row["mean"].value == pytest.approx(row["seed 0"].value)
    assert result.seeds == (0, 1)


def test_a_cut_record_reads_nothing_later(mitdb: Path) -> None:
    record, _ = open_record(("mitdb", "106"))
    cut = record_until(record, 100.0)
    assert (cut.n_samples, cut.fs) == (36000, record.fs)
    assert np.array_equal(cut.read(35000), record.read(35000, 36000), equal_nan=True)
    with pytest.raises(RecordError, match="36001 asked for"):
        cut.read(0, 36001)
    assert record_until(record, np.inf) is record


def test_training_beats_of_chronological_depend_on_nothing_later(
    small_index: Beats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal after the boundary may be anything: the training side's inputs are the same."""
    from ecgtune.training import tables

    key = ("mitdb", "119")
    index = small_index.select(small_index.record == "119")
    split = make_split(index, "chronological", **split_options("chronological", HOW))
    limit = split.signal_until[key]

    def inputs() -> tuple[np.ndarray, ...]:
        table = training_table([key], HOW, split.signal_until)
        rows = rows_of(table, index, split.train)
        return tuple(block[rows] for block in memoriser.blocks_of(table, HOW))

    before = inputs()
    assert len(before[0]) > 0.95 * len(split.train)

    def spoilt(wanted: tuple[str, str]):
        record, annotations = open_record(wanted)

        class Reversed:
            def read(self, start: int, stop: int) -> np.ndarray:
                signal = record.source.read(start, stop).copy()
                later = np.arange(start, stop) >= int(limit * record.fs)
                signal[later] *= -3
                return signal

        return replace(record, source=Reversed()), annotations

    monkeypatch.setattr(tables, "open_record", spoilt)
    assert all(np.array_equal(one, other) for one, other in zip(before, inputs(), strict=True))
