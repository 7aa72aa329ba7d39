"""Several records together, as ``sumstats`` sums them up: gross and average figures.

Gross figures come from the summed counts, so every beat counts alike. Average figures are means over the
records that have the figure, so every record counts alike.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from ecgtune.evaluation.ec57.beats import BeatComparison
from ecgtune.evaluation.ec57.rates import BeatRates, Counts, Rate, S, V, beat_rates
from ecgtune.evaluation.ec57.runs import RunComparison, RunCounts, sum_tables


@dataclass(frozen=True)
class BeatSummary:
    """The beat-by-beat comparisons of several records.

    Parameters
    ----------
    records
        The comparisons.
    """

    records: tuple[BeatComparison, ...]

    @cached_property
    def counts(self) -> Counts:
        """Summed counts, int64 [7, 7]."""
        return sum_tables([record.counts for record in self.records])

    @cached_property
    def gross(self) -> BeatRates:
        """Figures of the summed counts."""
        return beat_rates(self.counts)

    @cached_property
    def average(self) -> dict[str, float]:
        """Mean over the records of each of `BeatRates`' figures, in percent; NaN where no record has it."""
        return {
            field.name: mean_percent(getattr(record.rates, field.name) for record in self.records)
            for field in fields(BeatRates)
        }

    @property
    def average_rms_rr_error(self) -> float:
        """Mean over the records of the RMS RR error in ms; NaN where no record has it."""
        return mean_defined(record.rms_rr_error for record in self.records)

    @property
    def n_beats(self) -> int:
        """Reference beats in the test periods."""
        return int(self.counts[:5].sum())

    @property
    def n_veb(self) -> int:
        """Reference ventricular ectopic beats."""
        return int(self.counts[V].sum())

    @property
    def n_sveb(self) -> int:
        """Reference supraventricular ectopic beats."""
        return int(self.counts[S].sum())


@dataclass(frozen=True)
class RunSummary:
    """The run-by-run comparisons of several records, all of one kind.

    Parameters
    ----------
    records
        The comparisons.
    """

    records: tuple[RunComparison, ...]

    @cached_property
    def gross(self) -> RunComparison:
        """The summed tables; its figures are the gross ones."""
        return RunComparison(
            "",
            self.records[0].ectopic if self.records else "V",
            sum_tables([record.by_reference for record in self.records]),
            sum_tables([record.by_test for record in self.records]),
        )

    @cached_property
    def average(self) -> tuple[float, ...]:
        """Mean sensitivity and predictivity of couplets, short and long runs, in percent; NaN where none."""
        return tuple(
            mean_percent(rate[column] for rate in map(run_rates, self.records)) for column in range(6)
        )


def run_categories(comparison: RunComparison) -> tuple[RunCounts, RunCounts, RunCounts]:
    """Return the counts of couplets, short runs and long runs."""
    return comparison.couplets, comparison.short_runs, comparison.long_runs


def run_rates(comparison: RunComparison) -> tuple[Rate, ...]:
    """Return sensitivity and predictivity of couplets, short runs and long runs, in this order."""
    return tuple(
        rate for counts in run_categories(comparison) for rate in (counts.sensitivity, counts.predictivity)
    )


def summarise_beats(records: Iterable[BeatComparison]) -> BeatSummary:
    """Sum up the beat-by-beat comparisons of several records."""
    return BeatSummary(tuple(records))


def summarise_runs(records: Iterable[RunComparison]) -> RunSummary:
    """Sum up the run-by-run comparisons of several records."""
    return RunSummary(tuple(records))


def mean_percent(rates: Iterable[Rate]) -> float:
    """Mean of the rates that are defined, in percent; NaN where none is."""
    return mean_defined(rate.percent for rate in rates)


def mean_defined(values: Iterable[float]) -> float:
    """Mean of the values that are not NaN; NaN where there is none."""
    defined: Sequence[float] = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan
