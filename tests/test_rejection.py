"""Beats that the model is not sure enough of become Q, and nothing of what it said is lost."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from command import Command
from ecgtune.batch import classify_files
from ecgtune.classification import classify
from ecgtune.errors import EcgtuneError
from ecgtune.labelled import Labelled, summarise
from ecgtune.labels import CLASSES
from ecgtune.model import load_model
from ecgtune.readers import read_record
from ecgtune.readers.annotations import read_annotations
from ecgtune.record import Annotations, Record
from ecgtune.rejection import reject, rejection_note
from ecgtune.report import render_html
from ecgtune.signals.simulate import simulate
from ecgtune.writers import FORMATS, write
from ecgtune.writers.csv import HEADER, encode_csv
from ecgtune.writers.json import encode_json

PROBABILITY = np.array(
    [
        [0.90, 0.05, 0.05, 0.00, 0.00],
        [0.30, 0.10, 0.45, 0.10, 0.05],
        [0.20, 0.60, 0.10, 0.10, 0.00],
        [0.05, 0.05, 0.80, 0.05, 0.05],
        [0.10, 0.10, 0.10, 0.10, 0.60],
        [0.40, 0.30, 0.30, 0.00, 0.00],
    ],
    dtype=np.float32,
)


@pytest.fixture
def labelled() -> Labelled:
    record = Record.from_array(np.random.default_rng(0).normal(0, 0.2, (2000, 2)), 250.0, name="r1")
    own = np.array(CLASSES)[PROBABILITY.argmax(1)]
    return Labelled(
        record,
        Annotations(100 + 250 * np.arange(6), own, probability=PROBABILITY),
        ("lead 1", "lead 2"),
        "test 1.0",
        notes=("a note",),
    )


def test_beats_below_the_limit_are_called_q_with_a_note(labelled: Labelled) -> None:
    rejected = reject(labelled, 0.6)
    assert "".join(labelled.annotations.symbol) == "NVSVQN"
    assert "".join(rejected.annotations.symbol) == "NQSVQQ"
    assert rejected.annotations.aux.tolist() == ["", "V 0.45, below 0.6", "", "", "", "N 0.40, below 0.6"]
    # Exactly at the limit is sure enough; a Q of the model's own is none of the rejected.
    assert rejected.rejected.tolist() == [False, True, False, False, False, True]
    assert rejected.rejected_counts == {"N": 1, "S": 0, "V": 1, "F": 0, "Q": 0}
    np.testing.assert_array_equal(rejected.annotations.probability, PROBABILITY)
    np.testing.assert_array_equal(rejected.annotations.sample, labelled.annotations.sample)
    assert summarise(rejected).counts == {"N": 1, "S": 1, "V": 1, "F": 0, "Q": 3}


def test_another_limit_gives_what_it_gives_alone(labelled: Labelled) -> None:
    again = reject(reject(labelled, 0.95), 0.5)
    alone = reject(labelled, 0.5)
    assert again.annotations.symbol.tolist() == alone.annotations.symbol.tolist() == list("NQSVQQ")
    assert again.annotations.aux.tolist() == alone.annotations.aux.tolist()
    back = reject(again, 0)
    assert back.annotations.symbol.tolist() == labelled.annotations.symbol.tolist()
    assert not any(back.annotations.aux)
    assert not back.rejected.any()


def test_the_note_counts_them_by_the_models_own_class(labelled: Labelled) -> None:
    assert rejection_note(reject(labelled, 0.6)) == (
        "2 of 6 beats less sure than 0.6 and therefore Q (the model's own labels: 1 N, 1 V)"
    )
    assert rejection_note(reject(labelled, 0.1)) == "0 of 6 beats less sure than 0.1 and therefore Q"


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan")])
def test_a_limit_that_is_no_probability_is_refused(labelled: Labelled, limit: float, tmp_path: Path) -> None:
    for call in (
        lambda: reject(labelled, limit),
        lambda: classify(simulate(10), min_confidence=limit),
        lambda: classify_files([], tmp_path, min_confidence=limit),
    ):
        with pytest.raises(EcgtuneError, match="give a probability, 0 to 1"):
            call()


def test_without_probabilities_there_is_nothing_to_reject_by(labelled: Labelled) -> None:
    bare = Annotations(labelled.annotations.sample, labelled.annotations.symbol)
    plain = Labelled(labelled.record, bare, ("lead 1",), "test")
    with pytest.raises(EcgtuneError, match="r1: labels without probabilities"):
        reject(plain, 0.5)
    assert not plain.rejected.any()
    assert sum(plain.rejected_counts.values()) == 0


def test_classify_rejects_by_its_own_probabilities(tiny_model: Path) -> None:
    record = simulate(60, seed=2)
    plain = classify(record, tiny_model)
    best = plain.annotations.probability.max(1)
    limit = float(np.median(best))
    labelled = classify(record, tiny_model, min_confidence=limit)
    np.testing.assert_array_equal(labelled.rejected, best < np.float32(limit))
    assert labelled.rejected.any()
    assert (labelled.annotations.symbol[labelled.rejected] == "Q").all()
    kept = ~labelled.rejected
    np.testing.assert_array_equal(labelled.annotations.symbol[kept], plain.annotations.symbol[kept])
    assert labelled.notes == (*plain.notes, rejection_note(labelled))


def test_the_table_keeps_the_models_own_class(labelled: Labelled) -> None:
    rows = list(csv.DictReader(io.StringIO(encode_csv(reject(labelled, 0.6)).decode())))
    assert [row["label"] for row in rows] == list("NQSVQQ")
    assert [row["unsure"] for row in rows] == ["", "V", "", "", "", "N"]
    assert rows[1]["probability_V"] == "0.4500"
    assert encode_csv(labelled).decode().splitlines()[0] == HEADER


def test_the_annotation_file_has_the_note(labelled: Labelled, tmp_path: Path) -> None:
    write(reject(labelled, 0.6), tmp_path, ["ecgt"])
    read = read_annotations(tmp_path / "r1.ecgt", 250.0)
    beats = read.beats()
    assert beats.symbol.tolist() == list("NQSVQQ")
    assert beats.aux.tolist()[1] == "V 0.45, below 0.6"


def test_json_and_page_count_them(labelled: Labelled) -> None:
    assert json.loads(encode_json(labelled))["rejected"] is None
    rejected = reject(labelled, 0.6)
    assert json.loads(encode_json(rejected))["rejected"] == {
        "below": 0.6,
        "beats": 2,
        "counts": {"N": 1, "S": 0, "V": 1, "F": 0, "Q": 0},
    }
    page = render_html(rejected)
    assert "<dt>Q, being less sure than 60%</dt><dd>2 (33.3% of beats)</dd>" in page
    assert "V 45%" in page
    assert "less sure than" not in render_html(labelled)


def test_the_command_passes_it_on_and_does_recordings_again_for_another_limit(
    ecgtune: Command, mitdb: Path, tmp_path: Path, tiny_model: Path
) -> None:
    arguments = (
        "classify",
        mitdb / "208",
        "--model",
        tiny_model,
        "--out",
        tmp_path,
        "--write",
        "ecgt,csv,json",
    )
    plain = classify(read_record(mitdb / "208"), load_model(tiny_model))
    limit = f"{np.quantile(plain.annotations.probability.max(1), 0.3):.3f}"
    ended = ecgtune(*arguments, "--min-confidence", limit)
    assert ended.status == 0, ended.err
    assert "beats less sure than" in ended.out
    told = json.loads((tmp_path / "208.json").read_text())
    assert told["rejected"]["beats"] == pytest.approx(0.3 * len(plain.annotations), rel=0.1)
    assert "1 were done already" in ecgtune(*arguments, "--min-confidence", limit).out
    assert "1 recordings labelled" in ecgtune(*arguments).out
    assert json.loads((tmp_path / "208.json").read_text())["rejected"] is None


def test_the_command_refuses_what_is_no_probability(ecgtune: Command, mitdb: Path, tmp_path: Path) -> None:
    ended = ecgtune("classify", mitdb / "208", "--out", tmp_path, "--min-confidence", "60")
    assert ended.status == 2
    assert len(ended.lines) == 1
    assert "--min-confidence" in ended.err


def test_every_format_is_written_where_all_beats_are_rejected(labelled: Labelled, tmp_path: Path) -> None:
    files = write(reject(labelled, 1.0), tmp_path, FORMATS)
    assert all(file.stat().st_size for file in files)
    assert [row["unsure"] for row in csv.DictReader(files[1].read_text().splitlines())] == list("NVSVQN")
