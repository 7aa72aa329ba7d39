"""Which pieces of a recording the report shows."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ecgtune.labelled import PAUSE_S, RATE_WINDOW, Episode, Labelled, Moment, Run, Summary, confidence
from ecgtune.labels import CLASSES

PAPER_MM = 175.0
"""What fits across a page."""

SPEEDS = (25.0, 12.5, 10.0, 5.0, 2.5, 1.0)
"""Paper speeds in mm/s. A strip has the first, but for an RR interval that is too long for it."""

SLOW = 10.0
"""On paper slower than this, in mm/s, neighbouring beats have no room for more than their letters."""

STRIP_S = PAPER_MM / SPEEDS[0]
"""Length of a usual strip in seconds."""

RHYTHM = "rhythm"
_BEFORE_S = 1.4  # of a run that is longer than a strip
_MARGIN_S = 0.5
_NORMAL_BEATS = 7


@dataclass(frozen=True)
class Excerpt:
    """A piece worth looking at.

    Parameters
    ----------
    group
        The class it shows, or ``"rhythm"``.
    reason
        Why it was chosen, for its caption.
    start, stop
        Samples.
    at_s, length_s
        Time of what is shown, in seconds from the recording's start, and its length; None where the strip
        shows nothing in particular.
    speed
        Paper speed in mm/s, of `SPEEDS`.
    """

    group: str
    reason: str
    start: int
    stop: int
    at_s: float
    length_s: float | None = 0.0
    speed: float = SPEEDS[0]


def choose_excerpts(labelled: Labelled, summary: Summary, per_class: int = 5) -> list[Excerpt]:
    """Choose the strips of a report.

    For each abnormal class: its longest and fastest runs, a couplet, the longest bigeminy and trigeminy, its
    most and its least confident beat, as far as they are there and not seen in one another's strip. For the
    rhythm: the longest pause, the highest and the lowest rate. For comparison, the stretch of N beats of the
    highest confidence; where no beat was found at all, the middle of the recording.

    Parameters
    ----------
    labelled, summary
        The recording and its summary.
    per_class
        Strips of one class at most.

    Returns
    -------
    list of Excerpt
        Grouped: V, S, F, Q, rhythm, N; in order of time inside a group.
    """
    chooser = _Chooser(labelled)
    chosen: list[Excerpt] = []
    for name in ("V", "S", "F", "Q"):
        which = np.flatnonzero(chooser.symbol == name)
        if len(which):
            notable = chooser.apart(chooser.notable(name, which, summary))[: per_class - 1]
            # The least confident beat is what a reader should doubt first: it keeps a place.
            chosen += chooser.in_order([*notable, chooser.doubtful(name, which)])
    chosen += chooser.in_order(chooser.rhythm(summary))
    return chosen + chooser.normal()


class _Chooser:
    """What the choices share: times, classes and confidence of the beats."""

    def __init__(self, labelled: Labelled) -> None:
        self.record = labelled.record
        self.times: NDArray[np.float64] = labelled.annotations.sample / labelled.record.fs
        self.symbol = labelled.annotations.symbol
        self.best = confidence(labelled.annotations)

    def apart(self, excerpts: list[Excerpt]) -> list[Excerpt]:
        """Drop each excerpt whose subject is seen in an earlier one."""
        margin = round(_MARGIN_S * self.record.fs)
        kept: list[Excerpt] = []
        for excerpt in excerpts:
            at = excerpt.at_s * self.record.fs
            if not any(other.start + margin <= at <= other.stop - margin for other in kept):
                kept.append(excerpt)
        return kept

    def in_order(self, excerpts: list[Excerpt]) -> list[Excerpt]:
        """Those apart, in order of time."""
        return sorted(self.apart(excerpts), key=lambda excerpt: excerpt.at_s)

    def excerpt(
        self,
        group: str,
        reason: str,
        at_s: float,
        length_s: float | None = 0.0,
        strip_s: float = STRIP_S,
        speed: float = SPEEDS[0],
    ) -> Excerpt:
        """In the middle of the strip where it fits, else from near its beginning."""
        before_s = max((strip_s - (length_s or 0.0)) / 2, _BEFORE_S)
        fs, n = self.record.fs, self.record.n_samples
        samples = min(round(strip_s * fs), n)
        start = min(max(round((at_s - before_s) * fs), 0), n - samples)
        return Excerpt(group, reason, start, start + samples, at_s, length_s, speed)

    def pause(self, longest: Moment) -> Excerpt:
        """The beats at both ends of an interval, at the highest paper speed that holds them."""
        needed = longest.value + 2 * _BEFORE_S
        speed = next((speed for speed in SPEEDS if needed <= PAPER_MM / speed), SPEEDS[-1])
        strip_s = PAPER_MM / speed if speed >= SLOW else min(needed, PAPER_MM / speed)
        reason = f"longest RR interval, {longest.value:.2f} s" + ", its beginning" * (needed > strip_s)
        return self.excerpt(RHYTHM, reason, longest.at_s, longest.value, strip_s, speed)

    def run(self, which: str, run: Run) -> Excerpt:
        reason = f"{which} run: {run.beats} beats at {run.rate:.0f} bpm"
        return self.excerpt(run.label, reason, run.start_s, run.duration_s)

    def episode(self, episode: Episode) -> Excerpt:
        reason = f"{episode.kind}, {episode.cycles} cycles"
        return self.excerpt(episode.label, reason, episode.start_s, episode.duration_s)

    def beat(self, name: str, which: str, index: int) -> Excerpt:
        sure = "" if self.best is None else f", {self.best[index]:.0%}"
        return self.excerpt(name, f"{which} beat{sure}", float(self.times[index]))

    def notable(self, name: str, which: NDArray[np.intp], summary: Summary) -> list[Excerpt]:
        """What a class is worth looking at for, the most important first."""
        found: list[Excerpt] = []
        ectopy = summary.ectopy.get(name)
        if ectopy is not None:
            if ectopy.longest is not None and ectopy.longest == ectopy.fastest:
                kinds = "longest and fastest" if len(ectopy.runs) > 1 else "only"
                found.append(self.run(kinds, ectopy.longest))
            elif ectopy.longest is not None and ectopy.fastest is not None:
                found += [self.run("longest", ectopy.longest), self.run("fastest", ectopy.fastest)]
            found += self.couplet(name, which)
            for kind in ("bigeminy", "trigeminy"):
                alike = [episode for episode in ectopy.episodes if episode.kind == kind]
                if alike:
                    found.append(self.episode(max(alike, key=lambda episode: episode.cycles)))
        if self.best is not None and len(which) > 1:
            found.append(self.beat(name, "most confident", int(which[np.argmax(self.best[which])])))
        return found

    def doubtful(self, name: str, which: NDArray[np.intp]) -> Excerpt:
        """The least confident beat of a class, or its first where nothing is known of confidence."""
        if len(which) == 1 or self.best is None:
            return self.beat(name, "only" if len(which) == 1 else "first", int(which[0]))
        return self.beat(name, "least confident", int(which[np.argmin(self.best[which])]))

    def couplet(self, name: str, which: NDArray[np.intp]) -> list[Excerpt]:
        """The most confident pair of exactly two."""
        alone = np.concatenate(([True], np.diff(which) > 1, [True]))
        firsts = np.flatnonzero(alone[:-1] & ~alone[1:])
        firsts = firsts[alone[firsts + 2]]
        if not len(firsts):
            return []
        pairs = which[firsts]
        best = 0 if self.best is None else int(np.argmax(self.best[pairs] + self.best[pairs + 1]))
        first, second = self.times[pairs[best]], self.times[pairs[best] + 1]
        return [self.excerpt(name, f"couplet, RR {1000 * (second - first):.0f} ms", first, second - first)]

    def rhythm(self, summary: Summary) -> list[Excerpt]:
        found = []
        longest, fast, slow = summary.longest_rr, summary.max_rate, summary.min_rate
        if longest is not None and longest.value > PAUSE_S:
            found.append(self.pause(longest))
        for name, rate in (("highest", fast), ("lowest", slow)):
            if rate is not None:
                reason = f"{name} rate, {rate.value:.0f} bpm"
                length = 60 * RATE_WINDOW / rate.value
                found.append(self.excerpt(RHYTHM, reason, rate.at_s, length))
        return found

    def normal(self) -> list[Excerpt]:
        """Where N beats follow one another with the highest confidence, or where any ECG is."""
        n = _NORMAL_BEATS
        if not len(self.symbol) and self.record.n_samples:
            return [self.excerpt(RHYTHM, "middle of the recording", self.record.duration / 2, None)]
        normal = self.symbol == CLASSES[0]
        if np.count_nonzero(normal) == 0:
            return []
        weight = normal.astype(np.float64) if self.best is None else np.where(normal, self.best, -1.0)
        if len(weight) >= n:
            sums = np.concatenate(([0.0], np.cumsum(weight)))
            index = int(np.argmax(np.round(sums[n:] - sums[:-n], 6))) + n // 2
        else:
            index = int(np.argmax(weight))
        return [self.excerpt(CLASSES[0], "N beats for comparison", float(self.times[index]), None)]
