"""Trials: what they give and keep, that they go on, and what is not taken for the same."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_trials import CLASSES, made_up, network, tree, trial

from ecgtune.errors import ModelError
from ecgtune.training import trials
from ecgtune.training.outcomes import (
    Outcome,
    any_finished,
    load_outcome,
    load_weights,
    outcome_hash,
    save_outcome,
)
from ecgtune.training.trials import Method, WindowTable, run_trials, trial_folders
from ecgtune.training.window_estimator import predict_windows

pytestmark = pytest.mark.usefixtures("one_thread")

TABLE = made_up()


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome], list[str]]:
    """A network and a tree, and the lines that were told."""
    folder, lines = tmp_path_factory.mktemp("work"), []
    outcomes = run_trials([trial(network()), trial(tree())], TABLE, folder, jobs=1, tell=lines.append)
    return folder, outcomes, lines


def same(one: Outcome, other: Outcome) -> bool:
    histories = [[{**row, "seconds": 0} for row in each.history] for each in (one, other)]
    probabilities = [np.zeros(0) if each.probability is None else each.probability for each in (one, other)]
    return (
        np.array_equal(one.predicted, other.predicted)
        and np.array_equal(*probabilities)
        and histories[0] == histories[1]
        and (one.best, one.parameters) == (other.best, other.parameters)
    )


def right(outcome: Outcome, table: WindowTable = TABLE) -> float:
    return float(np.mean(outcome.predicted == table.labels[220:260]))


def test_a_network_gives_what_a_table_needs(done):
    _, (outcome, _), lines = done
    assert right(outcome) > 0.8
    assert outcome.probability.shape == (40, 3)
    np.testing.assert_allclose(outcome.probability.sum(1), 1, rtol=1e-5)
    assert np.array_equal(outcome.probability.argmax(1), outcome.predicted)
    assert [row["epoch"] for row in outcome.history] == [1, 2, 3, 4]
    losses = [row["valid_loss"] for row in outcome.history]
    assert outcome.best == 1 + int(np.argmin(losses))
    assert outcome.parameters == sum(each.numel() for each in load_weights(outcome.folder).values())
    assert outcome.seconds == pytest.approx(sum(row["seconds"] for row in outcome.history))
    assert datetime.fromisoformat(outcome.when).utcoffset().total_seconds() == 0
    assert lines[0].startswith("small-cnn, beat-split, seed 0: ")
    assert lines[0].endswith("(1 of 2)")


def test_a_network_that_is_tested_has_the_weights_that_are_kept(done):
    _, (outcome, _), _ = done
    built = trials.build_network(network(), TABLE)
    built.load_state_dict(load_weights(outcome.folder))
    assert np.array_equal(predict_windows(built, TABLE.windows, np.arange(220, 260)), outcome.probability)


def test_a_classical_model_has_no_epochs_and_no_parameters(done):
    _, (_, outcome), _ = done
    assert right(outcome) > 0.6
    assert (outcome.probability, outcome.history, outcome.best, outcome.parameters) == (None, (), 0, 0)


def test_a_folder_says_what_it_is_and_keeps_nothing_that_is_needed_no_more(done):
    folder, outcomes, _ = done
    names = sorted(path.name.rpartition("-")[0] for path in folder.iterdir())
    assert names == ["small-cnn-beat-split-seed-0", "tree-beat-split-seed-0"]
    kept = sorted(path.name for path in outcomes[0].folder.iterdir())
    assert kept == ["best.pt", "fit.json", "log.txt", "outcome.npz"]
    assert len(outcomes[0].folder.joinpath("log.txt").read_text().splitlines()) == 4


def test_what_is_finished_is_read_back(done, monkeypatch):
    folder, outcomes, _ = done
    monkeypatch.setattr(trials, "fit_windows", None)
    monkeypatch.setattr(trials, "fit_classical", None)
    again = run_trials([trial(tree()), trial(network())], TABLE, folder, jobs=1, tell=pytest.fail)
    # In the order that was asked for.
    for one, other in zip(again, reversed(outcomes), strict=True):
        assert same(one, other)
        assert (one.when, one.seconds, one.folder) == (other.when, other.seconds, other.folder)


class KilledError(Exception):
    """Ends a training where it stands, as a crash does."""


def test_a_trial_that_was_killed_between_epochs_gives_what_it_would_have_given(done, tmp_path, monkeypatch):
    _, (whole, _), _ = done
    real, began = trials.fit_windows, []

    def cut(*args: Any, **options: Any) -> Any:
        def tell(line: str) -> None:
            args[8](line)
            if line.startswith("epoch"):
                raise KilledError

        began.append(1)
        return real(*args[:8], tell, **options)

    monkeypatch.setattr(trials, "fit_windows", cut)
    for _ in range(3):
        with pytest.raises(KilledError):
            run_trials([trial(network())], TABLE, tmp_path, jobs=1)
        assert load_outcome(trial_folders([trial(network())], TABLE, tmp_path)[0]) is None
    monkeypatch.setattr(trials, "fit_windows", real)
    (outcome,) = run_trials([trial(network())], TABLE, tmp_path, jobs=1)
    assert len(began) == 3
    assert same(outcome, whole)
    for name, value in load_weights(whole.folder).items():
        assert torch.equal(load_weights(outcome.folder)[name], value)
    log = outcome.folder.joinpath("log.txt").read_text()
    assert "going on after epoch 3" in log


def test_two_processes_give_what_one_gives(done, tmp_path):
    _, outcomes, _ = done
    both = [trial(network()), trial(tree())]
    for one, other in zip(run_trials(both, TABLE, tmp_path, jobs=2), outcomes, strict=True):
        assert same(one, other)
        assert one.folder.name == other.folder.name


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"[]" + b[9:]])
def test_a_damaged_outcome_is_made_again(done, tmp_path, damage: Callable[[bytes], bytes]):
    folder, outcomes, _ = done
    copied = tmp_path / "work"
    shutil.copytree(folder, copied)
    path = copied / outcomes[1].folder.name / "outcome.npz"
    path.write_bytes(damage(path.read_bytes()))
    (again,) = run_trials([trial(tree())], TABLE, copied, jobs=1)
    assert same(again, outcomes[1])
    assert load_outcome(path.parent) is not None


OTHER_TABLE = replace(TABLE, labels=np.roll(TABLE.labels, 1))
MOVED = replace(TABLE, windows=TABLE.windows + 1)


@pytest.mark.parametrize(
    ("other", "table"),
    [
        (trial(network(lr=0.02)), TABLE),
        (trial(network(weight_decay=0.1)), TABLE),
        (trial(network(loss="focal", gamma=1.0)), TABLE),
        (trial(network(arguments={"filters": [5]})), TABLE),
        (trial(Method("small-cnn", "resnet", network().arguments, network().options)), TABLE),
        (trial(network(), seed=1), TABLE),
        (trial(network(), protocol="inter-patient"), TABLE),
        (trial(network(), train=np.arange(179)), TABLE),
        (trial(network(), validate=np.arange(181, 221)), TABLE),
        (trial(network(), test=np.arange(221, 260)), TABLE),
        (trial(network(), start=Path("elsewhere/other-0123456789")), TABLE),
        (trial(network(), frozen=("features",)), TABLE),
        (trial(replace(network(), weighted=True)), TABLE),
        (trial(network()), OTHER_TABLE),
        (trial(network()), MOVED),
    ],
)
def test_another_trial_is_not_taken_for_the_same(done, other, table):
    folder, outcomes, _ = done
    assert trial_folders([trial(network())], TABLE, folder) == [outcomes[0].folder]
    (place,) = trial_folders([other], table, folder)
    assert place != outcomes[0].folder
    assert place.parent == folder
    # Asking makes nothing.
    assert not place.exists()


def test_where_a_start_lies_does_not_matter():
    places = [
        trial_folders([trial(network(), start=Path(at) / "a-0123456789")], TABLE, Path("work"))[0]
        for at in ("here", "there")
    ]
    assert places[0] == places[1]


def test_two_trials_of_one_name_are_refused(tmp_path):
    two = [trial(network()), trial(network(lr=0.02))]
    with pytest.raises(
        ModelError, match="two trials named 'small-cnn, beat-split, seed 0'; results are kept"
    ):
        run_trials(two, TABLE, tmp_path, jobs=1)
    assert not list(tmp_path.iterdir())


def test_an_unknown_model_is_told_the_known_ones():
    with pytest.raises(ModelError, match=r"mine: unknown model 'vgg'; known: ft-cnn, .*logistic-regression"):
        Method("mine", "vgg")


@pytest.mark.parametrize("method", [network(), tree()])
def test_a_class_that_the_training_side_lacks_is_named(tmp_path, method):
    rows = np.flatnonzero(TABLE.labels[:180] != 2)
    with pytest.raises(ModelError, match="no beat of class high on the training side"):
        run_trials([trial(method, train=rows)], TABLE, tmp_path, jobs=1)
    assert load_outcome(trial_folders([trial(method, train=rows)], TABLE, tmp_path)[0]) is None


def test_a_trial_starts_from_the_weights_of_another_and_keeps_frozen_parts(done, tmp_path):
    _, (start, _), _ = done
    given = load_weights(start.folder)
    how = {"start": start.folder, "frozen": ("features",)}
    (outcome,) = run_trials([trial(network(epochs=1), **how)], TABLE, tmp_path, jobs=1)
    kept = load_weights(outcome.folder)
    moved = {name.partition(".")[0] for name, value in kept.items() if not torch.equal(value, given[name])}
    assert moved == {"head"}


def test_the_output_layer_of_other_classes_is_not_taken_over(done, tmp_path):
    _, (start, _), _ = done
    two = WindowTable(TABLE.windows, np.minimum(TABLE.labels, 1), CLASSES[:2])
    how = {"start": start.folder, "frozen": ("features",)}
    (outcome,) = run_trials([trial(network(epochs=1), **how)], two, tmp_path, jobs=1)
    kept, given = load_weights(outcome.folder), load_weights(start.folder)
    assert outcome.probability.shape == (40, 2)
    assert all(torch.equal(kept[name], given[name]) for name in kept if name.startswith("features"))


def test_a_start_without_weights_says_what_to_do(done, tmp_path):
    _, (_, start), _ = done
    with pytest.raises(ModelError, match=rf"{start.folder.name}: no weights; run its trial again"):
        run_trials([trial(network(), start=start.folder)], TABLE, tmp_path, jobs=1)


def test_whether_anything_of_a_name_is_finished(done, tmp_path):
    folder, _, _ = done
    assert any_finished(folder, "small-cnn, beat-split, seed 0")
    for name in ("small-cnn, beat-split, seed", "small-cnn, beat-split, seed 1", "cnn, beat-split, seed 0"):
        assert not any_finished(folder, name)
    (tmp_path / "tree-beat-split-seed-0-0123456789").mkdir()
    assert not any_finished(tmp_path, "tree, beat-split, seed 0")


def test_an_outcome_is_what_was_saved(tmp_path):
    assert load_outcome(tmp_path) is None
    probability = np.array([[0.25, 0.75], [1, 0]], dtype=np.float32)
    history = [{"epoch": 1, "train_loss": 0.5, "seconds": 1.5}]
    save_outcome(
        tmp_path,
        1.5,
        np.array([1, 0], dtype=np.int32),
        probability=probability,
        history=history,
        best=1,
        parameters=7,
    )
    kept = load_outcome(tmp_path)
    assert kept.predicted.dtype == np.int64
    assert kept.predicted.tolist() == [1, 0]
    assert np.array_equal(kept.probability, probability)
    assert kept.history == tuple(history)
    assert (kept.best, kept.parameters, kept.seconds, kept.folder) == (1, 7, 1.5, tmp_path)


def test_a_model_is_told_by_its_weights_or_by_what_it_is_made_from(done, tmp_path):
    _, (network_, tree_), _ = done
    assert len(outcome_hash(network_)) == 64
    assert outcome_hash(tree_) == tree_.folder.name[-10:]
    moved = tmp_path / "moved"
    shutil.copytree(network_.folder, moved)
    assert outcome_hash(replace(network_, folder=moved)) == outcome_hash(network_)
    with (moved / "best.pt").open("ab") as file:
        file.write(b"1")
    assert outcome_hash(replace(network_, folder=moved)) != outcome_hash(network_)
