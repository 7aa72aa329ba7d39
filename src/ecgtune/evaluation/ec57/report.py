"""The reports of ``bxb``, ``rxr`` and ``sumstats``, character by character.

A programme that reads theirs reads these. Nothing here computes: the figures come from
`ecgtune.evaluation.ec57.beats`, `runs` and `summary`.
"""

import math
from collections.abc import Iterable

import numpy as np

from ecgtune.evaluation.ec57.beats import BeatComparison
from ecgtune.evaluation.ec57.rates import Counts, F, N, O, Rate, S, V, X
from ecgtune.evaluation.ec57.runs import Ectopic, RunComparison
from ecgtune.evaluation.ec57.summary import (
    BeatSummary,
    RunSummary,
    mean_percent,
    run_categories,
    run_rates,
)

BEAT_LINE_HEADER = (
    "Record Nn' Sn' Vn' Fn' On'  Ns  Ss  Vs  Fs' Os' Nv  Sv   Vv  Fv' Ov' No' So' Vo' Fo' "
    " Q Se   Q +P   V Se   V +P   S Se   S +P RR err\n"
)
SHUTDOWN_HEADER = (
    "Record Nx   Sx   Vx   Fx   Qx  % beats  % N    % S    % V    % F   Total Shutdown\n"
    "                                missed missed missed missed missed      Time\n"
)
RUN_HEADER = "Record CTs CFN CTp CFP STs SFN STp SFP LTs LFN LTp LFP  CSe C+P SSe S+P LSe L+P\n"
RUN_TITLE: dict[Ectopic, str] = {"V": "", "S": "(SVE run detection)\n"}

_LINE_RATES = (
    "qrs_sensitivity",
    "qrs_predictivity",
    "veb_sensitivity",
    "veb_predictivity",
    "sveb_sensitivity",
    "sveb_predictivity",
)


def beat_line(comparison: BeatComparison) -> str:
    """One line of ``bxb -L``: counts, percentages and RMS RR error of a record."""
    rates = "".join(_percent(getattr(comparison.rates, name).percent) for name in _LINE_RATES)
    counts = _beat_line_counts(f"{comparison.record:>4}", 6, comparison.counts)
    return f"{counts}{rates}{_percent(comparison.rms_rr_error)}\n"


def beat_lines(comparisons: Iterable[BeatComparison]) -> str:
    """Table of ``bxb -L``, first file."""
    return BEAT_LINE_HEADER + "".join(map(beat_line, comparisons))


def shutdown_lines(comparisons: Iterable[BeatComparison]) -> str:
    """Table of ``bxb -L``, second file: beats missed during shutdown, and the time it took."""
    return SHUTDOWN_HEADER + "".join(map(shutdown_line, comparisons))


def shutdown_line(comparison: BeatComparison) -> str:
    """One line of the table of shutdowns."""
    missed = comparison.counts[:O, X]
    beats = comparison.counts[:O].sum(axis=1)
    # bxb leaves the missed S beats out of this one figure.
    share = [Rate(int(missed.sum() - missed[S]), int(beats.sum()))]
    share += [Rate(int(missed[class_]), int(beats[class_])) for class_ in (N, S, V, F)]
    return (
        f"{comparison.record:>4}"
        + "".join(f"{count:5d}" for count in missed.tolist())
        + "  "
        + "".join(_percent(rate.percent) for rate in share)
        + f" {round(comparison.shutdown):4d} seconds "
        + " ".join(map(str, beats.tolist()))
        + "\n"
    )


def beat_standard(comparison: BeatComparison, reference: str, test: str) -> str:
    """Report of ``bxb -S``: the table of counts and the figures of one record.

    Parameters
    ----------
    comparison
        The record.
    reference, test
        Names of the annotators.
    """
    counts = comparison.counts
    rows = [_standard_row(name, counts[row]) for row, name in enumerate("NSVFQ")]
    rows += [_standard_row(name, counts[row, :O]) for row, name in ((O, "O"), (X, "X"))]
    figures = (
        ("QRS sensitivity", comparison.rates.qrs_sensitivity),
        ("QRS positive predictivity", comparison.rates.qrs_predictivity),
        ("VEB sensitivity", comparison.rates.veb_sensitivity),
        ("VEB positive predictivity", comparison.rates.veb_predictivity),
        ("SVEB sensitivity", comparison.rates.sveb_sensitivity),
        ("SVEB positive predictivity", comparison.rates.sveb_predictivity),
    )
    error = "-" if math.isnan(comparison.rms_rr_error) else f"{comparison.rms_rr_error:6.2f} ms"
    return (
        f"Beat-by-beat comparison results for record {comparison.record}\n"
        f"Reference annotator: {reference}\n"
        f"     Test annotator: {test}\n\n"
        "               Algorithm\n"
        "        n    s    v    f    q    o    x\n"
        "   ____________________________________\n"
        + "".join(rows)
        + "\n"
        + "".join(_standard_figure(name, rate) for name, rate in figures)
        + f"     RMS RR interval error: {error}\n"
    )


def beat_sumstats(summary: BeatSummary) -> str:
    """Output of ``sumstats`` for a table of ``bxb -L``: the table, sums, gross and average figures."""
    rates = [getattr(summary.gross, name) for name in _LINE_RATES[:-1]]
    gross = "".join(_percent(rate.percent) for rate in [*rates, _table_sveb_predictivity(summary.counts)])
    means = [summary.average[name] for name in _LINE_RATES[:-1]]
    means.append(mean_percent(_table_sveb_predictivity(record.counts) for record in summary.records))
    average = "".join(map(_percent, means))
    return (
        beat_lines(summary.records)
        + "_" * 132
        + "\n"
        + _beat_line_counts("Sum ", 6, summary.counts)
        + "\n"
        + f"{'Gross':<83}{gross}\n"
        + f"{'Average':<83}{average}{_percent(summary.average_rms_rr_error)}\n"
        + f"Total QRS complexes: {summary.n_beats}  Total VEBs: {summary.n_veb}"
        + f"  Total SVEBs: {summary.n_sveb}\n"
        + _sumstats_end(len(summary.records))
    )


def run_line(comparison: RunComparison) -> str:
    """One line of ``rxr -L``: counts and percentages of a record."""
    percent = "".join(_whole_percent(rate.percent) for rate in run_rates(comparison))
    return f"{comparison.record:>4}{_run_counts(comparison)} {percent}\n"


def run_lines(comparisons: Iterable[RunComparison], ectopic: Ectopic) -> str:
    """Table of ``rxr -L``: its first file for ``"V"``, its second for ``"S"``."""
    return RUN_TITLE[ectopic] + RUN_HEADER + "".join(map(run_line, comparisons))


def run_sumstats(summary: RunSummary, ectopic: Ectopic) -> str:
    """Output of ``sumstats`` for a table of ``rxr -L``."""
    gross = summary.gross
    totals = [counts.found + counts.missed for counts in run_categories(gross)]
    return (
        run_lines(summary.records, ectopic)
        + "_" * 77
        + "\n"
        + f"Sum   {_run_counts(gross)}\n"
        + f"{'Gross':<55}{''.join(_whole_percent(rate.percent) for rate in run_rates(gross))}\n"
        + f"{'Average':<55}{''.join(map(_whole_percent, summary.average))}\n"
        + "Total couplets: {}  Total short runs: {}  Total long runs: {}\n".format(*totals)
        + _sumstats_end(len(summary.records))
    )


def _beat_line_counts(name: str, width: int, counts: Counts) -> str:
    """The nineteen counts: a prime means that f and q (F and Q, X) are counted with n (F, O)."""
    folded = np.zeros((5, 5), dtype=np.int64)  # rows N S V F' O', columns n' s v - o'
    rows = (N, S, V, F, F, 4, 4)
    columns = (N, S, V, N, N, 4, 4)
    np.add.at(folded, np.ix_(rows, columns), counts)
    first = f"{name}{folded[0, 0]:{width}d}"
    rest = [f" {count:3d}" for count in folded[1:, 0].tolist()]
    rest += [f" {count:3d}" for count in folded[:, 1].tolist()]
    veb = folded[:, 2].tolist()
    rest += [f" {veb[0]:3d}", f" {veb[1]:3d}", f" {veb[2]:4d}", f" {veb[3]:3d}", f" {veb[4]:3d}"]
    rest += [f" {count:3d}" for count in folded[:4, 4].tolist()]
    return first + "".join(rest)


def _table_sveb_predictivity(counts: Counts) -> Rate:
    """S predictivity as far as the table tells: F and Q called S share a column there, and both are left out.

    ``bxb`` itself leaves out Q alone, so that the two programs differ where F beats are called S.
    """
    true = int(counts[S, S])
    return Rate(true, true + int(counts[[N, V, O, X], S].sum()))


def _standard_row(name: str, counts: Counts) -> str:
    return f" {name} |" + "".join(f"{count:5d}" for count in counts.tolist()) + "\n"


def _standard_figure(name: str, rate: Rate) -> str:
    percent = "     - " if math.isnan(rate.percent) else f"{rate.percent:6.2f}%"
    return f"{name:>26}: {percent} ({rate.numerator}/{rate.denominator})\n"


def _run_counts(comparison: RunComparison) -> str:
    return "".join(
        f" {count:3d}"
        for counts in run_categories(comparison)
        for count in (counts.found, counts.missed, counts.true, counts.false)
    )


def _percent(value: float) -> str:
    return f" {'-':>6}" if math.isnan(value) else f" {value:6.2f}"


def _whole_percent(value: float) -> str:
    # Halves are rounded up, not to even as a format would.
    return f" {'-':>3}" if math.isnan(value) else f" {math.floor(value + 0.5):3d}"


def _sumstats_end(n_records: int) -> str:
    return f"\nSummary of results from {n_records} record{'' if n_records == 1 else 's'}\n"
