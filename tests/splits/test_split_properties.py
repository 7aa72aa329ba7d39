"""Properties that hold for any beats: patients, times and sides disjoint; order without effect."""

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from made_up_beats import Index, make_record, stack

from ecgtune.databases import CATALOGUE
from ecgtune.errors import SplitError
from ecgtune.splits import make_folds, make_split

quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

records = st.lists(st.sampled_from(CATALOGUE["mitdb"].records), min_size=4, max_size=12, unique=True)
windows = st.tuples(st.floats(0, 3), st.floats(0, 3))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def any_beats(draw: st.DrawFn, databases: tuple[str, ...] = ("mitdb",)) -> Index:
    """Some records with lengths, rates and class shares of their own, and some beats without a label."""
    tables = []
    for database in databases:
        names = draw(
            st.lists(st.sampled_from(CATALOGUE[database].records), min_size=3, max_size=10, unique=True)
        )
        for name in names:
            shares = np.array(draw(st.lists(st.integers(0, 9), min_size=5, max_size=5)))
            shares[0] += 1
            table = make_record(
                database,
                name,
                seconds=draw(st.integers(30, 700)),
                fs=draw(st.sampled_from([100.0, 128.0, 250.0, 333.3, 360.0])),
                seed=draw(st.integers(0, 99)),
                classes=tuple(shares / shares.sum()),
            )
            table.label[:: draw(st.integers(2, 50))] = -1
            tables.append(table)
    return stack(tables)


def too_few_records(error: SplitError) -> None:
    """Check that a division was refused for want of records, not because it leaks."""
    assert "beats to" in str(error) or "two patients" in str(error)


def sides_are_disjoint(split) -> None:
    rows = np.concatenate([rows for _, rows in split.sides()])
    assert len(np.unique(rows)) == len(rows)


def patients_are_disjoint(split, *names: str) -> None:
    everyone = [patient for name in names for patient in split.patients(name)]
    assert len(set(everyone)) == len(everyone)


@given(any_beats(), seeds)
@quick
def test_inter_patient(beats: Index, seed: int) -> None:
    try:
        split = make_split(beats, "inter-patient", seed=seed)
    except SplitError as error:
        too_few_records(error)
        assume(False)
    sides_are_disjoint(split)
    patients_are_disjoint(split, "train", "validate", "test")
    assert len(split.validate)


@given(any_beats(("mitdb", "nstdb", "svdb")), seeds, st.permutations(["mitdb", "nstdb", "svdb"]))
@quick
def test_cross_database(beats: Index, seed: int, databases: list[str]) -> None:
    try:
        split = make_split(
            beats, "cross-database", seed=seed, train=databases[0], test=databases[1:], drop_shared=True
        )
    except SplitError as error:
        too_few_records(error)
        assume(False)
    sides_are_disjoint(split)
    patients_are_disjoint(split, "train", "validate", "test")


@given(any_beats(("mitdb", "nstdb")), seeds, st.integers(2, 3), st.booleans())
@quick
def test_grouped_k_fold(beats: Index, seed: int, k: int, validation: bool) -> None:
    assume(len(np.unique(beats.patient[beats.label >= 0])) >= k and not (validation and k == 2))
    folds = make_folds(beats, "grouped-k-fold", seed=seed, k=k, validation=validation)
    tested = np.concatenate([split.test for split in folds])
    assert np.array_equal(np.sort(tested), np.flatnonzero(beats.label >= 0))
    for split in folds:
        sides_are_disjoint(split)
        patients_are_disjoint(split, "train", "validate", "test")
        assert len(split.test)


def span(beats: Index, rows, window: tuple[float, float]):
    """First and last instant that windows around some beats read, in seconds."""
    times = beats.sample[rows] / beats.fs[rows]
    return times - window[0], times + window[1]


def keys_of(beats: Index, rows) -> list[tuple[str, str]]:
    return list(zip(beats.database[rows].tolist(), beats.record[rows].tolist(), strict=True))


def time_is_disjoint(split, before: str, between: str) -> None:
    beats, window = split.beats, split.window
    for name, earliest, latest in (
        (before, None, split.signal_until),
        (between, split.signal_until, split.validate_until),
        ("test", split.validate_until, None),
    ):
        rows = getattr(split, name)
        first, last = span(beats, rows, window)
        for i, key in enumerate(keys_of(beats, rows)):
            sample = 1 / beats.fs[rows[i]]
            assert earliest is None or first[i] >= earliest[key] - sample
            assert latest is None or last[i] <= latest[key]


@given(any_beats(), seeds, windows, st.floats(10, 400), st.floats(0, 0.9))
@quick
def test_patient_adapted(
    beats: Index, seed: int, window: tuple[float, float], until: float, part: float
) -> None:
    for protocol in ("patient-adapted", "patient-adapted-open", "patient-adapted-24"):
        try:
            split = make_split(beats, protocol, seed=seed, window=window, until=until, tune_validation=part)
        except SplitError as error:
            too_few_records(error)
            continue
        sides_are_disjoint(split)
        time_is_disjoint(split, "tune", "tune_validate")
        tested = {*split.patients("test"), *split.patients("tune"), *split.patients("tune_validate")}
        assert not tested & {*split.patients("train"), *split.patients("validate")}
        assert not set(split.records("train")) & set(split.signal_until)


@given(any_beats(), windows, st.floats(0.1, 0.8), st.floats(0, 0.15))
@quick
def test_chronological(beats: Index, window: tuple[float, float], first: float, middle: float) -> None:
    fractions = (first, middle, 1 - first - middle)
    split = make_split(beats, "chronological", window=window, fractions=fractions)
    sides_are_disjoint(split)
    time_is_disjoint(split, "train", "validate")
    # What trains of a patient with two records lies before what tests.
    trained = {record for _, record in split.records("train")} & {"201", "202"}
    tested = {record for _, record in split.records("test")} & {"201", "202"}
    assert not trained or not tested or max(trained) <= min(tested)


@given(any_beats(), seeds, st.randoms(use_true_random=False))
@quick
def test_order_of_rows_has_no_effect(beats: Index, seed: int, random) -> None:
    order = list(range(len(beats)))
    random.shuffle(order)
    for protocol, options in (
        ("beat-split", {}),
        ("k-fold", {"k": 3}),
        ("chronological", {"window": (1, 1)}),
    ):
        split = make_split(beats, protocol, seed=seed, **options)
        sides_are_disjoint(split)
        again = make_split(beats.select(np.array(order)), protocol, seed=seed, **options)
        assert again.hash == split.hash
