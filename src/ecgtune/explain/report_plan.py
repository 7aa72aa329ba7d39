"""How much a report measures, and how long each part takes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Parameters
    ----------
    per_class
        Beats of each class.
    records
        Most records that they are drawn from; all where None.
    few
        Beats of each class for what is repeated many times: sensitivity and both sanity checks.
    steps, few_steps
        Of Integrated Gradients, of all beats and of the few.
    shares
        Steps of deletion and insertion.
    orders
        Random orders for each beat.
    pieces
        Draws of infidelity for each beat.
    noises
        Draws of sensitivity for each beat.
    depths
        Points of the cascade of random weights.
    dealings
        Draws of random weights at each point.
    learned
        Beats of each class that a network with permuted labels is trained on.
    epochs
        Of this training, at most.
    """

    per_class: int = 80
    records: int | None = None
    few: int = 10
    steps: int = 50
    few_steps: int = 20
    shares: int = 20
    orders: int = 2
    pieces: int = 10
    noises: int = 4
    depths: int = 5
    dealings: int = 3
    learned: int = 40
    epochs: int = 400


FULL = Plan()
QUICK = Plan(
    per_class=6,
    records=6,
    few=2,
    steps=16,
    few_steps=8,
    shares=10,
    orders=1,
    pieces=8,
    noises=1,
    depths=2,
    dealings=1,
    learned=8,
    epochs=120,
)


@dataclass(frozen=True)
class Took:
    """Seconds of a part: by the clock, and of the processor, which others beside it do not lengthen."""

    wall: float = 0.0
    processor: float = 0.0


@dataclass
class Clock:
    """How long each part takes, in the order in which they began.

    Parameters
    ----------
    tell
        Called with a line for each part that is done.
    """

    tell: Tell
    parts: dict[str, Took] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the time of a ``with`` block to a part."""
        began, busy = time.perf_counter(), time.process_time()
        yield
        wall, processor = time.perf_counter() - began, time.process_time() - busy
        before = self.parts.get(name, Took())
        self.parts[name] = Took(before.wall + wall, before.processor + processor)
        self.tell(f"{name}: {wall:.1f} s")
