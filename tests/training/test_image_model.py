"""`ecgtune train ecg-image-resnet` on folders of images, and `ecgtune classify-images`."""

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from command import Command
from ecgtune.errors import ModelError
from ecgtune.training.image_folders import find_image_folder
from ecgtune.training.image_model import load_image_model
from ecgtune.training.image_run import fit_linear, held_out, network_at_hand

pytestmark = pytest.mark.usefixtures("one_thread")

NAMES = ["abnormal-heartbeat", "myocardial-infarction", "normal"]


@pytest.fixture(scope="module")
def scans(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four scans of each class, small enough to be read quickly."""
    folder = tmp_path_factory.mktemp("images") / "scans"
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        for path in sorted((data / "ecg-images" / name).glob("*.jpg"))[:4]:
            with Image.open(path) as image:
                image.resize((235, 135)).save(folder / name / path.name)
    return folder


@pytest.fixture(scope="module")
def run(scans: Path) -> Path:
    from ecgtune.training.image_run import train_on_folders

    out = scans.parent / "run"
    train_on_folders(scans, out)
    return out


def test_few_images_get_a_linear_model_on_frozen_features(scans: Path, run: Path) -> None:
    card = json.loads((run / "model" / "card.json").read_text())
    assert sorted(path.name for path in (run / "model").iterdir()) == ["card.json", "weights.safetensors"]
    assert card["kind"] == "ecg-image"
    assert card["classes"] == NAMES
    assert card["network"] == network_at_hand() == "squeezenet1_1"
    assert card["weights"]["name"] == "IMAGENET1K_V1"
    assert "BSD" in card["weights"]["licence"]
    assert (card["training"]["way"], card["training"]["trained_on"], card["training"]["validated_on"]) == (
        *("linear", 9, 3),
    )
    assert sum(map(sum, card["validation"]["confusion"])) == card["validation"]["of"] == 3
    model = load_image_model(run)
    assert model.input.size == 224
    assert model.folder == run / "model"


def test_the_card_tells_what_the_validation_side_says(scans: Path, run: Path) -> None:
    from ecgtune.training.image_model import classify_images

    found = find_image_folder(scans)
    train, validate = held_out(found, 0)
    assert np.bincount(found.labels[validate]).tolist() == [1, 1, 1]
    assert len(np.intersect1d(train, validate)) == 0
    model = load_image_model(run / "model")
    labels = classify_images([found.paths[row] for row in validate], model)
    right = [each.label == NAMES[found.labels[row]] for each, row in zip(labels, validate, strict=True)]
    assert sum(right) == model.card["validation"]["right"]
    # It has learnt what it was shown.
    learnt = classify_images([found.paths[row] for row in train], model)
    assert [each.label for each in learnt] == [NAMES[found.labels[row]] for row in train]


@pytest.mark.parametrize("classes", [2, 3])
def test_the_linear_model_is_scikit_learns(classes: int) -> None:
    drawn = np.random.default_rng(0)
    labels = np.arange(30) % classes
    features = (drawn.normal(size=(30, 6)) * 3 + 5 + labels[:, np.newaxis]).astype(np.float32)
    weight, bias, penalty = fit_linear(features, labels, classes, 0)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=2000)).fit(
        features, labels
    )
    logits = features @ weight.T + bias
    shares = np.exp(logits - logits.max(1, keepdims=True))
    assert shares / shares.sum(1, keepdims=True) == pytest.approx(model.predict_proba(features), abs=1e-5)


def test_a_broken_image_costs_one_line(ecgtune: Command, scans: Path, run: Path, tmp_path: Path) -> None:
    (tmp_path / "torn.jpg").write_bytes((scans / "normal" / "normal-00.jpg").read_bytes()[:900])
    Image.new("RGB", (20, 40)).save(tmp_path / "tiny.png")
    shutil.copy(scans / "normal" / "normal-00.jpg", tmp_path / "whole.jpg")
    out = tmp_path / "labels.csv"
    done = ecgtune("classify-images", tmp_path, tmp_path / "none", "--model", run, "--out", out)
    assert done.status == 1
    assert len(done.out.splitlines()) == 1
    assert f"{tmp_path / 'whole.jpg'}: " in done.out
    assert [line.partition(": ")[2].partition(":")[0] for line in done.lines] == [
        str(tmp_path / name) for name in ("none", "tiny.png", "torn.jpg")
    ]
    assert "20 x 40 pixels; an image needs 32 or more on each side" in done.err
    rows = {Path(row["file"]).name: row for row in csv.DictReader(out.read_text().splitlines())}
    assert sum(float(rows["whole.jpg"][name]) for name in NAMES) == pytest.approx(1, abs=1e-5)
    assert max(NAMES, key=lambda name: float(rows["whole.jpg"][name])) == rows["whole.jpg"]["label"]
    assert rows["torn.jpg"]["label"] == ""
    assert "cannot be read as an image" in rows["torn.jpg"]["error"]


def test_labels_as_json(ecgtune: Command, scans: Path, run: Path) -> None:
    done = ecgtune("classify-images", scans / "normal", "--model", run / "model", "--json")
    assert done.status == 0, done.err
    labels = json.loads(done.out)
    assert [Path(each["file"]).name for each in labels] == sorted(
        p.name for p in (scans / "normal").iterdir()
    )
    assert all(each["label"] in NAMES and set(each["probability"]) == set(NAMES) for each in labels)


def test_nothing_to_label_is_wrong_use(ecgtune: Command, run: Path, tmp_path: Path) -> None:
    done = ecgtune("classify-images", tmp_path, "--model", run)
    assert (done.status, len(done.lines)) == (2, 1)
    assert "no image in this folder" in done.err


def test_models_of_another_kind_are_told_apart(
    ecgtune: Command, scans: Path, run: Path, tiny_model: Path, data: Path, tmp_path: Path
) -> None:
    done = ecgtune("classify-images", scans, "--model", tiny_model)
    assert (done.status, len(done.lines)) == (2, 1)
    assert "labels heartbeats of recordings, not images; take `ecgtune classify`" in done.err
    done = ecgtune("classify", data / "mitdb" / "119", "--model", run / "model", "--out", tmp_path)
    assert done.status == 2
    assert "this model labels images: take `ecgtune classify-images`" in done.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda card: "nothing", "this model labels heartbeats"),
        (lambda card: card | {"format": 9}, "format 9; this ecgtune reads up to 1: upgrade ecgtune"),
        (lambda card: card | {"classes": ["a", "b"]}, "shape"),
        (
            lambda card: card | {"network": "resnet18"},
            "lacks conv1.weight; these are weights of another network",
        ),
        (lambda card: card | {"network": "squeezenet"}, "no network 'squeezenet'.*near it: squeezenet1_1"),
        (lambda card: card | {"weights_sha256": "0"}, "does not belong to its card"),
        (lambda card: {k: v for k, v in card.items() if k != "input"}, "lacks input; train the model again"),
        (lambda card: card | {"input": {"fit": "fill"}}, "unknown fit 'fill'"),
    ],
)
def test_damaged_models(run: Path, tmp_path: Path, change: Any, says: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(run / "model", folder)
    card = folder / "card.json"
    card.write_text(json.dumps(change(json.loads(card.read_text()))))
    with pytest.raises(ModelError, match=says):
        load_image_model(folder)


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no image model there; give a folder that `ecgtune train"):
        load_image_model(tmp_path)


def test_the_network_can_be_trained_too(ecgtune: Command, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("--images", scans, "--way", "last-block", "--quick", "--threads", "1", "--out", out)
    done = ecgtune("train", "ecg-image-resnet", *arguments, "--weights", "random", "--json")
    assert done.status == 0, done.err
    card = json.loads(done.out)
    assert card["weights"] == {"name": "random"}
    assert [row["epoch"] for row in card["training"]["history"]] == [1, 2]
    assert load_image_model(out).classes == tuple(NAMES)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--network", "resnet19"], "torchvision has no network 'resnet19'.*near it: resnet18"),
        (["--way", "thawed"], "no way 'thawed' of training; there are linear, frozen"),
        (["--folds", "3"], "ecg-image-resnet takes no --folds; it has --images"),
        (["--data", "svdb"], "ecg-image-resnet takes no --data"),
        (["--weights", "none.pth"], "none.pth: there is no such file of weights"),
        (
            ["--network", "resnet18", "--weights", "SQUEEZE"],
            r"squeezenet1_1.safetensors: lacks conv1.weight; these are weights of another network",
        ),
    ],
)
def test_wrong_use_of_train_is_one_line(
    ecgtune: Command, data: Path, scans: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    squeeze = str(data / "imagenet" / "squeezenet1_1.safetensors")
    given = [squeeze if each == "SQUEEZE" else each for each in arguments]
    done = ecgtune("train", "ecg-image-resnet", "--images", scans, "--out", tmp_path / "run", *given)
    assert done.status == 2
    assert re.search(says, done.lines[-1]), done.err
    assert not (tmp_path / "run").exists()


def test_options_of_images_are_for_images(ecgtune: Command, tmp_path: Path) -> None:
    done = ecgtune("train", "default", "--images", tmp_path, "--out", tmp_path / "run")
    assert done.status == 2
    assert "--images is for ecg-image-resnet" in done.err
    done = ecgtune("train", "ecg-image-resnet", "--out", tmp_path / "run")
    assert done.status == 2
    assert "ecg-image-resnet needs --images DIR" in done.err


def test_folders_that_teach_nothing(ecgtune: Command, scans: Path, tmp_path: Path) -> None:
    def said(folder: Path) -> str:
        done = ecgtune("train", "ecg-image-resnet", "--images", folder, "--out", tmp_path / "run")
        assert (done.status, len(done.lines)) == (2, 1), done.err
        return done.err

    folder = tmp_path / "images"
    assert "no such folder of images" in said(folder)
    shutil.copytree(scans / "normal", folder / "normal")
    assert "one class only, normal; give two folders or more" in said(folder)
    (folder / "other").mkdir()
    assert f"{folder / 'other'}: no image; each class needs 2 or more" in said(folder)
    shutil.copy(scans / "normal" / "normal-00.jpg", folder / "other")
    assert f"{folder / 'other'}: 1 image; each class needs 2" in said(folder)


def test_a_broken_image_among_those_to_train_on_is_named(
    ecgtune: Command, scans: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    shutil.copytree(scans, folder)
    (folder / "normal" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    done = ecgtune("train", "ecg-image-resnet", "--images", folder, "--out", tmp_path / "run")
    assert done.status == 2
    assert f"{folder / 'normal' / 'torn.jpg'}: cannot be read as an image" in done.lines[-1]


def test_without_a_network_for_the_download_the_remedy_is_named(
    ecgtune: Command, scans: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from urllib.error import URLError

    import torch

    def unreachable(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.delenv("ECGTUNE_DATA")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", unreachable)
    assert network_at_hand() == "resnet18"
    done = ecgtune("train", "ecg-image-resnet", "--images", scans, "--out", tmp_path / "run")
    assert done.status == 2
    assert "resnet18: https://" in done.err
    assert "download it by hand and give its path as weights" in done.err
