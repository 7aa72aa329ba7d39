"""Methods under the protocols: options, training, what is read of earlier calls, tuning."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ds1_alone import TESTED, cut_once, few, inside_ds1

from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES
from ecgtune.systems.beat_study import Tried, methods_of, run_methods, seeds_in
from ecgtune.systems.config import load_config
from ecgtune.training import trial_adaptation, trials

pytestmark = pytest.mark.usefixtures("one_thread")


def config(**sections: dict[str, Any]) -> dict[str, Any]:
    """A network of few samples and epochs, and a tree."""
    how = load_config("ft-cnn")
    how["windows"]["width"] = 64
    how["training"]["epochs"] = how["adapted"]["network"]["epochs"] = 2
    how["adapted"]["network"]["per_class"] = 10
    how["adapted"]["classical"]["per_class"] = 50
    how["methods"] = {
        "cnn": {"model": "cnn", "arguments": {"filters": [8]}},
        "tree": {"model": "decision-tree"},
    }
    for name, section in sections.items():
        how[name] |= section
    return how


HOW = config()


def run(how: dict[str, Any], protocol: str, work: Path, records: list[str], **more: Any) -> dict[str, Tried]:
    methods = methods_of(how, protocol)
    given = {"jobs": 1, "tell": lambda _: None, "records": records, "thin": few} | more
    return run_methods(how, methods, protocol, 0, work, **given)


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return inside_ds1(monkeypatch)


@pytest.fixture(autouse=True, scope="module")
def quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        cut_once(patch)
        yield


@pytest.fixture(scope="module")
def work(mitdb: Path, quickly: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both methods, trained on other patients and tuned."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        run(HOW, "patient-adapted", folder, inside_ds1(patch))
    return folder


@pytest.fixture
def nothing_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (trials, trial_adaptation):
        monkeypatch.setattr(module, "fit_windows", None)
        monkeypatch.setattr(module, "fit_classical", None)


def test_options_of_a_method_and_of_a_protocol_stand_in_place_of_the_studys():
    how = load_config("ft-cnn")
    methods = methods_of(how, "beat-split")
    assert list(methods) == list(how["methods"])
    assert len(methods) == 15
    ours, cnn = methods["ft-cnn"].options, methods["cnn"].options
    assert (cnn.loss, cnn.weight_decay, cnn.may_lack) == ("cross-entropy", 0, ())
    assert (ours.loss, ours.gamma, ours.weight_decay) == ("weighted+focal", 2.0, 0.0001)
    # The comparison is of the models: all else is the same for all networks.
    for name in ("epochs", "batch", "lr", "schedule", "keep"):
        assert {getattr(m.options, name) for m in methods.values() if m.is_network} == {how["training"][name]}
    for protocol in ("inter-patient", "patient-adapted"):
        options = methods_of(how, protocol, ["cnn"])["cnn"].options
        assert (options.may_lack, options.score_classes) == (("Q",), ("N", "S", "V"))


@pytest.mark.parametrize(
    ("changed", "protocol", "names", "says"),
    [
        ({}, "k-fold", None, "no protocol 'k-fold'; there are beat-split, inter-patient, patient-adapted"),
        ({}, "beat-split", ["mlp"], "no method 'mlp'; there are cnn, tree"),
        (
            {"methods": {"cnn": {"model": "vgg"}}},
            "beat-split",
            None,
            "cnn: unknown model 'vgg'; known: ft-cnn",
        ),
        (
            {"methods": {"cnn": {"modell": "cnn"}}},
            "beat-split",
            None,
            "cnn: unknown key 'modell'; known: model",
        ),
        ({"training": {"rate": 1}}, "beat-split", None, "unknown option 'rate'; known: epochs, batch"),
        ({"training": {"gamma": -1}}, "beat-split", None, "gamma -1 asked for; give 0 or more"),
        ({"training": {"alpha_power": 2}}, "beat-split", None, "alpha_power 2 asked for; give 0 to 1"),
    ],
)
def test_what_is_unknown_or_out_of_range_is_told(changed, protocol, names, says):
    with pytest.raises(ModelError, match=says):
        methods_of(config(**changed), protocol, names)


@pytest.mark.usefixtures("nothing_trains")
def test_every_test_beat_of_every_record_is_counted_once(work, records):
    for protocol in ("inter-patient", "patient-adapted"):
        tried = run(HOW, protocol, work, records)
        assert list(tried) == ["cnn", "tree"]
        for each in tried.values():
            split = each.split
            assert split.protocol == protocol
            assert sorted(each.matrices) == sorted(TESTED)
            assert sum(matrix.sum() for matrix in each.matrices.values()) == len(each.outcome.predicted)
            for record, matrix in each.matrices.items():
                rows = split.test[split.beats.record[split.test] == record]
                rows = rows[_kept(split.beats, rows)]
                truth = np.bincount(split.beats.label[rows], minlength=len(CLASSES))
                assert matrix.sum(1).tolist() == truth.tolist()


def _kept(beats: Any, rows: np.ndarray) -> np.ndarray:
    """What `few` leaves of some rows."""
    every = np.array([30, 4, 8, 6, 16])
    return beats.sample[rows] % every[beats.label[rows]] == 0


@pytest.mark.usefixtures("nothing_trains")
def test_untuned_and_tuned_stand_over_the_same_beats(work, records):
    based, tuned = (run(HOW, protocol, work, records) for protocol in ("inter-patient", "patient-adapted"))
    for name, each in tuned.items():
        assert list(each.untuned) == list(each.matrices)
        changed = False
        for record, matrix in each.matrices.items():
            untuned = each.untuned[record]
            assert untuned.sum(1).tolist() == matrix.sum(1).tolist()
            # They are some of those that the base has labelled.
            assert (untuned <= based[name].matrices[record]).all()
            changed |= not np.array_equal(untuned, matrix)
        assert changed
        assert not based[name].untuned


@pytest.mark.usefixtures("nothing_trains")
def test_what_is_not_asked_for_is_read_where_it_is_finished(work, records):
    how = config(methods={"other": {"model": "decision-tree"}})
    for protocol in ("inter-patient", "patient-adapted"):
        assert list(run(how, protocol, work, records, train=())) == ["cnn", "tree"]
        assert list(run(how, protocol, work, records, train=["tree"])) == ["cnn", "tree"]
    assert run(how, "beat-split", work, records, train=()) == {}
    # Other options are another trial.
    other = config(training={"lr": 0.5})
    assert run(other, "inter-patient", work, records, train=()) == {}


def test_what_is_asked_for_is_trained_and_nothing_else(work, records, tmp_path):
    told = []
    tried = run(HOW, "inter-patient", tmp_path, records, train=["tree"], tell=told.append)
    assert list(tried) == ["tree"]
    assert len(told) == 1
    assert told[0].startswith("tree, inter-patient, seed 0: ")
    assert [path.name for path in tmp_path.iterdir()] == [tried["tree"].outcome.folder.name]
    again = run(HOW, "inter-patient", work, records, train=())["tree"]
    assert np.array_equal(again.outcome.predicted, tried["tree"].outcome.predicted)


def test_a_class_that_the_training_side_lacks_is_named(mitdb, tmp_path):
    """None of these two has Q."""
    for name, how in (("tree", HOW), ("cnn", HOW)):
        with pytest.raises(ModelError, match="no beat of class Q on the training side; take a split or rec"):
            run(how, "beat-split", tmp_path, ["209", "223"], train=[name])


def test_seeds_that_a_folder_knows(work, tmp_path):
    assert seeds_in(work) == [0]
    for name in ("cnn-beat-split-seed-12-0123456789", "cnn-beat-split-seed-3-0123456789", "seconds.json"):
        (tmp_path / name).mkdir()
    assert seeds_in(tmp_path) == [3, 12]
    assert seeds_in(tmp_path / "none") == []
