"""Strips: lines whose ink is known beforehand, and the same drawn from each point's distance to the trace."""

from dataclasses import replace

import numpy as np
import pytest

from ecgtune.images import StripOptions, draw_strips

# Ten pixels a millimetre: a row is 0.01 mV, a column 4 ms.
PLAIN = StripOptions(width=100, height=80, seconds=0.4, grid=False, baseline=0.5, line_width=1.0)
DARK, WHITE = (20, 20, 24), 255


def ink(images: np.ndarray) -> np.ndarray:
    """Share of each pixel that is covered, from the red channel of plain paper."""
    return (WHITE - images[..., 0].astype(float)) / (WHITE - DARK[0])


def straight(slope_mv_s: float, offset_mv: float = 0.0, fs: float = 500.0) -> np.ndarray:
    """A line through the middle of the picture that goes on to both sides of it."""
    time = np.arange(300) / fs
    return (offset_mv + slope_mv_s * (time - PLAIN.seconds / 2))[np.newaxis]


def by_distance(mv: np.ndarray, fs: float, options: StripOptions, fine: int = 8) -> np.ndarray:
    """Share of each pixel nearer to the trace than half a line's width, from points inside of the pixel."""
    px = options.px_per_mm
    x = np.arange(len(mv)) / fs * options.mm_per_s * px
    y = options.baseline * options.rows - mv * options.mm_per_mv * px
    across = (np.arange(options.width * fine) + 0.5) / fine
    down = (np.arange(options.rows * fine) + 0.5) / fine
    near = np.zeros((len(down), len(across)), dtype=bool)
    for x0, y0, x1, y1 in zip(x, y, x[1:], y[1:], strict=False):
        beside = slice(*np.searchsorted(across, (x0 - options.line_width, x1 + options.line_width)))
        from_x, from_y = across[beside] - x0, down[:, np.newaxis] - y0
        share = (from_x * (x1 - x0) + from_y * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2)
        share = np.clip(share, 0, 1)
        distance = np.hypot(from_x - share * (x1 - x0), from_y - share * (y1 - y0))
        near[:, beside] |= distance <= options.line_width / 2
    return near.reshape(options.rows, fine, options.width, fine).mean(axis=(1, 3))


def beat(fs: float, seconds: float) -> np.ndarray:
    """A wave of some milliseconds between slow ones, in mV."""
    time = np.arange(round(fs * seconds)) / fs
    qrs = np.exp(-(((time - 0.2) / 0.008) ** 2)) - 0.4 * np.exp(-(((time - 0.222) / 0.01) ** 2))
    return 0.3 * qrs + 0.08 * np.sin(2 * np.pi * 3 * time)


def test_a_flat_line_within_a_row_is_that_row() -> None:
    # The middle of row 40 lies half a pixel, 0.005 mV, below 0.
    image = draw_strips(np.full((1, 300), -0.005), 500, PLAIN)[0]
    assert image.shape == (80, 100, 3)
    assert image.dtype == np.uint8
    assert (image[40] == DARK).all()
    assert (np.delete(image, 40, axis=0) == WHITE).all()


def test_a_flat_line_between_two_rows_is_shared_by_them() -> None:
    for offset, upper in ((0.0, 0.5), (0.0025, 0.75), (-0.001, 0.4)):
        found = ink(draw_strips(np.full((1, 300), offset), 500, PLAIN))[0]
        np.testing.assert_allclose(found[39], upper, atol=0.01)
        np.testing.assert_allclose(found[40], 1 - upper, atol=0.01)


@pytest.mark.parametrize("width", [0.5, 1, 1.5, 2, 3])
@pytest.mark.parametrize("slope", [0, 0.5, -1.5, 5, -20])
def test_the_ink_of_a_straight_line_is_its_length_times_its_width(slope: float, width: float) -> None:
    found = ink(draw_strips(straight(slope), 500, replace(PLAIN, line_width=width)))
    # In pixels: 250 columns a second, 100 rows a millivolt.
    down = abs(slope) * 100 / 250
    length = min(100, 80 / down if down else 100) * np.hypot(1, down)
    assert found.sum() == pytest.approx(length * width, rel=0.05)


def test_a_slow_sine_is_right_to_a_tenth_of_a_pixel() -> None:
    time = np.arange(300) / 500
    sine = 0.2 * np.sin(2 * np.pi * 5 * time)
    found = ink(draw_strips(sine[np.newaxis], 500, PLAIN))[0]
    row = (found * (np.arange(80) + 0.5)[:, np.newaxis]).sum(axis=0) / found.sum(axis=0)
    middle = (np.arange(100) + 0.5) / 250
    expected = 40 - 20 * np.sin(2 * np.pi * 5 * middle)
    # The first and last columns lack what a round pen adds from beyond the paper.
    np.testing.assert_allclose(row[1:-1], expected[1:-1], atol=0.1)


def test_a_step_is_a_column_from_one_level_to_the_other() -> None:
    signal = np.full((1, 300), -0.2)
    # Between samples 100 and 101, 0.2 to 0.202 s: within column 50.
    signal[0, 101:] = 0.2
    found = ink(draw_strips(signal, 500, PLAIN))[0]
    assert (found[21:59, 50] > 0.45).all()
    assert (found[21:59, [48, 52]] == 0).all()
    assert found[25:55].sum(axis=1) == pytest.approx(1, abs=0.02)
    assert found[60, 10] == pytest.approx(0.5, abs=0.01)
    assert found[20, 90] == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("fs", [128.0, 360.0, 1000.0])
@pytest.mark.parametrize("line_width", [1.0, 1.5, 2.5])
def test_a_beat_is_drawn_as_pixel_by_pixel(fs: float, line_width: float) -> None:
    options = replace(PLAIN, line_width=line_width)
    signal = beat(fs, 0.6)
    difference = np.abs(
        ink(draw_strips(signal[np.newaxis], fs, options))[0] - by_distance(signal, fs, options)
    )
    assert difference.max() < 0.25
    assert difference.mean() < 0.004


def test_long_strips_keep_the_height_of_short_waves() -> None:
    signal = np.zeros((1, 3600))
    signal[0, 1000] = 0.8
    found = ink(draw_strips(signal, 360, replace(PLAIN, seconds=10, mm_per_mv=80)))[0]
    # One pixel is 36 samples wide; the wave is 25.6 pixels high, in column 27.8.
    assert found[16:39].sum(axis=1) == pytest.approx(1, abs=0.02)
    assert np.flatnonzero(found[20]).tolist() == [27, 28]


def test_the_picture_depends_on_the_trace_and_not_on_its_sampling() -> None:
    coarse = beat(250, 0.6)
    fine = np.interp(np.arange(1797) / 3000, np.arange(len(coarse)) / 250, coarse)
    drawn = [draw_strips(signal[np.newaxis], fs, PLAIN) for signal, fs in ((coarse, 250), (fine, 3000))]
    assert np.abs(drawn[0].astype(int) - drawn[1]).max() <= 2


def test_a_shift_by_pixels_shifts_the_picture() -> None:
    signal = beat(500, 0.8)[np.newaxis]
    here = draw_strips(signal, 500, PLAIN)
    later = draw_strips(signal[:, 20:], 500, PLAIN)
    np.testing.assert_array_equal(here[:, :, 12:-1], later[:, :, 2:-11])
    higher = draw_strips(signal + 0.05, 500, PLAIN)
    assert np.abs(higher[:, :-5].astype(int) - here[:, 5:]).max() <= 1


def test_images_do_not_depend_on_those_beside_them() -> None:
    signals = np.random.default_rng(0).normal(size=(40, 200)).astype(np.float32).cumsum(axis=1) / 20
    together = draw_strips(signals, 500, replace(PLAIN, grid=True))
    alone = draw_strips(signals[[3, 39]], 500, replace(PLAIN, grid=True))
    np.testing.assert_array_equal(together[[3, 39]], alone)
    assert draw_strips(signals[:0], 500, PLAIN).shape == (0, 80, 100, 3)


def test_missing_samples_leave_the_paper_blank() -> None:
    signal = np.zeros((2, 300))
    signal[0, 50:101] = np.nan
    signal[1] = np.nan
    gap, nothing = ink(draw_strips(signal, 500, PLAIN))
    covered = gap.sum(axis=0)
    # The line ends at sample 49 and begins again at 101, two samples a column of 4 ms, each with a round end.
    assert (covered[:24] > 0.98).all()
    assert (covered[26:50] == 0).all()
    assert (covered[51:] > 0.98).all()
    assert (nothing == 0).all()


def test_a_short_signal_leaves_the_rest_blank_and_a_long_one_is_cut() -> None:
    short = ink(draw_strips(np.zeros((1, 101)), 500, PLAIN))[0].sum(axis=0)
    assert (short[:50] > 0.98).all()
    assert (short[51:] == 0).all()
    flat = np.zeros((1, 2000))
    np.testing.assert_array_equal(draw_strips(flat, 500, PLAIN), draw_strips(flat[:, :210], 500, PLAIN))
    one = ink(draw_strips(np.zeros((1, 1)), 500, PLAIN))[0]
    assert one[:, 1:].sum() == 0


def test_what_lies_beyond_the_paper_is_not_seen() -> None:
    paper = draw_strips(np.full((1, 300), np.nan), 500, replace(PLAIN, grid=True))
    for far in (5.0, -5.0, 0.42, -0.42):
        np.testing.assert_array_equal(
            draw_strips(np.full((1, 300), far), 500, replace(PLAIN, grid=True)), paper
        )
    out_and_in = np.concatenate([np.full(100, 0.1), np.full(40, 3.0), np.full(160, 0.1)])
    found = ink(draw_strips(out_and_in[np.newaxis], 500, PLAIN))[0]
    assert found[30, 20] > 0.45
    assert found[0, 49:51].max() > 0.4
    assert found[:, 55:65].sum() == 0


def test_grid_lines_are_a_millimetre_and_five_apart() -> None:
    options = StripOptions(width=250, seconds=1.0, baseline=0.4, grid=True)
    assert options.px_per_mm == 10
    assert options.range_mv == pytest.approx((-1.5, 1.0))
    paper = draw_strips(np.full((1, 10), np.nan), 360, options)[0]
    assert (paper[..., 0] >= paper[..., 1]).all()
    # Between two horizontal lines, and between two vertical ones.
    for line in (paper[5, :, 1], paper[:, 5, 1]):
        spread = WHITE - line.astype(float)
        # A line on the edge between two pixels colours both alike.
        before, behind = spread[9:249:10], spread[10:250:10]
        np.testing.assert_array_equal(before, behind)
        assert before.min() > 10
        assert (np.flatnonzero(before > 2 * before.min()) + 1).tolist() == [5, 10, 15, 20]
        assert np.delete(spread, np.r_[9:250:10, 0:250:10]).max() == 0


def test_lines_too_close_to_tell_apart_are_left_out() -> None:
    # 2 pixels a millimetre: only every fifth line is drawn.
    options = StripOptions(width=100, seconds=2.0, baseline=0.5)
    paper = draw_strips(np.full((1, 10), np.nan), 360, options)[0]
    assert np.flatnonzero(paper[3, :, 1] < WHITE).tolist() == [
        column for at in range(0, 101, 10) for column in (at - 1, at) if 0 <= column < 100
    ]


def test_speed_and_gain_are_those_of_the_paper() -> None:
    # At 25 mm/s and 10 mm/mV a second is 25 mm wide, half a millivolt 5 mm high.
    options = StripOptions(width=250, seconds=1.0, grid=False, baseline=0.5, line_width=1.0)
    signal = np.where(np.arange(500) < 200, 0.5, 0.0)[np.newaxis]
    found = ink(draw_strips(signal, 500, options))[0]
    assert found[74:76, 50].sum() == pytest.approx(1, abs=0.02)
    assert found[124:126, 150].sum() == pytest.approx(1, abs=0.02)
    twice = ink(draw_strips(signal, 500, replace(options, mm_per_mv=20)))[0]
    assert twice[24:26, 50].sum() == pytest.approx(1, abs=0.02)


def test_the_trace_is_dark_on_the_grid() -> None:
    image = draw_strips(np.zeros((1, 500)), 360, StripOptions(width=128, line_width=2))[0]
    assert (image.min(axis=0) <= 40).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"width": 0}, "0 x 80 pixels"),
        ({"seconds": 0}, "seconds = 0"),
        ({"mm_per_mv": -1}, "mm_per_mv = -1"),
        ({"line_width": 0}, "line_width = 0"),
    ],
)
def test_options_that_draw_nothing(wrong: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(PLAIN, **wrong)


@pytest.mark.parametrize("signals", [np.zeros(100), np.zeros((2, 0)), np.zeros((2, 3, 4))])
def test_signals_of_another_shape(signals: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"give \[n, samples\]"):
        draw_strips(signals, 500, PLAIN)


def test_real_beats_leave_ink_where_they_are(mitdb) -> None:
    from ecgtune.readers import read_record

    record = read_record(mitdb / "208")
    at = record.annotations["atr"].sample[100:140]
    signal = record.read(0, int(at[-1]) + 400)[:, 0]
    windows = np.stack([signal[i - 144 : i + 216] - np.median(signal[i - 144 : i + 216]) for i in at])
    options = StripOptions(width=128, mm_per_mv=5, grid=False)
    found = ink(draw_strips(windows, 360, options))
    assert (found.sum(axis=1) > 1).all()
    # Where the trace is highest, in the column of that sample or beside it.
    highest = windows.argmax(axis=1)
    row = options.baseline * 128 - windows.max(axis=1) * 5 * options.px_per_mm
    for image, sample, expected in zip(found, highest, row, strict=True):
        column = min(int(sample / 360 * 128), 127)
        beside = image[:, max(column - 1, 0) : column + 2]
        assert np.flatnonzero(beside.max(axis=1) > 0.1)[0] == pytest.approx(max(expected - 0.75, 0), abs=1.01)


def test_the_rooms_of_images_need_no_torch_and_no_plotting_library() -> None:
    import subprocess
    import sys

    code = (
        "import sys, ecgtune.images; "
        "print([m for m in ('torch', 'torchvision', 'PIL', 'matplotlib', 'sklearn') if m in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
