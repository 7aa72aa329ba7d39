"""``ecgtune leaderboard``: what it prints, for people and machines, and what it never imports."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from command import Command

RESULTS = Path(__file__).parents[2] / "results"


def test_the_whole_leaderboard(ecgtune: Command) -> None:
    ended = ecgtune("leaderboard", "--results", RESULTS)
    assert ended.status == 0
    for protocol in ("BEAT-SPLIT", "CHRONOLOGICAL", "INTER-PATIENT", "PATIENT-ADAPTED", "PATIENT-ADAPTED-24"):
        assert f"\n{protocol}\n" in ended.out
    assert re.search(r"^default: as shipped \* +\.\d{3} \.\d{3}-\.\d{3} ", ended.out, re.MULTILINE)
    assert ended.out.startswith("Five AAMI classes of beats: macro-F1\n")


def test_some_protocols(ecgtune: Command) -> None:
    ended = ecgtune("leaderboard", "--results", RESULTS, "--protocol", "inter-patient, patient-adapted")
    assert ended.status == 0
    assert re.findall(r"^[A-Z-]{6,}[A-Z0-9-]*$", ended.out, re.MULTILINE) == [
        "INTER-PATIENT",
        "PATIENT-ADAPTED",
    ]
    assert "DS2 was not blind for the default and the strict model" in ended.out


def test_json(ecgtune: Command) -> None:
    ended = ecgtune("leaderboard", "--results", RESULTS, "--protocol", "inter-patient", "--json")
    tables = json.loads(ended.out)
    assert {table["protocol"] for table in tables} == {"inter-patient"}
    (shipped,) = [
        row for table in tables for row in table["rows"] if row["result"] == "default-inter-patient-open"
    ]
    assert shipped["default"]
    assert 0 < shipped["figures"]["macro-F1"]["value"] < 1


def test_a_folder_without_results_shows_what_could_be_there(ecgtune: Command, tmp_path: Path) -> None:
    ended = ecgtune("leaderboard", "--results", tmp_path)
    assert ended.status == 0
    assert "not measured" in ended.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--results", "nowhere"), "nowhere: no such folder; run inside a checkout, or give --results"),
        (
            ("--results", RESULTS, "--protocol", "by-magic"),
            "no protocol 'by-magic' in the leaderboard; there are beat-split, chronological, .*",
        ),
        (("--results", RESULTS, "--protocol", ""), "no protocol '' in the leaderboard; there are .*"),
    ],
)
def test_wrong_use(arguments: tuple[object, ...], line: str, ecgtune: Command) -> None:
    ended = ecgtune("leaderboard", *arguments)
    assert (ended.status, ended.out) == (2, "")
    assert re.fullmatch(f"ecgtune: {line}\n", ended.err), ended.err


def test_a_damaged_result_is_named(ecgtune: Command, tmp_path: Path) -> None:
    (tmp_path / "leakage.json").write_text("{")
    ended = ecgtune("leaderboard", "--results", tmp_path)
    assert ended.status == 2
    assert re.fullmatch(r"ecgtune: .*leakage\.json: is no JSON: .*\n", ended.err)


def test_it_needs_neither_torch_nor_scikit_learn() -> None:
    code = (
        f"import sys; sys.argv = ['ecgtune', 'leaderboard', '--results', {str(RESULTS)!r}]\n"
        "from ecgtune.cli import main\n"
        "try:\n main()\n"
        "except SystemExit as ended:\n assert not ended.code\n"
        "print(sorted({'torch', 'sklearn', 'matplotlib', 'ecgtune.systems'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[-1] == "[]"
