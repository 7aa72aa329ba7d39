"""Ways of training an image network: what moves at which rate, what is kept, and what resumes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ecgtune.errors import ModelError
from ecgtune.images import StripOptions, draw_strips
from ecgtune.training import image_table
from ecgtune.training.image_heads import set_head
from ecgtune.training.image_networks import ImageInput, blocks, build_image_network, head_of
from ecgtune.training.image_table import ImageTable, table_features
from ecgtune.training.image_training import (
    ImageOptions,
    fit_image_network,
    predict_image_table,
    trained_parts,
)

pytestmark = pytest.mark.usefixtures("one_thread")

NETWORKS = ("squeezenet1_1", "resnet18", "densenet121")
HOW = ImageInput(32, 32, "stretch")


@pytest.fixture(scope="module")
def table() -> ImageTable:
    """Tall and small spikes as strips: two classes that any network can tell."""
    drawn = np.random.default_rng(0)
    labels = np.arange(48) % 2
    signals = drawn.normal(scale=0.05, size=(48, 128)).astype(np.float32)
    signals[:, 60:68] += np.where(labels == 1, 2.0, 0.3)[:, np.newaxis]
    strip = StripOptions(width=32, seconds=1.0, mm_per_mv=5.0)
    return ImageTable(signals, labels, ("small", "tall"), HOW, strip, 128.0)


TRAIN, VALIDATE = np.arange(36), np.arange(36, 48)


def network(name: str = "squeezenet1_1", seed: int = 0) -> torch.nn.Module:
    return build_image_network(name, classes=2, seed=seed)


def test_strips_are_drawn_when_they_are_looked_at(table: ImageTable) -> None:
    images = draw_strips(table.stored, 128.0, table.strip)
    stored = ImageTable(images, table.labels, table.classes, HOW)
    net = network()
    assert np.array_equal(predict_image_table(net, table), predict_image_table(net, stored))


@pytest.mark.parametrize("name", NETWORKS)
def test_each_way_moves_its_own_part(name: str) -> None:
    net = network(name)
    names = [block for block, _ in blocks(net)]
    for way, count in (
        ("frozen", 1),
        ("last-block", 2),
        ("discriminative", len(names)),
        ("fine-tuned", len(names)),
    ):
        net = network(name)
        parts, kept = trained_parts(net, ImageOptions(way, lr=0.1, decay=0.5))
        assert len(parts) == count
        assert len(kept) == len(names) - count
        moving = {id(p) for p in net.parameters() if p.requires_grad}
        assert moving == {id(p) for part in parts for p in part["params"]}
        rates = [part["lr"] for part in parts]
        decay = 0.5 if way == "discriminative" else 1.0
        assert rates == pytest.approx([0.1 * decay**depth for depth in range(count)])


@pytest.mark.parametrize("name", NETWORKS)
def test_a_linear_model_on_features_is_the_head(name: str, table: ImageTable, tmp_path: Path) -> None:
    net = network(name)
    features, seconds = table_features(net, table, tmp_path)
    assert seconds > 0
    drawn = np.random.default_rng(1)
    weight, bias = drawn.normal(size=(3, features.shape[1])), drawn.normal(size=3)
    set_head(net, weight, bias)
    logits = features @ weight.T + bias
    expected = np.exp(logits - logits.max(1, keepdims=True))
    expected /= expected.sum(1, keepdims=True)
    assert predict_image_table(net, table) == pytest.approx(expected, abs=1e-4)


def test_frozen_trains_the_head_alone_and_computes_features_once(
    table: ImageTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ImageOptions("frozen", lr=0.01, epochs=6, batch=12)
    net, features = network(seed=3), tmp_path / "features"
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first = fit_image_network(net, table, TRAIN, VALIDATE, options, tmp_path / "a", features=features)
    head = head_of(net)[0]
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"{head}.weight", f"{head}.bias"}
    assert first.trained == 2 * 512 + 2
    assert first.history[-1]["train_loss"] < first.history[0]["train_loss"]
    # What is validated on features is what the whole network says.
    right = (predict_image_table(net, table, VALIDATE).argmax(1) == table.labels[VALIDATE]).mean()
    assert first.history[-1]["valid_accuracy"] == pytest.approx(right)
    # Another rate, and another head, take the same features.
    monkeypatch.setattr(image_table, "image_features", None)
    other = replace(options, lr=0.1)
    again = network(seed=3)
    set_head(again, np.zeros((2, 512)), np.zeros(2))
    fit_image_network(again, table, TRAIN, None, other, tmp_path / "b", features=features)


def test_fine_tuning_learns_and_a_run_that_was_stopped_goes_on_the_same(
    table: ImageTable, tmp_path: Path
) -> None:
    options = ImageOptions("fine-tuned", lr=0.002, epochs=4, batch=12, bfloat16=False)
    whole = fit_image_network(network("resnet18"), table, TRAIN, VALIDATE, options, tmp_path / "whole")
    assert [row["epoch"] for row in whole.history] == [1, 2, 3, 4]
    assert whole.trained == whole.parameters == sum(p.numel() for p in whole.network.parameters())
    assert whole.history[-1]["train_loss"] < 0.5 * whole.history[0]["train_loss"]

    def stop(line: str) -> None:
        if line.startswith("epoch   2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_image_network(network("resnet18"), table, TRAIN, VALIDATE, options, tmp_path / "cut", stop)
    told: list[str] = []
    again = fit_image_network(
        network("resnet18"), table, TRAIN, VALIDATE, options, tmp_path / "cut", told.append
    )
    assert told[0] == "going on after epoch 2"
    assert [line.split("  loss")[0] for line in told[1:]] == ["epoch   3", "epoch   4"]
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


def test_kept_blocks_keep_their_statistics(table: ImageTable, tmp_path: Path) -> None:
    net = network("resnet18")
    before = {name: value.clone() for name, value in net.state_dict().items()}
    options = ImageOptions("last-block", epochs=1, batch=12)
    fit_image_network(net, table, TRAIN, None, options, tmp_path)
    changed = {
        name.split(".")[0] for name, value in net.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed == {"layer4", "fc"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"way": "thawed"}, "way 'thawed' of training asked for; known: frozen, last-block"),
        ({"lr": 0.0}, r"lr 0.0 asked for; give more than 0"),
        ({"decay": float("nan")}, r"decay nan asked for"),
        ({"epochs": 0}, "epochs 0 asked for; give 1 or more"),
    ],
)
def test_options_out_of_range(options: dict[str, object], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        ImageOptions(**options)


def test_what_cannot_be_trained(table: ImageTable, tmp_path: Path) -> None:
    net = network()
    with pytest.raises(ModelError, match="no image of class tall on the training side"):
        fit_image_network(net, table, TRAIN[::2], None, ImageOptions(), tmp_path)
    with pytest.raises(ModelError, match="row 3 is on the training and on the validation side"):
        fit_image_network(net, table, TRAIN, np.array([3]), ImageOptions(), tmp_path)
    options = ImageOptions("frozen", epochs=1)
    fit_image_network(net, table, TRAIN, None, options, tmp_path / "run")
    with pytest.raises(ModelError, match="holds a training with other options or images"):
        fit_image_network(net, table, TRAIN, None, replace(options, lr=0.1), tmp_path / "run")
    with pytest.raises(ModelError, match=r"the training loss is .* in epoch \d; give a smaller lr"):
        fit_image_network(
            network(), table, TRAIN, None, ImageOptions(lr=1e25, bfloat16=False), tmp_path / "inf"
        )
    with pytest.raises(ModelError, match="no images to predict"):
        predict_image_table(net, table, np.zeros(0, dtype=np.int64))
