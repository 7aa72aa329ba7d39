import dataclasses
import json
import time

import numpy as np
import pytest

from ecgtune.labelled import Episode, Labelled, Moment, Run, Summary, confidence, rr_intervals, summarise
from ecgtune.record import Annotations, Record


class Unreadable:
    def read(self, start, stop):
        raise AssertionError("the summary reads no signal")


def labelled(symbols, rr=0.8, fs=100.0, start=1.0, gaps=(), probability=None) -> Labelled:
    """A rhythm: one RR interval (seconds, or one for each pair of beats) between successive symbols."""
    intervals = np.broadcast_to(rr, max(len(symbols) - 1, 0))
    times = start + np.concatenate(([0.0], np.cumsum(intervals)))[: len(symbols)]
    sample = np.round(times * fs).astype(np.int64)
    n_samples = int((times[-1] if len(times) else 0) * fs + fs)
    record = Record("r", fs, ("II",), n_samples, Unreadable())
    return Labelled(
        record,
        Annotations(sample, np.array(list(symbols), dtype=np.str_), probability=probability),
        ("II",),
        "test 1",
        gaps=np.array(gaps, dtype=np.int64).reshape(-1, 2),
    )


def test_counts_and_fractions_name_every_class() -> None:
    summary = summarise(labelled("NNSVFQNN"))
    assert summary.counts == {"N": 4, "S": 1, "V": 1, "F": 1, "Q": 1}
    assert summary.fractions == {"N": 0.5, "S": 0.125, "V": 0.125, "F": 0.125, "Q": 0.125}
    assert summary.beats == 8


def test_rates_of_a_steady_rhythm() -> None:
    summary = summarise(labelled("N" * 50, rr=0.75))
    assert summary.mean_rate == pytest.approx(80)
    assert summary.min_rate.value == pytest.approx(80)
    assert summary.max_rate.value == pytest.approx(80)
    assert summary.pauses == 0


def test_extreme_rates_are_means_over_eight_intervals() -> None:
    rr = [1.0] * 10 + [0.5] * 8 + [1.0] * 10 + [1.5] * 8 + [1.0] * 3
    summary = summarise(labelled("N" * 40, rr=rr))
    assert summary.max_rate == Moment(120.0, 11.0)
    assert summary.min_rate == Moment(40.0, 25.0)


def test_a_short_recording_takes_all_its_intervals() -> None:
    summary = summarise(labelled("NNN", rr=[1.0, 0.5]))
    assert summary.max_rate == summary.min_rate == Moment(80.0, 1.0)


def test_longest_rr_and_pauses() -> None:
    summary = summarise(labelled("NNNNN", rr=[1.0, 2.5, 2.0, 3.25]))
    assert summary.longest_rr == Moment(3.25, 6.5)
    assert summary.pauses == 2  # 2.0 s is not longer than 2 s


def test_isolated_couplets_and_runs() -> None:
    summary = summarise(labelled("NVNVVNVVVNNVVVVNSNSSNSSSN", rr=0.5))
    ventricular = summary.ectopy["V"]
    assert (ventricular.isolated, ventricular.couplets) == (1, 1)
    assert ventricular.runs == (Run("V", 4.0, 3, 1.0, 120.0), Run("V", 6.5, 4, 1.5, 120.0))
    assert ventricular.longest == ventricular.runs[1]
    assert ventricular.beats == 10
    supraventricular = summary.ectopy["S"]
    assert (supraventricular.isolated, supraventricular.couplets) == (1, 1)
    assert [run.beats for run in supraventricular.runs] == [3]


def test_longest_and_fastest_run_differ() -> None:
    ectopy = summarise(labelled("NVVVNVVVVN", rr=[0.8, 0.3, 0.3, 0.8, 0.8, 0.5, 0.5, 0.5, 0.8])).ectopy["V"]
    assert ectopy.fastest.rate == pytest.approx(200)
    assert ectopy.longest.beats == 4


def test_runs_at_both_ends_of_the_recording() -> None:
    assert [run.beats for run in summarise(labelled("VVVNVVV")).ectopy["V"].runs] == [3, 3]
    assert [run.beats for run in summarise(labelled("VVVV")).ectopy["V"].runs] == [4]


def test_a_fusion_beat_ends_a_run() -> None:
    assert summarise(labelled("NVVFVVN")).ectopy["V"].couplets == 2


def test_bigeminy_needs_three_cycles() -> None:
    assert summarise(labelled("NNVNVNN", rr=1.0)).ectopy["V"].episodes == ()
    episodes = summarise(labelled("NNVNVNVNN", rr=1.0)).ectopy["V"].episodes
    assert episodes == (Episode("V", "bigeminy", 3.0, 3, 4.0),)


def test_trigeminy_and_supraventricular_bigeminy() -> None:
    assert summarise(labelled("VNNVNNVNNVNN", rr=1.0)).ectopy["V"].episodes == (
        Episode("V", "trigeminy", 1.0, 4, 9.0),
    )
    assert summarise(labelled("SNSNSNN", rr=1.0)).ectopy["S"].episodes == (
        Episode("S", "bigeminy", 1.0, 3, 4.0),
    )


def test_episodes_are_in_order_of_time() -> None:
    kinds = [e.kind for e in summarise(labelled("VNNVNNVNNNVNVNVNNNN")).ectopy["V"].episodes]
    assert kinds == ["trigeminy", "bigeminy"]


def test_only_normal_beats_lie_inside_an_episode() -> None:
    assert summarise(labelled("NVSVSVSVN")).ectopy["V"].episodes == ()


def test_a_gap_breaks_intervals_runs_and_episodes() -> None:
    # Beats at 1, 2, ... s; the gap from 3.2 to 7.5 s holds no beat.
    rr = [1.0, 1.0, 5.0, 1.0, 1.0]
    with_gap = labelled("VVVVVV", rr=rr, gaps=[(320, 750)])
    assert np.isnan(rr_intervals(with_gap)).tolist() == [False, False, True, False, False]
    summary = summarise(with_gap)
    assert summary.pauses == 0
    assert summary.longest_rr.value == 1.0
    assert [run.beats for run in summary.ectopy["V"].runs] == [3, 3]
    assert summary.analysed_s == pytest.approx(summary.duration_s - 4.3)
    assert summary.mean_rate == pytest.approx(60)
    assert summarise(labelled("VNVNVN", rr=rr, gaps=[(320, 750)])).ectopy["V"].episodes == ()


def test_a_gap_at_a_beat_or_outside_all_beats() -> None:
    assert np.isnan(rr_intervals(labelled("NNNN", rr=1.0, gaps=[(0, 50)]))).sum() == 0
    assert np.isnan(rr_intervals(labelled("NNNN", rr=1.0, gaps=[(190, 210)]))).tolist() == [True, True, False]


def test_gaps_everywhere_leave_no_rate() -> None:
    summary = summarise(labelled("NNN", rr=1.0, gaps=[(110, 120), (210, 220)]))
    assert (summary.mean_rate, summary.min_rate, summary.longest_rr) == (None, None, None)


def test_ectopic_per_hour() -> None:
    assert summarise(labelled("N" * 3 + "V" + "N" * 4000, rr=0.9)).ectopy["V"].per_hour == pytest.approx(
        3600 / (0.9 * 4003 + 2), rel=1e-3
    )


def test_confidence() -> None:
    probability = np.array([[0.9, 0.1, 0, 0, 0], [0.4, 0.3, 0.3, 0, 0]], dtype=np.float32)
    given = labelled("NN", probability=probability)
    best = confidence(given.annotations)
    assert best.tolist() == pytest.approx([0.9, 0.4])
    summary = summarise(given)
    assert summary.mean_confidence == pytest.approx(0.65)
    assert summary.unsure == 0.5
    assert summarise(labelled("NN")).unsure is None


@pytest.mark.parametrize("symbols", ["", "N", "V"])
def test_next_to_no_beats(symbols: str) -> None:
    probability = np.full((len(symbols), 5), 0.2, dtype=np.float32)
    summary = summarise(labelled(symbols, probability=probability))
    assert summary.beats == len(symbols)
    assert (summary.mean_rate, summary.min_rate, summary.max_rate, summary.longest_rr) == (None,) * 4
    assert (summary.mean_confidence is None) == (not symbols)


def test_the_summary_is_plain_json() -> None:
    summary = summarise(labelled("NVVVNVNVNVNSN"))
    assert json.loads(json.dumps(summary.to_dict(), allow_nan=False)) == json.loads(
        json.dumps(dataclasses.asdict(summary))
    )
    assert isinstance(summary, Summary)


def test_seven_days_take_no_noticeable_time() -> None:
    rng = np.random.default_rng(0)
    symbols = rng.choice(list("NSVFQ"), 700_000, p=[0.9, 0.04, 0.04, 0.01, 0.01])
    probability = rng.dirichlet(np.ones(5), 700_000).astype(np.float32)
    week = labelled(symbols, rr=rng.uniform(0.5, 1.2, 699_999), probability=probability)
    began = time.perf_counter()
    summarise(week)
    assert time.perf_counter() - began < 2
