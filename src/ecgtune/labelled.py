"""What the main job gives for one recording, `Labelled`, and its summary in figures."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.labels import CLASSES, class_indices
from ecgtune.record import Annotations, Record

PAUSE_S = 2.0
"""An RR interval longer than this is counted as a pause."""

RATE_WINDOW = 8
"""Lowest and highest heart rate are means over this many successive RR intervals."""

DISCLAIMER = "Not a medical device: for research and teaching, not for diagnosis or treatment."

ECTOPIC = ("S", "V")
"""Classes whose couplets, runs and episodes are counted."""

_EPISODE_CYCLES = 3


def _no_gaps() -> NDArray[np.int64]:
    return np.zeros((0, 2), dtype=np.int64)


@dataclass(frozen=True)
class Labelled:
    """One recording with every heartbeat labelled.

    Parameters
    ----------
    record
        The recording; its samples are read on demand.
    annotations
        The beats: native sample numbers, symbols ``N S V F Q``, probabilities float32 [n, 5] in the order of
        `ecgtune.labels.CLASSES`. Beats that `ecgtune.rejection` called Q have a note in ``aux``.
    leads
        Names of the leads that the model used.
    model
        The model's name and version, e.g. ``"default 0.1.0"``.
    model_hash
        Hash of the model's weights.
    notes
        Remarks on the recording for the reader, e.g. ``"lead V5 flat 00:10:00-00:12:30"``.
    trained_on
        Whether the model's card lists this recording among those it was trained on.
    gaps
        Stretches in which no lead could be read, as first and last-plus-one sample, int64 [k, 2], ascending
        and disjoint. An RR interval that touches one says nothing about the rhythm and is left out of the
        summary.
    min_confidence
        Beats whose highest class probability is below it are called Q; see `ecgtune.rejection`.
    """

    record: Record
    annotations: Annotations
    leads: tuple[str, ...]
    model: str
    model_hash: str = ""
    notes: tuple[str, ...] = ()
    trained_on: bool = False
    gaps: NDArray[np.int64] = field(default_factory=_no_gaps)
    min_confidence: float = 0.0

    @property
    def rejected(self) -> NDArray[np.bool_]:
        """Which beats are called Q since the model was not sure enough, bool [n]."""
        best = confidence(self.annotations)
        if best is None or not self.min_confidence:
            return np.zeros(len(self.annotations), dtype=np.bool_)
        return np.asarray(best < self.min_confidence, dtype=np.bool_)

    @property
    def rejected_counts(self) -> dict[str, int]:
        """How many beats of each class, as the model would have it, are called Q instead."""
        probability = self.annotations.probability
        if probability is None:
            return dict.fromkeys(CLASSES, 0)
        counts = np.bincount(probability[self.rejected].argmax(axis=1), minlength=len(CLASSES))
        return dict(zip(CLASSES, counts.tolist(), strict=True))


@dataclass(frozen=True)
class Moment:
    """A value and the time in seconds from the recording's start at which it was found."""

    value: float
    at_s: float


@dataclass(frozen=True)
class Run:
    """Three or more successive ectopic beats of one class.

    Parameters
    ----------
    label
        The class, ``S`` or ``V``.
    start_s
        Time of the first beat in seconds from the recording's start.
    beats
        How many beats.
    duration_s
        From the first beat to the last, in seconds.
    rate
        Mean rate inside the run in beats per minute.
    """

    label: str
    start_s: float
    beats: int
    duration_s: float
    rate: float


@dataclass(frozen=True)
class Episode:
    """Bigeminy or trigeminy: at least three successive cycles of one ectopic beat and one or two N.

    Parameters
    ----------
    label
        Class of the ectopic beats, ``S`` or ``V``.
    kind
        ``"bigeminy"`` or ``"trigeminy"``.
    start_s
        Time of the first ectopic beat in seconds from the recording's start.
    cycles
        How many ectopic beats.
    duration_s
        From the first ectopic beat to the last, in seconds.
    """

    label: str
    kind: str
    start_s: float
    cycles: int
    duration_s: float


@dataclass(frozen=True)
class Ectopy:
    """How the ectopic beats of one class come.

    Parameters
    ----------
    beats
        How many beats.
    per_hour
        Beats per hour of analysed recording (without gaps).
    isolated, couplets
        Ectopic beats on their own; pairs of exactly two.
    runs
        Three or more, in order of time.
    longest, fastest
        The run of most beats and the one of the highest rate; None without runs.
    episodes
        Bigeminy and trigeminy, in order of time.
    """

    beats: int
    per_hour: float
    isolated: int
    couplets: int
    runs: tuple[Run, ...]
    longest: Run | None
    fastest: Run | None
    episodes: tuple[Episode, ...]


@dataclass(frozen=True)
class Summary:
    """A labelled recording in figures; times are seconds from its start.

    Parameters
    ----------
    record
        The recording's name.
    duration_s, analysed_s
        Length of the recording, and of it without gaps.
    beats
        How many beats.
    counts, fractions
        By class, every class of `ecgtune.labels.CLASSES` present.
    mean_rate
        60 over the mean RR interval, in beats per minute; None with fewer than two beats.
    min_rate, max_rate
        Lowest and highest mean rate over `RATE_WINDOW` successive RR intervals (over all of them where the
        recording has fewer), beats of every class counted, at the window's first beat.
    longest_rr
        The longest RR interval in seconds, at the beat that begins it.
    pauses
        How many RR intervals are longer than `PAUSE_S`.
    ectopy
        `Ectopy` of the classes S and V.
    mean_confidence
        Mean over the beats of the highest class probability; None without probabilities.
    unsure
        Fraction of the beats whose highest class probability is under 0.5; None without probabilities.
    """

    record: str
    duration_s: float
    analysed_s: float
    beats: int
    counts: dict[str, int]
    fractions: dict[str, float]
    mean_rate: float | None
    min_rate: Moment | None
    max_rate: Moment | None
    longest_rr: Moment | None
    pauses: int
    ectopy: dict[str, Ectopy]
    mean_confidence: float | None
    unsure: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as what JSON can hold: dictionaries, lists, text, numbers, None."""
        return asdict(self)


def rr_intervals(labelled: Labelled) -> NDArray[np.float64]:
    """Seconds from each beat to the next, float64 [n - 1]; NaN where a gap in the signal lies between.

    Notes
    -----
    A gap counts where any part of it lies between the two beats.
    """
    sample = labelled.annotations.sample
    intervals = np.diff(sample) / labelled.record.fs
    gaps = labelled.gaps
    if len(gaps) and len(sample) > 1:
        # Gaps are sorted and disjoint: count those begun by the interval's end, less those over by its start.
        begun = np.searchsorted(gaps[:, 0], sample[1:], side="left")
        ended = np.searchsorted(gaps[:, 1], sample[:-1], side="right")
        intervals[begun > ended] = np.nan
    return intervals


def confidence(annotations: Annotations) -> NDArray[np.float32] | None:
    """Highest class probability of each beat, float32 [n], or None where there are no probabilities."""
    if annotations.probability is None:
        return None
    best: NDArray[np.float32] = annotations.probability.max(axis=1, initial=0)
    return best


def summarise(labelled: Labelled) -> Summary:
    """Put a labelled recording into figures.

    Parameters
    ----------
    labelled
        The recording; its signal is not read.

    Returns
    -------
    Summary
        Counts, rates, pauses, runs and confidence.
    """
    record, annotations = labelled.record, labelled.annotations
    n = len(annotations)
    times = annotations.sample / record.fs
    classes = class_indices(annotations.symbol)
    rr = rr_intervals(labelled)
    analysed = record.duration - float(np.diff(labelled.gaps, axis=1).sum()) / record.fs
    counts = np.bincount(classes[classes >= 0], minlength=len(CLASSES))
    known = np.flatnonzero(np.isfinite(rr))
    longest = known[np.argmax(rr[known])] if len(known) else None
    slowest, fastest = _extreme_rates(times, rr)
    best = confidence(annotations)
    return Summary(
        record=record.name,
        duration_s=record.duration,
        analysed_s=analysed,
        beats=n,
        counts={name: int(count) for name, count in zip(CLASSES, counts, strict=True)},
        fractions={name: int(count) / n if n else 0.0 for name, count in zip(CLASSES, counts, strict=True)},
        mean_rate=float(60 / rr[known].mean()) if len(known) else None,
        min_rate=slowest,
        max_rate=fastest,
        longest_rr=None if longest is None else Moment(float(rr[longest]), float(times[longest])),
        pauses=int(np.count_nonzero(rr[known] > PAUSE_S)),
        ectopy={name: _ectopy(name, classes, times, rr, analysed) for name in ECTOPIC},
        mean_confidence=None if best is None or not n else float(best.mean(dtype=np.float64)),
        unsure=None if best is None or not n else float(np.count_nonzero(best < 0.5) / n),
    )


def _extreme_rates(
    times: NDArray[np.float64], rr: NDArray[np.float64]
) -> tuple[Moment | None, Moment | None]:
    width = min(RATE_WINDOW, len(rr))
    if not width:
        return None, None
    seconds = times[width:] - times[:-width]
    gaps = np.concatenate(([0], np.cumsum(np.isnan(rr))))
    whole = np.flatnonzero(gaps[width:] == gaps[:-width])
    if not len(whole):
        return None, None
    slow = whole[np.argmax(seconds[whole])]
    fast = whole[np.argmin(seconds[whole])]
    return (
        Moment(float(60 * width / seconds[slow]), float(times[slow])),
        Moment(float(60 * width / seconds[fast]), float(times[fast])),
    )


def _ectopy(
    name: str, classes: NDArray[np.int8], times: NDArray[np.float64], rr: NDArray[np.float64], analysed: float
) -> Ectopy:
    of_class = classes == CLASSES.index(name)
    first, length = _stretches(of_class, np.isnan(rr))
    long = np.flatnonzero(length >= 3)
    runs = []
    for start, beats in zip(first[long].tolist(), length[long].tolist(), strict=True):
        duration = float(times[start + beats - 1] - times[start])
        runs.append(Run(name, float(times[start]), beats, duration, 60 * (beats - 1) / duration))
    count = int(np.count_nonzero(of_class))
    episodes = [
        *_episodes(name, "bigeminy", 2, classes, times, rr),
        *_episodes(name, "trigeminy", 3, classes, times, rr),
    ]
    return Ectopy(
        beats=count,
        per_hour=3600 * count / analysed if analysed > 0 else 0.0,
        isolated=int(np.count_nonzero(length == 1)),
        couplets=int(np.count_nonzero(length == 2)),
        runs=tuple(runs),
        longest=max(runs, key=lambda run: run.beats, default=None),
        fastest=max(runs, key=lambda run: run.rate, default=None),
        episodes=tuple(sorted(episodes, key=lambda episode: episode.start_s)),
    )


def _stretches(
    which: NDArray[np.bool_], broken: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First index and length of each stretch of True; ``broken[i]`` parts ``i`` from ``i + 1``."""
    if not len(which):
        return np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.intp)
    linked = which[:-1] & which[1:] & ~broken
    first = np.flatnonzero(which & ~np.concatenate(([False], linked)))
    last = np.flatnonzero(which & ~np.concatenate((linked, [False])))
    return first, last - first + 1


def _episodes(
    name: str,
    kind: str,
    period: int,
    classes: NDArray[np.int8],
    times: NDArray[np.float64],
    rr: NDArray[np.float64],
) -> list[Episode]:
    ectopic = np.flatnonzero(classes == CLASSES.index(name))
    if len(ectopic) < _EPISODE_CYCLES:
        return []
    others = np.concatenate(([0], np.cumsum(classes != CLASSES.index("N"))))
    gaps = np.concatenate(([0], np.cumsum(np.isnan(rr))))
    here, after = ectopic[:-1], ectopic[1:]
    cycle = (
        (after - here == period)
        & (others[after] - others[here + 1] == 0)  # only N lies between
        & (gaps[after] - gaps[here] == 0)
    )
    first, length = _stretches(cycle, np.zeros(max(len(cycle) - 1, 0), dtype=bool))
    enough = length + 1 >= _EPISODE_CYCLES
    return [
        Episode(name, kind, float(times[a]), n + 1, float(times[b] - times[a]))
        for a, b, n in zip(
            ectopic[first[enough]].tolist(),
            ectopic[(first + length)[enough]].tolist(),
            length[enough].tolist(),
            strict=True,
        )
    ]
