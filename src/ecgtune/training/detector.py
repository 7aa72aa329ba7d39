"""Train the networks that tell beats from other candidates (`ecgtune.signals.detect`).

``python -m ecgtune.training.detector`` makes ``pretrained/detector.json`` again from mitdb's DS1 and svdb;
with ``--folds 4`` it first measures itself on records left out.
"""

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from ecgtune.databases import DS1, find_database
from ecgtune.files import write_whole
from ecgtune.readers import read_record
from ecgtune.record import Annotations, Record
from ecgtune.signals.candidates import FEATURES, Candidates, find_candidates, nearest
from ecgtune.signals.detect import Layers, Verifier, choose_beats
from ecgtune.signals.resample import WORKING_RATE as RATE
from ecgtune.signals.resample import to_working
from ecgtune.signals.stream import blocks

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

TOLERANCE = int(0.12 * RATE)
"""A candidate this near to an annotated beat is that beat."""

HIDDEN = (48, 24)
EPOCHS = 12
NETWORKS = 3
"""They differ in their random weights alone, and so where they know little: there their mean is less sure."""

THRESHOLD = 0.45
"""Where false and missed beats balance on records left out, DS1 and svdb together."""

STRETCHES = (0.75, 1.3)
"""The recordings are also read this much faster and slower, for heart rates that they do not hold."""


@dataclass(frozen=True)
class Example:
    """Candidates of one recording in one variant, and which of them are beats."""

    record: str
    variant: str
    candidates: Candidates
    beat: NDArray[np.bool_]
    reference: Ints


def spoil(signal: Floats, noise: dict[str, Floats], rng: np.random.Generator) -> Floats:
    """Spoil one lead at a time for 5 to 60 s: flat, muscle noise, wander, white noise, low gain, pops."""
    signal = signal.copy()
    n_leads, n = signal.shape
    begin = 0
    while begin < n:
        end = min(n, begin + int(rng.uniform(5, 60) * RATE))
        lead = rng.integers(n_leads)
        size = np.percentile(np.abs(signal[lead] - np.median(signal[lead])), 99.5)
        kind = rng.choice(["flat", "ma", "bw", "white", "low", "pop"])
        if kind == "flat":
            signal[lead, begin:end] = signal[lead, begin]
        elif kind == "white":
            signal[lead, begin:end] += rng.normal(size=end - begin) * rng.uniform(0.05, 0.6) * size
        elif kind == "pop":
            signal[lead, begin:end] += _pops(end - begin, rng) * rng.uniform(0.5, 4) * size
        elif kind == "low":
            signal[lead, begin:end] *= rng.uniform(0.02, 0.3)
        else:
            source = noise[kind]
            first = rng.integers(source.shape[1] - (end - begin))
            strength = rng.uniform(0.5, 6) if kind == "ma" else rng.uniform(1, 10)
            signal[lead, begin:end] += source[rng.integers(2), first : first + end - begin] * strength * size
        begin = end + int(rng.uniform(5, 60) * RATE)
    return signal


def _pops(n: int, rng: np.random.Generator) -> Floats:
    """Electrode pops: jumps of either sign, up to two a second, that die away within a second: [n]."""
    jumps = np.where(rng.random(n) < rng.uniform(0.3, 2) / RATE, rng.choice([-1.0, 1.0], n), 0.0)
    decay = np.exp(-1 / (rng.uniform(0.1, 0.5) * RATE))
    pops: Floats = lfilter([1.0], [1.0, -decay], jumps).astype(np.float32)
    return pops


def stretch(signal: Floats, factor: float) -> Floats:
    """Make a recording ``factor`` times as long by linear interpolation."""
    n = signal.shape[1]
    at = np.arange(int(n * factor)) / factor
    return np.stack([np.interp(at, np.arange(n), lead) for lead in signal]).astype(np.float32)


def whole(record: Record) -> Floats:
    """Read a whole recording at the working rate: [leads, samples]."""
    pieces = [
        b.signal[:, b.core[0] - b.start :][:, : b.core[1] - b.core[0]] for b in blocks(record, range(2))
    ]
    return np.concatenate(pieces, axis=1)


def variants(
    signal: Floats, beats: Ints, noise: dict[str, Floats], rng: np.random.Generator
) -> Iterator[tuple[str, Floats, Ints]]:
    """Give a recording as it is, with faults, with one lead alone, faster and slower."""
    yield "plain", signal, beats
    yield "faults", spoil(signal, noise, rng), beats
    yield "one lead", signal[:1], beats
    for factor in STRETCHES:
        yield f"x{factor}", stretch(signal, factor), np.round(beats * factor).astype(np.int64)


def candidates_of(signal: Floats) -> Candidates:
    """Candidates of a whole signal in the blocks that detection uses."""
    record = Record.from_array(signal.T, RATE)
    at, features = [], []
    for block in blocks(record, range(len(signal))):
        if block.signal.shape[1] < 3 * RATE:
            continue
        found = find_candidates(block.signal)
        position = found.sample + block.start
        own = (position >= block.core[0]) & (position < block.core[1])
        at.append(position[own])
        features.append(found.features[own])
    return Candidates(np.concatenate(at), np.concatenate(features))


def in_flutter(annotations: Annotations, at: NDArray[np.floating], fs: float) -> NDArray[np.bool_]:
    """Whether positions lie between ``[`` and ``]``, where nobody marked beats."""
    inside = np.zeros(len(at), dtype=bool)
    begin: float | None = None
    for sample, symbol in zip(to_working(annotations.sample, fs), annotations.symbol, strict=True):
        if symbol == "[":
            begin = float(sample)
        elif symbol == "]" and begin is not None:
            inside |= (at >= begin - TOLERANCE) & (at <= sample + TOLERANCE)
            begin = None
    return inside


def examples(seed: int = 0) -> list[Example]:
    """Candidates of all variants of the training recordings (DS1 and svdb)."""
    rng = np.random.default_rng(seed)
    nstdb = find_database("nstdb")
    noise = {name: whole(read_record(nstdb.path(name))) for name in ("bw", "ma")}
    made = []
    for name, records in (("mitdb", DS1), ("svdb", find_database("svdb").records())):
        database = find_database(name)
        for record_name in records:
            record = read_record(database.path(record_name))
            annotations = record.annotations["atr"]
            reference = np.round(to_working(annotations.beats().sample, record.fs)).astype(np.int64)
            for variant, signal, beats in variants(whole(record), reference, noise, rng):
                found = candidates_of(signal)
                beat = np.zeros(len(found.sample), dtype=bool)
                own = nearest(found.sample, beats)
                beat[own[np.abs(found.sample[own] - beats) <= TOLERANCE]] = True
                factor = float(variant[1:]) if variant.startswith("x") else 1.0
                usable = ~in_flutter(annotations, found.sample / factor, record.fs)
                kept = Candidates(found.sample[usable], found.features[usable])
                made.append(Example(f"{name}/{record_name}", variant, kept, beat[usable], beats))
    return made


def fit(chosen: list[Example], seed: int = 0) -> Verifier:
    """Fit the networks; of the variants other than the plain recording half the candidates are used."""
    rng = np.random.default_rng(seed)
    features, beat = [], []
    for example in chosen:
        kept = np.ones(len(example.beat), dtype=bool)
        if example.variant != "plain":
            kept = rng.random(len(kept)) < 0.5
        features.append(example.candidates.features[kept])
        beat.append(example.beat[kept])
    scaler = StandardScaler().fit(np.concatenate(features))
    known, labels = scaler.transform(np.concatenate(features)), np.concatenate(beat)
    return Verifier(
        scaler.mean_.astype(np.float32),
        scaler.scale_.astype(np.float32),
        tuple(_fit_one(known, labels, NETWORKS * seed + i) for i in range(NETWORKS)),
        THRESHOLD,
        tuple(sorted({example.record for example in chosen})),
    )


def _fit_one(features: Floats, beat: NDArray[np.bool_], seed: int) -> Layers:
    network = MLPClassifier(HIDDEN, max_iter=EPOCHS, batch_size=512, alpha=1e-3, random_state=seed)
    with warnings.catch_warnings():
        # Stopping after a fixed number of epochs is meant.
        warnings.filterwarnings("ignore", message="Stochastic Optimizer: Maximum iterations")
        network.fit(features, beat)
    return Layers(
        tuple(w.astype(np.float32) for w in network.coefs_),
        tuple(b.astype(np.float32) for b in network.intercepts_),
    )


def score(verifier: Verifier, example: Example) -> tuple[int, int, int]:
    """Count found, missed and false beats of one recording."""
    at, _ = choose_beats(
        example.candidates, verifier.probability(example.candidates.features), verifier.threshold
    )
    if len(at) == 0:
        return 0, len(example.reference), 0
    own = nearest(at, example.reference)
    found = len(np.unique(own[np.abs(at[own] - example.reference) <= int(0.15 * RATE)]))
    return found, len(example.reference) - found, len(at) - found


def cross_validate(made: list[Example], folds: int, seed: int = 0) -> dict[str, tuple[float, float]]:
    """Gross Se and +P (%) by variant, each recording scored by a network that never saw it."""
    records = np.random.default_rng(seed).permutation(sorted({example.record for example in made}))
    counts: dict[str, NDArray[np.int64]] = {}
    for fold in np.array_split(records, folds):
        left_out = set(fold.tolist())
        verifier = fit([example for example in made if example.record not in left_out], seed)
        for example in made:
            if example.record in left_out:
                key = f"{example.record.split('/')[0]}, {example.variant}"
                counts[key] = counts.get(key, np.zeros(3, dtype=np.int64)) + score(verifier, example)
    return {
        key: (100 * c[0] / (c[0] + c[1]), 100 * c[0] / (c[0] + c[2])) for key, c in sorted(counts.items())
    }


def save(verifier: Verifier, path: Path) -> None:
    """Write the networks as JSON: 90 kB, readable, without a library."""

    def rounded(array: Floats) -> list[float]:
        return [float(f"{x:.6g}") for x in array] if array.ndim == 1 else [rounded(row) for row in array]  # type: ignore[misc]

    networks = [
        [
            {"weight": rounded(weight), "bias": rounded(bias)}
            for weight, bias in zip(network.weights, network.biases, strict=True)
        ]
        for network in verifier.networks
    ]
    card = {
        "what": "networks that tell beats from other candidates; see ecgtune.signals.detect",
        "trained_on": list(verifier.trained_on),
        "threshold": verifier.threshold,
        "features": list(FEATURES),
        "mean": rounded(verifier.mean),
        "scale": rounded(verifier.scale),
        "networks": networks,
    }
    write_whole(path, json.dumps(card) + "\n")


def main() -> None:
    """Measure with records left out, then train on all and write ``pretrained/detector.json``."""
    import argparse

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--folds", type=int, default=0, help="first measure on records left out, in this many folds"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    made = examples(arguments.seed)
    if arguments.folds:
        for name, (se, ppv) in cross_validate(made, arguments.folds, arguments.seed).items():
            print(f"{name:20s} Se {se:.2f}  +P {ppv:.2f}")
    save(fit(made, arguments.seed), Path(str(files("ecgtune"))) / "pretrained" / "detector.json")


if __name__ == "__main__":
    main()
