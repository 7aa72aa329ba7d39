"""patient-transfer beyond the paper: shares of the windows, images, protocols that divide time."""

from itertools import pairwise

import numpy as np
import pytest
from small_system import short_config, thinned

from ecgtune.beats.fixed import fixed_windows
from ecgtune.errors import SplitError
from ecgtune.evaluation.metrics import confusion_matrix
from ecgtune.images import three_channels
from ecgtune.labels import CLASSES
from ecgtune.systems.patient_transfer import BINARY, load_windows, paper_split, pretrain, sides_by_record
from ecgtune.systems.patient_transfer_further import (
    INDIVIDUAL,
    READS_S,
    TUNED,
    TUNED_OWN,
    UNTUNED,
    adapted,
    as_images,
    images,
    part_of,
    scarcity,
)
from ecgtune.training.stacked import decide
from ecgtune.training.stacks import predict_all
from ecgtune.training.tables import open_record

pytestmark = pytest.mark.usefixtures("one_thread")


def rows_with(normal: int, abnormal: int):
    """Labels of a table, and the rows among them to take from: every second one."""
    labels = np.repeat([0, 1, 1, 0], [2 * normal, 2 * abnormal, 7, 5])
    return labels, np.arange(0, 2 * (normal + abnormal), 2)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_smaller_share_is_part_of_a_larger_one(seed):
    labels, rows = rows_with(150, 60)
    shares = [part_of(labels, rows, f, seed, name="203") for f in (0.01, 0.05, 0.1, 0.25, 0.5, 1.0)]
    assert [len(share) for share in shares] == [2 + 1, 8 + 3, 15 + 6, 38 + 15, 75 + 30, 150 + 60]
    for smaller, larger in pairwise(shares):
        assert set(smaller) < set(larger)
    assert np.array_equal(shares[-1], rows)
    for share in shares:
        assert np.array_equal(share, np.unique(share))


def test_a_share_is_drawn_anew_by_seed_and_from_all_rows():
    labels, rows = rows_with(150, 60)
    share = part_of(labels, rows, 0.25, 0, name="203")
    assert np.array_equal(share, part_of(labels, rows, 0.25, 0, name="203"))
    assert not np.array_equal(share, part_of(labels, rows, 0.25, 1, name="203"))
    # Not the first quarter.
    assert share[labels[share] == 0].max() > 150


def test_a_share_that_leaves_no_abnormal_window_says_which_would():
    labels, rows = rows_with(500, 20)
    with pytest.raises(SplitError) as raised:
        part_of(labels, rows, 0.01, 0, name="108")
    assert str(raised.value) == "108: 0.01 of its 20 abnormal windows leaves none; give 0.03 or more"
    assert np.sum(labels[part_of(labels, rows, 0.03, 0, name="108")]) == 1
    assert np.sum(labels[part_of(labels, rows, 0.01, 0, name="108", least=1)]) == 1


def test_the_share_that_an_error_names_is_always_enough():
    for count in range(1, 400):
        labels, rows = rows_with(1000, count)
        with pytest.raises(SplitError) as raised:
            part_of(labels, rows, 0.001, 0, name="1")
        enough = float(str(raised.value).removesuffix(" or more").rpartition(" ")[2])
        assert np.sum(labels[part_of(labels, rows, enough, 0, name="1")]) >= 1


def test_errors_use_the_names_of_the_classes():
    labels = np.repeat([0, 2], [40, 3])
    with pytest.raises(SplitError, match=r"^203: 0\.1 of its 3 V windows leaves none; give 0\.17 or"):
        part_of(labels, np.arange(43), 0.1, 0, name="203", classes=CLASSES)


@pytest.fixture(scope="module")
def three_records(mitdb):
    """Few windows of three records of DS1; of 108 too few abnormal ones for a quarter of them."""
    beats = thinned(load_windows(short_config(), ["106", "108", "119"]), 30)
    abnormal = np.flatnonzero((beats.record == "108") & (beats.label == 1))
    return beats.select(np.setdiff1d(np.arange(len(beats)), abnormal[3:]))


def test_scarce_labels(config, three_records, trainer):
    beats = three_records
    config["scarcity"]["fractions"] = [0.1, 0.5, 1.0]
    split = paper_split(config, beats, 0)
    everyone = pretrain(config, beats, {0: split}, trainer)[0]
    found = scarcity(config, beats, split, everyone, trainer)

    # A tenth of the two abnormal training windows of 108 is none.
    assert found.eligible == ("106", "119")
    by_record = sides_by_record(beats, split)
    pretrained, _ = trainer.asked["pre-training without the patient"]
    members, table = trainer.asked["fewer labels"]
    assert len(members) == 2 * 3 * 3
    done = trainer.train("again", members, table)
    others = trainer.train("again", pretrained, table, together=3)
    parts: dict[str, list[set[int]]] = {}
    for member in members:
        fraction, _, record, rest = member.name.split(" ", 3)
        side = by_record[record]
        assert set(member.train) <= set(side.train)
        assert set(member.validate) <= set(side.validate)
        counts = [np.bincount(beats.label[rows]) for rows in (member.train, side.train)]
        assert counts[0].tolist() == np.floor(float(fraction) * counts[1] + 0.5).tolist()
        if rest.startswith(INDIVIDUAL):
            assert member.start is None
            parts.setdefault(record, []).append(set(member.train))
        elif rest.startswith(TUNED_OWN):
            assert np.array_equal(member.start, everyone.weights)
        else:
            # Pre-trained where no window of the patient trained or validated.
            (source,) = (m for m in pretrained if np.array_equal(others[m.name].weights, member.start))
            for rows in (source.train, source.validate):
                assert record not in beats.record[rows]
                assert len(rows)
    assert all(small < middle < whole for small, middle, whole in parts.values())

    assert set(found.matrices) == {0.0, 0.1, 0.5, 1.0}
    assert set(found.matrices[0.0]) == {UNTUNED}
    for fraction in (0.1, 0.5, 1.0):
        assert set(found.matrices[fraction]) == {INDIVIDUAL, TUNED, TUNED_OWN}
        for by_way in found.matrices[fraction].values():
            assert {r: m.sum() for r, m in by_way.items()} == {
                r: len(by_record[r].test) for r in found.eligible
            }
    (own,) = (m for m in members if m.name.startswith("0.5 of 119 individual"))
    test = by_record["119"].test
    (logits,) = predict_all([done[own.name].weights], [test], table)
    expected = confusion_matrix(beats.label[test], decide(logits), BINARY)
    assert np.array_equal(found.matrices[0.5][INDIVIDUAL]["119"], expected)
    # Training and validation are 64 % and 16 % of half an hour.
    assert found.minutes[1.0] == pytest.approx(0.8 * 30, abs=1.5)
    assert found.minutes[0.5] == pytest.approx(0.4 * 30, abs=1.5)


def test_images_of_windows(few_windows):
    windows = few_windows.windows[:, 0]
    drawn = as_images(windows)
    assert drawn.shape == (len(windows), 3, 64, 64)
    assert drawn.dtype == np.float16
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    np.testing.assert_allclose(drawn, three_channels(windows), atol=1e-3)


def test_images_are_drawn_alike_in_pieces(few_windows):
    windows = np.tile(few_windows.windows[:7, 0], (100, 1))
    assert np.array_equal(as_images(windows), np.tile(as_images(windows[:7]), (100, 1, 1, 1)))


def test_the_image_form(config, few_windows, trainer):
    few = few_windows.select(slice(0, None, 4))
    config["image"]["batch"] = config["pretraining"]["batch"] = 8
    split = paper_split(config, few, 0)
    found = images(config, few, split, trainer)
    _, table = trainer.asked["images"]
    assert table.inputs(np.arange(2)).shape == (2, 3, 64, 64)
    assert sorted(found.matrices) == [TUNED, INDIVIDUAL]
    for by_record in found.matrices.values():
        tested = {record: len(side.test) for record, side in sides_by_record(few, split).items()}
        assert {record: matrix.sum() for record, matrix in by_record.items()} == tested


# All of DS1: no test scores DS2. In its first five minutes 205 has no abnormal beat before the 240th second.
EARLY, LATE = ["101", "106", "119"], ["203", "205"]


@pytest.fixture(scope="module")
def adapted_24(mitdb, trainer):
    return adapted(short_config(), "patient-adapted-24", [*EARLY, *LATE], trainer)


def test_each_record_is_tuned_on_its_own_early_windows(adapted_24, trainer):
    members, table = trainer.asked["patient-adapted-24"]
    (everyone,), _ = trainer.asked["patient-adapted-24, pre-training"]
    assert [(m.name.split()[1], m.start is None) for m in members] == [("203", True), ("203", False)]
    counts = {name: len(rows) for name, rows in adapted_24.split.sides()}
    ends = np.cumsum(list(counts.values()))
    assert list(counts) == ["train", "validate", "tune", "tune_validate", "test"]
    # The table has the sides one below the other.
    assert len(table.windows) == ends[-1]
    assert everyone.train.tolist() == list(range(ends[0]))
    assert everyone.validate.tolist() == list(range(ends[0], ends[1]))
    for member in members:
        assert ends[1] <= member.train.min() <= member.train.max() < ends[2]
        assert ends[2] <= member.validate.min() <= member.validate.max() < ends[3]
        split = adapted_24.split
        assert len(member.train) == np.sum(split.beats.record[split.tune] == "203")
        assert len(member.validate) == np.sum(split.beats.record[split.tune_validate] == "203")


def test_a_record_whose_early_part_has_one_class_keeps_the_network_of_the_others(adapted_24):
    assert adapted_24.kept == ("205",)
    assert list(adapted_24.matrices[UNTUNED]) == list(adapted_24.matrices[TUNED]) == ["203", "205"]
    assert list(adapted_24.matrices[INDIVIDUAL]) == ["203"]
    assert np.array_equal(adapted_24.matrices[TUNED]["205"], adapted_24.matrices[UNTUNED]["205"])


def test_every_late_window_is_tested_once(adapted_24):
    split = adapted_24.split
    for record in LATE:
        own = split.test[split.beats.record[split.test] == record]
        counts = np.bincount(split.beats.label[own], minlength=2)
        for by_record in adapted_24.matrices.values():
            if record in by_record:
                assert by_record[record].sum(1).tolist() == counts.tolist()


def test_sides_of_a_record_do_not_overlap_in_time(adapted_24):
    split = adapted_24.split
    assert split.window == (READS_S, READS_S)
    for record in LATE:
        at = {
            name: split.beats.sample[rows[split.beats.record[rows] == record]] / 360
            for name, rows in split.sides()
        }
        assert at["tune"].max() + READS_S <= 240 <= at["tune_validate"].min() - READS_S
        assert at["tune_validate"].max() + READS_S <= 300 <= at["test"].min() - READS_S
    assert not set(split.records("train")) & set(split.records("test"))


class StoppedError(Exception):
    """Ends a call when its table is made."""


class TableOnly:
    def train(self, what, members, table, **_):
        self.table = table
        raise StoppedError


def table_of(config, protocol, records):
    """Windows and labels that a protocol trains and tests on."""
    trainer = TableOnly()
    with pytest.raises(StoppedError):
        adapted(config, protocol, records, trainer)
    return trainer.table


@pytest.mark.usefixtures("mitdb")
def test_tuning_reads_no_signal_after_its_time(config, adapted_24, spoil):
    """What comes after is replaced by noise: nothing that trains, tunes or validates changes."""
    split = adapted_24.split
    tested = len(split.test)
    tuned = len(split.train) + len(split.validate) + len(split.tune)
    before = table_of(config, "patient-adapted-24", [*EARLY, *LATE])
    spoil(dict.fromkeys(LATE, 300.0))
    after = table_of(config, "patient-adapted-24", [*EARLY, *LATE])
    assert np.array_equal(after.windows[:-tested], before.windows[:-tested])
    assert np.array_equal(after.labels[:-tested], before.labels[:-tested])
    assert not np.array_equal(after.windows[-tested:], before.windows[-tested:])
    spoil(dict.fromkeys(LATE, 240.0))
    after = table_of(config, "patient-adapted-24", [*EARLY, *LATE])
    assert np.array_equal(after.windows[:tuned], before.windows[:tuned])
    assert not np.array_equal(after.windows[tuned:-tested], before.windows[tuned:-tested])


@pytest.mark.usefixtures("mitdb")
def test_the_scale_of_late_windows_is_that_of_the_early_part(config, adapted_24, spoil):
    """A change late in the recording reaches no window ten minutes before it."""
    split = adapted_24.split
    before = table_of(config, "patient-adapted-24", [*EARLY, *LATE])
    spoil(dict.fromkeys(LATE, 900.0))
    after = table_of(config, "patient-adapted-24", [*EARLY, *LATE])
    changed = (after.windows != before.windows).any(1)[-len(split.test) :]
    second = split.beats.sample[split.test] / 360
    assert not changed[second < 590].any()
    assert changed[second > 910].all()


@pytest.mark.usefixtures("mitdb")
def test_chronological_training_reads_no_signal_after_its_time(config, trainer, spoil):
    found = adapted(config, "chronological", ["106", "203"], trainer)
    limits = found.split.boundaries
    counts = {name: len(rows) for name, rows in found.split.sides()}
    assert list(counts) == ["train", "validate", "test"]
    (everyone,), before = trainer.asked["chronological, pre-training"]
    assert everyone.train.tolist() == list(range(counts["train"]))
    members, _ = trainer.asked["chronological"]
    assert [member.name.split()[1] for member in members] == ["106", "106", "203", "203"]
    for member in members:
        assert member.train.max() < counts["train"] <= member.validate.min()
    early = counts["train"] + counts["validate"]
    for which, unchanged in ((1, early), (0, counts["train"])):
        spoil({record: limits["mitdb", record][which] for record in ("106", "203")})
        after = table_of(config, "chronological", ["106", "203"])
        assert np.array_equal(after.windows[:unchanged], before.windows[:unchanged])
        assert not np.array_equal(after.windows[unchanged:], before.windows[unchanged:])


@pytest.mark.usefixtures("mitdb")
def test_the_aami_classes(config, trainer):
    found = adapted(config, "chronological", ["208"], trainer, classes=CLASSES)
    assert found.classes == CLASSES
    _, table = trainer.asked["chronological"]
    assert table.build(1).forward(table.inputs(np.arange(2))[np.newaxis]).shape == (1, 2, 5)
    counts = found.split.counts(found.split.test).tolist()
    assert found.matrices[TUNED]["208"].sum(1).tolist() == counts
    assert found.matrices[INDIVIDUAL]["208"].shape == (5, 5)


def test_a_window_reads_no_farther_than_the_split_is_told(mitdb, config, monkeypatch):
    """A click outside ``READS_S`` of every annotation leaves the cut windows alone; one inside does not."""
    how = config["windows"]
    record, _ = open_record(("mitdb", "203"))
    filtered = np.array(record.read(0, 20_000)[:, 0])
    # The fiducial lies up to 12 samples of 128 Hz from the annotation.
    annotation, moved = 10_000, 10_000 + round(12 * 360 / 128)

    def cut(signal):
        at = np.array([moved])
        return fixed_windows(signal, record.fs, at, seconds=how["seconds"], width=how["width"])

    for offset, changes in ((round(READS_S * 360), False), (round(0.6 * 360), True)):
        clicked = filtered.copy()
        clicked[annotation + offset :] += 5
        assert (not np.array_equal(cut(clicked), cut(filtered))) == changes
