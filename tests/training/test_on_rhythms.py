"""What a model says in rhythms that are labelled as a whole."""

import numpy as np
import pytest

from ecgtune.beats.segments import Run
from ecgtune.errors import SplitError
from ecgtune.labels import CLASSES
from ecgtune.model import load_model
from ecgtune.training.on_rhythms import on_rhythms, said_in

N, V = CLASSES.index("N"), CLASSES.index("V")


def labels(text: str) -> np.ndarray:
    return np.array([CLASSES.index(letter) for letter in text])


def test_beats_runs_and_episodes_are_those_inside_the_rhythm() -> None:
    label = labels("NNVVVNVVNVVVV" + "NNN" + "VV")
    sample = 100 * np.arange(len(label))
    runs = [Run("VT", 100, 1300), Run("VT", 1300, 1600), Run("VT", 1600, 1800)]
    found = said_in(runs, sample, label, 100.0)
    assert found.beats.tolist() == [6, 0, 11, 0, 0]
    assert found.hours == pytest.approx(17 / 3600)
    # Two beats are no episode; a run of three and one of four lie in the first.
    assert (found.episodes, found.found, found.runs) == (2, 1, 2)


def test_a_run_of_v_ends_where_the_rhythm_does() -> None:
    label, sample = labels("VVVVVV"), 100 * np.arange(6)
    assert said_in([Run("N", 0, 200), Run("N", 400, 600)], sample, label, 100.0).runs == 0
    assert said_in([Run("N", 0, 300)], sample, label, 100.0).runs == 1


def test_without_beats_nothing_is_counted() -> None:
    found = said_in([], np.array([5]), labels("V"), 100.0)
    assert (found.beats.sum(), found.hours, found.episodes) == (0, 0, 0)


@pytest.mark.usefixtures("vfdb")
def test_a_model_on_a_database_of_rhythms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecgtune.databases.index.Database.records", lambda _: ("418", "426"))
    result = on_rhythms(load_model("strict"), "vfdb")
    assert result.name == "strict-vfdb"
    tachycardia = result.figures["VT"]
    assert tachycardia["records"].value == 1
    total = sum(tachycardia[class_].value for class_ in CLASSES)
    assert total == pytest.approx(1)
    assert tachycardia["V"].value == pytest.approx(tachycardia["V, mean of records"].value)
    assert set(result.tables["rhythms"].rows) == {"VT", "VFL", "SVTA", "N", "NOISE"}
    assert sum(result.matrices["VT"]["vfdb/426"][V]) == tachycardia["beats"].value


@pytest.mark.parametrize("on", ["mitdb", "cinc2017"])
def test_a_model_is_not_measured_where_it_was_trained(on: str) -> None:
    with pytest.raises(SplitError, match=f"was trained on {on}"):
        on_rhythms(load_model("default"), on)
