"""A trained network as a model folder: card, safetensors, ONNX."""

import copy
import hashlib
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from ecgtune.beats import Preprocessing
from ecgtune.errors import ModelError
from ecgtune.files import make_folder
from ecgtune.model import CARD, FORMAT, ONNX, WEIGHTS, Model, load_model, read_card, temperature_of
from ecgtune.self_training import SelfTraining
from ecgtune.training.networks import BeatNetwork, build_network


class _OneRecording(nn.Module):
    """Network over one recording's beats, giving probabilities: what the runtime calls.

    With ``evidence`` it gives that as well, for self-training (`ecgtune.self_training`).
    """

    def __init__(self, network: nn.Module, temperature: float, evidence: bool) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature
        self.evidence = evidence

    def forward(self, beats: Tensor, rhythm: Tensor) -> tuple[Tensor, ...]:
        if not self.evidence:
            return (self._probability(self.network(beats[None], rhythm[None])[0]),)
        network: Any = self.network
        known = network.evidence(beats[None], rhythm[None])
        logits = network.decide(network.encode_known(beats[None], known), rhythm[None])
        return self._probability(logits[0]), known[0]

    def _probability(self, logits: Tensor) -> Tensor:
        # Dividing by 1 would be a step of its own in the exported file.
        return torch.softmax(logits if self.temperature == 1 else logits / self.temperature, dim=1)


class _HeightOne(nn.Module):
    """A chain of one-dimensional layers as two-dimensional ones of height one, with the same weights.

    ONNX Runtime has its fast convolutions in two dimensions alone: they take a third of the time.
    """

    def __init__(self, chain: nn.Sequential) -> None:
        super().__init__()
        self.chain = nn.Sequential(*(_flattened(layer) for layer in chain))

    def forward(self, x: Tensor) -> Tensor:
        flat: Tensor = self.chain(x.unsqueeze(2)).squeeze(2)
        return flat


def _flattened(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.BatchNorm1d):
        norm = nn.BatchNorm2d(layer.num_features, layer.eps)
        norm.load_state_dict(layer.state_dict())
        return norm
    if not isinstance(layer, nn.Conv1d):
        return layer
    assert layer.padding_mode == "zeros"
    assert not isinstance(layer.padding, str)
    convolution = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        (1, layer.kernel_size[0]),
        stride=(1, layer.stride[0]),
        padding=(0, layer.padding[0]),
        dilation=(1, layer.dilation[0]),
        groups=layer.groups,
        bias=layer.bias is not None,
    )
    state = layer.state_dict()
    convolution.load_state_dict(state | {"weight": state["weight"].unsqueeze(2)})
    return convolution


def _for_runtime(network: nn.Module) -> nn.Module:
    """Copy a network with its chains of convolutions as the runtime likes them."""
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Sequential) and any(isinstance(layer, nn.Conv1d) for layer in child):
                setattr(parent, name, _HeightOne(child))
    return network


def save_model(network: nn.Module, card: dict[str, Any], folder: Path) -> Model:
    """Write a model folder, whole or not at all, and load it.

    Parameters
    ----------
    network
        Takes [batch, beats, channels, width] and [batch, beats, features], gives logits; has ``reach``.
    card
        Name, version, architecture, classes, preprocessing, training, metrics, ...; format, reach, parameter
        count and hashes are filled in here. The exported softmax divides the network's logits by the card's
        ``temperature`` (1 where there is none); the weights are kept as they are. Where the card asks for
        self-training, the exported network gives its evidence, too.
    folder
        Where to; a model that is there is replaced.

    Raises
    ------
    ModelError
        Where the exported network does not give what the network gives, the temperature is not above 0, or
        the network has no evidence for the self-training that is asked for.
    """
    import json

    make_folder(folder.parent)
    how = Preprocessing.from_card(card["preprocessing"])
    temperature, evidence = temperature_of(card), SelfTraining.from_card(card).active
    if evidence and not hasattr(network, "evidence"):
        raise ModelError(
            f"{type(network).__name__} gives no evidence for self-training: take the network "
            "relation-sequence, or leave [self_training] out"
        )
    network = network.eval().cpu()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
        part = Path(name) / folder.name
        part.mkdir()
        tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
        # safetensors' own save_file makes files that nobody else may read.
        (part / WEIGHTS).write_bytes(save(tensors))
        _export(_OneRecording(_for_runtime(network), temperature, evidence), how, part / ONNX)
        card = card | {
            "format": FORMAT,
            "temperature": temperature,
            "reach": int(network.reach),  # type: ignore[arg-type]
            "parameters": sum(p.numel() for p in network.parameters()),
            "onnx_sha256": hashlib.sha256((part / ONNX).read_bytes()).hexdigest(),
            "weights_sha256": hashlib.sha256((part / WEIGHTS).read_bytes()).hexdigest(),
        }
        (part / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        _check(network, load_model(part))
        if folder.exists():
            folder.rename(Path(name) / "replaced")
        part.rename(folder)
    return load_model(folder)


def load_network(folder: Path) -> BeatNetwork:
    """Build the network of a model folder and load its weights, for further training.

    Raises
    ------
    ModelError
        Where the folder has no weights, or they are damaged or belong to another architecture.
    """
    card = read_card(folder)
    arguments = dict(card["architecture"])
    network = build_network(arguments.pop("network", ""), **arguments)
    if not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder}: {WEIGHTS} is missing; without it the model can only predict")
    content = (folder / WEIGHTS).read_bytes()
    if hashlib.sha256(content).hexdigest() != card.get("weights_sha256"):
        raise ModelError(
            f"{folder / WEIGHTS}: does not belong to its card (SHA-256 differs); copy the model again"
        )
    try:
        network.load_state_dict(load(content))
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder / WEIGHTS}: does not fit the card's architecture: {reason}") from error
    return network


def _export(network: _OneRecording, how: Preprocessing, path: Path) -> None:
    n = torch.export.Dim("n", min=1)
    example = (
        torch.zeros(40, how.channels, how.width),
        torch.zeros(40, len(how.rhythm_features)),
    )
    level = logging.getLogger("torch.onnx").level
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # torch's exporter warns of its own internals.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", UserWarning)
            program = torch.onnx.export(
                network.eval(),
                example,
                dynamo=True,
                verbose=False,
                input_names=["beats", "rhythm"],
                output_names=["probability", "evidence"] if network.evidence else ["probability"],
                dynamic_shapes={"beats": {0: n}, "rhythm": {0: n}},
            )
            assert program is not None
            path.write_bytes(_bare(program.model_proto))
    finally:
        logging.getLogger("torch.onnx").setLevel(level)


def _bare(model: onnx.ModelProto) -> bytes:
    """Encode a model without what the exporter notes of this machine: source files, stack traces.

    Two machines then give the same file for the same weights.
    """
    del model.metadata_props[:]
    for graph in (model.graph, *model.functions):
        graph.doc_string = ""
        del graph.metadata_props[:]
        for part in (*graph.node, *graph.value_info, *getattr(graph, "initializer", ())):
            part.doc_string = ""
            del part.metadata_props[:]
    for value in (*model.graph.input, *model.graph.output):
        value.doc_string = ""
        del value.metadata_props[:]
    encoded: bytes = model.SerializeToString(deterministic=True)
    return encoded


def _check(network: nn.Module, model: Model) -> None:
    """Compare torch and ONNX on random beats of several counts."""
    how = model.preprocessing
    whole = _OneRecording(network, model.temperature, model.self_training.active)
    rng = np.random.default_rng(0)
    for n in (1, 7, 300):
        beats = rng.normal(size=(n, how.channels, how.width)).astype(np.float32)
        rhythm = rng.normal(size=(n, len(how.rhythm_features))).astype(np.float32)
        with torch.no_grad():
            expected = whole(torch.from_numpy(beats), torch.from_numpy(rhythm))
        said = [part for part in model.run(beats, rhythm) if part is not None]
        if not all(np.allclose(*pair, atol=1e-4) for pair in zip(said, expected, strict=True)):
            raise ModelError(f"the exported network differs from the trained one on {n} beats")
