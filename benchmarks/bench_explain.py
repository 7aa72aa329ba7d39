"""Explanations of a thousand beats: seconds of each method, on all cores, as `ecgtune explain` takes them.

Beside Integrated Gradients as they are stands the same with every beat's neighbours encoded again at every
step, which is what explaining the network as it is trained would take; that is timed on few beats. Reading
the recording and labelling it are lines of their own.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from bench import finish, options, table
from ecgtune.databases import find_database
from ecgtune.explain import METHODS, beat_subject_of, explain
from ecgtune.explain.methods import captum_part
from ecgtune.explain.subject import Reading
from ecgtune.explain.subject_sequence import SequenceSubject
from ecgtune.readers import read_record

RECORD = "208"
BEATS, FEW, STEPS = 1000, 20, 50
WHOLE = "the same, neighbours encoded at every step"


@dataclass(frozen=True)
class Taken:
    """Seconds of a job on the clock and of the processor, and how many beats it was."""

    wall: float
    processor: float
    beats: int


class WholeSequence(nn.Module):
    """The explained beat in the middle of all the beats that its label depends on."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, signal: Tensor, rhythm: Tensor, beats: Tensor, rhythms: Tensor) -> Tensor:
        """Logits [n, classes]; ``beats`` [n, 2 reach + 1, channels, width] and ``rhythms`` are context."""
        middle, leads = beats.shape[1] // 2, signal.shape[1]
        own = torch.cat([signal, beats[:, middle, leads:]], 1).unsqueeze(1)
        beats = torch.cat([beats[:, :middle], own, beats[:, middle + 1 :]], 1)
        rhythms = torch.cat([rhythms[:, :middle], rhythm.unsqueeze(1), rhythms[:, middle + 1 :]], 1)
        logits: Tensor = self.network(beats, rhythms)
        return logits[:, middle]


def whole_sequences(subject: SequenceSubject, reading: Reading, rows: np.ndarray) -> None:
    """Integrated Gradients of whole sequences, of beats far from the recording's ends."""
    assert reading.rhythm is not None
    reach = int(subject.network.reach)  # type: ignore[arg-type]
    around = rows[:, np.newaxis] + np.arange(-reach, reach + 1)
    beats, rhythms = torch.from_numpy(reading.signal[around]), torch.from_numpy(reading.rhythm[around])
    leads = subject.preprocessing.leads
    for one in range(len(rows)):
        captum_part("attr").IntegratedGradients(WholeSequence(subject.network)).attribute(
            (beats[one : one + 1, reach, :leads], rhythms[one : one + 1, reach]),
            target=0,
            additional_forward_args=(beats[one : one + 1], rhythms[one : one + 1]),
            n_steps=STEPS,
        )


def timed(job: Callable[[], object], beats: int) -> Taken:
    """Time one call."""
    wall, processor = time.perf_counter(), time.process_time()
    job()
    return Taken(time.perf_counter() - wall, time.process_time() - processor, beats)


def main() -> None:
    given = options(__doc__)
    threads = torch.get_num_threads()
    subject = beat_subject_of(given.model)
    record = read_record(find_database("mitdb").path(RECORD))
    reading = subject.read(record)
    rows = np.arange(100, 100 + (FEW if given.quick else BEATS))
    found = {
        "reading the recording": timed(lambda: subject.read(record), len(reading)),
        "labelling it": timed(lambda: subject.probability(reading), len(reading)),
        "preparing the beats": timed(lambda: subject.examples(reading, rows), len(rows)),
    }
    examples = subject.examples(reading, rows)
    explain(subject, examples.select(slice(0, FEW)), steps=STEPS)
    for method in METHODS:
        if method != "grad-cam" or subject.convolution is not None:
            found[method] = timed(
                lambda name=method: explain(subject, examples, method=name, steps=STEPS),  # type: ignore[misc]
                len(rows),
            )
    if isinstance(subject, SequenceSubject):
        found[WHOLE] = timed(lambda: whole_sequences(subject, reading, rows[:FEW]), FEW)

    gradients = found["integrated-gradients"]
    table(
        f"{subject.name}, mitdb {RECORD}, {threads} threads; Integrated Gradients of {STEPS} steps",
        ("", "beats", "s", "of the processor", "ms a beat", "x Integrated Gradients"),
        [
            (
                name,
                f"{taken.beats:,}",
                f"{taken.wall:.2f}",
                f"{taken.processor:.2f}",
                f"{1000 * taken.wall / taken.beats:.2f}",
                f"{taken.wall / taken.beats / (gradients.wall / gradients.beats):.2f}",
            )
            for name, taken in found.items()
        ],
    )
    finish(
        given,
        "explain",
        {
            "record": RECORD,
            "steps": STEPS,
            "threads": threads,
            "beats": {name: taken.beats for name, taken in found.items()},
            "seconds": {name: taken.wall for name, taken in found.items()},
            "processor_seconds": {name: taken.processor for name, taken in found.items()},
        },
    )


if __name__ == "__main__":
    main()
