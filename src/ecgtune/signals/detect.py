"""Beat positions from all leads together.

`ecgtune.signals.candidates` proposes; a few small networks trained on records of many patients, with leads
lost and spoilt on purpose, decide for each candidate from the evidence in its two best leads and its
neighbourhood. A lead that is flat, off or noisy for a while therefore costs nothing while another is good.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import ModelError, RecordError
from ecgtune.record import Record
from ecgtune.signals.candidates import FEATURES, Candidates, find_candidates
from ecgtune.signals.product import product
from ecgtune.signals.resample import WORKING_RATE, to_native
from ecgtune.signals.stream import Block, blocks, choose_leads

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

REFRACTORY = int(0.2 * WORKING_RATE)
"""Two beats are at least this far apart; of two closer ones the more probable stays."""

_SHORTEST = 3 * WORKING_RATE

_PARTS = ("weight", "bias")
"""Of a layer in ``pretrained/detector.json``."""


class Layers(NamedTuple):
    """One line of layers, ReLU between them."""

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]


@dataclass(frozen=True)
class Verifier:
    """The networks that decide whether a candidate is a beat, by the mean of their probabilities.

    Parameters
    ----------
    mean, scale
        Standardisation of the features, float32 [features].
    networks
        Trained on the same records from different random weights: where they know nothing they differ.
    threshold
        Probability from which a candidate is a beat.
    trained_on
        ``database/record`` of the training records.
    """

    mean: Floats
    scale: Floats
    networks: tuple[Layers, ...]
    threshold: float
    trained_on: tuple[str, ...]

    def probability(self, features: Floats) -> Floats:
        """Probability that each candidate is a beat: float32 [n]."""
        standard = (features - self.mean) / self.scale
        found: Floats = np.mean([_probability(network, standard) for network in self.networks], axis=0)
        return found


def _probability(network: Layers, layer: Floats) -> Floats:
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        layer = np.maximum(product(layer, weight) + bias, 0)
    logit = (product(layer, network.weights[-1]) + network.biases[-1])[:, 0]
    probability: Floats = 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
    return probability


@lru_cache(maxsize=1)
def load_verifier() -> Verifier:
    """Load the networks that ship with ecgtune (``pretrained/detector.json``)."""
    card = json.loads(files("ecgtune").joinpath("pretrained", "detector.json").read_text())
    if tuple(card["features"]) != FEATURES:
        raise ModelError("pretrained/detector.json was made for other features: train the detector again")
    networks = [
        Layers(*(tuple(np.array(layer[part], dtype=np.float32) for layer in layers) for part in _PARTS))
        for layers in card["networks"]
    ]
    return Verifier(
        np.array(card["mean"], dtype=np.float32),
        np.array(card["scale"], dtype=np.float32),
        tuple(networks),
        card["threshold"],
        tuple(card["trained_on"]),
    )


def choose_beats(candidates: Candidates, probability: Floats, threshold: float) -> tuple[Ints, Floats]:
    """Keep the probable candidates, at least `REFRACTORY` apart: positions and probabilities."""
    kept = probability >= threshold
    at, sure = candidates.sample[kept], probability[kept]
    while len(close := np.flatnonzero(np.diff(at) < REFRACTORY)):
        weaker = np.where(sure[close] < sure[close + 1], close, close + 1)
        at, sure = np.delete(at, weaker), np.delete(sure, weaker)
    return at, sure


def find_beats(block: Block, verifier: Verifier) -> Ints:
    """Beats of one block, its margins included: working samples of the recording, int64 [n]."""
    if block.signal.shape[1] < _SHORTEST:
        return np.empty(0, dtype=np.int64)
    candidates = find_candidates(block.signal)
    if len(candidates.sample) == 0:
        return candidates.sample
    at, _ = choose_beats(candidates, verifier.probability(candidates.features), verifier.threshold)
    return at + block.start


def join_blocks(found: Iterator[tuple[Block, Ints]]) -> Iterator[tuple[Block, Ints]]:
    """Give each beat to one block, though neighbouring blocks place a beat at their seam differently."""
    last = -REFRACTORY
    for block, at in found:
        begin, end = block.core
        reach = 0 if block.last else REFRACTORY
        own = at[(at >= begin - REFRACTORY) & (at < end + reach) & (at >= last + REFRACTORY)]
        if len(own):
            last = int(own[-1])
        yield block, own


def stream_beats(record: Record, leads: Sequence[int]) -> Iterator[tuple[Block, Ints]]:
    """Detect beats block by block: each `Block` with the working samples of its beats.

    A beat may lie up to `REFRACTORY` outside its block's core, never outside the block.
    """
    verifier = load_verifier()
    yield from join_blocks((block, find_beats(block, verifier)) for block in blocks(record, leads))


def detect_beats(record: Record, leads: Sequence[str | int] | None = None) -> Ints:
    """Find the heartbeats of a recording.

    Parameters
    ----------
    record
        A recording of 100 to 2000 Hz, one lead or more, any length.
    leads
        Names or indices of the leads to use; all where not given. Of each moment, the two best count.

    Returns
    -------
    ndarray
        Native sample numbers, int64 [n], strictly ascending; where the leads' QRS energy is greatest,
        within 8 ms.

    Raises
    ------
    RecordError
        On a rate out of range, a lead that is not there, or a recording shorter than three seconds.
    """
    chosen = choose_leads(record, leads)
    if record.duration < _SHORTEST / WORKING_RATE:
        raise RecordError(
            f"{record.name}: {record.duration:.2f} s long; at least 3 s are needed to find beats"
        )
    found = [at for _, at in stream_beats(record, chosen)]
    at = np.concatenate(found) if found else np.empty(0, dtype=np.int64)
    return np.minimum(to_native(at, record.fs), record.n_samples - 1)
