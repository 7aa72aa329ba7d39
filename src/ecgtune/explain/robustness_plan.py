"""What a robustness study puts recordings through, and how much it measures."""

from collections.abc import Iterator
from dataclasses import dataclass

SNRS: tuple[float, ...] = (24.0, 18.0, 12.0, 6.0, 0.0, -6.0)
"""Signal-to-noise ratios in dB as PhysioNet's ``nst`` defines them: those of nstdb's own records."""

NOISES: dict[str, str] = {
    "bw": "baseline wander (nstdb bw)",
    "ma": "muscle (nstdb ma)",
    "em": "electrode motion (nstdb em)",
    "motion": "electrode motion, simulated",
    "mains50": "mains hum 50 Hz, simulated",
    "mains60": "mains hum 60 Hz, simulated",
    "ma-alone": "muscle, and the first lead lost",
}
"""Kinds of noise, and what tables call them. Each is in all leads; ``ma-alone`` leaves one of them."""

LOSSES: dict[str, str] = {
    "loss-10": "each lead lost 10 % of the time",
    "loss-30": "each lead lost 30 % of the time",
    "loss-50": "each lead lost 50 % of the time",
    "loss-first": "first lead lost",
    "loss-second": "second lead lost",
}
"""Kinds of lead loss. A lost lead is flat; leads are lost independently, for 1 to 10 s at a time. The first
lead is the one that a model reads first (MLII where there is one)."""

CLEAN = "clean"


@dataclass(frozen=True)
class Condition:
    """One way in which recordings are spoilt.

    Parameters
    ----------
    kind
        `CLEAN`, or of `NOISES` or `LOSSES`.
    snr
        In dB; None where nothing is added.
    """

    kind: str
    snr: float | None = None

    @property
    def name(self) -> str:
        """E.g. ``"ma -6 dB"``."""
        return self.kind if self.snr is None else f"{self.kind} {column(self.snr)}"


def column(snr: float | None) -> str:
    """What tables call a signal-to-noise ratio; `CLEAN` where there is no noise."""
    return CLEAN if snr is None else f"{snr:g} dB"


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Parameters
    ----------
    records
        Most records, those with the most classes; all where None.
    minutes
        Of each recording, first and last: as EC57, nothing before the fifth is scored. Six minutes keep a
        model's run under a quarter of an hour; that there are 22 records makes intervals wide, not the time.
    snrs
        See `SNRS`.
    noises, losses
        See `NOISES` and `LOSSES`.
    per_class
        Beats of each class whose attributions are compared, dealt over the records.
    methods
        Of attribution; see `ecgtune.explain.explain`.
    steps
        Of Integrated Gradients. Twenty order the samples as fifty do (rank correlation above 0.99).
    """

    records: int | None = None
    minutes: tuple[float, float] = (5.0, 11.0)
    snrs: tuple[float, ...] = SNRS
    noises: tuple[str, ...] = tuple(NOISES)
    losses: tuple[str, ...] = tuple(LOSSES)
    per_class: int = 20
    methods: tuple[str, ...] = ("integrated-gradients", "grad-cam")
    steps: int = 20

    def conditions(self) -> Iterator[Condition]:
        """Every condition, the clean one first."""
        yield Condition(CLEAN)
        for noise in self.noises:
            yield from (Condition(noise, snr) for snr in self.snrs)
        yield from (Condition(loss) for loss in self.losses)


FULL = Plan()
QUICK = Plan(
    records=2,
    minutes=(5.0, 7.0),
    snrs=(12.0, 0.0),
    noises=("ma", "em", "motion"),
    losses=("loss-30", "loss-first"),
    per_class=3,
    steps=10,
)
