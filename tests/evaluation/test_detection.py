"""The measurement of detection, on three records of DS1: no test scores DS2."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from ecgtune.evaluation import detection
from ecgtune.evaluation.results import load_result, save_result


@dataclass(frozen=True)
class ThreeRecords:
    folder: Path

    def records(self) -> tuple[str, ...]:
        return ("108", "203", "208")

    def path(self, record: str) -> Path:
        return self.folder / f"{record}.hea"


def test_the_result_counts_every_beat_and_sets_training_records_apart(
    mitdb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detection, "find_database", lambda _: ThreeRecords(mitdb))
    result = detection.measure()
    assert set(result.figures) == {
        f"{detector}, {records}"
        for detector in ("ecgtune", "sleepecg on the first lead")
        for records in ("all records", "records it was trained on (DS1)")
    }
    ours, peer = (
        result.figures[f"{name}, all records"] for name in ("ecgtune", "sleepecg on the first lead")
    )
    assert ours["beats"].value == peer["beats"].value == 6_398
    for figures in (ours, peer):
        beats, missed, false = (figures[name].value for name in ("beats", "missed", "false"))
        assert figures["QRS Se"].value == pytest.approx((beats - missed) / beats)
        assert figures["QRS +P"].value == pytest.approx((beats - missed) / (beats - missed + false))
    # These three are the hardest of DS1 for one lead alone.
    assert ours["missed"].value < peer["missed"].value / 5
    path = save_result(result, tmp_path / "detection-mitdb.json")
    assert load_result(path).to_json() == result.to_json()
