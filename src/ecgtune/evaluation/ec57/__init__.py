"""Comparison of two annotators as ANSI/AAMI EC57 prescribes, equal to ``bxb``, ``rxr`` and ``sumstats``."""

from ecgtune.evaluation.ec57.beats import (
    BeatComparison,
    BeatPairs,
    compare_beats,
    match_beats,
)
from ecgtune.evaluation.ec57.period import START_S, WINDOW_S
from ecgtune.evaluation.ec57.rates import EVENTS, BeatRates, Rate, beat_rates
from ecgtune.evaluation.ec57.runs import Ectopic, RunComparison, RunCounts, compare_runs
from ecgtune.evaluation.ec57.summary import BeatSummary, RunSummary, summarise_beats, summarise_runs

__all__ = [
    "EVENTS",
    "START_S",
    "WINDOW_S",
    "BeatComparison",
    "BeatPairs",
    "BeatRates",
    "BeatSummary",
    "Ectopic",
    "Rate",
    "RunComparison",
    "RunCounts",
    "RunSummary",
    "beat_rates",
    "compare_beats",
    "compare_runs",
    "match_beats",
    "summarise_beats",
    "summarise_runs",
]
