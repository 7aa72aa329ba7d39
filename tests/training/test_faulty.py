"""Stretches of training recordings with faults: how strong, where, and what their beats are called."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from ecgtune.beats import Preprocessing
from ecgtune.labels import CLASSES
from ecgtune.record import Annotations, Record
from ecgtune.signals.simulate import simulate
from ecgtune.training import faulty, tables
from ecgtune.training.faulty import CONTEXT, KINDS, Faulty, faulty_recordings, put_in_faults
from ecgtune.training.sequences import IGNORED

HOW = Preprocessing()
N, Q = CLASSES.index("N"), CLASSES.index("Q")


@pytest.fixture(scope="module")
def clean() -> tuple[Record, Annotations]:
    record = simulate(600, fs=250, seed=1)
    return record, record.annotations["truth"]


@pytest.fixture(scope="module")
def one_lead(clean: tuple[Record, Annotations]) -> tuple[Record, Annotations]:
    record, annotations = clean
    return Record.from_array(record.signal[:, :1], record.fs, record.leads[:1], name="one"), annotations


def spoil(source: tuple[Record, Annotations], kinds: Sequence[str] = KINDS, seed: int = 0) -> Faulty:
    return put_in_faults(*source, kinds, np.random.default_rng(seed))


def changed(source: Record, made: Record) -> np.ndarray:
    """Which samples differ, bool [samples, leads]."""
    return ~np.isclose(source.signal, made.signal, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_faults_lie_where_they_are_said_to_lie(clean: tuple[Record, Annotations], seed: int) -> None:
    made = spoil(clean, seed=seed)
    assert (made.spoilt[1:, 0] > made.spoilt[:-1, 1]).all()
    told = np.zeros(made.record.n_samples, dtype=bool)
    for begin, end in made.spoilt:
        assert 9 < (end - begin) / made.record.fs < 61
        told[begin:end] = True
    differs = changed(clean[0], made.record).any(axis=1)
    assert not differs[~told].any()
    assert differs[told].mean() > 0.5
    assert 0.05 < told.mean() < 0.5


def test_they_are_drawn_and_drawn_again(clean: tuple[Record, Annotations]) -> None:
    np.testing.assert_array_equal(spoil(clean, seed=3).record.signal, spoil(clean, seed=3).record.signal)
    assert not np.array_equal(spoil(clean, seed=3).spoilt, spoil(clean, seed=4).spoilt)


def test_a_lost_lead_leaves_the_other(clean: tuple[Record, Annotations]) -> None:
    leads = set()
    for seed in range(8):
        made = spoil(clean, ["flat"], seed)
        for begin, end in made.spoilt:
            flat = np.ptp(made.record.signal[begin:end], axis=0) == 0
            assert flat.sum() == 1
            leads.add(int(flat.argmax()))
    assert leads == {0, 1}


def test_the_only_lead_is_never_lost(one_lead: tuple[Record, Annotations]) -> None:
    made = spoil(one_lead, ["flat"])
    assert not changed(one_lead[0], made.record).any()


def test_noise_is_measured_by_the_qrs(one_lead: tuple[Record, Annotations]) -> None:
    record, annotations = one_lead
    loud = Record.from_array(10 * record.signal, record.fs, record.leads, name=record.name)
    quiet, made = spoil(one_lead), spoil((loud, annotations))
    np.testing.assert_allclose(made.record.signal, 10 * quiet.record.signal, rtol=1e-3, atol=1e-2)


def test_a_silent_lead_gets_no_noise(clean: tuple[Record, Annotations]) -> None:
    record, annotations = clean
    signal = record.signal.copy()
    signal[:, 1] = np.nan
    silent = Record.from_array(signal, record.fs, record.leads, name="silent")
    made = spoil((silent, annotations), ["muscle"])
    assert np.isnan(made.record.signal[:, 1]).all()
    assert np.isfinite(made.record.signal[:, 0]).all()


@pytest.fixture
def opened(
    monkeypatch: pytest.MonkeyPatch, clean: tuple[Record, Annotations]
) -> Callable[[tuple[Record, Annotations]], None]:
    """Lets another recording be opened than the clean one."""

    def use(source: tuple[Record, Annotations]) -> None:
        monkeypatch.setattr(tables, "open_record", lambda _: source)

    use(clean)
    return use


@pytest.mark.usefixtures("opened")
def test_beats_keep_their_labels_and_false_ones_are_called_q() -> None:
    made = faulty_recordings(("db", "1"), HOW, ["muscle"])
    assert made
    labels = np.concatenate([one.label.numpy() for one in made])
    assert (labels == N).sum() > 100
    assert (labels == Q).sum() > 10
    for one in made:
        assert one.beats.shape == (len(one.label), HOW.channels, HOW.width)
        assert one.rhythm.shape == (len(one.label), len(HOW.rhythm_features))


def test_what_lies_around_is_not_spoilt(
    opened: Callable[[tuple[Record, Annotations]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faulty, "_BETWEEN_S", (150.0, 200.0))
    for one in faulty_recordings(("db", "1"), HOW, ["muscle"]):
        if "from beat 0" not in one.name:
            assert (one.label[:CONTEXT] != Q).all()


def test_in_flutter_false_beats_teach_nothing(
    opened: Callable[[tuple[Record, Annotations]], None], clean: tuple[Record, Annotations]
) -> None:
    record, annotations = clean
    ends = np.array([0, record.n_samples - 1])
    with_flutter = Annotations(
        np.concatenate([annotations.sample, ends]), np.concatenate([annotations.symbol, ["[", "]"]])
    )
    order = np.argsort(with_flutter.sample, kind="stable")
    opened((record, with_flutter.select(order)))
    labels = np.concatenate([one.label.numpy() for one in faulty_recordings(("db", "1"), HOW, ["muscle"])])
    assert (labels != Q).all()
    assert (labels == IGNORED).sum() > 10


@pytest.mark.usefixtures("opened")
def test_they_are_drawn_by_the_name_of_the_recording() -> None:
    one, again = (faulty_recordings(("db", "2"), HOW, KINDS) for _ in range(2))
    assert len(one) == len(again) > 0
    for each, same in zip(one, again, strict=True):
        np.testing.assert_array_equal(each.beats, same.beats)
    other = faulty_recordings(("db", "3"), HOW, KINDS)
    assert not np.array_equal(other[0].label, one[0].label)


@pytest.mark.usefixtures("opened")
def test_nothing_is_read_beyond_the_second_that_is_given() -> None:
    whole = faulty_recordings(("db", "1"), HOW, KINDS)
    part = faulty_recordings(("db", "1"), HOW, KINDS, 300.0)
    assert 0 < sum(len(one.label) for one in part) < 0.7 * sum(len(one.label) for one in whole)


def test_of_a_recording_without_time_or_beats_nothing_is_made(
    opened: Callable[[tuple[Record, Annotations]], None], clean: tuple[Record, Annotations]
) -> None:
    assert faulty_recordings(("db", "1"), HOW, KINDS, 20.0) == []
    record, annotations = clean
    opened((record, annotations.select(np.zeros(len(annotations), dtype=bool))))
    assert faulty_recordings(("db", "1"), HOW, KINDS) == []


def test_nothing_is_read_where_nothing_is_asked_for() -> None:
    assert faulty_recordings(("nowhere", "1"), HOW, ()) == []


def test_a_real_recording(mitdb: Path) -> None:
    made = faulty_recordings(("mitdb", "119"), HOW, KINDS)
    labels = np.concatenate([one.label.numpy() for one in made])
    assert (labels == CLASSES.index("V")).sum() > 50
    assert (labels == N).sum() > 300
    assert (labels == CLASSES.index("S")).sum() == 0
