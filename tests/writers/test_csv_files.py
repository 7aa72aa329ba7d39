import io
import time

import numpy as np
import pytest

from ecgtune.labelled import Labelled
from ecgtune.record import Annotations, Record
from ecgtune.writers.csv import HEADER, encode_csv


class NoSignal:
    def read(self, start, stop):
        raise AssertionError("a table needs no signal")


def labelled(sample, symbol, probability=None, fs=360.0) -> Labelled:
    sample = np.asarray(sample, dtype=np.int64)
    record = Record("r", fs, ("II",), int(sample.max(initial=0)) + 1, NoSignal())
    return Labelled(
        record, Annotations(sample, np.array(symbol, np.str_), probability=probability), ("II",), "t"
    )


def test_golden() -> None:
    probability = np.array(
        [[1, 0, 0, 0, 0], [0.1, 0.2, 0.30004, 0.39996, 0], [np.nan, 0, 0, 0, 1]], dtype=np.float32
    )
    assert encode_csv(labelled([0, 77, 1_000_000], ["N", "F", "Q"], probability)).decode() == (
        "time_s,sample,label,probability_N,probability_S,probability_V,probability_F,probability_Q\n"
        "0.000,0,N,1.0000,0.0000,0.0000,0.0000,0.0000\n"
        "0.214,77,F,0.1000,0.2000,0.3000,0.4000,0.0000\n"
        "2777.778,1000000,Q,,0.0000,0.0000,0.0000,1.0000\n"
    )


def test_weeks_at_a_high_rate() -> None:
    last = 28 * 86400 * 2000 + 1  # more samples than 32 bits hold
    assert encode_csv(labelled([1, last], ["N", "N"], fs=2000)).decode().splitlines()[1:] == [
        "0.000,1,N,,,,,",
        "2419200.000,4838400001,N,,,,,",
    ]


def test_without_probabilities_the_cells_are_empty() -> None:
    assert encode_csv(labelled([5], ["V"])).decode().splitlines()[1] == "0.014,5,V,,,,,"


def test_no_beats_leave_the_header() -> None:
    assert encode_csv(labelled([], [])).decode() == HEADER + "\n"


@pytest.mark.parametrize("fs", [99.7, 250, 1000, 2000])
def test_rows_are_those_of_plain_formatting(fs: float) -> None:
    rng = np.random.default_rng(3)
    n = 70_000  # more than are formatted at a time
    sample = np.cumsum(rng.integers(1, 60_000, n))
    probability = rng.dirichlet(np.ones(5), n).astype(np.float32)
    symbol = rng.choice(list("NSVFQ"), n)
    lines = encode_csv(labelled(sample, symbol, probability, fs)).decode().splitlines()
    assert len(lines) == n + 1
    for i in (0, 1, 65_535, 65_536, n - 1):
        time_s, number, label, *cells = lines[i + 1].split(",")
        assert (float(time_s), int(number), label) == (
            pytest.approx(sample[i] / fs, abs=0.00051),
            sample[i],
            symbol[i],
        )
        assert len(time_s.split(".")[1]) == 3
        assert [float(cell) for cell in cells] == pytest.approx(probability[i].tolist(), abs=0.000051)


def test_numpy_reads_it() -> None:
    text = encode_csv(labelled([10, 20], ["N", "V"], np.full((2, 5), 0.2, np.float32))).decode()
    table = np.genfromtxt(io.StringIO(text), delimiter=",", names=True, dtype=None, encoding="ascii")
    assert table["label"].tolist() == ["N", "V"]
    assert table["probability_Q"].tolist() == [0.2, 0.2]


def test_a_day_of_beats_is_formatted_at_once() -> None:
    rng = np.random.default_rng(0)
    n = 110_000
    day = labelled(
        np.cumsum(rng.integers(100, 400, n)),
        rng.choice(list("NSVFQ"), n),
        rng.dirichlet(np.ones(5), n).astype(np.float32),
    )
    began = time.perf_counter()
    encode_csv(day)
    assert time.perf_counter() - began < 0.4
