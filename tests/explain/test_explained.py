"""Which beats of a recording are explained, and what is told of them."""

import json
import xml.dom.minidom
from dataclasses import replace

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.collections import LineCollection
from subjects_to_explain import sequence_subject

from ecgtune.errors import ModelError, RecordError
from ecgtune.explain.draw import AGAINST, FOR, SHADES, draw_beat, feature_text, file_name, strongest
from ecgtune.explain.draw_images import draw_image, file_names
from ecgtune.explain.draw_paper import set_height
from ecgtune.explain.explained import Explained, explain_record, to_plain
from ecgtune.explain.page import render_image_page, render_page
from ecgtune.explain.subject_sequence import SequenceSubject
from ecgtune.labels import CLASSES
from ecgtune.record import Record
from ecgtune.signals.simulate import simulate

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = 4


@pytest.fixture(scope="module")
def record() -> Record:
    return simulate(90, 250, ["MLII", "V1"], seed=3, ectopy={"V": 0.2})


@pytest.fixture(scope="module")
def subject() -> SequenceSubject:
    return sequence_subject()


@pytest.fixture(scope="module")
def common(subject: SequenceSubject, record: Record) -> str:
    """The label that an untrained network gives most beats."""
    predicted = subject.probability(subject.read(record)).argmax(axis=1)
    return CLASSES[int(np.bincount(predicted).argmax())]


@pytest.fixture(scope="module")
def found(subject: SequenceSubject, record: Record, common: str) -> Explained:
    return explain_record(subject, record, label=common, count=3, steps=STEPS)


def test_beats_of_a_label_are_spread_over_the_recording(
    subject: SequenceSubject, record: Record, common: str
) -> None:
    found = explain_record(subject, record, label=common, count=4, steps=STEPS)
    assert len(found) == 4
    assert (found.predicted == CLASSES.index(common)).all()
    assert (np.diff(found.rows) > 0).all()
    every = np.flatnonzero(found.probability.argmax(axis=1) == CLASSES.index(common))
    quarter = np.searchsorted(every, found.rows) * 4 // len(every)
    assert quarter.tolist() == [0, 1, 2, 3]
    all_of_them = explain_record(subject, record, label=common, count=10_000, steps=1)
    assert all_of_them.rows.tolist() == every.tolist()


def test_beats_at_times(subject: SequenceSubject, record: Record) -> None:
    reading = subject.read(record)
    times = reading.sample[[7, 3, 7]] / record.fs
    found = explain_record(subject, record, at=(times + np.array([0.1, -0.1, 0.0])).tolist(), steps=STEPS)
    assert found.rows.tolist() == [3, 7]
    np.testing.assert_array_equal(found.examples.sample, reading.sample[[3, 7]])


def test_a_time_without_a_beat_names_the_nearest(subject: SequenceSubject, record: Record) -> None:
    reading = subject.read(record)
    between = float(reading.sample[4:6].mean() / record.fs) - 0.05
    nearest = reading.sample[4] / record.fs
    with pytest.raises(RecordError, match=r"no beat within 150 ms of .* s; the nearest is at ") as raised:
        explain_record(subject, record, at=[between])
    assert f"{nearest:.3f} s (00:00:0" in str(raised.value)
    with pytest.raises(RecordError, match=r"no beat within 150 ms of 4000 s; the nearest is at 8\d\.\d+ s"):
        explain_record(subject, record, at=[4000])


def test_a_label_that_no_beat_has_lists_those_that_are_there(
    subject: SequenceSubject, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_labels(self: SequenceSubject, reading: object) -> np.ndarray:
        made = np.zeros((len(reading), 5), dtype=np.float32)  # type: ignore[arg-type]
        made[:, 0], made[:3, 2] = 0.5, 0.9
        return made

    monkeypatch.setattr(SequenceSubject, "probability", two_labels)
    beats = len(subject.read(record))
    with pytest.raises(RecordError, match=rf"the model labels no beat F; it has N {beats - 3}, V 3$"):
        explain_record(subject, record, label="F")


def test_beats_where_nothing_can_be_read_are_not_chosen(
    subject: SequenceSubject, record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = subject.read(record)
    lost = replace(reading, readable=np.arange(len(reading)) >= 5)
    monkeypatch.setattr(SequenceSubject, "read", lambda self, *given, **more: lost)
    with pytest.raises(RecordError, match="no beat within 150 ms") as raised:
        explain_record(subject, record, at=[float(reading.sample[2] / record.fs)])
    assert f"the nearest is at {reading.sample[5] / record.fs:.3f} s" in str(raised.value)
    for name in CLASSES:
        try:
            assert explain_record(subject, record, label=name, count=10_000, steps=1).rows.min() >= 5
        except RecordError as error:
            counted = [int(part.split()[1]) for part in str(error).partition("it has ")[2].split(", ")]
            assert sum(counted) == len(reading) - 5


@pytest.mark.parametrize("asked", [{"label": "X"}, {"at": [1.0], "target": "X"}])
def test_unknown_classes(subject: SequenceSubject, record: Record, asked: dict[str, object]) -> None:
    with pytest.raises(ModelError, match="tiny: no class 'X'; it has N, S, V, F, Q"):
        explain_record(subject, record, **asked)  # type: ignore[arg-type]


def test_the_label_is_explained_or_the_class_that_is_asked_for(
    subject: SequenceSubject, record: Record, found: Explained
) -> None:
    np.testing.assert_array_equal(found.attribution.target, found.predicted)
    time = float(found.examples.time[0])
    other = explain_record(subject, record, at=[time], target="F", steps=STEPS)
    assert other.attribution.target.tolist() == [3]


def test_annotated_positions_and_labels(subject: SequenceSubject, record: Record) -> None:
    annotations = next(iter(record.annotations.values()))
    beats = annotations.beats()
    time = float(beats.sample[5] / record.fs)
    found = explain_record(subject, record, at=[time], reference=annotations, steps=STEPS)
    assert found.examples.sample.tolist() == [int(beats.sample[5])]
    assert CLASSES[int(found.examples.label[0])] == beats.symbol[5]
    assert to_plain(found)["beats"][0]["annotated"] == beats.symbol[5]


def test_numbers_for_machines(found: Explained) -> None:
    plain = json.loads(json.dumps(to_plain(found)))
    assert plain["method"] == "integrated-gradients"
    assert plain["baseline"] == "zero"
    assert plain["record"] == found.record.name
    assert plain["trained_on"] is False
    width = found.subject.width
    assert len(plain["time_ms"]) == width
    assert plain["time_ms"][found.subject.before] == 0
    assert plain["time_ms"][1] - plain["time_ms"][0] == pytest.approx(1000 / 128, abs=2e-3)
    beat = plain["beats"][1]
    assert np.shape(beat["signal_mv"]) == np.shape(beat["attribution"]) == (2, width)
    np.testing.assert_allclose(beat["attribution"], found.attribution.values[1], atol=1e-6)
    assert sum(beat["probability"].values()) == pytest.approx(1, abs=1e-4)
    shares = [region["share"] for region in beat["regions"].values()] + [beat["elsewhere"]["share"]]
    assert sum(shares) == pytest.approx(1)
    assert list(beat["regions"]) == ["P", "QRS", "T"]
    assert beat["regions"]["QRS"] | {"share": 0} == {"from_ms": -50.0, "to_ms": 100.0, "share": 0}
    assert len(beat["rhythm"]["attribution"]) == len(plain["rhythm_features"]) == 7
    total = np.sum(beat["attribution"]) + np.sum(beat["rhythm"]["attribution"])
    start = beat["logit"] - total + beat["delta"]
    assert np.isfinite(start)


def test_the_patient_is_known_to_the_model(found: Explained) -> None:
    known = replace(found, subject=replace(found.subject, trained_on={found.record.patient}))
    assert known.trained_on
    assert "The model was trained on this recording." in render_page(known, [b""] * 3)
    assert "The model was trained on this recording." not in render_page(found, [b""] * 3)


def texts(figure) -> list[str]:
    inside = [text.get_text() for axes in figure.axes for text in axes.texts]
    return [text.get_text() for text in figure.texts] + inside


@pytest.mark.parametrize(
    ("method", "baseline"),
    [("integrated-gradients", "typical-beat"), ("grad-cam", "zero"), ("occlusion", "noise")],
)
def test_a_picture_of_a_beat(
    subject: SequenceSubject, record: Record, common: str, method: str, baseline: str
) -> None:
    found = explain_record(
        subject, record, label=common, count=1, method=method, baseline=baseline, steps=STEPS
    )
    figure = draw_beat(found, 0)
    said = texts(figure)
    assert any(f"labelled {common}" in text for text in said)
    assert {"P", "QRS", "T"} <= set(said)
    assert any(text.startswith("MLII  25 mm/s") for text in said)
    assert any(text.startswith("V1  ") for text in said)
    bars = method != "grad-cam"
    assert ("irregularity" in said) == bars
    # Strip, two leads with a curve each, and the RR features.
    assert len(figure.axes) == 5 + bars
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[0] == f"speaks for {common}"
    assert (f"against {common}" in legend) == bars
    assert ("typical beat" in legend) == (baseline == "typical-beat")
    assert file_name(found, 0).endswith(f"-{common}.png")


def test_colours_say_what_speaks_for_and_against(found: Explained) -> None:
    values = np.zeros_like(found.attribution.values)
    values[:, 0, 40], values[:, 0, 80] = 1, -1
    made = replace(found, attribution=replace(found.attribution, values=values))
    figure = draw_beat(made, 0)
    halo = next(
        each
        for each in figure.axes[1].collections
        if isinstance(each, LineCollection) and each.get_array() is not None
    )
    strength = np.asarray(halo.get_array())
    assert strength[39] == strength[40] == pytest.approx(0.64)
    assert strength[80] == pytest.approx(-0.64)
    assert matplotlib.colors.to_hex(SHADES(1.0)) == FOR
    assert matplotlib.colors.to_hex(SHADES(0.0)) == AGAINST
    # A contribution of 1 a sample is 1.28 in 10 ms; the axis shows it whole.
    assert figure.axes[2].get_ylim() == pytest.approx((-1.28 * 1.08, 1.28 * 1.08))


def test_a_picture_says_where_nothing_is_attributed(found: Explained) -> None:
    empty = replace(found.attribution, values=np.zeros_like(found.attribution.values))
    said = texts(draw_beat(replace(found, attribution=empty), 0))
    assert any(text.startswith("Integrated Gradients finds nothing in this window") for text in said)
    assert not any(text.startswith("Of the leads' attribution") for text in said)


def test_a_lead_that_is_not_there_is_not_drawn(subject: SequenceSubject, record: Record) -> None:
    time = float(subject.read(record).sample[9] / record.fs)
    found = explain_record(subject, record, at=[time], leads=["V1"], steps=STEPS)
    assert len(draw_beat(found, 0).axes) == 4


def test_tall_signals_are_drawn_at_half_gain() -> None:
    from matplotlib.figure import Figure

    axes = Figure().add_subplot()
    assert set_height(axes, np.array([-0.5, 1.0]), 3, 0.3) == "10 mm/mV"
    low, high = axes.get_ylim()
    # 3 inches at 0.3 s an inch are as long as 2.25 mV are high.
    assert high - low == pytest.approx(2.25)
    assert low < -0.5 < 1.0 < high
    assert set_height(axes, np.array([-1.0, 2.0, np.nan]), 3, 0.3) == "5 mm/mV"
    assert set_height(axes, np.array([-4.0, 4.0]), 3, 0.3) == "2.5 mm/mV"


def test_values_of_rr_features_as_people_read_them() -> None:
    assert feature_text("RR before / near", float(np.log(0.5))) == "× 0.50"
    assert feature_text("near RR", float(np.log(0.75))) == "750 ms"
    assert feature_text("share of look-alikes", float(np.log(0.28))) == "28 %"
    assert feature_text("look-alikes: RR before / near", float(np.log(0.9))) == "× 0.90"
    assert feature_text("something else", 0.123) == "0.12"


def test_of_many_features_the_strongest_are_shown_in_their_order() -> None:
    names = [f"f{k}" for k in range(20)]
    values, bars = np.arange(20.0), np.where(np.arange(20) % 2, -1.0, 1.0) * np.arange(20)
    rows, shown = strongest(names, values, bars)
    assert rows == [*((f"f{k}", f"{k:.2f}") for k in range(8, 20)), ("8 others together", "")]
    assert shown[:-1].tolist() == bars[8:].tolist()
    assert shown.sum() == pytest.approx(bars.sum())
    rows, shown = strongest(names[:12], values[:12], bars[:12])
    assert [name for name, _ in rows] == names[:12]
    assert shown.tolist() == bars[:12].tolist()


def test_the_page_needs_nothing_else(found: Explained) -> None:
    page = render_page(found, [b"one", b"two", b"three"])
    document = xml.dom.minidom.parseString(page.split("\n", 1)[1])
    images = document.getElementsByTagName("img")
    assert [image.getAttribute("src") for image in images] == [
        f"data:image/png;base64,{text}" for text in ("b25l", "dHdv", "dGhyZWU=")
    ]
    assert not document.getElementsByTagName("script")
    assert "http" not in page.replace("http-equiv", "")
    rows = document.getElementsByTagName("tbody")[0].getElementsByTagName("tr")
    assert len(rows) == 3
    assert "Not a medical device" in page


def test_a_picture_of_an_image() -> None:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 255, (16, 16, 3)).astype(np.uint8)
    values = draw.normal(size=(3, 16, 16)).astype(np.float32)
    from ecgtune.explain.attribution import Attribution

    attribution = Attribution(values[None], np.array([1]), "integrated-gradients", "zero")
    figure = draw_image(pixels, values, "scan.png", "labelled b (80 %)", "b", attribution)
    assert len(figure.axes) == 3
    assert "scan.png   labelled b (80 %)" in texts(figure)
    page = render_image_page("net", "integrated-gradients", {"scan & more.png": b"x"})
    xml.dom.minidom.parseString(page.split("\n", 1)[1])


def test_names_of_pictures_of_images() -> None:
    assert file_names(["a/scan.png", "b/scan.jpg", "other.png"]) == [
        "scan-explained.png",
        "scan-2-explained.png",
        "other-explained.png",
    ]
