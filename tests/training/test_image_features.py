"""Features: the same as by hand, whatever the batch; kept on disk, and told apart."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ecgtune.errors import ModelError, OutputError
from ecgtune.images import StripOptions, draw_strips
from ecgtune.training.image_networks import (
    ImageInput,
    as_input,
    build_image_network,
    cached_features,
    data_digest,
    image_features,
    weights_digest,
)
from ecgtune.training.stacked import use_bfloat16

pytestmark = pytest.mark.usefixtures("one_thread")

HOW = ImageInput(64, 64)
SMALL = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    time = np.arange(360) / 360
    waves = np.stack([np.sin(2 * np.pi * (hz + 1) * time) * 0.5 for hz in range(11)])
    return draw_strips(waves, 360, StripOptions(width=64))


@pytest.fixture(scope="module")
def squeezenet() -> nn.Module:
    return build_image_network("squeezenet1_1", seed=1)


def test_features_are_the_averages_of_a_layer(squeezenet: nn.Module, images: np.ndarray) -> None:
    with torch.inference_mode():
        maps = squeezenet.features[:10](as_input(images, HOW))
    found = image_features(squeezenet, images, HOW, layer="features.9")
    assert found.dtype == np.float32
    assert found.shape == (11, 384)
    np.testing.assert_allclose(found, maps.mean((2, 3)), rtol=1e-4, atol=1e-6)
    with torch.inference_mode():
        maps = squeezenet.features[3].squeeze(squeezenet.features[:3](as_input(images, HOW)))
    found = image_features(squeezenet, images, HOW, layer="features.3.squeeze")
    # The layer's own output, though the ReLU behind it works in place.
    np.testing.assert_allclose(found, maps.mean((2, 3)), rtol=1e-4, atol=1e-6)
    assert (found < 0).any()


def test_by_default_features_are_what_the_head_gets(images: np.ndarray) -> None:
    network = build_image_network("resnet18", classes=3, seed=1)
    found = image_features(network, images, HOW)
    assert found.shape == (11, 512)
    with torch.inference_mode():
        expected = network(as_input(images, HOW))
        np.testing.assert_allclose(network.fc(torch.from_numpy(found)), expected, rtol=1e-3, atol=1e-4)


def test_features_of_a_densenet_161_with_random_weights(images: np.ndarray) -> None:
    network = build_image_network("densenet161", weights="random")
    found = image_features(network, images[:2], HOW)
    assert found.shape == (2, 2208)
    assert np.isfinite(found).all()
    assert np.ptp(found, axis=1).min() > 0


@pytest.mark.parametrize("batch", [1, 4, 11, 100])
def test_batches_do_not_matter(squeezenet: nn.Module, images: np.ndarray, batch: int) -> None:
    one = image_features(squeezenet, images, HOW)
    np.testing.assert_allclose(
        image_features(squeezenet, images, HOW, batch=batch), one, rtol=1e-4, atol=1e-6
    )


def test_no_images_have_features_of_the_same_width(squeezenet: nn.Module, images: np.ndarray) -> None:
    assert image_features(squeezenet, images[:0], HOW).shape == (0, 512)


@pytest.mark.skipif(not use_bfloat16(), reason="this processor does not multiply bfloat16")
def test_bfloat16_is_near(squeezenet: nn.Module, images: np.ndarray) -> None:
    full = image_features(squeezenet, images, HOW)
    short = image_features(squeezenet, images, HOW, bfloat16=True)
    assert short.dtype == np.float32
    error = np.abs(short - full).mean() / np.abs(full).mean()
    assert 0 < error < 0.02


def test_tokens_are_averaged_over_tokens_and_swin_maps_over_places() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    swin = build_image_network("swin_t", seed=0)
    with torch.inference_mode():
        maps = swin.features(as_input(images, HOW))
    assert maps.shape == (2, 2, 2, 768)
    found = image_features(swin, images, HOW, layer="features")
    np.testing.assert_allclose(found, maps.mean((1, 2)), rtol=1e-4, atol=1e-5)
    normed = image_features(swin, images, HOW, layer="norm")
    for layer in ("permute", "avgpool", "flatten", None):
        np.testing.assert_allclose(
            image_features(swin, images, HOW, layer=layer), normed, rtol=1e-4, atol=1e-5
        )
    encoder = nn.Sequential(nn.Conv2d(3, 5, 16, 16), nn.Flatten(2))
    tokens = nn.Sequential(encoder, nn.Linear(16, 7), nn.Linear(7, 2))
    assert image_features(tokens, images, HOW, layer="1").shape == (2, 7)


def test_the_network_is_left_as_it_was(squeezenet: nn.Module, images: np.ndarray) -> None:
    network = build_image_network(SMALL).train()
    network.stage2.eval()
    before = weights_digest(network)
    image_features(network, images, HOW)
    assert network.training
    assert network.fc.training
    assert not network.stage2.training
    assert weights_digest(network) == before
    with pytest.raises(ValueError, match="give uint8"):
        image_features(network, images[..., 0], HOW)
    assert network.training
    assert not network.fc._forward_pre_hooks
    assert network(torch.zeros(2, 3, 64, 64)).requires_grad


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (
            "layer4",
            "SqueezeNet has no layer 'layer4'; name any of its modules, inside of features, classifier",
        ),
        ("", "SqueezeNet has no layer ''"),
    ],
)
def test_a_layer_that_does_not_exist(
    squeezenet: nn.Module, images: np.ndarray, layer: str, said: str
) -> None:
    with pytest.raises(ModelError, match=said):
        image_features(squeezenet, images, HOW, layer=layer)


def test_a_layer_that_takes_no_part(images: np.ndarray) -> None:
    network = build_image_network("resnet18")
    network.spare = nn.Linear(2, 2)
    with pytest.raises(ModelError, match="ResNet does not run its layer spare as a module"):
        image_features(network, images, HOW, layer="spare")


def test_progress_is_told(squeezenet: nn.Module, images: np.ndarray) -> None:
    told: list[str] = []
    many = np.repeat(images[:1], 2100, axis=0)
    image_features(squeezenet, many, ImageInput(32, 32), layer="features.0", batch=100, tell=told.append)
    assert told == ["features of 1,000 of 2,100 images", "features of 2,000 of 2,100 images"]


KEY = {"data": "a1", "images": {"size": 64}, "network": "squeezenet1_1", "weights": "b2", "layer": None}


def test_features_are_computed_once_for_each_key(tmp_path: Path) -> None:
    computed: list[int] = []

    def compute() -> np.ndarray:
        computed.append(len(computed))
        return np.full((3, 2), len(computed), dtype=np.float32)

    folder = tmp_path / "work" / "features"
    for _ in range(2):
        np.testing.assert_array_equal(cached_features(folder, KEY, compute), np.full((3, 2), 1))
    reordered = dict(reversed(KEY.items()))
    np.testing.assert_array_equal(cached_features(folder, reordered, compute), np.full((3, 2), 1))
    for other in ({"data": "a2"}, {"images": {"size": 65}}, {"weights": "b3"}, {"layer": "features.9"}):
        cached_features(folder, KEY | other, compute)
    assert len(computed) == 5
    assert len(list(folder.iterdir())) == 10


def test_what_is_damaged_is_computed_again(tmp_path: Path) -> None:
    features = np.arange(6, dtype=np.float32).reshape(3, 2)
    cached_features(tmp_path, KEY, lambda: features)
    (table,) = tmp_path.glob("*.npy")
    for content in (b"", table.read_bytes()[:100], b"nonsense"):
        table.write_bytes(content)
        np.testing.assert_array_equal(cached_features(tmp_path, KEY, lambda: features), features)
    (note,) = tmp_path.glob("*.json")
    note.write_text("{}")
    np.testing.assert_array_equal(cached_features(tmp_path, KEY, lambda: features + 1), features + 1)


def test_nothing_is_left_where_computing_or_writing_fails(tmp_path: Path) -> None:
    def fail() -> np.ndarray:
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        cached_features(tmp_path / "features", KEY, fail)
    assert not (tmp_path / "features").exists()
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        cached_features(tmp_path / "file", KEY, lambda: np.zeros((1, 1), dtype=np.float32))


def test_digests_tell_data_and_weights_apart() -> None:
    table = np.arange(6, dtype=np.float32)
    digests = {
        data_digest(table),
        data_digest(table.reshape(2, 3)),
        data_digest(table.astype(np.float64)),
        data_digest(table + 1),
        data_digest(table, table),
        data_digest(table[::2]),
    }
    assert len(digests) == 6
    assert data_digest(table[::2]) == data_digest(table[::2].copy())
    networks = [build_image_network(SMALL, seed=seed) for seed in (0, 0, 1)]
    same, again, other = (weights_digest(network) for network in networks)
    assert same == again != other
