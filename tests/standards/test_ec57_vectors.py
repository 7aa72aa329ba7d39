"""Every report of PhysioNet's bxb, rxr and sumstats (WFDB 10.7.0) for 48 records and four annotators."""

from functools import cache
from pathlib import Path
from time import perf_counter

import pytest

from ecgtune.evaluation.ec57 import (
    BeatComparison,
    RunComparison,
    compare_beats,
    compare_runs,
    report,
    summarise_beats,
    summarise_runs,
)
from ecgtune.readers.annotations import read_annotations

FS = 360.0
N_SAMPLES = 650_000
REPORTS = {
    "bxb_line": lambda name, beats, runs: report.beat_lines(beats),
    "bxb_shutdown": lambda name, beats, runs: report.shutdown_lines(beats),
    "bxb_standard": lambda name, beats, runs: "".join(report.beat_standard(b, "atr", name) for b in beats),
    "bxb_sumstats": lambda name, beats, runs: report.beat_sumstats(summarise_beats(beats)),
    "rxr_ve_line": lambda name, beats, runs: report.run_lines(runs["V"], "V"),
    "rxr_sve_line": lambda name, beats, runs: report.run_lines(runs["S"], "S"),
    "rxr_ve_sumstats": lambda name, beats, runs: report.run_sumstats(summarise_runs(runs["V"]), "V"),
    "rxr_sve_sumstats": lambda name, beats, runs: report.run_sumstats(summarise_runs(runs["S"]), "S"),
}


@pytest.fixture(scope="module")
def vectors(data: Path) -> Path:
    folder = data.parent / "ec57-vectors"
    if not folder.is_dir():
        pytest.skip("no ec57-vectors beside ECGTUNE_DATA: this test needs the programs' printed reports")
    return folder


@cache
def compared(
    vectors: Path, mitdb: Path, annotator: str
) -> tuple[list[BeatComparison], dict[str, list[RunComparison]]]:
    beats: list[BeatComparison] = []
    runs: dict[str, list[RunComparison]] = {"V": [], "S": []}
    for path in sorted((vectors / annotator).glob(f"*.{annotator}")):
        pair = read_annotations(mitdb / f"{path.stem}.atr"), read_annotations(path)
        named = {"classes": "bxb", "record": path.stem, "n_samples": N_SAMPLES}
        beats.append(compare_beats(*pair, FS, **named))
        for ectopic, comparisons in runs.items():
            comparisons.append(compare_runs(*pair, FS, ectopic=ectopic, **named))
    return beats, runs


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("annotator", ["ta", "tb", "td", "gq"])
def test_report_is_equal_to_the_programs(
    data: Path, mitdb: Path, vectors: Path, annotator: str, name: str
) -> None:
    beats, runs = compared(vectors, mitdb, annotator)
    assert len(beats) == 48
    printed = (vectors / annotator / f"{name}.txt").read_text()
    assert REPORTS[name](annotator, beats, runs).splitlines() == printed.splitlines()


def test_matching_all_48_records_is_fast(data: Path, mitdb: Path, vectors: Path) -> None:
    pairs = [
        (read_annotations(mitdb / f"{path.stem}.atr"), read_annotations(path))
        for path in sorted((vectors / "ta").glob("*.ta"))
    ]
    seconds = []
    for _ in range(3):
        begun = perf_counter()
        for reference, test in pairs:
            compare_beats(reference, test, FS, classes="bxb", n_samples=N_SAMPLES)
        seconds.append(perf_counter() - begun)
    assert min(seconds) < 48 * 0.015
