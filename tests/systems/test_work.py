"""Working folder, clock and command of a study."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import pytest

from ecgtune.errors import OutputError
from ecgtune.systems import work
from ecgtune.systems.work import Clock, Option, command_of, make_work


def test_the_working_folder_is_made_with_its_parents_and_kept_out_of_git(tmp_path: Path) -> None:
    out = tmp_path / "results" / "study"
    assert make_work(out) == out / "work"
    # A pattern that matches everything in its folder, the file itself too.
    assert (out / "work" / ".gitignore").read_text() == "*\n"
    assert [path.name for path in out.iterdir()] == ["work"]


def test_what_is_finished_stays_unless_it_is_to_be_done_again(tmp_path: Path) -> None:
    finished = make_work(tmp_path) / "finished.npz"
    finished.write_text("")
    (tmp_path / "result.json").write_text("")
    make_work(tmp_path)
    assert finished.exists()
    assert [path.name for path in make_work(tmp_path, again=True).iterdir()] == [".gitignore"]
    assert (tmp_path / "result.json").exists()


def test_nothing_is_there_to_be_done_again(tmp_path: Path) -> None:
    assert [path.name for path in make_work(tmp_path / "new", again=True).iterdir()] == [".gitignore"]


@pytest.mark.parametrize(("again", "verb"), [(False, "created"), (True, "removed")])
def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path, again: bool, verb: str) -> None:
    (tmp_path / "work").write_text("mine")
    with pytest.raises(OutputError) as raised:
        make_work(tmp_path, again=again)
    text = str(raised.value)
    assert text.startswith(f"{tmp_path}/work: cannot be {verb}: ")
    assert text.endswith("; choose another --out")
    assert (tmp_path / "work").read_text() == "mine"


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Readings of the clock, the next one first."""
    readings: list[float] = []
    monkeypatch.setattr(work, "time", SimpleNamespace(perf_counter=lambda: readings.pop(0)))
    return readings


def test_a_clock_adds_up_what_all_calls_took(tmp_path: Path, seconds: list[float]) -> None:
    seconds += [1.0, 3.0, 10.0, 10.5, 100.0, 104.0]
    clock = Clock(tmp_path)
    assert clock.total == 0
    with clock.part("paper"):
        pass
    with clock.part("images"):
        pass
    later = Clock(tmp_path)
    with later.part("paper"):
        pass
    assert (
        later.seconds == json.loads((tmp_path / "seconds.json").read_text()) == {"paper": 6.0, "images": 0.5}
    )
    assert later.total == 6.5


def test_an_interrupted_part_counts(tmp_path: Path, seconds: list[float]) -> None:
    seconds += [1.0, 3.0]
    with pytest.raises(KeyboardInterrupt), Clock(tmp_path).part("paper"):
        raise KeyboardInterrupt
    assert Clock(tmp_path).seconds == {"paper": 2.0}


@pytest.mark.parametrize(
    ("quick", "options", "out", "expected"),
    [
        (False, {}, Path("results/study"), "--jobs 2 --out results/study"),
        (True, {}, Path("runs/x"), "--quick --jobs 2 --out runs/x"),
        (
            False,
            {"seeds": [0, 1], "patients": None, "parts": []},
            Path("out"),
            "--seeds 0,1 --jobs 2 --out out",
        ),
        (
            True,
            {"patients": ["100", "203"], "seeds": [0], "parts": ("paper",)},
            Path("out"),
            "--quick --patients 100,203 --seeds 0 --parts paper --jobs 2 --out out",
        ),
        (
            False,
            {"config": Path("/home/me/mine.toml")},
            Path("/home/me/study"),
            "--config mine.toml --jobs 2 --out study",
        ),
        (False, {"config": Path("my/own.toml")}, Path("out"), "--config my/own.toml --jobs 2 --out out"),
    ],
)
def test_the_command_says_what_was_asked_for_and_no_path_of_this_machine(
    quick: bool, options: Mapping[str, Option], out: Path, expected: str
) -> None:
    said = command_of("patient-transfer", quick=quick, options=options, jobs=2, out=out)
    assert said == f"ecgtune reproduce patient-transfer {expected}"
