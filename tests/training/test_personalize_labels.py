"""Labels of one recording, as people hand them over."""

from pathlib import Path

import numpy as np
import pytest

from ecgtune.errors import RecordError
from ecgtune.labelled import Labelled
from ecgtune.readers import read_record
from ecgtune.record import Annotations, Record
from ecgtune.rejection import reject
from ecgtune.training.personal_labels import read_label_table, read_labels, unchanged
from ecgtune.writers.csv import encode_csv

RECORD = Record.from_array(np.zeros((5000, 1)), 250.0, name="p7")


def table(folder: Path, text: str, name: str = "p7.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """What ``classify`` writes of three beats."""
    probability = np.array([[0.9, 0.1, 0, 0, 0], [0.2, 0, 0.8, 0, 0], [0.6, 0, 0.4, 0, 0]], dtype=np.float32)
    annotations = Annotations(np.array([100, 313, 480]), np.array(["N", "V", "N"]), probability=probability)
    path = tmp_path / "p7.csv"
    path.write_bytes(encode_csv(Labelled(RECORD, annotations, ("lead 1",), "default 0.1.0")))
    return path


def test_what_classify_writes_is_read_back(written: Path) -> None:
    labels = read_label_table(written, RECORD)
    assert labels.sample.tolist() == [100, 313, 480]
    assert labels.symbol.tolist() == ["N", "V", "N"]
    assert unchanged(labels).all()


def test_a_label_changed_by_hand_is_seen(written: Path) -> None:
    written.write_text(written.read_text().replace("480,N", "480,S"))
    labels = read_labels(str(written), RECORD)
    assert labels.symbol.tolist() == ["N", "V", "S"]
    assert unchanged(labels).tolist() == [True, True, False]


def test_beats_that_the_model_left_open_are_labels_once_somebody_fills_them_in(tmp_path: Path) -> None:
    probability = np.array([[0.9, 0.1, 0, 0, 0], [0.2, 0, 0.5, 0.3, 0], [0.1, 0, 0, 0.1, 0.8]], np.float32)
    annotations = Annotations(np.array([100, 313, 480]), np.array(["N", "V", "Q"]), probability=probability)
    labelled = reject(Labelled(RECORD, annotations, ("lead 1",), "default 0.1.0"), 0.6)
    path = tmp_path / "p7.csv"
    path.write_bytes(encode_csv(labelled))
    # The model's own Q is a label, one for lack of confidence is none.
    labels = read_label_table(path, RECORD)
    assert labels.sample.tolist() == [100, 480]
    path.write_text(path.read_text().replace("313,Q", "313,F"))
    labels = read_label_table(path, RECORD)
    assert labels.symbol.tolist() == ["N", "F", "Q"]
    assert unchanged(labels).tolist() == [True, False, True]


def test_without_probabilities_no_label_counts_as_a_models_own(tmp_path: Path) -> None:
    labels = read_label_table(table(tmp_path, "sample,label\n100,N\n300,V\n"), RECORD)
    assert labels.probability is None
    assert not unchanged(labels).any()


@pytest.mark.parametrize(
    "text",
    [
        "time_s;label\n0,4;N\n1,252;V\n",
        "\ufeffsample\tlabel\n100\tN\n\n313\tV\n",
        "Label,Sample,comment\nN,100,\nV,313,sure\n,,\n",
        'time_s,sample,symbol\n0.4,100,N\n1.252,,"V"\n',
    ],
    ids=["semicolons", "tabs", "columns in another order", "a row with its time alone"],
)
def test_what_editors_make_of_it_is_understood(tmp_path: Path, text: str) -> None:
    labels = read_label_table(table(tmp_path, text), RECORD)
    assert labels.sample.tolist() == [100, 313]
    assert labels.symbol.tolist() == ["N", "V"]


def test_a_symbol_column_takes_wfdbs_symbols_and_marks(tmp_path: Path) -> None:
    labels = read_label_table(table(tmp_path, "sample,symbol\n1,n\n2,~\n3,/\n"), RECORD)
    assert labels.symbol.tolist() == ["n", "~", "/"]
    assert labels.beats().symbol.tolist() == ["n", "/"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"line 1: no column sample or time_s; there is nothing$"),
        ("beat,label\n1,N\n", r"line 1: no column sample or time_s; there is beat, label$"),
        ("sample,kind\n1,N\n", r"line 1: no column label or symbol; there is sample, kind$"),
        ("sample,label\n", r"no labels in it"),
        ("sample,label\n1,N\n9,X\n", r"line 3: label is 'X'; write N, S, V, F, Q, or delete the row"),
        ("sample,label\n1,n\n", r"line 2: label is 'n'; write N, S, V, F, Q"),
        ("sample,symbol\n1,x1\n", r"line 2: symbol is 'x1'; use WFDB's symbols"),
        ("sample,label\n1,N\n9\n", r"line 3: label is empty; fill it in or delete the row"),
        ("sample,label\nten,N\n", r"line 2: sample is 'ten', no number$"),
        ("time_s,label\n1e999,N\n", r"line 2: time_s is '1e999', no number$"),
        ("sample,label\n,N\n", r"line 2: neither sample nor time_s is filled in$"),
        ("sample,label\n9,N\n5,N\n", r"line 3: sample 5 comes after 9 \(line 2\); .*sorted by time"),
        ("sample,label\n9,N\n9,V\n", r"line 3: sample 9 is there already \(line 2\)"),
        ("sample,label\n1,N\n5000,N\n", r"line 3: sample 5000 lies outside the 5000 samples of p7"),
        ("sample,label\n-4,N\n", r"line 2: sample -4 lies outside"),
        (
            "time_s,sample,label\n1,100,N\n",
            r"line 2: sample 100 is at 0.400 s, not at time_s 1.000; ",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line_that_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = table(tmp_path, text)
    with pytest.raises(RecordError, match=message) as error:
        read_label_table(path, RECORD)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"gone\.csv: cannot be read: no such file"):
        read_labels(str(tmp_path / "gone.csv"), RECORD)
    (tmp_path / "p7.csv").write_bytes(b"sample,label\n\xff\xfe\x00")
    with pytest.raises(RecordError, match=r"p7\.csv: is no text"):
        read_labels(str(tmp_path / "p7.csv"), RECORD)


def test_an_annotator_and_the_file_of_it_are_the_same(mitdb: Path) -> None:
    record = read_record(mitdb / "109")
    by_name, by_path = read_labels("atr", record), read_labels(str(mitdb / "109.atr"), record)
    assert by_name.sample.tolist() == by_path.sample.tolist()
    assert len(by_name.beats()) == 2532


def test_an_unknown_annotator_is_answered_with_those_that_are_there(mitdb: Path) -> None:
    with pytest.raises(RecordError, match=r"^109: no annotator 'qrs' beside it; there is atr$"):
        read_labels("qrs", read_record(mitdb / "109"))
    with pytest.raises(RecordError, match=r"^p7: no annotator 'atr' beside it; there is none: give a file$"):
        read_labels("atr", RECORD)
