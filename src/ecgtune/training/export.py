"""A trained network as a model folder: card, safetensors, ONNX."""

import hashlib
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ecgtune.beats import Preprocessing
from ecgtune.errors import ModelError
from ecgtune.files import make_folder
from ecgtune.model import CARD, FORMAT, ONNX, WEIGHTS, Model, load_model, read_card
from ecgtune.training.networks import build_network


class _OneRecording(nn.Module):
    """Network over one recording's beats, giving probabilities: what the runtime calls."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, beats: Tensor, rhythm: Tensor) -> Tensor:
        return torch.softmax(self.network(beats[None], rhythm[None])[0], dim=1)


def save_model(network: nn.Module, card: dict[str, Any], folder: Path) -> Model:
    """Write a model folder, whole or not at all, and load it.

    Parameters
    ----------
    network
        Takes [batch, beats, channels, width] and [batch, beats, features], gives logits; has ``reach``.
    card
        Name, version, architecture, classes, preprocessing, training, metrics, ...; format, reach, parameter
        count and hashes are filled in here.
    folder
        Where to; a model that is there is replaced.

    Raises
    ------
    ModelError
        Where the exported network does not give what the network gives.
    """
    import json

    make_folder(folder.parent)
    how = Preprocessing.from_card(card["preprocessing"])
    network = network.eval().cpu()
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as name:
        part = Path(name) / folder.name
        part.mkdir()
        tensors = {key: value.contiguous() for key, value in network.state_dict().items()}
        # safetensors' own save_file makes files that nobody else may read.
        (part / WEIGHTS).write_bytes(save(tensors))
        _export(_OneRecording(network), how, part / ONNX)
        card = card | {
            "format": FORMAT,
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


def load_network(folder: Path) -> nn.Module:
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
    try:
        network.load_state_dict(load_file(folder / WEIGHTS))
    except SafetensorError as error:
        raise ModelError(f"{folder / WEIGHTS}: is damaged: {error}; copy the model again") from error
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{folder / WEIGHTS}: does not fit the card's architecture: {reason}") from error
    return network


def _export(network: nn.Module, how: Preprocessing, path: Path) -> None:
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
                output_names=["probability"],
                dynamic_shapes={"beats": {0: n}, "rhythm": {0: n}},
            )
            assert program is not None
            program.save(path)
    finally:
        logging.getLogger("torch.onnx").setLevel(level)


def _check(network: nn.Module, model: Model) -> None:
    """Compare torch and ONNX on random beats of several counts."""
    how = model.preprocessing
    rng = np.random.default_rng(0)
    for n in (1, 7, 300):
        beats = rng.normal(size=(n, how.channels, how.width)).astype(np.float32)
        rhythm = rng.normal(size=(n, len(how.rhythm_features))).astype(np.float32)
        with torch.no_grad():
            expected = _OneRecording(network)(torch.from_numpy(beats), torch.from_numpy(rhythm)).numpy()
        if not np.allclose(model.run(beats, rhythm), expected, atol=1e-4):
            raise ModelError(f"the exported network differs from the trained one on {n} beats")
