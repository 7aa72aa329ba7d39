"""Every kind of subject that can be explained, small, with beats or images of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from made_up_beats_explained import examples_of, subject_around
from torch import Tensor, nn

from ecgtune.beats import Preprocessing
from ecgtune.explain.subject import Examples, Reading, Subject, rr_seconds
from ecgtune.explain.subject_images import ImageSubject
from ecgtune.explain.subject_sequence import SequenceSubject
from ecgtune.labels import CLASSES
from ecgtune.self_training import NO_SELF_TRAINING, SelfTraining
from ecgtune.training.image_networks import ImageInput
from ecgtune.training.networks import RelationEnsemble, build_network
from ecgtune.training.networks.residual_layers import ResidualLayers
from ecgtune.training.networks.residual_window import ResidualWindow
from ecgtune.training.networks.windows import WINDOW_NETWORKS, build_window_network

HOW = Preprocessing(neighbours=8, near=4, far=16)

ALIKE = Preprocessing(before=40, after=80, neighbours=8, near=4, far=16, alike=12)
"""With look-alikes."""

SELF_TRAINED = SelfTraining(ventricular=0.4, supraventricular=0.2)


def sequence_subject(
    seed: int = 0, how: Preprocessing = HOW, self_training: SelfTraining = NO_SELF_TRAINING
) -> SequenceSubject:
    torch.manual_seed(seed)
    related = {"before": how.before, "alike": True} if how.alike else {}
    network = build_network(
        "relation-sequence" if how.alike else "beat-sequence",
        channels=how.channels,
        width=how.width,
        rhythm=len(how.rhythm_features),
        filters=[4, 6],
        size=4,
        hidden=4,
        dilations=[1, 2],
        **related,
    )
    # Without statistics of their own, batch normalisations would pass everything on as it is.
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    if how.alike:
        # Convolutions, which Grad-CAM looks at, say nothing of N and S.
        network.shape.bias.data[CLASSES.index("V")] += 5
    if self_training.active:
        # Discriminants are drawn from beats that a network is sure of.
        network.shape.bias.data[CLASSES.index("V")] += 1.5
    return SequenceSubject("tiny", network.eval(), how, self_training=self_training)


def sequence_reading(n: int = 40, seed: int = 0, how: Preprocessing = HOW) -> Reading:
    """A made-up recording of n beats."""
    draw = np.random.default_rng(seed)
    at = np.cumsum(draw.integers(60, 140, n))
    windows = draw.normal(size=(n, how.leads, how.width)).astype(np.float32)
    parts = how.parts(windows, at)
    signal, rhythm = parts.inputs()
    return Reading(
        database="",
        record="made-up",
        patient="made-up",
        fs=128.0,
        leads=("MLII", "V1"),
        sample=at,
        label=np.full(n, -1),
        signal=signal,
        scale=np.ones((n, how.leads), dtype=np.float32),
        offset=np.zeros((n, how.leads), dtype=np.float32),
        rhythm=rhythm,
        rr=rr_seconds(at / 128),
        readable=np.ones(n, dtype=np.bool_),
        own_share=None if parts.alike is None else parts.alike.own,
    )


class FewPixels(nn.Module):
    """A network of images with a convolution, whose ReLU works in place as torchvision's do."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(
            nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(inplace=True), nn.Conv2d(4, 3, 1), nn.ReLU(inplace=True)
        )

    def forward(self, images: Tensor) -> Tensor:
        made: Tensor = self.features(images).mean((2, 3))
        return made


def _sequence(
    how: Preprocessing, self_training: SelfTraining = NO_SELF_TRAINING, beats: int = 40
) -> Callable[[], tuple[Subject, Examples]]:
    def make() -> tuple[Subject, Examples]:
        subject = sequence_subject(how=how, self_training=self_training)
        reading = sequence_reading(beats, how=how)
        # The first and the last beat have fewer neighbours.
        return subject, subject.examples(reading, np.array([0, 1, 20, beats - 1]))

    return make


def _ensemble() -> tuple[Subject, Examples]:
    members = [sequence_subject(seed, ALIKE).network for seed in (2, 3)]
    subject = replace(sequence_subject(how=ALIKE), network=RelationEnsemble(members).eval())
    reading = sequence_reading(how=ALIKE)
    return subject, subject.examples(reading, np.array([0, 1, 20, 39]))


def _images() -> tuple[Subject, Examples]:
    subject = ImageSubject("few-pixels", FewPixels().eval(), ("a", "b", "c"), ImageInput(size=16, resize=16))
    images = np.random.default_rng(0).integers(0, 255, (4, 16, 16, 3)).astype(np.uint8)
    return subject, subject.examples(images, [f"{i}.png" for i in range(4)])


def _windows(name: str) -> Callable[[], tuple[Subject, Examples]]:
    def make() -> tuple[Subject, Examples]:
        torch.manual_seed(0)
        network = build_window_network(name, channels=2, width=64, classes=len(CLASSES))
        subject = replace(subject_around(network.eval(), 2, 64, CLASSES), name=name)
        return subject, examples_of(subject, np.random.default_rng(0).normal(size=(4, 2, 64)))

    return make


def _stack() -> tuple[Subject, Examples]:
    """A network of the stacks of `patient-transfer`."""
    torch.manual_seed(0)
    network = ResidualLayers(ResidualWindow(width=128, models=2).eval(), 1)
    subject = subject_around(network.eval(), 1, 128, ("normal", "abnormal"))
    return subject, examples_of(subject, np.random.default_rng(0).normal(size=(4, 1, 128)))


@dataclass(frozen=True)
class Kind:
    """A kind of subject: how one is made, whether it has a convolution and RR features."""

    make: Callable[[], tuple[Subject, Examples]]
    convolves: bool = True
    rhythm: bool = False


KINDS: dict[str, Kind] = {
    "sequence": Kind(_sequence(HOW), rhythm=True),
    "sequence with look-alikes": Kind(_sequence(ALIKE), rhythm=True),
    "self-trained sequence": Kind(_sequence(ALIKE, SelfTraining(1.0, 1.0), 400), rhythm=True),
    "ensemble": Kind(_ensemble, rhythm=True),
    "images": Kind(_images),
    "stack": Kind(_stack),
    **{name: Kind(_windows(name), convolves=name != "ann") for name in WINDOW_NETWORKS},
}
"""Every kind of subject, and every network of windows."""
