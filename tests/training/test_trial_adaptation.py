"""Tuning of tried methods to patients: what tunes, what is shown beside it, and what stays."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_trials import made_up, network, tree, trial

from ecgtune.errors import ModelError
from ecgtune.training import trial_adaptation
from ecgtune.training.outcomes import Outcome, load_weights
from ecgtune.training.trial_adaptation import (
    Adaptation,
    adaptation_folders,
    replayed,
    run_adaptations,
)
from ecgtune.training.trials import Method, build_network, run_trials
from ecgtune.training.window_estimator import predict_windows

pytestmark = pytest.mark.usefixtures("one_thread")

TABLE = made_up(420, shift=120)
"""The labels of the last 120 rows are another patient's, for whom each wave has another name."""

STRANGE, USUAL = "strange", "usual"
OWN = {STRANGE: np.arange(300, 360), USUAL: np.arange(240, 270)}
TEST = {STRANGE: np.arange(360, 420), USUAL: np.arange(270, 300)}
TUNING = replace(network().options, keep="last", epochs=8)
REPLAY = replayed(TABLE.labels, np.arange(180), 4, seed=0)

METHODS = [network(), tree(), Method("neighbours", "k-nearest-neighbours")]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("base")
    outcomes = run_trials([trial(method) for method in METHODS], TABLE, folder, jobs=1)
    return dict(zip([method.name for method in METHODS], outcomes, strict=True))


def adaptation(method: Method, trained: dict[str, Outcome], **other) -> Adaptation:
    given = {
        "protocol": "patient-adapted",
        "seed": 0,
        "base": trained[method.name].folder,
        "replay": REPLAY,
        "own": OWN,
        "test": TEST,
        "options": TUNING,
        "repeat": 2,
    }
    return Adaptation(method, **(given | other))


@pytest.fixture(scope="module")
def tuned(base, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    folder = tmp_path_factory.mktemp("tuned")
    return folder, run_adaptations([adaptation(m, base) for m in METHODS], TABLE, folder, jobs=1)


def right(predicted: np.ndarray, rows: np.ndarray) -> float:
    return float(np.mean(predicted == TABLE.labels[rows]))


def by_patient(outcome: Outcome) -> dict[str, np.ndarray]:
    ends = np.cumsum([len(rows) for rows in TEST.values()])
    return dict(zip(TEST, np.split(outcome.predicted, ends[:-1]), strict=True))


def of_base(base: dict[str, Outcome], rows: np.ndarray) -> np.ndarray:
    built = build_network(network(), TABLE)
    built.load_state_dict(load_weights(base["small-cnn"].folder))
    return predict_windows(built, TABLE.windows, rows).argmax(1)


@pytest.mark.parametrize("place", range(len(METHODS)))
def test_a_patients_own_beats_tune(base, tuned, place):
    _, outcomes = tuned
    found = by_patient(outcomes[place])
    assert right(found[STRANGE], TEST[STRANGE]) > 0.5
    if METHODS[place].is_network:
        # Without them nearly everything is named wrongly.
        assert right(of_base(base, TEST[STRANGE]), TEST[STRANGE]) < 0.2


def test_patients_are_tuned_to_each_from_the_base(base, tuned, tmp_path):
    """Whoever else is tested changes nothing."""
    _, outcomes = tuned
    for which in TEST:
        alone = [adaptation(m, base, own={which: OWN[which]}, test={which: TEST[which]}) for m in METHODS]
        for one, other in zip(run_adaptations(alone, TABLE, tmp_path, jobs=1), outcomes, strict=True):
            assert np.array_equal(one.predicted, by_patient(other)[which])


def test_a_record_without_labelled_rows_keeps_the_base_network(base, tmp_path):
    own = {USUAL: OWN[USUAL], STRANGE: OWN[STRANGE][:0]}
    for given in (own, {USUAL: OWN[USUAL]}):
        (outcome,) = run_adaptations([adaptation(network(), base, own=given)], TABLE, tmp_path, jobs=1)
        assert np.array_equal(by_patient(outcome)[STRANGE], of_base(base, TEST[STRANGE]))


def test_a_record_without_labelled_rows_has_a_classical_model_of_what_is_shown_again(base, tmp_path):
    (outcome,) = run_adaptations([adaptation(tree(), base, own={})], TABLE, tmp_path, jobs=1)
    assert right(by_patient(outcome)[STRANGE], TEST[STRANGE]) < 0.4


def test_tuning_goes_on_from_the_base_weights(base, tmp_path):
    still = replace(TUNING, lr=1e-12, epochs=1)
    (outcome,) = run_adaptations([adaptation(network(), base, options=still)], TABLE, tmp_path, jobs=1)
    for which, predicted in by_patient(outcome).items():
        # Batch normalisation would move; this network has none.
        assert np.array_equal(predicted, of_base(base, TEST[which]))


def test_what_is_shown(base, tmp_path, monkeypatch):
    shown = {}

    def fit(name, arguments, windows, labels, train, validate, options, folder, **more):
        shown[len(windows)] = windows, labels, train, validate, options
        return real(name, arguments, windows, labels, train, validate, options, folder, **more)

    real = trial_adaptation.fit_windows
    monkeypatch.setattr(trial_adaptation, "fit_windows", fit)
    how = adaptation(network(), base, seed=3, repeat=3)
    run_adaptations([how], TABLE, tmp_path, jobs=1)
    assert sorted(shown) == [len(REPLAY) + 3 * 30, len(REPLAY) + 3 * 60]
    windows, labels, train, validate, options = shown[len(REPLAY) + 3 * 60]
    rows = np.concatenate([REPLAY, *[OWN[STRANGE]] * 3])
    assert np.array_equal(windows, TABLE.windows[rows])
    assert np.array_equal(labels, TABLE.labels[rows])
    assert train.tolist() == list(range(len(rows)))
    assert validate is None
    assert options == replace(TUNING, seed=3)


def test_what_is_finished_is_read_back(base, tuned, monkeypatch):
    folder, outcomes = tuned
    monkeypatch.setattr(trial_adaptation, "fit_windows", None)
    monkeypatch.setattr(trial_adaptation, "fit_classical", None)
    again = run_adaptations([adaptation(m, base) for m in METHODS], TABLE, folder, jobs=1, tell=pytest.fail)
    for one, other in zip(again, outcomes, strict=True):
        assert np.array_equal(one.predicted, other.predicted)
        assert one.when == other.when


@pytest.mark.parametrize(
    "other",
    [
        {"replay": REPLAY[1:]},
        {"own": {**OWN, STRANGE: OWN[STRANGE][1:]}},
        {"own": {STRANGE: OWN[STRANGE]}},
        {"test": {STRANGE: TEST[STRANGE]}},
        {"options": replace(TUNING, lr=0.001)},
        {"repeat": 1},
        {"seed": 1},
        {"base": Path("another-0123456789")},
    ],
)
def test_another_tuning_is_not_taken_for_the_same(base, tuned, other):
    folder, outcomes = tuned
    assert adaptation_folders([adaptation(network(), base)], TABLE, folder) == [outcomes[0].folder]
    assert adaptation_folders([adaptation(network(), base, **other)], TABLE, folder) != [outcomes[0].folder]


def test_beats_of_each_class_are_drawn_from_the_training_rows_alone():
    labels = np.repeat([0, 1, 2, 0], [50, 30, 3, 17])
    rows = np.arange(0, 83)
    drawn = replayed(labels, rows, 10, seed=0)
    assert np.bincount(labels[drawn]).tolist() == [10, 10, 3]
    assert set(drawn) <= set(rows)
    assert np.array_equal(drawn, np.unique(drawn))
    assert np.array_equal(drawn, replayed(labels, rows, 10, seed=0))
    assert not np.array_equal(drawn, replayed(labels, rows, 10, seed=1))


def test_a_class_that_is_nowhere_is_named(base, tmp_path):
    few = {STRANGE: OWN[STRANGE][TABLE.labels[OWN[STRANGE]] == 0]}
    replay = REPLAY[TABLE.labels[REPLAY] == 1]
    how = adaptation(network(), base, own=few, test={STRANGE: TEST[STRANGE]}, replay=replay)
    with pytest.raises(ModelError, match="no beat of class high on the training side"):
        run_adaptations([how], TABLE, tmp_path, jobs=1)
    may = replace(how, options=replace(TUNING, may_lack=("high",)))
    (outcome,) = run_adaptations([may], TABLE, tmp_path, jobs=1)
    assert set(outcome.predicted.tolist()) <= {0, 1, 2}
