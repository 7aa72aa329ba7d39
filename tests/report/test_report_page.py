import dataclasses
import html.parser
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from datetime import datetime

import numpy as np
import pytest
import wfdb

from ecgtune.labelled import DISCLAIMER, Labelled, confidence
from ecgtune.labels import CLASSES, class_indices
from ecgtune.record import Annotations, Record
from ecgtune.report import render_html
from ecgtune.report.choice import Excerpt
from ecgtune.report.plots import bin_width, trend
from ecgtune.report.strips import draw_strip, shown_leads
from ecgtune.report.style import COLOURS

MIXED = "N" * 20 + "VVV" + "N" * 20 + "S" + "N" * 20 + "F" + "N" * 10 + "Q" + "N" * 10 + "VNVNVN" + "N" * 9


def parse(page: str) -> ET.Element:
    """The page as XML, which every browser's parser agrees with."""
    assert page.startswith("<!DOCTYPE html>\n")
    return ET.fromstring(page.split("\n", 1)[1])


def words(page: str) -> str:
    return " ".join(" ".join(parse(page).find("body").itertext()).split())


def cells(page: str) -> list[list[str]]:
    return [
        [" ".join("".join(td.itertext()).split()) for td in tr.iter("td")] for tr in parse(page).iter("tr")
    ]


@pytest.mark.parametrize("leads", [1, 2, 12])
@pytest.mark.parametrize("symbols", ["", "N", "V", "NV", "N" * 40, MIXED])
def test_the_page_is_well_formed_and_stands_alone(make, symbols: str, leads: int) -> None:
    page = render_html(make(symbols, leads=leads, seconds=len(symbols) + 9))
    parse(page)
    html.parser.HTMLParser().feed(page)
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert not re.search(r"\b(src|href|xlink:href)=", page)
    assert set(re.findall(r"url\((.*?)\)", page)) <= {"#paper", "#missing"}
    assert "nan" not in re.sub(r">[^<]*<", "><", page)


def test_ids_are_unique(make) -> None:
    ids = re.findall(r'\bid="(.*?)"', render_html(make(MIXED)))
    assert len(ids) == len(set(ids))


def test_it_says_what_it_is(make) -> None:
    labelled = make(MIXED, model_hash="0123456789abcdef", notes=("lead V1 flat <all the time>",))
    text = words(render_html(labelled))
    assert DISCLAIMER in text
    assert "test 1.0 (0123456789ab)" in text
    assert "leads used MLII, V1" in text
    assert "lead V1 flat <all the time>" in text
    assert "trained on this recording no" in text
    assert "The model was trained on this recording." not in text


def test_it_says_when_the_model_was_trained_on_the_recording(make) -> None:
    text = words(render_html(make(MIXED, trained_on=True)))
    assert "The model was trained on this recording." in text


def test_counts_and_runs_are_in_the_tables(make) -> None:
    rows = cells(render_html(make(MIXED)))
    assert ["V ventricular ectopic", "6", "5.94%", "209.7"] in rows
    assert ["N normal or bundle-branch block", "92", "91.09%", "3215.5"] in rows
    assert ["runs of 3 or more", "1", "0"] in rows
    assert ["bigeminy, episodes", "1", "0"] in rows
    assert ["00:00:21.0", "V", "3", "2.0 s", "60 bpm"] in rows


def test_strips_of_every_abnormal_class_and_of_normal_beats(make) -> None:
    text = words(render_html(make(MIXED)))
    for heading in (
        "Ventricular ectopic",
        "Supraventricular ectopic",
        "Fusion of",
        "Paced or",
        "N beats for",
    ):
        assert heading in text


def test_no_abnormal_beats(make) -> None:
    assert "No beat was labelled abnormal." in words(render_html(make("N" * 30)))


def test_no_beats(make) -> None:
    text = words(render_html(make("", seconds=30)))
    assert "No beat was found." in text
    assert "no heart rate to show" in text


def test_a_strip_marks_each_beat_with_letter_confidence_and_interval(make) -> None:
    labelled = make("NNNVNNNNNN", sure=0.87)
    figure = ET.fromstring(draw_strip(labelled, Excerpt("V", "only beat", 250, 2000, 4.0)))
    letters = [element.text for element in figure.iter("text") if element.get("class") == "letter"]
    assert letters == ["N", "N", "N", "V", "N", "N", "N"]
    small = [element.text for element in figure.iter("text") if element.get("class") == "small"]
    assert small.count("87%") == 7
    assert small.count("1000") == 6
    assert "00:00:04" in small
    assert [element.text for element in figure.iter("text") if element.get("class") == "lead"] == [
        "MLII",
        "V1",
    ]
    marked = [circle for circle in figure.iter("circle") if circle.get("fill") == COLOURS["V"]]
    assert [circle.get("cx") for circle in marked] == ["1700"]  # 10 mm margin + 3 s of 25 mm, 20 units a mm
    caption = "".join(figure.find("figcaption").itertext())
    assert "Only beat" in caption
    assert "at 00:00:04.0" in caption
    assert "25 mm/s · 10 mm/mV" in caption


@pytest.mark.parametrize(("speed", "step"), [(12.5, 1), (10.0, 2), (5.0, 5), (2.5, 5), (1.0, 20)])
def test_a_strip_on_slow_paper_keeps_its_scale(make, speed: float, step: int) -> None:
    labelled = make("N" * 60)
    labelled = dataclasses.replace(labelled, annotations=labelled.annotations.select(np.array([10, 40])))
    excerpt = Excerpt("rhythm", "longest RR interval", 250 * 9, 250 * 43, 11.0, 30.0, speed)
    figure = ET.fromstring(draw_strip(labelled, excerpt))
    assert f"{speed:g} mm/s · 10 mm/mV" in "".join(figure.find("figcaption").itertext())
    marked = [int(circle.get("cx")) for circle in figure.iter("circle")]
    assert marked == [200 + round(2 * 20 * speed), 200 + round(32 * 20 * speed)]
    small = [element.text for element in figure.iter("text") if element.get("class") == "small"]
    assert "30000" in small
    assert small.count("90%") == (2 if speed >= 10 else 0)
    times = [text for text in small if ":" in text]
    assert times == [f"00:00:{second:02d}" for second in range(10, 43) if second % step == 0]
    # A strip that is shorter than the page is not blown up to its width.
    width = int(figure.find(".//svg").get("viewBox").split()[2])
    assert width == max(200 + 3500, 200 + 100 * int(np.ceil(34 * speed / 5)))


def test_a_strip_draws_the_signal_to_scale(make) -> None:
    labelled = make("NNNNNNNNN")
    figure = ET.fromstring(draw_strip(labelled, Excerpt("N", "N", 0, 1750, 3.0)))
    trace = next(path for path in figure.iter("path") if path.get("class") == "trace")
    numbers = [int(text) for text in re.findall(r"-?\d+", trace.get("d"))]
    x, y = np.cumsum(numbers[0::2]), np.cumsum(numbers[1::2])
    assert (x[0], x[-1]) == (200, 200 + 1749 * 500 // 250)
    assert y.max() - y.min() == pytest.approx(200 * 1.07, abs=12)  # 1 mV spikes on a wander of 0.05 mV


@pytest.mark.parametrize("fs", [100, 250, 2000])
def test_a_strip_stays_small_at_any_rate(fs: float) -> None:
    rng = np.random.default_rng(0)
    record = Record.from_array(rng.normal(0, 1, (int(8 * fs), 1)), fs)
    labelled = Labelled(record, Annotations(np.zeros(0), np.zeros(0, np.str_)), (), "t")
    strip = draw_strip(labelled, Excerpt("N", "N", 0, int(7 * fs), 3.0))
    assert len(strip) < 40_000


def test_missing_signal_is_hatched() -> None:
    signal = np.zeros((2000, 2))
    signal[500:1000, 0] = np.nan
    signal[:, 1] = np.nan
    labelled = Labelled(Record.from_array(signal, 250), Annotations([100], ["N"]), (), "t")
    strip = draw_strip(labelled, Excerpt("N", "N", 0, 1750, 3.0))
    figure = ET.fromstring(strip)
    hatched = [rect for rect in figure.iter("rect") if rect.get("fill") == "url(#missing)"]
    assert [(rect.get("x"), rect.get("width")) for rect in hatched] == [("1200", "1000"), ("200", "3500")]
    assert strip.count("no signal") == 2


def test_leads_shown_are_those_the_model_used_first() -> None:
    record = Record.from_array(np.zeros((10, 5)), 250, ("I", "ECG", "ECG", "V1", "V2"))
    labelled = Labelled(record, Annotations([1], ["N"]), ("V1", "ECG", "ECG"), "t")
    assert shown_leads(labelled) == [3, 1, 2]
    assert shown_leads(dataclasses.replace(labelled, leads=("V2",))) == [4, 0, 1]
    assert "Of 5 leads 3 are shown" in render_html(labelled)


def test_only_the_strips_are_read(make) -> None:
    labelled = make(MIXED + "N" * 3600)
    render_html(labelled)
    assert labelled.record.source.read_samples <= 20 * 7 * 250


def test_time_of_day_is_shown_where_it_is_known(make) -> None:
    labelled = make(MIXED)
    record = dataclasses.replace(labelled.record, start=datetime(2024, 3, 1, 22, 14, 7))
    text = words(render_html(dataclasses.replace(labelled, record=record)))
    assert "recorded from 2024-03-01 22:14:07" in text
    assert "at 00:00:21.0 (22:14:28)" in text


def test_hours_are_tabulated_for_long_recordings(make) -> None:
    rows = cells(render_html(make("N" * 7300 + "V" * 5)))
    assert ["00:00", "3,599", "60", "60", "60", "0", "0", "0", "0", "0"] in rows
    assert ["02:00", "106", "60", "60", "60", "0", "5", "0", "0", "0"] in rows
    assert "By hour" not in words(render_html(make("N" * 30)))


def test_the_trend_counts_every_beat_once(make) -> None:
    labelled = make(MIXED, gaps=np.array([[5100, 5200]]))
    binned = trend(labelled, 10)
    assert binned.counts.sum() == len(MIXED)
    assert binned.counts[:, CLASSES.index("V")].sum() == 6
    assert np.nanmin(binned.mean) == np.nanmax(binned.mean) == 60
    assert np.isfinite(binned.low).any()


def test_bins_are_round_and_not_too_many() -> None:
    for duration in (1, 60, 1800, 86400, 14 * 86400):
        assert duration / bin_width(duration) <= 360
    assert bin_width(86400) == 300


def test_colours_differ_and_carry_white_letters() -> None:
    def luminance(colour: str) -> float:
        parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    assert set(COLOURS) == set(CLASSES)
    assert len(set(COLOURS.values())) == len(CLASSES)
    for colour in COLOURS.values():
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5


def test_drawing_imports_no_drawing_library() -> None:
    code = "import ecgtune.report, ecgtune.writers, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_real_record(mitdb) -> None:
    signal, fields = wfdb.rdsamp(str(mitdb / "205"))
    reference = wfdb.rdann(str(mitdb / "205"), "atr")
    classes = class_indices(reference.symbol)
    beats = classes >= 0
    probability = np.full((beats.sum(), 5), 0.02, dtype=np.float32)
    probability[np.arange(beats.sum()), classes[beats]] = 0.92
    labelled = Labelled(
        Record.from_array(signal, fields["fs"], tuple(fields["sig_name"]), name="205"),
        Annotations(reference.sample[beats], np.array(CLASSES)[classes[beats]], probability=probability),
        ("MLII", "V1"),
        "reference",
    )
    assert confidence(labelled.annotations).min() > 0.9
    began = time.perf_counter()
    page = render_html(labelled)
    assert time.perf_counter() - began < 1
    assert len(page) < 1_000_000
    text = words(page)
    assert "Fastest run: 9 beats at 200 bpm" in text
    assert "2,656" in text


def test_a_gap_is_told_and_shaded(make) -> None:
    labelled = make("N" * 20, gaps=np.array([[1100, 1200], [2000, 2100]]))
    page = render_html(labelled)
    assert "no signal 00:00:01 in 2 pieces, grey in the plots" in words(page)
    assert page.count('fill="#dfe5ec"') == 4  # in the heart-rate and in the RR plot


def test_gaps_between_all_beats_leave_an_empty_plot(make) -> None:
    labelled = make("NNN", gaps=np.array([[260, 270], [510, 520]]))
    assert "mean heart rate–" in "".join(parse(render_html(labelled)).find("body").itertext())
