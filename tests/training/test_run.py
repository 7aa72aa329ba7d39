import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_training import RELATED, SIDES, small_config

from ecgtune.errors import ModelError
from ecgtune.model import load_model
from ecgtune.training import estimator, fit, run
from ecgtune.training.config import DataOptions
from ecgtune.training.estimator import KeepRun, SequenceLoss
from ecgtune.training.export import load_network
from ecgtune.training.networks import RelationEnsemble
from ecgtune.training.summary import format_metrics
from ecgtune.training.tables import training_table

pytestmark = pytest.mark.usefixtures("small_mitdb")


class PowerCutError(Exception):
    """Ends a run where it stands, as a crash does."""


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture
def uninterrupted(tmp_path, no_export):
    run.train(small_config(), tmp_path / "whole", seed=1, test=False)
    return no_export(tmp_path / "whole")


def test_a_run_folder_holds_config_split_history_checkpoints_metrics_and_the_model(tmp_path):
    lines: list[str] = []
    out = tmp_path / "run"
    trained = run.train(small_config(epochs=2), out, protocol="inter-patient", seed=0, tell=lines.append)

    names = ("config.json", "split.json", "history.json", "metrics.json", "choose", "refit", "model")
    assert {path.name for path in out.iterdir()} >= set(names)
    assert {path.name for path in (out / "choose").iterdir()} == {"best.pt", "last.pt"}
    history = json.loads((out / "history.json").read_text())
    assert [row["epoch"] for row in history["choose"]] == [1, 2]
    assert all(0 <= row["macro_f1"] <= 1 for row in history["choose"])
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["best_epoch"] == len(history["refit"])
    assert 0.05 <= metrics["temperature"] <= 20
    assert metrics["validate"]["macro_f1"] == max(row["macro_f1"] for row in history["choose"])
    assert list(metrics["test"]["records"]) == [f"mitdb/{record}" for record in SIDES["test"]]
    # Every annotated beat of the test side is scored: 2,532 in mitdb 109.
    assert np.sum(metrics["test"]["matrix"]) == trained.matrices[("mitdb", "109")].sum() == 2532
    assert json.loads((out / "split.json").read_text())["sides"]["train"]["patients"] == [
        "mitdb/106",
        "mitdb/208",
    ]

    card = load_model(out / "model").card
    assert card["training"]["patients"] == ["mitdb/106", "mitdb/119", "mitdb/208"]
    assert card["metrics"]["inter-patient"] == metrics["test"]
    assert card["temperature"] == metrics["temperature"]
    assert card["parameters"] < 2000
    assert not list(out.rglob("*.part"))
    assert any("epoch   1  loss" in line for line in lines)
    assert "test side" in format_metrics(trained, "inter-patient")


def test_without_refit_the_model_is_trained_on_the_training_side_alone(tmp_path):
    out = tmp_path / "run"
    data = DataOptions(episodes=(("slower",),), faults=("pop",))
    run.train(replace(small_config(epochs=1, refit=False), data=data), out, test=False)
    card = load_model(out / "model").card
    assert (card["training"]["episodes"], card["training"]["faults"]) == ([["slower"]], ["pop"])
    assert card["training"]["patients"] == ["mitdb/106", "mitdb/208"]
    assert card["metrics"] == {}
    assert not (out / "refit").exists()
    assert "test" not in json.loads((out / "metrics.json").read_text())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, no_export, uninterrupted):
    run.train(small_config(), tmp_path / "again", seed=1, test=False)
    run.train(small_config(), tmp_path / "other", seed=2, test=False)
    assert same(no_export(tmp_path / "again"), uninterrupted)
    assert not same(no_export(tmp_path / "other"), uninterrupted)


@pytest.mark.parametrize("how", [PowerCutError, KeyboardInterrupt])
def test_interrupted_after_any_epoch_and_resumed_a_run_gives_bit_identical_weights(
    tmp_path, no_export, uninterrupted, how
):
    out = tmp_path / "run"

    def cut(line: str) -> None:
        if line.startswith("epoch"):
            raise how

    interruptions = 0
    while not (out / "metrics.json").exists():
        try:
            run.train(small_config(), out, seed=1, test=False, tell=cut)
        except how:
            interruptions += 1
            assert not (out / "model").exists()
    epochs = json.loads((out / "history.json").read_text())
    assert interruptions >= len(epochs["choose"]) + len(epochs["refit"]) - 2
    assert interruptions >= 3
    assert same(no_export(out), uninterrupted)


@pytest.mark.parametrize("batch", [3, 15, 25, 33])
def test_interrupted_inside_an_epoch_a_run_stops_and_the_same_call_finishes_it(
    tmp_path, no_export, uninterrupted, monkeypatch, batch
):
    """skorch by itself would take Ctrl-C for the end of training and let an unfinished model pass."""
    seen = 0
    forward = SequenceLoss.forward

    def interrupted(self, logits, label):
        nonlocal seen
        seen += self.training
        if seen == batch:
            raise KeyboardInterrupt
        return forward(self, logits, label)

    out = tmp_path / "run"
    monkeypatch.setattr(SequenceLoss, "forward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.train(small_config(), out, seed=1, test=False)
    assert not (out / "model").exists()
    run.train(small_config(), out, seed=1, test=False)
    assert same(no_export(out), uninterrupted)


@pytest.mark.parametrize("write", range(1, 7))
def test_a_crash_while_a_checkpoint_is_written_costs_nothing_but_its_epoch(
    tmp_path, no_export, uninterrupted, monkeypatch, write
):
    writes = 0
    save = torch.save

    def crash(state, path):
        nonlocal writes
        writes += "best" in str(path) or "last" in str(path)
        if writes == write:
            Path(path).write_bytes(b"half")
            raise PowerCutError
        save(state, path)

    monkeypatch.setattr(estimator.torch, "save", crash)
    with pytest.raises(PowerCutError):
        run.train(small_config(), tmp_path / "run", seed=1, test=False)
    monkeypatch.setattr(estimator.torch, "save", save)
    run.train(small_config(), tmp_path / "run", seed=1, test=False)
    assert same(no_export(tmp_path / "run"), uninterrupted)


def test_training_stops_when_no_epoch_gets_better(tmp_path, no_export, monkeypatch):
    monkeypatch.setattr(estimator, "macro_f1", lambda matrix: 0.5)
    out = tmp_path / "run"
    trained = run.train(small_config(epochs=6, patience=2, refit=False), out, test=False)
    assert len(json.loads((out / "history.json").read_text())["choose"]) == 3
    assert trained.metrics["best_epoch"] == 1
    again = run.train(small_config(epochs=6, patience=2, refit=False), out, test=False)
    assert again.metrics["validate"] == trained.metrics["validate"]


def test_a_finished_run_is_not_trained_again(tmp_path, no_export, monkeypatch):
    out = tmp_path / "run"
    run.train(small_config(epochs=1), out, test=False)
    monkeypatch.setattr(KeepRun, "on_epoch_end", lambda *_, **__: pytest.fail("an epoch was trained"))
    run.train(small_config(epochs=1), out, test=False)


@pytest.mark.parametrize("changed", [{"lr": 0.001}, {"seed": 1}])
def test_a_folder_that_holds_another_training_is_refused(tmp_path, no_export, changed):
    out = tmp_path / "run"
    run.train(small_config(epochs=1), out, test=False)
    before = (out / "config.json").read_bytes()
    seed = changed.pop("seed", 0)
    with pytest.raises(ModelError, match=r"run: holds a training with another .*choose another --out"):
        run.train(small_config(epochs=1, **changed), out, seed=seed, test=False)
    assert (out / "config.json").read_bytes() == before


def test_a_number_of_epochs_to_refit_wins_over_the_best_epoch(tmp_path):
    out = tmp_path / "run"
    run.train(small_config(epochs=2, refit_epochs=3), out, test=False)
    history = json.loads((out / "history.json").read_text())
    assert [len(history["choose"]), len(history["refit"])] == [2, 3]
    model = load_model(out / "model")
    assert f"up to {model.reach} beats before and after" in model.card["looks_ahead"]


def test_the_members_of_an_ensemble_are_trained_apart_and_one_of_them_chooses(tmp_path, monkeypatch):
    config, out, lines = small_config(RELATED, epochs=2), tmp_path / "run", list[str]()
    monkeypatch.setattr(run, "training_table", lambda keys, *_: training_table(keys, config.preprocessing))
    run.train(config, out, seed=3, test=False, tell=lines.append)
    assert {path.name for path in (out / "refit").iterdir()} == {"member-0", "member-1"}
    assert {path.name for path in (out / "choose").iterdir()} == {"best.pt", "last.pt"}
    assert "member 2 of 2" in lines
    history = json.loads((out / "history.json").read_text())
    assert len(history["refit"]) == 2 * json.loads((out / "metrics.json").read_text())["best_epoch"]
    weights = [torch.load(out / "refit" / f"member-{i}" / "last.pt")["module"] for i in range(2)]
    assert not same(*({name: np.asarray(one) for name, one in each.items()} for each in weights))

    whole = load_network(out / "model")
    assert isinstance(whole, RelationEnsemble)
    for member, own in zip(whole.members, weights, strict=True):
        assert torch.equal(member.look.weight, own["look.weight"])


def test_every_member_has_a_seed_of_its_own_whatever_the_seed_of_the_run(tmp_path, monkeypatch):
    config, seeds, whole = small_config(RELATED), list[int](), fit.fit

    def fitted(member, *sides_and_folder, **_):
        seeds.append(sides_and_folder[-2])
        return fit.Fitted(fit.fresh_network(member), [{"epoch": 1}], 1)

    monkeypatch.setattr(fit, "fit", fitted)
    for seed in range(3):
        found = whole(config, [], [], None, tmp_path, seed, print)
        assert len(found.network.members) == len(found.history) == 2
    assert seeds == list(range(6))


def test_an_ensemble_that_is_not_refitted_or_counted_is_refused():
    with pytest.raises(ModelError, match="refit = false; of an ensemble only what is refitted is whole"):
        small_config(RELATED, refit=False)
    with pytest.raises(ModelError, match="relation-ensemble needs members = how many"):
        small_config({"network": {"network": "relation-ensemble"}})


def test_a_given_temperature_wins_over_the_validation_side(tmp_path):
    out = tmp_path / "run"
    trained = run.train(small_config(epochs=1, refit=False, temperature=0.7), out, test=False)
    assert trained.model.temperature == trained.metrics["temperature"] == 0.7
    assert "temperature 0.700" in format_metrics(trained, "inter-patient")


def test_wrong_arguments_of_the_network_do_not_claim_the_run_folder(tmp_path):
    config = small_config()
    wrong = replace(config, network={**config.network, "sizee": 3})
    with pytest.raises(ModelError, match="sizee"):
        run.train(wrong, tmp_path / "run", test=False)
    assert not (tmp_path / "run").exists()
