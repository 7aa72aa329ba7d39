"""Each protocol on made-up beats: who is where, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_beats import make_database, make_record, stack

from ecgtune.databases import DS1, DS2, PACED
from ecgtune.errors import SplitError
from ecgtune.splits import PROTOCOLS, Splitter, make_folds, make_split

OPTIONS = {
    "patient-adapted": {"window": (0.4, 0.4)},
    "patient-adapted-open": {"window": (0.4, 0.4)},
    "patient-adapted-24": {"window": (0.4, 0.4)},
    "chronological": {"window": (0.4, 0.4)},
    "cross-database": {"train": "mitdb", "test": "svdb"},
}


@pytest.fixture(scope="module")
def beats(made_up):
    return stack([made_up, make_database("svdb", ("800", "801", "802"), fs=128.0)])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol(beats, protocol: str) -> None:
    folds = make_folds(beats, protocol, **OPTIONS.get(protocol, {}))
    assert len(folds) == {"k-fold": 10, "grouped-k-fold": 5, "leave-patients-out": 5}.get(protocol, 1)
    for split in folds:
        assert split.protocol == protocol
        rows = np.concatenate([rows for _, rows in split.sides()])
        assert len(rows) == len(np.unique(rows))
        assert all(np.all(np.diff(rows) > 0) for _, rows in split.sides())
        assert len(split.train)
        assert split.check() is split


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_order_of_the_rows_does_not_matter(beats, protocol: str) -> None:
    order = np.random.default_rng(1).permutation(len(beats))
    options = OPTIONS.get(protocol, {})
    split = make_split(beats, protocol, seed=3, **options)
    assert make_split(beats.select(order), protocol, seed=3, **options).hash == split.hash


@pytest.mark.parametrize("protocol", ["beat-split", "k-fold", "inter-patient"])
def test_another_seed_is_another_split(beats, protocol: str) -> None:
    assert make_split(beats, protocol, seed=0).hash != make_split(beats, protocol, seed=1).hash


def test_beats_without_a_label_are_on_no_side(beats) -> None:
    label = beats.label.copy()
    label[::7] = -1
    for protocol in PROTOCOLS:
        split = make_split(replace(beats, label=label), protocol, **OPTIONS.get(protocol, {}))
        for _, rows in split.sides():
            assert np.all(label[rows] >= 0)


def test_inter_patient_is_ds1_against_ds2_without_paced_and_201(beats) -> None:
    split = make_split(beats, "inter-patient")
    trained = {record for side in ("train", "validate") for _, record in split.records(side)}
    assert trained == set(DS1) - {"201"}
    assert {record for _, record in split.records("test")} == set(DS2)
    assert not trained & set(PACED)


def test_201_stays_out_even_where_202_is_not_there(beats) -> None:
    split = make_split(beats.select(beats.record != "202"), "inter-patient")
    assert "mitdb/201" not in split.patients("train") + split.patients("validate")


def test_only_201_is_shared_by_the_published_split(beats) -> None:
    split = make_split(beats, "inter-patient-published", seed=2)
    assert set(split.patients("train") + split.patients("validate")) & set(split.patients("test")) == {
        "mitdb/201"
    }
    here = np.flatnonzero(beats.record == "100")
    with pytest.raises(SplitError, match=r"patient mitdb/100 on both sides, train and test"):
        replace(
            split, train=np.sort(np.r_[split.train, here[:5]]), test=np.setdiff1d(split.test, here[:5])
        ).check()


def test_k_fold_tests_each_beat_once(beats) -> None:
    folds = make_folds(beats, "k-fold", k=4)
    assert np.array_equal(np.sort(np.concatenate([f.test for f in folds])), np.arange(len(beats)))
    assert max(len(f.test) for f in folds) - min(len(f.test) for f in folds) <= 1
    assert [f.fold for f in folds] == [0, 1, 2, 3]
    assert make_split(beats, "k-fold", k=4, fold=2).hash == folds[2].hash


def test_the_next_fold_validates_if_asked(beats) -> None:
    folds = make_folds(beats, "grouped-k-fold", k=4, validation=True)
    assert folds[0].patients("validate") == folds[1].patients("test")
    assert folds[3].patients("validate") == folds[0].patients("test")


def test_grouped_folds_keep_one_patients_records_together(beats) -> None:
    for split in make_folds(beats, "grouped-k-fold", k=10):
        held = {record for _, record in split.records("test")}
        assert ("201" in held) == ("202" in held)


def test_leave_patients_out_never_touches_ds2(beats) -> None:
    folds = make_folds(beats, "leave-patients-out", k=7)
    for split in folds:
        assert not len(split.test)
        assert {record for side in ("train", "validate") for _, record in split.records(side)} == set(DS1) - {
            "201"
        }
    assert sum(len(split.patients("validate")) for split in folds) == 21


def test_cross_database(beats) -> None:
    split = make_split(beats, "cross-database", train="mitdb", test="svdb")
    assert {database for database, _ in split.records("test")} == {"svdb"}
    assert not {record for _, record in split.records("train")} & set(PACED)
    paced = make_split(beats, "cross-database", train="mitdb", test="svdb", paced=True, validation=0)
    assert {record for _, record in paced.records("train")} >= set(PACED)


def test_cross_database_finds_the_patient_under_another_name(beats) -> None:
    both = stack([beats, make_record("nstdb", "118e00"), make_record("nstdb", "119e_6")])
    with pytest.raises(SplitError, match=r"patients mitdb/118, mitdb/119 on both sides"):
        make_split(both, "cross-database", train="mitdb", test="nstdb", validation=0)
    split = make_split(both, "cross-database", train="mitdb", test="nstdb", drop_shared=True)
    assert not {"mitdb/118", "mitdb/119"} & set(split.patients("train") + split.patients("validate"))


def test_patient_adapted_divides_the_test_records_in_time(beats) -> None:
    split = make_split(beats, "patient-adapted", window=(0.5, 0.75))
    seconds = beats.sample / beats.fs
    assert seconds[split.tune].max() + 0.75 < 240
    assert seconds[split.tune_validate].min() - 0.5 >= 240
    assert seconds[split.tune_validate].max() + 0.75 < 300
    assert seconds[split.test].min() - 0.5 >= 300
    assert split.patients("tune") == split.patients("test")
    assert split.signal_until["mitdb", "100"] == 240
    assert split.validate_until["mitdb", "100"] == 300
    assert ("mitdb", "101") not in split.signal_until
    whole = make_split(beats, "patient-adapted", window=(0.5, 0.5), tune_validation=0, until=120.0)
    assert not len(whole.tune_validate)
    assert whole.signal_until["mitdb", "100"] == 120


def test_chronological_divides_each_patients_own_time(beats) -> None:
    split = make_split(beats, "chronological", window=(0.5, 0.5), fractions=(0.5, 0.25, 0.25))
    seconds = beats.sample / beats.fs
    here = beats.record == "100"
    end = seconds[here].max() + 1 / 360
    assert split.signal_until["mitdb", "100"] == pytest.approx(end / 2)
    assert split.validate_until["mitdb", "100"] == pytest.approx(end * 0.75)
    # 202 follows 201 in the life of their patient: all of 201 trains, all of 202 comes later.
    assert split.signal_until["mitdb", "201"] == np.inf or split.signal_until["mitdb", "202"] == 0
    assert np.all(beats.record[split.test[beats.patient[split.test] == "mitdb/201"]] == "202")


def test_copies_of_one_recording_are_no_future(beats) -> None:
    copies = stack([make_record("nstdb", "118e00"), make_record("nstdb", "118e_6")])
    with pytest.raises(SplitError, match=r"mitdb/118 has several copies .*nstdb/118e00, nstdb/118e_6"):
        make_split(copies, "chronological", window=(0, 0))
    with pytest.raises(SplitError, match="mitdb/118 has several copies"):
        make_split(stack([beats, make_record("nstdb", "118e00")]), "chronological", window=(0, 0))


@pytest.mark.parametrize(
    ("protocol", "options", "message"),
    [
        ("random", {}, r"no protocol 'random'; known: beat-split, inter-patient"),
        (
            "chronological",
            {},
            r"missing a required argument: 'window'; its options: fractions",
        ),
        ("beat-split", {"groups": 1}, r"beat-split: got an unexpected keyword argument 'groups'"),
        ("chronological", {"window": (0, 0), "fractions": (0.9, 0.2, 0.1)}, r"not three parts that sum to 1"),
        ("k-fold", {"k": 1}, r"1 folds asked for of \d+ beats; give k from 2"),
        ("grouped-k-fold", {"k": 99}, r"99 folds asked for of 50 patients; give k from 2 to 50"),
        ("k-fold", {"fold": 10}, r"no fold 10; there are folds 0 to 9"),
        ("cross-database", {"train": "mitdb", "test": "vfdb"}, r"no beats to test on; there are .* of svdb"),
        ("cross-database", {"train": "mitdb", "test": "mitdb"}, r"patients mitdb/100, .* are on two sides"),
    ],
)
def test_what_cannot_be_divided_says_why(beats, protocol: str, options: dict, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        make_split(beats, protocol, **options)


def test_one_patient_cannot_both_train_and_validate() -> None:
    beats = make_database("mitdb", ("101", "100"))
    with pytest.raises(SplitError, match=r"needs two patients or more .* there is 1"):
        make_split(beats, "inter-patient")
    assert len(make_split(beats, "inter-patient", validation=0).test)


def test_patients_of_no_database_are_refused() -> None:
    """201 and 202, read by their paths, are of patients 201 and 202 by the file; they are one man."""
    beats = stack([make_record("", name, patient=name) for name in ("101", "201", "202", "203")])
    for protocol in ("grouped-k-fold", "inter-patient"):
        with pytest.raises(SplitError, match=r"^101: its beats tell no database, .*; give database='mitdb'"):
            make_split(beats, protocol)


def test_patients_under_false_names_are_refused() -> None:
    beats = stack([make_record("mitdb", "101"), make_record("mitdb", "202", patient="202")])
    with pytest.raises(SplitError, match=r"mitdb 202 is given to patient '202', but belongs to 'mitdb/201'"):
        make_split(beats, "beat-split")


def test_patients_by_folder_are_believed() -> None:
    beats = stack([make_record("ptbdb", f"s{i}", patient=f"ptbdb/patient{i // 2}") for i in range(8)])
    for split in make_folds(beats, "grouped-k-fold", k=4):
        assert len(split.patients("test")) == 1


def test_databases_of_ones_own_keep_their_patients() -> None:
    beats = stack([make_record("ward", f"r{i}", patient=f"p{i // 2}") for i in range(6)])
    assert len(make_folds(beats, "grouped-k-fold", k=3)) == 3


def test_a_window_across_the_boundary_is_found(beats) -> None:
    split = make_split(beats, "chronological", window=(0.1, 0.1))
    with pytest.raises(SplitError, match=r"\d+ windows of patients? mitdb/1.* cross the boundary"):
        replace(split, window=(20.0, 20.0)).check()
    with pytest.raises(SplitError, match=r"no boundary in time for mitdb/100"):
        replace(split, boundaries={k: v for k, v in split.boundaries.items() if k[1] != "100"}).check()


def test_a_beat_on_two_sides_is_found(beats) -> None:
    split = make_split(beats, "beat-split")
    with pytest.raises(SplitError, match=r"beat-split: 1 beats of patient \S+ are on two sides"):
        replace(split, validate=split.test[:1]).check()


def test_many_patients_are_counted_not_listed(beats) -> None:
    split = make_split(beats, "inter-patient")
    with pytest.raises(SplitError, match=r"patients mitdb/\d+(, \S+){4} and 17 more on both sides"):
        replace(split, train=split.test[::2], test=split.test[1::2]).check()


def test_a_split_prints_who_is_where(beats) -> None:
    text = str(make_split(beats, "inter-patient", seed=1))
    assert text.startswith("inter-patient (seed 1), hash ")
    header = next(line for line in text.splitlines() if line.startswith("side"))
    assert header.split() == ["side", "patients", "N", "S", "V", "F", "Q"]
    n_test = np.bincount(beats.label[beats.record == "100"], minlength=5)
    assert any(line.split() == ["test", "mitdb/100", *map(str, n_test)] for line in text.splitlines())
    assert "says nothing of a new patient" not in text
    folded = str(make_split(beats, "k-fold", fold=3))
    assert "fold 3" in folded
    assert "says nothing of a new patient" in folded


def test_a_split_describes_itself_in_plain_types(beats) -> None:
    import json

    split = make_split(beats, "patient-adapted", window=(0.4, 0.4))
    described = json.loads(json.dumps(split.describe()))
    assert described["hash"] == split.hash
    assert described["sides"]["test"]["records"][0] == "mitdb/100"
    assert sum(described["sides"]["tune"]["beats"].values()) == len(split.tune)


def test_other_classes() -> None:
    beats = stack([make_record("vfdb", r, classes=(0.5, 0.5)) for r in ("418", "419", "420", "421")])
    split = make_split(beats, "beat-split", classes=("sinus", "VT"))
    assert split.counts(split.train).shape == (2,)
    assert "sinus" in str(split)


def test_strata_of_each_patient() -> None:
    beats = make_database("mitdb", ("100", "101"), classes=(0.5, 0.0, 0.5))
    split = make_split(beats, "beat-split", by_patient=True)
    for record in ("100", "101"):
        for label in (0, 2):
            here = (beats.record == record) & (beats.label == label)
            assert sum(here[split.test]) == int(0.2 * sum(here) + 0.5)


def test_splitter_speaks_scikit_learns_protocol(beats) -> None:
    from sklearn.dummy import DummyClassifier
    from sklearn.model_selection import cross_val_score

    mitdb = beats.select(beats.database == "mitdb")
    cv = Splitter("leave-patients-out", mitdb, k=3)
    scores = cross_val_score(DummyClassifier(), np.zeros((len(mitdb), 1)), mitdb.label, cv=cv)
    assert len(scores) == cv.get_n_splits() == 3
    (pair,) = Splitter("inter-patient").split(beats)
    split = make_split(beats, "inter-patient")
    assert np.array_equal(pair[0], np.union1d(split.train, split.validate))
    assert np.array_equal(pair[1], split.test)
    with pytest.raises(SplitError, match="X has 3 rows for"):
        next(Splitter("k-fold", beats).split(np.zeros(3)))


def test_open_training_has_every_database_and_no_patient_of_ds2(made_up) -> None:
    qt = make_database("svdb", ("800", "801"), fs=128.0)
    split = make_split(stack([made_up, qt]), "inter-patient-open", validation=0)
    trained = set(split.records("train"))
    assert {("svdb", "800"), ("svdb", "801"), ("mitdb", PACED[0])} <= trained
    # 201 is the patient of DS2's 202.
    assert {record for base, record in trained if base == "mitdb"} == {*DS1, *PACED} - {"201"}
    assert {record for _, record in split.records("test")} == set(DS2)
    adapted = make_split(
        stack([made_up, qt]), "patient-adapted-open", validation=0, window=(0.4, 0.4), until=60
    )
    assert np.array_equal(adapted.train, split.train)
    assert {record for _, record in adapted.records("test")} <= set(DS2)
    folds = make_folds(stack([made_up, qt]), "leave-patients-out", databases="open")
    assert {key for fold in folds for key in fold.records("validate")} == trained
    with pytest.raises(SplitError, match="databases 'all'; give strict or open"):
        make_folds(made_up, "leave-patients-out", databases="all")
