import dataclasses

import numpy as np
import pytest

from ecgtune.labelled import Labelled, summarise
from ecgtune.report.choice import STRIP_S, Excerpt, choose_excerpts


def chosen(labelled: Labelled) -> list[Excerpt]:
    return choose_excerpts(labelled, summarise(labelled))


def reasons(labelled: Labelled, group: str) -> list[str]:
    return [excerpt.reason for excerpt in chosen(labelled) if excerpt.group == group]


def pausing(make, seconds: int) -> Labelled:
    """A beat a second, but for one interval."""
    labelled = make("N" * (60 + seconds))
    keep = np.ones(60 + seconds, dtype=bool)
    keep[30 : 29 + seconds] = False
    return dataclasses.replace(labelled, annotations=labelled.annotations.select(keep))


def test_an_abnormal_recording_shows_what_matters(make) -> None:
    labelled = make("N" * 20 + "VVVV" + "N" * 20 + "VV" + "N" * 20 + "VNVNVNV" + "N" * 20 + "V" + "N" * 20)
    assert reasons(labelled, "V") == [
        "only run: 4 beats at 60 bpm",
        "couplet, RR 1000 ms",
        "bigeminy, 4 cycles",
    ]


def test_every_abnormal_class_is_shown(make) -> None:
    labelled = make("N" * 20 + "S" + "N" * 20 + "F" + "N" * 20 + "Q" + "N" * 20 + "V" + "N" * 9)
    groups = [excerpt.group for excerpt in chosen(labelled)]
    assert list(dict.fromkeys(groups)) == ["V", "S", "F", "Q", "rhythm", "N"]


def test_the_least_confident_beat_keeps_its_place(make) -> None:
    labelled = make(
        ("N" * 20 + "VVV" + "N" * 20 + "VV" + "N" * 20 + "VNVNVNV" + "N" * 20 + "VNNVNNV") + "N" * 20 + "V"
    )
    probability = labelled.annotations.probability.copy()
    probability[-1] = [0.2, 0.2, 0.22, 0.19, 0.19]
    labelled = dataclasses.replace(
        labelled, annotations=dataclasses.replace(labelled.annotations, probability=probability)
    )
    listed = reasons(labelled, "V")
    assert len(listed) == 5
    assert listed[-1] == "least confident beat, 22%"


def test_strips_of_a_class_do_not_repeat_each_other(make) -> None:
    assert len(reasons(make("NNN" + "VVV" + "NNN"), "V")) == 1
    assert reasons(make("N" * 9 + "V" + "N" * 9), "V") == ["only beat, 90%"]


def test_strips_lie_inside_the_recording(make) -> None:
    for symbols in ("V", "VN", "VVVVVVVVV", "NNNV"):
        labelled = make(symbols)
        for excerpt in chosen(labelled):
            assert 0 <= excerpt.start < excerpt.stop <= labelled.record.n_samples
            assert excerpt.stop - excerpt.start == min(STRIP_S * 250, labelled.record.n_samples)
            assert excerpt.start <= excerpt.at_s * 250 < excerpt.stop


def test_a_run_longer_than_a_strip_is_shown_from_its_beginning(make) -> None:
    labelled = make("N" * 20 + "V" * 30 + "N" * 20)
    run = next(excerpt for excerpt in chosen(labelled) if "run" in excerpt.reason)
    assert run.start / 250 == 21 - 1.4


def test_a_pause_is_shown(make) -> None:
    labelled = make("N" * 30)
    keep = np.ones(30, dtype=bool)
    keep[12:15] = False
    labelled = dataclasses.replace(labelled, annotations=labelled.annotations.select(keep))
    assert "longest RR interval, 4.00 s" in reasons(labelled, "rhythm")


@pytest.mark.parametrize(
    ("seconds", "speed"), [(3, 25), (5, 12.5), (8, 12.5), (12, 10), (20, 5), (60, 2.5), (150, 1)]
)
def test_a_long_interval_is_shown_with_both_its_beats(make, seconds: int, speed: float) -> None:
    labelled = pausing(make, seconds)
    (shown,) = (excerpt for excerpt in chosen(labelled) if "longest RR" in excerpt.reason)
    assert shown.reason == f"longest RR interval, {seconds:.2f} s"
    assert shown.speed == speed
    assert shown.start / 250 <= shown.at_s - 1.4
    assert shown.stop / 250 >= shown.at_s + seconds + 1.4
    assert (shown.stop - shown.start) / 250 * speed <= 175
    others = [excerpt.speed for excerpt in chosen(labelled) if excerpt != shown]
    assert set(others) == {25}


def test_an_interval_that_no_paper_holds_is_shown_from_its_beginning(make) -> None:
    (shown,) = (excerpt for excerpt in chosen(pausing(make, 300)) if "longest RR" in excerpt.reason)
    assert shown.reason == "longest RR interval, 300.00 s, its beginning"
    assert (shown.stop - shown.start) / 250 == 175


def test_no_beats_show_the_middle(make) -> None:
    (only,) = chosen(make("", seconds=60))
    assert (only.at_s, only.length_s) == (30, None)


def test_an_empty_recording_shows_nothing(make) -> None:
    assert chosen(make("", seconds=0)) == []


def test_without_probabilities(make) -> None:
    labelled = make("N" * 9 + "V" + "N" * 9 + "V" + "N")
    bare = dataclasses.replace(
        labelled, annotations=dataclasses.replace(labelled.annotations, probability=None)
    )
    assert reasons(bare, "V") == ["first beat"]
