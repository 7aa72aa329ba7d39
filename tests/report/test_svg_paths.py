import re
from datetime import datetime

import numpy as np
import pytest

from ecgtune.report import svg


def test_clock() -> None:
    assert svg.clock(0) == "00:00:00"
    assert svg.clock(59.96, 1) == "00:01:00.0"
    assert svg.clock(3725.25, 2) == "01:02:05.25"
    assert svg.clock(14 * 86400) == "336:00:00"


def test_short_clock() -> None:
    assert svg.short_clock(3600, 600) == "1:00"
    assert svg.short_clock(65, 5) == "0:01:05"
    assert svg.short_clock(36000, 3600) == "10:00"


def test_time_of_day_names_the_date_from_the_second_day_on() -> None:
    start = datetime(2024, 2, 28, 23, 59, 0)
    assert svg.time_of_day(start, 30) == "23:59:30"
    assert svg.time_of_day(start, 60) == "2024-02-29 00:00:00"


@pytest.mark.parametrize(
    ("duration", "step"),
    [(3, 1), (300, 30), (1800, 300), (86400, 7200), (86400 * 14, 172_800), (86400 * 28, 259_200)],
)
def test_time_step(duration: float, step: int) -> None:
    assert svg.time_step(duration) == step


def test_span() -> None:
    assert [svg.span(seconds) for seconds in (5, 90, 120, 300, 7200)] == [
        "5 s",
        "90 s",
        "2 min",
        "5 min",
        "2 h",
    ]


def test_polylines_lift_at_missing_values() -> None:
    x = np.arange(6.0)
    y = np.array([1.0, -2.4, np.nan, np.nan, 7.0, np.nan])
    assert svg.polylines(x, y) == "M0 1l1-3M4 7h0"
    assert svg.polylines(x, np.full(6, np.nan)) == ""


def test_dots_draw_each_cell_once() -> None:
    x = np.array([0.0, 0.2, 0.0, 0.0, 5.0])
    y = np.array([1.0, 1.1, 2.0, 3.0, 1.0])
    assert svg.dots(x, y) == "M0 1v2M5 1v0"
    assert svg.dots(x[:0], y[:0]) == ""


def test_dots_of_a_week_stay_small() -> None:
    rng = np.random.default_rng(0)
    path = svg.dots(rng.uniform(0, 1000, 1_000_000), rng.normal(100, 20, 1_000_000).clip(0))
    assert len(path) < 200_000


def test_dots_cover_every_point() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 30, 200), rng.uniform(0, 30, 200)
    drawn = {
        (int(a), int(b) + k)
        for a, b, c in re.findall(r"M(\d+) (\d+)v(\d+)", svg.dots(x, y))
        for k in range(int(c) + 1)
    }
    assert drawn == set(zip(np.rint(x).astype(int).tolist(), np.rint(y).astype(int).tolist(), strict=True))


def test_text_is_escaped() -> None:
    assert svg.text(1, 2.5, "<a & b>") == '<text x="1" y="2.5">&lt;a &amp; b&gt;</text>'


def test_axis() -> None:
    axis = svg.Axis(0, 2, 100, 0)
    assert axis(np.array([0.0, 1.0, 3.0])).tolist() == [100, 50, 0]
    assert np.isnan(axis(np.array([np.nan]))).all()
    assert axis.ticks(0.5) == [0, 0.5, 1, 1.5, 2]
