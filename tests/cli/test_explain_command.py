"""``ecgtune explain`` as a user runs it."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from command import Command
from ecgtune.signals.simulate import simulate

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated minute as CSV with its sidecar, two leads."""
    record = simulate(60, 250, ["MLII", "V1"], seed=3, ectopy={"V": 0.2})
    path = tmp_path_factory.mktemp("recording") / "p7.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["MLII", "V1"])
        writer.writerows([[f"{value:.4f}" for value in row] for row in record.signal])
    path.with_suffix(".json").write_text(json.dumps({"fs": 250, "units": "mV"}))
    return path


@pytest.fixture
def label(ecgtune: Command, recording: Path, tiny_model: Path, tmp_path: Path) -> str:
    """The label that most beats get."""
    done = ecgtune(*("classify", recording, "--model", tiny_model, "--out", tmp_path / "labels", "--json"))
    counts = json.loads(done.out)[0]["counts"]
    return max(counts, key=counts.__getitem__)


def test_pictures_and_a_page(
    ecgtune: Command, recording: Path, tiny_model: Path, label: str, tmp_path: Path
) -> None:
    out = tmp_path / "explained"
    done = ecgtune("explain", tiny_model, recording, "--class", label, "--count", 2, "--out", out)
    assert done.status == 0, done.err
    pictures = sorted(out.glob("*.png"))
    assert len(pictures) == 2
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)
    assert all(path.name.startswith("p7-00-00-") and path.name.endswith(f"-{label}.png") for path in pictures)
    page = (out / "p7-explained.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 2
    assert done.out.splitlines()[-1] == f"2 pictures and {out / 'p7-explained.html'}"
    assert sorted(path.suffix for path in out.iterdir()) == [".html", ".png", ".png"]


def test_numbers(ecgtune: Command, recording: Path, tiny_model: Path, label: str, tmp_path: Path) -> None:
    asked = ("explain", tiny_model, recording, "--class", label, "--count", 1, "--json")
    first = json.loads(ecgtune(*asked, "--out", tmp_path / "none").out)
    assert not (tmp_path / "none").exists()
    (beat,) = first["beats"]
    assert beat["predicted"] == beat["explained"] == label
    for time in (f"{beat['time_s']}", f"0:{beat['time_s']}", f"0:00:{beat['time_s']}"):
        again = json.loads(ecgtune("explain", tiny_model, recording, "--beat", time, "--json").out)
        assert again["beats"] == first["beats"]
    other = json.loads(ecgtune(*asked, "--method", "occlusion", "--baseline", "noise", "--target", "F").out)
    assert (other["method"], other["baseline"], other["beats"][0]["explained"]) == ("occlusion", "noise", "F")
    camera = json.loads(ecgtune(*asked, "--method", "grad-cam").out)
    assert camera["baseline"] is None
    assert camera["beats"][0]["rhythm"]["attribution"] is None
    assert np.min(camera["beats"][0]["attribution"]) >= 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give --beat time or --class label"),
        (("--beat", "5", "--class", "V"), "give --beat time or --class label"),
        (("--beat", "soon"), "--beat soon: give seconds, mm:ss or h:mm:ss"),
        (("--beat", "1:2:3:4"), "--beat 1:2:3:4: give seconds"),
        (("--beat", "-3"), "--beat -3: give seconds"),
        (("--beat", "600"), "no beat within 150 ms of 600 s; the nearest is at 5"),
        (("--class", "X"), "tiny 0: no class 'X'; it has N, S, V, F, Q"),
        (("--beat", "5", "--method", "lime"), "unknown method 'lime'; known: integrated-gradients"),
        (
            ("--beat", "5", "--baseline", "one"),
            "unknown baseline 'one' for tiny 0; known: zero, typical-beat",
        ),
        (("--beat", "5", "--lead", "V5"), "V5"),
        (
            ("--beat", "5", "--reference", "atr"),
            "p7: no annotator 'atr' beside it; there is none: give a file",
        ),
    ],
)
def test_wrong_use_is_told_in_one_line(
    ecgtune: Command, recording: Path, tiny_model: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = ecgtune("explain", tiny_model, recording, *arguments)
    assert (done.status, len(done.lines)) == (2, 1)
    assert says.lower() in done.err.lower()


def test_a_label_that_the_recording_has_not(
    ecgtune: Command, recording: Path, tiny_model: Path, label: str, tmp_path: Path
) -> None:
    counts = json.loads(
        ecgtune("classify", recording, "--model", tiny_model, "--out", tmp_path, "--json", "--again").out
    )[0]["counts"]
    absent = next(name for name, n in counts.items() if not n)
    done = ecgtune("explain", tiny_model, recording, "--class", absent)
    assert (done.status, len(done.lines)) == (2, 1)
    there = ", ".join(f"{name} {n}" for name, n in counts.items() if n)
    assert done.lines[0].endswith(f"p7: the model labels no beat {absent}; it has {there}")


def test_onnx_alone(ecgtune: Command, recording: Path, tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "onnx")
    (tmp_path / "onnx" / "weights.safetensors").unlink()
    done = ecgtune("explain", tmp_path / "onnx", recording, "--beat", 5)
    assert (done.status, len(done.lines)) == (2, 1)
    assert "ONNX alone has no gradients; give a folder with both" in done.err


def test_a_real_recording_of_patients_that_the_model_knows(
    ecgtune: Command, mitdb: Path, tiny_model: Path
) -> None:
    done = ecgtune("explain", tiny_model, mitdb / "208", "--beat", 1.342, "--reference", "atr", "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["trained_on"] is True
    assert found["leads"] == ["MLII", "V1"]
    assert found["beats"][0]["annotated"] in ("N", "V", "F")
