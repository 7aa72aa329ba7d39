"""The rules of EC57's beat-by-beat and run-by-run comparison, one by one, on annotations made for each."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.ec57 import EVENTS, beat_rates, compare_beats, compare_runs, match_beats, report
from ecgtune.evaluation.ec57.intervals import flutter, inside, shutdowns
from ecgtune.evaluation.ec57.period import Period
from ecgtune.evaluation.ec57.summary import summarise_beats, summarise_runs
from ecgtune.record import Annotations

FS = 100.0
SECOND = 100


def annotations(*items: tuple) -> Annotations:
    """Annotations of (second, symbol) or (second, symbol, subtype, aux)."""
    rows = [(*item, 0, "")[:4] if len(item) == 2 else (*item, "")[:4] for item in items]
    return Annotations(
        np.array([round(row[0] * SECOND) for row in rows], dtype=np.int64),
        np.array([row[1] for row in rows], dtype=np.str_),
        np.array([row[3] for row in rows], dtype=np.str_),
        np.array([row[2] for row in rows], dtype=np.int16),
    )


def rhythm(symbols: str, start: float = 1.0) -> list[tuple]:
    """One beat a second; a blank is a beat left out."""
    return [(start + i, symbol) for i, symbol in enumerate(symbols) if symbol != " "]


def cells(reference: Annotations, test: Annotations, **options) -> dict[str, int]:
    """Counts that are not zero, by reference and test, e.g. {"Nn": 3, "No": 1}."""
    options = {"start": 0.0, **options}
    counts = compare_beats(reference, test, FS, **options).counts
    return {
        f"{EVENTS[row]}{EVENTS[column].lower()}": int(counts[row, column])
        for row in range(7)
        for column in range(7)
        if counts[row, column]
    }


# Matching


def test_beats_within_the_window_match() -> None:
    reference = annotations(*rhythm("NNN"))
    assert cells(reference, annotations((1.15, "N"), (1.85, "N"), (3.0, "V"))) == {"Nn": 2, "Nv": 1}


def test_beats_farther_apart_than_the_window_do_not_match() -> None:
    assert cells(annotations((1, "N")), annotations((1.16, "N"))) == {"No": 1, "On": 1}


def test_the_window_can_be_changed() -> None:
    assert cells(annotations((1, "N")), annotations((1.16, "N")), window=0.2) == {"Nn": 1}
    assert cells(annotations((1, "N")), annotations((1.01, "N")), window=0.0) == {"No": 1, "On": 1}


def test_the_window_is_never_exceeded_by_rounding() -> None:
    assert Period.of(250.0, 0, None, 0.15, 0).window == 37
    assert Period.of(360.0, 0, None, 0.15, 0).window == 54


def test_look_ahead_gives_a_beat_to_the_closer_of_two() -> None:
    assert cells(annotations((1, "N")), annotations((0.9, "V"), (1.02, "S"))) == {"Ns": 1, "Ov": 1}
    assert cells(annotations((0.9, "V"), (1.02, "S")), annotations((1, "N"))) == {"Sn": 1, "Vo": 1}


def test_look_ahead_is_two_sided() -> None:
    """The second test beat is closer to the first reference beat, but closer still to the second."""
    reference = annotations((1.00, "N"), (1.12, "V"))
    test = annotations((0.90, "N"), (1.08, "V"))
    assert cells(reference, test) == {"Nn": 1, "Vv": 1}


def test_beats_of_one_side_alone_are_missed_or_extra() -> None:
    nothing = annotations()
    assert cells(annotations(*rhythm("NVF")), nothing) == {"No": 1, "Vo": 1, "Fo": 1}
    assert cells(nothing, annotations(*rhythm("SQ"))) == {"Os": 1, "Oq": 1}
    assert cells(nothing, nothing) == {}


beats = st.lists(st.integers(0, 400), unique=True, max_size=30).map(
    lambda x: np.array(sorted(x), dtype=np.int64)
)


@given(beats, beats, st.integers(0, 20))
def test_matching_uses_every_beat_once_in_order_and_within_the_window(
    reference: np.ndarray, test: np.ndarray, window: int
) -> None:
    left, right = match_beats(reference, test, window)
    assert left[left >= 0].tolist() == list(range(len(reference)))
    assert right[right >= 0].tolist() == list(range(len(test)))
    both = (left >= 0) & (right >= 0)
    assert (np.abs(reference[left[both]] - test[right[both]]) <= window).all()
    assert not ((left < 0) & (right < 0)).any()


@given(beats, beats, st.integers(0, 20))
def test_matching_does_not_depend_on_which_side_is_the_reference(
    reference: np.ndarray, test: np.ndarray, window: int
) -> None:
    def matches(pair: tuple[np.ndarray, np.ndarray]) -> set[tuple[int, int]]:
        return {(i, j) for i, j in zip(*map(np.ndarray.tolist, pair), strict=True) if i >= 0 and j >= 0}

    assert matches(match_beats(reference, test, window)) == {
        (i, j) for j, i in matches(match_beats(test, reference, window))
    }


@given(beats)
def test_an_annotator_agrees_with_itself(samples: np.ndarray) -> None:
    left, right = match_beats(samples, samples, 15)
    assert left.tolist() == right.tolist() == list(range(len(samples)))


# Classes


@pytest.mark.parametrize(
    ("symbol", "aami", "bxb"), [("e", "N", "S"), ("j", "N", "S"), ("n", "S", "S"), ("r", "V", "V")]
)
def test_class_conventions(symbol: str, aami: str, bxb: str) -> None:
    one = annotations((1, symbol))
    assert cells(one, one) == {f"{aami}{aami.lower()}": 1}
    assert cells(one, one, classes="bxb") == {f"{bxb}{bxb.lower()}": 1}


def test_annotations_that_are_no_beats_are_not_compared() -> None:
    marks = annotations((1, "+", 0, "(N"), (2, "|"), (3, '"'), (4, "~"), (5, "N"))
    assert cells(marks, annotations((5, "N"))) == {"Nn": 1}


# Test period


def test_the_first_five_minutes_are_not_compared() -> None:
    both = annotations((299.99, "N"), (300.0, "V"), (301.0, "V"))
    assert cells(both, both, start=300.0) == {"Vv": 2}
    assert compare_beats(both, both, FS).counts.sum() == 2


def test_a_pair_belongs_to_the_period_by_its_reference_beat() -> None:
    before, after = annotations((299.9, "V")), annotations((300.05, "V"))
    assert cells(before, after, start=300.0) == {}
    assert cells(after, before, start=300.0) == {"Vv": 1}


def test_the_period_ends_before_the_stop_time() -> None:
    both = annotations(*rhythm("NNVV"))
    assert cells(both, both, stop=3.0) == {"Nn": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": -1.0}, "start -1.0 s"),
        ({"start": math.nan}, "start nan s"),
        ({"start": 10.0, "stop": 10.0}, "stop 10.0 s is not after start 10.0 s"),
        ({"window": -0.1}, "match window -0.1 s"),
        ({"window": math.inf}, "match window inf s"),
    ],
)
def test_periods_that_make_no_sense(options: dict, message: str) -> None:
    one = annotations((1, "N"))
    for compare in (compare_beats, compare_runs):
        with pytest.raises(EvaluationError, match=f"^rec: {message}"):
            compare(one, one, FS, record="rec", **options)
    with pytest.raises(EvaluationError, match="sampling rate 0"):
        compare_beats(one, one, 0.0)


# Flutter


def test_flutter_of_the_reference_is_left_out_on_both_sides() -> None:
    reference = annotations((1, "N"), (2, "["), (2.5, "!"), (4, "]"), (5, "N"))
    assert cells(reference, annotations(*rhythm("NNNNN"))) == {"Nn": 2}


def test_beats_in_flutter_of_the_test_are_missed() -> None:
    test = annotations((1, "N"), (1.5, "["), (2, "V"), (3, "V"), (3.5, "]"), (4, "N"))
    assert cells(annotations(*rhythm("NNNN")), test) == {"Nn": 2, "No": 2}


def test_flutter_that_is_never_closed_lasts_to_the_end() -> None:
    marks = annotations((1, "["), (2, "["), (3, "N"))
    assert flutter(marks, 1000).tolist() == [[100, 1000]]
    assert flutter(annotations((1, "]"), (2, "[")), 150).tolist() == [[200, 200]]


# Shutdown


def test_beats_missed_in_a_shutdown_have_a_column_of_their_own() -> None:
    test = annotations((1, "N"), (1.5, "~", 48), (3.5, "~", 0), (4, "N"))
    comparison = compare_beats(annotations(*rhythm("NVNN")), test, FS, start=0.0)
    assert cells(annotations(*rhythm("NVNN")), test) == {"Nn": 2, "Nx": 1, "Vx": 1}
    assert comparison.shutdown == 2.0
    assert comparison.rates.qrs_sensitivity.value == 0.5


def test_extra_beats_in_a_shutdown_of_the_reference_have_a_row_of_their_own() -> None:
    reference = annotations((1, "N"), (1.5, "~", -1), (3.5, "~", 0), (4, "N"))
    assert cells(reference, annotations(*rhythm("NNVN"))) == {"Nn": 2, "Xn": 1, "Xv": 1}


def test_noise_in_one_signal_is_no_shutdown() -> None:
    test = annotations((1, "N"), (1.5, "~", 16), (3.5, "~", 3), (4, "N"))
    assert cells(annotations(*rhythm("NNNN")), test) == {"Nn": 2, "No": 2}


def test_a_lone_shutdown_mark_stands_in_the_middle_of_it() -> None:
    """AHA databases mark a shutdown once; it reaches from 150 ms after a beat to 150 ms before one."""
    lone = annotations((1, "N"), (3, "~", 48), (5, "N"))
    assert shutdowns(lone, 1000, 15).tolist() == [[115, 485]]
    first = annotations((3, "~", 48), (5, "N"))
    assert shutdowns(first, 1000, 15).tolist() == [[0, 485]]
    two = annotations((1, "N"), (3, "~", 48), (5, "N"), (6, "~", 48), (7, "~", 0), (8, "N"))
    assert shutdowns(two, 1000, 15).tolist() == [[115, 485], [600, 700]]


def test_a_shutdown_repeated_is_one_and_lasts_to_the_end_if_nothing_follows() -> None:
    marks = annotations((1, "N"), (2, "~", 48), (3, "~", 51), (4, "~", 0))
    assert shutdowns(marks, 1000, 15).tolist() == [[200, 400]]
    assert shutdowns(annotations((1, "N"), (2, "~", 48)), 1000, 15).tolist() == [[200, 1000]]
    assert shutdowns(annotations((1, "~", 0), (2, "N")), 1000, 15).tolist() == []


def test_intervals_hold_their_ends() -> None:
    held = inside(np.array([1, 2, 3, 4, 9]), np.array([[2, 3], [9, 9]]))
    assert held.tolist() == [False, True, True, False, True]


# RR error


def test_rr_error_compares_intervals_between_beats() -> None:
    comparison = compare_beats(
        annotations((1, "N"), (2, "N"), (3, "N")), annotations((1, "N"), (2.1, "N"), (3, "N")), FS, start=0.0
    )
    assert comparison.rr_intervals == 2
    assert comparison.rms_rr_error == pytest.approx(100.0)


def test_a_missed_beat_counts_twice_in_the_rr_error() -> None:
    comparison = compare_beats(annotations(*rhythm("NNNN")), annotations(*rhythm("NN N")), FS, start=0.0)
    assert comparison.rr_intervals == 3
    assert comparison.rr_square_error == pytest.approx(2.0)


def test_rr_intervals_across_shutdown_and_flutter_are_left_out() -> None:
    for begin, end in ((("~", 48), ("~", 0)), (("[", 0), ("]", 0))):
        test = annotations((1, "N"), (2, "N"), (2.2, *begin), (3.8, *end), (4, "N"), (5.1, "N"))
        comparison = compare_beats(annotations(*rhythm("NNNNN")), test, FS, start=0.0)
        assert comparison.rr_intervals == 2
        assert comparison.rr_square_error == pytest.approx(0.01)


def test_without_intervals_there_is_no_rr_error() -> None:
    assert math.isnan(compare_beats(annotations((1, "N")), annotations((1, "N")), FS, start=0).rms_rr_error)


# Figures


def test_pairs_point_into_the_annotations() -> None:
    reference = annotations((0.5, "+"), (1, "N"), (2, "V"))
    test = annotations((1, "N"), (1.5, "S"), (2, "V"))
    pairs = compare_beats(reference, test, FS, start=0.0).pairs
    assert pairs.reference.tolist() == [1, -1, 2]
    assert pairs.test.tolist() == [0, 1, 2]
    assert pairs.matched.tolist() == [True, False, True]
    assert len(pairs) == 3


def test_rates_leave_out_what_the_standard_leaves_open() -> None:
    counts = np.zeros((7, 7), dtype=np.int64)
    counts[2, 2], counts[0, 2], counts[3, 2], counts[4, 2], counts[5, 2] = 8, 1, 10, 10, 1
    counts[1, 1], counts[3, 1], counts[4, 1], counts[2, 6] = 6, 2, 10, 2
    rates = beat_rates(counts)
    assert (rates.veb_predictivity.numerator, rates.veb_predictivity.denominator) == (8, 10)
    assert (rates.veb_sensitivity.numerator, rates.veb_sensitivity.denominator) == (8, 10)
    assert (rates.sveb_predictivity.numerator, rates.sveb_predictivity.denominator) == (6, 8)
    # N, S and events without a reference beat: 1 + 6 + 1, two of them called V.
    assert (rates.veb_false_positive_rate.numerator, rates.veb_false_positive_rate.denominator) == (2, 8)


def test_undefined_rates_are_nan_and_printed_as_a_dash() -> None:
    one = compare_beats(annotations((1, "N")), annotations((1, "N")), FS, start=0.0, record="x")
    assert math.isnan(one.rates.veb_sensitivity.value)
    assert math.isnan(one.rates.veb_sensitivity.percent)
    assert report.beat_line(one).split()[-5:] == ["-"] * 5
    assert "VEB sensitivity:      -  (0/0)" in report.beat_standard(one, "atr", "x")
    assert "RMS RR interval error: -" in report.beat_standard(one, "atr", "x")


def test_gross_figures_count_beats_and_average_figures_count_records() -> None:
    good = compare_beats(annotations(*rhythm("V" * 9)), annotations(*rhythm("V" * 9)), FS, start=0.0)
    bad = compare_beats(annotations((1, "V")), annotations((1, "N")), FS, start=0.0)
    none = compare_beats(annotations((1, "N")), annotations((1, "N")), FS, start=0.0)
    summary = summarise_beats([good, bad, none])
    assert summary.gross.veb_sensitivity.percent == 90.0
    assert summary.average["veb_sensitivity"] == 50.0
    assert summary.n_veb == 10
    assert math.isnan(summarise_beats([]).average["veb_sensitivity"])


# Runs


def lengths(
    reference: list[tuple], test: list[tuple], ectopic: str = "V", **options
) -> list[tuple[int, ...]]:
    comparison = compare_runs(
        annotations(*reference), annotations(*test), FS, ectopic=ectopic, **{"start": 0.0, **options}
    )
    return [
        (counts.found, counts.missed, counts.true, counts.false)
        for counts in (comparison.couplets, comparison.short_runs, comparison.long_runs)
    ]


def test_runs_by_length() -> None:
    same = rhythm("NVVNVVVNVVVVVNVVVVVVNVN")
    assert lengths(same, same) == [(1, 0, 1, 0), (2, 0, 2, 0), (1, 0, 1, 0)]


def test_a_longer_run_finds_a_shorter_one_but_not_the_other_way_round() -> None:
    assert lengths(rhythm("NVVVN"), rhythm("NVVNN")) == [(0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 0)]


def test_only_the_span_of_the_run_is_looked_at() -> None:
    """A long run of the test finds a couplet, whose span shows two of its beats, but is itself false."""
    assert lengths(rhythm("NNVVNNNN"), rhythm("NVVVVVVN")) == [(1, 0, 0, 0), (0, 0, 0, 0), (0, 0, 0, 1)]


def test_fusion_beats_are_ventricular_in_runs() -> None:
    same = rhythm("NVFN")
    assert lengths(same, same)[0] == (1, 0, 1, 0)


def test_a_shutdown_ends_a_run() -> None:
    test = [(1, "V"), (1.3, "~", 48), (1.6, "~", 0), (2, "V"), (3, "V")]
    assert lengths(rhythm("VVV"), test) == [(0, 0, 1, 0), (0, 1, 0, 0), (0, 0, 0, 0)]


def test_flutter_is_a_long_run() -> None:
    with_flutter = [(1, "N"), (1.5, "["), (4.5, "]"), (5, "N")]
    assert lengths(with_flutter, with_flutter)[2] == (1, 0, 1, 0)
    assert lengths(with_flutter, rhythm("NNNNN"))[2] == (0, 1, 0, 0)


def test_flutter_inside_a_run_does_not_begin_another() -> None:
    reference = [(1, "N"), (2, "V"), (2.5, "["), (3, "N"), (3.5, "]"), (4, "N")]
    assert lengths(reference, rhythm("NNNN")) == [(0, 0, 0, 0)] * 3


def test_normal_beats_in_atrial_fibrillation_are_a_supraventricular_run() -> None:
    fibrillation = [(0.5, "+", 0, "(AFIB"), *rhythm("NNNVNN"), (6.5, "+", 0, "(N"), (7, "N"), (8, "N")]
    assert lengths(fibrillation, rhythm("NNNNNNNN"), "S") == [(0, 1, 0, 0), (0, 0, 0, 0), (0, 1, 0, 0)]
    assert lengths(fibrillation, fibrillation, "S", start=4.5)[2] == (1, 0, 1, 0)


def test_runs_are_cut_at_the_start() -> None:
    same = rhythm("VVVVV")
    assert lengths(same, same, start=3.5) == [(1, 0, 1, 0), (0, 0, 0, 0), (0, 0, 0, 0)]
    assert lengths(same, same, stop=3.5) == [(0, 0, 0, 0), (1, 0, 1, 0), (0, 0, 0, 0)]


def test_unknown_kind_of_run() -> None:
    with pytest.raises(EvaluationError, match="unknown kind of run 'F'"):
        compare_runs(annotations(), annotations(), FS, ectopic="F")  # type: ignore[arg-type]


def test_halves_of_a_percent_are_rounded_up() -> None:
    reference, test = rhythm("NVVN" * 8), rhythm("NVVN" * 5 + "NNNN" * 3)
    line = report.run_line(
        compare_runs(annotations(*reference), annotations(*test), FS, start=0.0, record="100")
    )
    assert line.split()[13] == "63"


def test_sums_of_no_records() -> None:
    summary = summarise_runs([])
    assert summary.gross.couplets.sensitivity.denominator == 0
    assert "Summary of results from 0 records" in report.run_sumstats(summary, "V")
