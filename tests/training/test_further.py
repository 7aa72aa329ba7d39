"""What is measured of a finished model beside the headline, on records that it may have been trained on."""

from pathlib import Path

import numpy as np
import pytest

from ecgtune.evaluation.results import Code, Figure, Result
from ecgtune.model import Model, load_model
from ecgtune.training.further import FIBRILLATION, WITHOUT_S, Further, measure_further, with_further
from ecgtune.training.tables import RecordKey, open_record, reference_table

KEYS: list[RecordKey] = [("mitdb", "203"), ("svdb", "802")]

S = 1


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("default")


@pytest.fixture(scope="module")
def further(model: Model, data: Path) -> Further:
    return measure_further(model, KEYS)


def result() -> Result:
    return Result(
        name="x",
        title="x",
        created="2026-01-01",
        command="x",
        protocol="x",
        figures={"pooled": {"beats": Figure(1)}},
        code=Code("0"),
        machine="x",
        wall_s=1.0,
        intervals="x",
        tables={},
    )


def test_one_lead_is_read_as_if_the_other_were_not_there(model: Model, further: Further) -> None:
    key = KEYS[0]
    table = reference_table([key], model.preprocessing)
    alone = table.windows.copy()
    alone[:, 1] = 0
    predicted = model.predict(alone, table.at).argmax(axis=1)
    expected = np.zeros((5, 5), dtype=np.int64)
    np.add.at(expected, (table.label, predicted), 1)
    np.testing.assert_array_equal(further.one_lead[key], expected)


def test_late_beats_are_those_from_minute_five(further: Further) -> None:
    for key in KEYS:
        record, reference = open_record(key)
        beats = reference.beats()
        assert further.late[key].sum() == (beats.sample >= 300 * record.fs).sum()
        assert further.detected["aami"][key].counts[:5].sum() == further.late[key].sum()


def test_false_s_is_counted_in_fibrillation_and_where_there_is_no_s(model: Model, further: Further) -> None:
    assert set(further.false_s[FIBRILLATION]) == {KEYS[0]}
    assert set(further.false_s[WITHOUT_S]) == {KEYS[1]}
    beats, hours = further.false_s[WITHOUT_S][KEYS[1]]
    table = reference_table([KEYS[1]], model.preprocessing)
    assert beats == (model.predict(table.windows, table.at).argmax(axis=1) == S).sum()
    assert hours == pytest.approx(0.5, rel=0.01)
    _, hours = further.false_s[FIBRILLATION][KEYS[0]]
    assert 0 < hours < 0.51


def test_a_result_shows_all_of_it(further: Further) -> None:
    found = with_further(result(), further.late, further)
    assert set(found.tables) == {"leads", "positions", "false-s"}
    rows = found.figures
    assert rows["false S: records without S beats"]["an hour"].unit == "/h"
    difference = rows["from minute 5: detected less annotated"]["V F1"].value
    ends = [rows[f"from minute 5: {name}"]["V F1"].value for name in ("detected", "annotated")]
    assert difference == pytest.approx(ends[0] - ends[1])
    assert rows["from minute 5: detected"]["QRS Se"].value > 0.99
    assert set(found.matrices["one lead"]) == {"mitdb/203", "svdb/802"}


def test_records_without_what_a_table_shows_leave_it_out(further: Further) -> None:
    key = KEYS[0]
    bare = Further(
        {key: np.diag([5, 0, 3, 0, 0])},
        {key: np.diag([5, 0, 3, 0, 0])},
        {name: {key: found[key]} for name, found in further.detected.items()},
        {WITHOUT_S: {}, FIBRILLATION: {}},
    )
    found = with_further(result(), bare.late, bare)
    assert "false-s" not in found.tables
    assert found.figures["all leads"]["S F1, mean of records with 20"].value is None
