import json
import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgtune.beats import Preprocessing
from ecgtune.errors import ModelError, OutputError
from ecgtune.labels import CLASSES
from ecgtune.model import FORMAT, Model, load_model
from ecgtune.training import export
from ecgtune.training.export import load_network, save_model
from ecgtune.training.networks import build_network

HOW = Preprocessing(before=32, after=32)

ARCHITECTURE = {
    "network": "beat-sequence",
    "channels": HOW.channels,
    "width": HOW.width,
    "rhythm": len(HOW.rhythm_features),
    "filters": [3],
    "size": 4,
    "hidden": 6,
    "dilations": [1, 2],
}

CARD = {
    "name": "tiny",
    "version": "1",
    "classes": list(CLASSES),
    "architecture": ARCHITECTURE,
    "preprocessing": HOW.to_card(),
}


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    arguments = dict(ARCHITECTURE)
    made = build_network(arguments.pop("network"), **arguments)
    made.train()
    for _ in range(3):
        made(torch.randn(2, 30, HOW.channels, HOW.width), torch.randn(2, 30, 7))
    return made


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return save_model(network(), CARD, tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def copy(saved: Model, tmp_path: Path) -> Path:
    """A copy of the model folder to damage."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    for file in saved.folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def inputs(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    beats = rng.normal(size=(n, HOW.channels, HOW.width)).astype(np.float32)
    return beats, rng.normal(size=(n, 7)).astype(np.float32)


def test_the_exported_softmax_divides_the_logits_by_the_cards_temperature(saved, tmp_path):
    assert saved.temperature == saved.card["temperature"] == 1
    tempered = save_model(network(), {**CARD, "temperature": 0.5}, tmp_path / "tempered")
    assert tempered.temperature == load_model(tempered.folder).temperature == 0.5
    beats, rhythm = inputs(40)
    before, after = (each.run(beats, rhythm).probability for each in (saved, tempered))
    np.testing.assert_allclose(after, before**2 / (before**2).sum(1, keepdims=True), atol=1e-5)
    assert abs(after - before).max() > 0.05
    # The weights stay what was trained.
    name = "weights.safetensors"
    assert (tempered.folder / name).read_bytes() == (saved.folder / name).read_bytes()


@pytest.mark.parametrize("temperature", [0, -1.0, "warm", True, float("inf"), float("nan"), None])
def test_a_temperature_that_makes_no_sense_is_refused(copy, tmp_path, temperature):
    with pytest.raises(ModelError, match=r"temperature .* in the model's card; give a number above 0"):
        save_model(network(), {**CARD, "temperature": temperature}, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {"temperature": temperature}))
    with pytest.raises(ModelError, match="give a number above 0"):
        load_model(copy)


@pytest.mark.parametrize("n", [1, 2, 500])
def test_onnx_and_safetensors_give_what_torch_gives(saved, n):
    beats, rhythm = inputs(n)
    for trained in (network().eval(), load_network(saved.folder).eval()):
        with torch.no_grad():
            logits = trained(torch.from_numpy(beats)[None], torch.from_numpy(rhythm)[None])[0]
        expected = torch.softmax(logits, 1).numpy()
        np.testing.assert_allclose(saved.run(beats, rhythm).probability, expected, atol=1e-5)


def test_safetensors_hold_every_weight_to_the_bit(saved):
    trained, loaded = network().state_dict(), load_network(saved.folder).state_dict()
    assert trained.keys() == loaded.keys()
    assert all(torch.equal(trained[key], loaded[key]) for key in trained)


def test_a_model_folder_holds_three_files_and_none_is_pickled(saved):
    assert sorted(path.name for path in saved.folder.iterdir()) == [
        *("card.json", "model.onnx", "weights.safetensors")
    ]
    for path in saved.folder.iterdir():
        content = path.read_bytes()
        # A pickle of protocol 2 or later begins with \x80, torch's archives are zip files.
        assert content[0] != 0x80
        assert not content.startswith(b"PK")
    weights = (saved.folder / "weights.safetensors").read_bytes()
    header = json.loads(weights[8 : 8 + int.from_bytes(weights[:8], "little")])
    assert set(header) == set(network().state_dict())


def test_every_file_has_the_usual_permissions(saved):
    umask = os.umask(0)
    os.umask(umask)
    for path in saved.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask, path.name
    assert stat.S_IMODE(saved.folder.stat().st_mode) == 0o777 & ~umask


def test_the_card_is_completed_with_reach_parameters_and_hashes(saved):
    assert saved.card["reach"] == 3
    assert saved.card["parameters"] == sum(p.numel() for p in network().parameters())
    assert saved.card["format"] == FORMAT
    assert len(saved.card["onnx_sha256"]) == len(saved.card["weights_sha256"]) == 64
    assert saved.reach >= HOW.reach + 3
    assert saved.reach % HOW.stride == 0


def test_saving_again_replaces_the_model_whole(copy):
    (copy / "stray.txt").write_text("of the old model")
    model = save_model(network(), {**CARD, "version": "2"}, copy)
    assert model.card["version"] == "2"
    assert not (copy / "stray.txt").exists()
    assert [path.name for path in copy.parent.iterdir()] == ["tiny"]


def test_an_export_that_differs_from_the_network_is_not_saved(tmp_path, monkeypatch):
    def other(_: torch.nn.Module, how: Preprocessing, path: Path) -> None:
        torch.manual_seed(5)
        arguments = dict(ARCHITECTURE)
        made = build_network(arguments.pop("network"), **arguments)
        original(export._OneRecording(made, temperature=1.0, evidence=False), how, path)

    original = export._export
    monkeypatch.setattr(export, "_export", other)
    with pytest.raises(ModelError, match="exported network differs from the trained one on 1 beats"):
        save_model(network(), CARD, tmp_path / "tiny")
    assert list(tmp_path.iterdir()) == []


def test_where_exporting_fails_the_old_model_stays(copy, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export, "_export", full)
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    with pytest.raises(OSError, match="No space left"):
        save_model(network(), {**CARD, "version": "2"}, copy)
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert [path.name for path in copy.parent.iterdir()] == ["tiny"]


def test_a_model_is_not_saved_below_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file: cannot be created"):
        save_model(network(), CARD, tmp_path / "file" / "tiny")


def change_card(folder: Path, **fields: object) -> None:
    path = folder / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def lose_weights(folder: Path) -> None:
    (folder / "weights.safetensors").unlink()


def damage_weights(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-20])


def lose_card(folder: Path) -> None:
    (folder / "card.json").unlink()


def another_architecture(folder: Path) -> None:
    change_card(folder, architecture={**ARCHITECTURE, "hidden": 7})


def unknown_network(folder: Path) -> None:
    change_card(folder, architecture={**ARCHITECTURE, "network": "transformer"})


def unknown_argument(folder: Path) -> None:
    change_card(folder, architecture={**ARCHITECTURE, "layers": 3})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lose_weights, "weights.safetensors is missing; without it the model can only predict"),
        (damage_weights, "weights.safetensors: does not belong to its card .*; copy the model again"),
        (another_architecture, "weights.safetensors: does not fit the card's architecture: .*size mismatch"),
        (unknown_network, "unknown network 'transformer'; known: "),
        (unknown_argument, "network beat-sequence: .*layers.*; correct its arguments"),
        (lose_card, "card.json: cannot be read: .*; train or export the model again"),
    ],
)
def test_a_network_that_cannot_be_loaded_is_one_clear_line(copy, damage, message):
    damage(copy)
    with pytest.raises(ModelError, match=message) as caught:
        load_network(copy)
    assert "\n" not in str(caught.value)


def test_a_model_predicts_without_its_weights(copy):
    lose_weights(copy)
    beats, rhythm = inputs(5)
    assert load_model(copy).run(beats, rhythm).probability.shape == (5, 5)


def test_self_training_needs_a_network_that_tells_what_it_knows(tmp_path):
    with pytest.raises(ModelError, match="BeatSequence gives no evidence for self-training: take"):
        save_model(network(), {**CARD, "self_training": {"ventricular": 0.4}}, tmp_path / "other")
    assert not (tmp_path / "other").exists()
    with pytest.raises(ModelError, match="supraventricular is 2; give a number from 0 to 1"):
        save_model(network(), {**CARD, "self_training": {"supraventricular": 2}}, tmp_path / "other")


@pytest.mark.parametrize("which", ["self_trained_model", "ensemble_model"])
def test_evidence_is_exported_as_torch_gives_it(which, request):
    folder = request.getfixturevalue(which)
    model = load_model(folder)
    trained, how = load_network(folder).eval(), model.preprocessing
    rng = np.random.default_rng(0)
    beats = rng.normal(size=(30, how.channels, how.width)).astype(np.float32)
    rhythm = rng.normal(size=(30, len(how.rhythm_features))).astype(np.float32)
    with torch.no_grad():
        inputs = torch.from_numpy(beats)[None], torch.from_numpy(rhythm)[None]
        evidence, logits = trained.evidence(*inputs)[0], trained(*inputs)[0]
    said = model.run(beats, rhythm)
    np.testing.assert_allclose(said.evidence, evidence, atol=1e-4)
    np.testing.assert_allclose(said.probability, torch.softmax(logits / 0.8, 1), atol=1e-4)
