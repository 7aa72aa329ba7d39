"""From windows and positions to what a model reads; every parameter travels in the model's card."""

from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import atria, jumps, look_alikes, rhythm, usual_beat
from ecgtune.beats.look_alikes import LookAlikes
from ecgtune.beats.usual_beat import Stretch
from ecgtune.beats.windows import scale_windows, typical_beats
from ecgtune.errors import ModelError
from ecgtune.signals.resample import WORKING_RATE

Floats = NDArray[np.float32]

WIDEST = (128, 256)
"""Working samples that a window may reach before and after a beat: what blocks hold beyond their core."""

NEIGHBOURS = (4, 8, 16, 32, 64, 128)
"""Powers of two: groups of beats with one typical beat then fill the segments that a model predicts in."""


class Parts(NamedTuple):
    """What the inputs of n beats are made of, before it is put together.

    Parameters
    ----------
    scaled, typical
        Windows in units of the typical QRS height, and typical beats, float32 [n, leads, width].
    timing
        RR features, those of `ecgtune.beats.atria` and of `ecgtune.beats.usual_beat`, float32 [n, features].
    alike
        Look-alikes; None where the model reads none.
    usual
        Usual beat of each stretch, float32 [stretches, leads, width]; None where the model reads none.
    """

    scaled: Floats
    typical: Floats
    timing: Floats
    alike: LookAlikes | None
    usual: Floats | None

    def inputs(self) -> tuple[Floats, Floats]:
        """Put together beats [n, channels, width] and rhythm [n, features]."""
        if self.alike is None:
            return np.concatenate([self.scaled, self.typical], axis=1), self.timing
        beats = np.concatenate([self.scaled, self.typical, self.alike.mean], axis=1)
        return beats, np.concatenate([self.timing, self.alike.features], axis=1)


@dataclass(frozen=True)
class Preprocessing:
    """What is done to a recording before a model sees it.

    Parameters
    ----------
    rate
        Working rate in Hz; `ecgtune.signals.WORKING_RATE` is the only one.
    band
        Band-pass in Hz.
    before, after
        Working samples of a window before and after the fiducial.
    neighbours
        Beats on either side that give a lead's typical QRS height, and about as many the typical beat; one of
        `NEIGHBOURS`.
    near, far
        RR intervals on either side that give the medians of `ecgtune.beats.rhythm`.
    lost_lead_mv
        A lead whose typical QRS is lower counts as absent.
    leads
        Leads that the model reads; a recording with fewer gives zeros for the rest.
    alike
        Beats on either side among which look-alikes are sought; a model with 0 reads none.
    usual
        RR intervals on either side that give the usual one, which the features of `ecgtune.beats.jumps`
        compare with; a model with 0 reads none of them.
    usual_known
        Whether the model is told how well that interval is known (`ecgtune.beats.rhythm.OF_USUAL`).
    atria
        Beats on either side of which the features of `ecgtune.beats.atria` tell the P waves, and of ``far``
        intervals how irregular they are; a model with 0 reads none of them.
    usual_beat
        Whether beats are compared with the usual one of their stretch of the recording, as
        `ecgtune.beats.usual_beat` does.
    """

    rate: int = WORKING_RATE
    band: tuple[float, float] = (0.5, 40.0)
    before: int = 56
    after: int = 72
    neighbours: int = 32
    near: int = 8
    far: int = 64
    lost_lead_mv: float = 0.02
    leads: int = 2
    alike: int = 0
    usual: int = 0
    usual_known: bool = False
    atria: int = 0
    usual_beat: bool = False

    def __post_init__(self) -> None:
        if self.rate != WORKING_RATE:
            raise ModelError(
                f"preprocessing at {self.rate} Hz asked for; this ecgtune works at {WORKING_RATE} Hz"
            )
        if not (0 < self.before <= WIDEST[0] and 0 < self.after <= WIDEST[1]):
            raise ModelError(
                f"windows of {self.before} + {self.after} samples asked for; "
                f"at most {WIDEST[0]} + {WIDEST[1]}"
            )
        if not 0 < self.band[0] < self.band[1] < self.rate / 2:
            raise ModelError(f"band of {self.band[0]:g} to {self.band[1]:g} Hz asked for at {self.rate} Hz")
        if min(self.neighbours, self.near, self.far, self.leads) < 1:
            raise ModelError("neighbours, near, far and leads must be 1 or more")
        for name in ("alike", "usual", "atria"):
            if getattr(self, name) < 0:
                raise ModelError(f"{name} {getattr(self, name)} asked for; give 0 or more")
        if self.usual_known and not self.usual:
            raise ModelError("usual_known without usual asked for; give usual, or usual_known = false")
        if self.atria and self.before < -atria.P[0]:
            raise ModelError(
                f"windows from {self.before} samples before the beat asked for; P waves are sought from "
                f"{-atria.P[0]} before it: atria = 0 does without"
            )
        least, most = usual_beat.WIDTH
        if self.usual_beat and (self.before < -least or self.after < most):
            raise ModelError(
                f"windows of {self.before} + {self.after} samples asked for; beats are compared with the "
                f"usual one from {-least} before to {most} after it; usual_beat = false does without"
            )
        if self.neighbours not in NEIGHBOURS:
            raise ModelError(
                f"neighbours {self.neighbours} asked for; one of {', '.join(map(str, NEIGHBOURS))}"
            )

    @property
    def width(self) -> int:
        """Samples of a window."""
        return self.before + self.after

    @property
    def reach(self) -> int:
        """Beats on either side that the inputs of one beat depend on; of the `timed`, positions alone."""
        timing = self.near + self.far + 2
        alone = max(self.neighbours + 5 * self.neighbours // 4 + self.atria, timing)
        if not self.alike:
            return alone
        return max(alone, self.alike + self.stride + max(self.neighbours, timing))

    def reach_with(self, network: int) -> int:
        """Beats on either side that a label depends on, of a network that reads ``network`` beats further.

        A whole number of `stride`, since beats of a group share their typical beat.
        """
        return -(-(self.reach + network) // self.stride) * self.stride

    @property
    def timed(self) -> int:
        """Beats on either side whose positions are wanted; of those beyond `reach` no windows are."""
        return -(-self.usual // jumps.BLOCK) * jumps.BLOCK

    @property
    def stride(self) -> int:
        """Beats of a group that shares its typical beat; `inputs` wants beats from where a group begins."""
        return self.neighbours // 2

    @property
    def channels(self) -> int:
        """Channels of each beat's input: every lead's window, its typical beat, the mean of look-alikes."""
        return (3 if self.alike else 2) * self.leads

    @property
    def rhythm_features(self) -> tuple[str, ...]:
        """Names of the RR features, then of those of the atria, of the usual beat and of look-alikes."""
        of_jumps = jumps.FEATURES if self.usual else ()
        known = (rhythm.OF_USUAL,) if self.usual_known else ()
        of_atria = atria.FEATURES if self.atria else ()
        of_usual = usual_beat.feature_names(alike=self.alike > 0) if self.usual_beat else ()
        of_alike = look_alikes.FEATURES if self.alike else ()
        return rhythm.FEATURES + of_jumps + known + of_atria + of_usual + of_alike

    def inputs(
        self, windows: Floats, at: NDArray[np.integer], first: int = 0, stretch: Stretch | None = None
    ) -> tuple[Floats, Floats]:
        """Prepare successive beats of one recording.

        Parameters
        ----------
        windows
            mV, [n, leads, width].
        at
            Fiducials at the working rate, ascending, of these beats and of others before and after them. The
            first of these beats is the recording's first, or a multiple of `stride` beats after it.
        first
            Which of the positions is that of the first window.
        stretch
            Which of these beats are a stretch of `ecgtune.beats.usual_beat`; where not given they are all of
            a recording.

        Returns
        -------
        beats
            float32 [n, channels, width]: scaled windows, typical beats, means of look-alikes.
        rhythm
            float32 [n, len(rhythm_features)].
        """
        return self.parts(windows, at, first, stretch).inputs()

    def parts(
        self, windows: Floats, at: NDArray[np.integer], first: int = 0, stretch: Stretch | None = None
    ) -> "Parts":
        """Prepare successive beats as `inputs` does, and return what their inputs are made of."""
        scaled = scale_windows(windows, self.before, self.neighbours, self.lost_lead_mv)
        typical = typical_beats(scaled, self.neighbours)
        own = slice(first, first + len(windows))
        timing = self.rr_features(at)[own]
        alike = None
        if self.alike:
            alike = look_alikes.look_alikes(scaled, timing, self.before, self.alike, self.stride)
        if self.atria:
            irregular = atria.irregularity(rhythm.log_intervals(at), self.far)[own]
            waves = atria.p_waves(scaled, typical, self.before, self.atria)
            timing = np.concatenate([timing, irregular, waves], axis=1)
        usual = None
        if self.usual_beat:
            kinds = [scaled, typical, *([] if alike is None else [alike.mean])]
            seconds = usual_beat.seconds_between(at)[own]
            beside, usual = usual_beat.beside_usual(
                kinds, typical, seconds, self.before, self.stride, stretch
            )
            timing = np.concatenate([timing, beside], axis=1)
        return Parts(scaled, typical, timing, alike, usual)

    def rr_features(self, at: NDArray[np.integer]) -> Floats:
        """RR features of beats at the working rate, as `ecgtune.beats.rhythm.rr_features` gives them."""
        return rhythm.rr_features(at, self.near, self.far, self.usual, known=self.usual_known)

    def to_card(self) -> dict[str, Any]:
        """Return the parameters as plain types."""
        return asdict(self) | {"band": list(self.band)}

    @classmethod
    def from_card(cls, card: dict[str, Any]) -> "Preprocessing":
        """Read the parameters of a card.

        Raises
        ------
        ModelError
            On parameters that this version does not know, or values that make no sense.
        """
        known = {field.name for field in fields(cls)}
        if unknown := set(card) - known:
            raise ModelError(
                f"preprocessing {', '.join(sorted(unknown))} unknown: the model needs a newer ecgtune"
            )
        try:
            low, high = card.get("band", cls.band)
            return cls(**(card | {"band": (float(low), float(high))}))
        except (TypeError, ValueError) as error:
            raise ModelError(f"preprocessing {card} makes no sense: {error}") from error
