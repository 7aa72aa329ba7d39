"""Image networks by name: real weights on real photographs, heads, blocks, and weights that do not fit."""

import pickle
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ecgtune.errors import ModelError
from ecgtune.training.image_networks import (
    as_input,
    blocks,
    build_image_network,
    head_of,
    image_weights,
    import_torchvision,
    network_names,
    read_images,
    replace_head,
)

pytestmark = pytest.mark.usefixtures("one_thread")

SMALL = "shufflenet_v2_x0_5"
"""1.4 million parameters."""

# A network of each family, the name of its head, and what goes into the head.
FAMILIES = {
    "alexnet": ("classifier.6", 4096),
    "convnext_tiny": ("classifier.2", 768),
    "densenet121": ("classifier", 1024),
    "efficientnet_b0": ("classifier.1", 1280),
    "googlenet": ("fc", 1024),
    "inception_v3": ("fc", 2048),
    "maxvit_t": ("classifier.5", 512),
    "mnasnet0_5": ("classifier.1", 1280),
    "mobilenet_v2": ("classifier.1", 1280),
    "mobilenet_v3_small": ("classifier.3", 1024),
    "regnet_y_400mf": ("fc", 440),
    "resnet18": ("fc", 512),
    SMALL: ("fc", 1024),
    "squeezenet1_1": ("classifier.1", 512),
    "swin_t": ("head", 768),
    "vgg11_bn": ("classifier.6", 4096),
    "vit_b_32": ("heads.head", 768),
}
every_family = pytest.mark.parametrize("name", FAMILIES)


def bare(name: str, classes: int | None = None) -> nn.Module:
    """The network without memory for its weights, where torchvision can make it so."""
    if name.startswith("regnet"):
        return build_image_network(name, classes=classes)
    with torch.device("meta"):
        return build_image_network(name, classes=classes)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_file(build_image_network(SMALL, seed=5).state_dict(), path)
    return path


def test_both_photographs_come_out_first(data: Path) -> None:
    network = build_image_network("squeezenet1_1", weights="imagenet")
    weights = image_weights("squeezenet1_1")
    paths = [data / "imagenet" / name for name in ("hot_dog-256.jpg", "parrot-256.jpg")]
    with torch.inference_mode():
        probability, found = (
            network(as_input(read_images(paths, weights.input), weights.input)).softmax(1).max(1)
        )
    assert found.tolist() == [934, 88]
    assert [weights.classes[k] for k in found] == ["hotdog", "macaw"]
    assert probability.tolist() == pytest.approx([0.58, 0.98], abs=0.01)
    assert sum(p.numel() for p in network.parameters()) == weights.parameters == 1_235_496


def test_every_set_of_weights_is_described() -> None:
    known = import_torchvision().models
    for name in network_names():
        for one in known.get_model_weights(name):
            weights = image_weights(name, one.name)
            assert weights.url.startswith("https://")
            assert weights.input.size <= weights.input.resize
            # One set is of a network without its head.
            assert len(weights.classes) == (0 if one.name == "IMAGENET1K_FEATURES" else 1000)
            assert weights.source
            assert weights.licence
    assert image_weights("densenet161").input.resize == 256
    assert image_weights("resnet50").name == "IMAGENET1K_V1"
    assert image_weights("vit_b_16", "IMAGENET1K_SWAG_E2E_V1").input.size == 384
    assert "SWAG" in image_weights("regnet_y_128gf").licence


@every_family
def test_blocks_hold_every_parameter_once_and_end_in_the_head(name: str) -> None:
    network = bare(name)
    parts = blocks(network)
    held = [id(p) for _, part in parts for p in part.parameters()]
    assert sorted(held) == sorted({id(p) for p in network.parameters()})
    names = [part for part, _ in parts]
    assert len(set(names)) == len(names) >= 6
    modules = dict(network.named_modules())
    assert all(part in modules for part in names)
    head, layer = head_of(network)
    assert names[-1] == head == FAMILIES[name][0]
    assert layer is modules[head] is parts[-1][1]


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "mobilenet_v3_small", SMALL, "mnasnet0_5"])
def test_blocks_run_in_their_order(name: str) -> None:
    network = build_image_network(name)
    modules = dict(network.named_modules())
    ran: list[str] = []
    for part, _ in blocks(network):
        modules[part].register_forward_hook(lambda *_, part=part: ran.append(part))
    with torch.inference_mode():
        network(torch.zeros(1, 3, 64, 64))
    assert ran == [part for part, _ in blocks(network)]


@every_family
def test_a_new_head_has_the_classes_asked_for(name: str) -> None:
    network = bare(name, classes=3)
    head, layer = head_of(network)
    assert head == FAMILIES[name][0]
    assert tuple(layer.weight.shape[:2]) == (3, FAMILIES[name][1])
    assert not network.training
    size = {"inception_v3": 96, "maxvit_t": 224, "swin_t": 64, "vit_b_32": 224}.get(name, 64)
    device = layer.weight.device
    logits = network(torch.zeros(2, 3, size, size, device=device))
    assert logits.shape == (2, 3)


def test_a_new_head_of_a_squeezenet_gives_logits_of_both_signs() -> None:
    images = torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert (build_image_network("squeezenet1_1")(images) >= 0).all()
        logits = build_image_network("squeezenet1_1", classes=6)(images)
    assert (logits < 0).any()
    assert (logits > 0).any()


def test_the_head_alone_is_new(small_file: Path) -> None:
    old = build_image_network(SMALL, weights=small_file)
    new = build_image_network(SMALL, weights=small_file, classes=2)
    changed = [
        name
        for name, value in new.state_dict().items()
        if value.shape != old.state_dict()[name].shape or not torch.equal(value, old.state_dict()[name])
    ]
    assert changed == ["fc.weight", "fc.bias"]


def test_seeds_decide_about_random_weights_and_leave_the_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, same, other = (build_image_network(SMALL, classes=2, seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["conv1.0.weight"], other["conv1.0.weight"])
    assert not torch.equal(one["fc.weight"], other["fc.weight"])
    assert build_image_network(SMALL, weights="random", classes=2, seed=1).state_dict().keys() == one.keys()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".pt"])
def test_a_trained_head_comes_back_with_its_file(tmp_path: Path, suffix: str) -> None:
    trained = build_image_network("squeezenet1_1", classes=4, seed=9)
    path = tmp_path / f"trained{suffix}"
    if suffix == ".safetensors":
        save_file(trained.state_dict(), path)
    else:
        torch.save(trained.state_dict(), path)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        for given in (path, str(path)):
            again = build_image_network("squeezenet1_1", weights=given)
            torch.testing.assert_close(again(images), trained(images))
    assert head_of(build_image_network("squeezenet1_1", weights=path, classes=7))[1].weight.shape[0] == 7


def test_weights_of_densenets_by_their_old_names(tmp_path: Path) -> None:
    state = build_image_network("densenet121", seed=1).state_dict()
    old = {
        name.replace("norm1.", "norm.1.")
        .replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.")
        .replace("conv2.", "conv.2."): value
        for name, value in state.items()
        if "num_batches_tracked" not in name
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(OrderedDict(old), tmp_path / "old.pth")
    found = build_image_network("densenet121", weights=tmp_path / "old.pth").state_dict()
    assert all(torch.equal(found[name], value) for name, value in state.items())


def test_heads_for_training_alone_are_left_out(tmp_path: Path) -> None:
    whole = (
        import_torchvision().models.googlenet(weights=None, init_weights=False, transform_input=True).eval()
    )
    assert any(name.startswith("aux1.") for name in whole.state_dict())
    torch.save(whole.state_dict(), tmp_path / "googlenet.pth")
    network = build_image_network("googlenet", weights=tmp_path / "googlenet.pth")
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(network(images), whole(images))
        assert network.train()(torch.cat([images, images])).shape == (2, 1000)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet-18", "near it: resnet18"),
        ("SqueezeNet1_2", "near it: squeezenet1_1, squeezenet1_0"),
        ("densenet", "near it: densenet201, densenet169, densenet161, densenet121"),
        ("xyzzy", "there are 80, from alexnet to wide_resnet50_2"),
    ],
)
def test_a_name_that_does_not_exist(name: str, near: str) -> None:
    with pytest.raises(ModelError) as caught:
        build_image_network(name)
    assert str(caught.value).startswith(f"torchvision has no network {name!r} that classifies images; {near}")


def test_weights_that_do_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no weights 'V9'; known: imagenet, IMAGENET1K_V1, or a file"):
        build_image_network(SMALL, weights="V9")
    with pytest.raises(ModelError, match=r"away.pth: there is no such file of weights"):
        build_image_network(SMALL, weights=tmp_path / "away.pth")
    with pytest.raises(
        ModelError, match=r"weights.h5: not a file of weights; give one of .safetensors, .pth"
    ):
        build_image_network(SMALL, weights=tmp_path / "weights.h5")
    with pytest.raises(ModelError, match="a head of 0 classes asked for"):
        build_image_network(SMALL, classes=0)


def test_weights_of_another_network_name_the_first_that_does_not_fit(data: Path, tmp_path: Path) -> None:
    squeezenet = data / "imagenet" / "squeezenet1_1.safetensors"
    with pytest.raises(ModelError) as caught:
        build_image_network("resnet18", weights=squeezenet)
    assert str(caught.value) == (
        f"{squeezenet}: lacks conv1.weight; these are weights of another network; give those of this one, or "
        "the network's own name"
    )
    with pytest.raises(
        ModelError, match=r"features.0.weight has shape \(64, 3, 3, 3\), the network's \(96, 3, 7, 7\)"
    ):
        build_image_network("squeezenet1_0", weights=squeezenet)
    state = build_image_network(SMALL).state_dict()
    torch.save({**state, "extra.weight": torch.zeros(2)}, tmp_path / "more.pt")
    with pytest.raises(ModelError, match=r"more.pt: has extra.weight, which the network has not"):
        build_image_network(SMALL, weights=tmp_path / "more.pt")


class Surprise:
    """Would do something when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("surprise"),)


def test_files_that_hold_more_or_less_than_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state": Surprise()}, "code.pt")
    Path("pickle.pth").write_bytes(pickle.dumps(Surprise()))
    Path("text.pth").write_text("not weights")
    Path("empty.pt").touch()
    Path("text.safetensors").write_text("not weights")
    whole = build_image_network(SMALL).state_dict()
    torch.save(whole, "whole.pt")
    Path("cut.pt").write_bytes(Path("whole.pt").read_bytes()[:50_000])
    torch.save({"epoch": 3, "model": whole}, "run.pt")
    torch.save([1, 2], "list.pt")
    for name in (
        "code.pt",
        "pickle.pth",
        "text.pth",
        "empty.pt",
        "text.safetensors",
        "cut.pt",
        "run.pt",
        "list.pt",
    ):
        with pytest.raises(ModelError) as caught:
            build_image_network(SMALL, weights=Path(name))
        said = str(caught.value)
        assert said.startswith(f"{name}: ")
        assert "give that file" in said or "get the file again" in said
        assert "\n" not in said
    assert not Path("surprise").exists()


def test_replacing_a_head_in_place() -> None:
    network = build_image_network("resnet18")
    replace_head(network, 5)
    assert network(torch.zeros(1, 3, 64, 64)).shape == (1, 5)
