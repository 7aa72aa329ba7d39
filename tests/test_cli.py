"""The command line: help, JSON, exit status, and errors in one line."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from command import Command
from ecgtune import __version__, cli
from ecgtune.model import list_models


def commands(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command, with its group: ``("data", "list")``."""
    command = get_command(cli.app) if command is None else command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, (*path, name))
    if not hasattr(command, "commands"):
        yield path


COMMANDS = list(commands())
IDS = [" ".join(path) for path in COMMANDS]


def program(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_the_commands_of_the_main_job_are_there() -> None:
    expected = {"classify", "demo", "evaluate", "train", "data list", "data get", "data verify"}
    assert expected | {"models list", "models show", "models export"} <= set(IDS)


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_every_command_has_help_with_an_example_of_itself(path: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(cli.app, [*path, "--help"])
    assert shown.exit_code == 0
    assert f"Example: ecgtune {' '.join(path)}" in " ".join(shown.output.split())
    assert CliRunner().invoke(cli.app, [*path, "-h"]).output == shown.output


@pytest.mark.parametrize("path", COMMANDS, ids=IDS)
def test_every_option_and_argument_is_explained(path: tuple[str, ...]) -> None:
    command = get_command(cli.app)
    for name in path:
        command = command.commands[name]  # type: ignore[attr-defined]
    assert [option.name for option in command.params if not getattr(option, "help", None)] == []


def test_the_version_is_printed(ecgtune: Command) -> None:
    assert ecgtune("--version").out == f"ecgtune {__version__}\n"


@pytest.mark.parametrize("group", [(), ("data",), ("models",)])
def test_a_group_alone_shows_what_is_in_it(group: tuple[str, ...], ecgtune: Command) -> None:
    ended = ecgtune(*group)
    assert ended.status == 2
    assert "Commands:" in ended.err + ended.out
    assert "Error" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("frobnicate",), "no such command 'frobnicate'; see ecgtune --help"),
        (("data", "steal"), "no such command 'steal'; see ecgtune data --help"),
        (("classify",), "missing argument .*; see ecgtune classify --help"),
        (("evaluate", "x"), "missing option '--test'; see ecgtune evaluate --help"),
        (("classify", "x", "--bogus"), "no such option: --bogus.*; see ecgtune classify --help"),
        (("classify", "x", "--jobs", "two"), "invalid value for '--jobs': .*; see ecgtune classify --help"),
        (("classify", "x", "--jobs", "0"), "invalid value for '--jobs': .*; see ecgtune classify --help"),
        (("train", "default", "--out", "r", "--seed", "-1"), "invalid value for '--seed': .*train --help"),
        (("classify", "nowhere"), "nowhere: no such record; check the path .*"),
        (("classify", "*.nothing"), r"\*\.nothing: no record matches; check the pattern"),
        (("evaluate", "nowhere", "--test", "atr"), "nowhere: no such record; check the path .*"),
        (("evaluate", "x", "--test", "t", "--json", "--csv"), "choose one of --json, --csv and --bxb"),
        (("train", "nowhere", "--out", "run"), "nowhere: no such configuration; known: .*"),
        (("train", "default", "--out", "run", "--data", "none"), "no database 'none'.*; known: mitdb, .*"),
        (("data", "verify", "none"), "no database 'none' in the catalogue; known: mitdb, .*"),
        (("data", "get", "none"), "no database 'none' in the catalogue; known: mitdb, .*"),
        (("models", "show", "none"), "none: no such model; give a folder or one of: .*"),
        (("models", "export", "none", "--out", "x"), "none: no such model; give a folder or one of: .*"),
    ],
)
def test_wrong_use_is_one_line_with_its_remedy_and_status_2(
    arguments: tuple[str, ...],
    line: str,
    ecgtune: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = ecgtune(*arguments)
    assert ended.status == 2
    assert ended.out == ""
    assert re.fullmatch(f"ecgtune: {line}\n", ended.err), ended.err
    assert not (tmp_path / "ecgtune-out").exists()


def test_an_error_of_the_system_is_one_line_too(ecgtune: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/disk/file")

    monkeypatch.setattr("ecgtune.databases.list_databases", full)
    ended = ecgtune("data", "list")
    assert ended.status == 2
    assert ended.lines == ["ecgtune: /disk/file: No space left on device; check the path and the disk"]


def test_an_interrupted_command_says_how_to_go_on(ecgtune: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ecgtune.databases.list_databases", interrupt)
    ended = ecgtune("data", "list")
    assert ended.status == 128 + signal.SIGINT
    assert ended.lines == ["ecgtune: interrupted; the same command goes on from here"]


def test_after_ctrl_c_the_program_says_what_it_waits_for(
    ecgtune: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(paths: list[Path], *_: object, waiting: Any, **__: object) -> None:
        waiting(paths)
        waiting([])
        raise KeyboardInterrupt

    monkeypatch.setattr("ecgtune.batch.classify_files", interrupted)
    for name in ("h24.npy", "h12.npy"):
        (tmp_path / name).touch()
    ended = ecgtune("classify", tmp_path / "h24.npy", tmp_path / "h12.npy", "--jobs", 1)
    assert ended.lines == [
        "ecgtune: waiting for h24, h12; press Ctrl-C again to stop at once",
        "ecgtune: interrupted; the same command goes on from here",
    ]


def test_help_imports_neither_numpy_nor_torch() -> None:
    code = """
import sys
from ecgtune import cli
sys.argv = ["ecgtune", "--help"]
try:
    cli.main()
finally:
    heavy = {"numpy", "scipy", "torch", "sklearn", "skorch", "wfdb", "onnxruntime", "matplotlib", "sleepecg"}
    print("loaded:", sorted(heavy & set(sys.modules)))
"""
    ended = program(code)
    assert ended.returncode == 0, ended.stderr
    assert "Commands:" in ended.stdout
    assert ended.stdout.endswith("loaded: []\n")


def test_classify_loads_nothing_of_the_training_side(mitdb: Path, tiny_model: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from ecgtune import cli
sys.argv = ["ecgtune", "classify", {str(mitdb / "106")!r}, "--out", {str(tmp_path)!r},
    "--model", {str(tiny_model)!r}, "--write", "ecgt"]
try:
    cli.main()
finally:
    print("loaded:", sorted({{"torch", "sklearn", "skorch", "matplotlib"}} & set(sys.modules)))
"""
    ended = program(code)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.endswith("loaded: []\n")
    assert (tmp_path / "106.ecgt").stat().st_size > 4000


@pytest.mark.parametrize("package", ["torch", "skorch", "safetensors"])
def test_training_without_its_packages_gives_the_pip_line(package: str, tmp_path: Path) -> None:
    code = f"""
import sys

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, NotInstalled())
from ecgtune import cli
sys.argv = ["ecgtune", "train", "default", "--out", {str(tmp_path / "run")!r}]
cli.main()
"""
    ended = program(code)
    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    assert lines == [f'ecgtune: ecgtune train needs {package}: pip install "ecgtune[train]"']
    assert not (tmp_path / "run").exists()


def test_a_closed_pipe_is_no_reason_for_a_traceback() -> None:
    installed = Path(sys.executable).with_name("ecgtune")
    ended = subprocess.run(["sh", "-c", f"{installed} data list | true"], capture_output=True, text=True)
    assert ended.stderr == ""


@pytest.fixture(scope="module")
def labels(mitdb: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mitdb 106 and 208 labelled by the installed program; the tiny model's card names 208."""
    out = tmp_path_factory.mktemp("labels")
    installed = Path(sys.executable).with_name("ecgtune")
    arguments = [
        mitdb / "106",
        mitdb / "208.hea",
        "--out",
        out,
        "--model",
        tiny_model,
        "--write",
        "ecgt,json",
    ]
    ended = subprocess.run([installed, "classify", *arguments], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert re.search(r"^106: 2\d{3} beats  ", ended.stdout, re.MULTILINE)
    assert f"2 recordings labelled, in {out}\n" in ended.stdout
    return out


def test_classify_says_in_json_which_recordings_the_model_was_trained_on(labels: Path) -> None:
    content = {name: json.loads((labels / f"{name}.json").read_text()) for name in ("106", "208")}
    trained = {name: json.dumps(summary) for name, summary in content.items()}
    assert '"trained_on_this_record": false' in trained["106"]
    assert '"trained_on_this_record": true' in trained["208"]


def test_done_recordings_are_left_alone_unless_asked_again(
    labels: Path, mitdb: Path, tiny_model: Path, ecgtune: Command
) -> None:
    command = ("classify", mitdb / "106", "--out", labels, "--model", tiny_model, "--write", "ecgt,json")
    before = (labels / "106.ecgt").stat().st_mtime_ns
    ended = ecgtune(*command)
    assert ended.out == (
        f"0 recordings labelled, in {labels}\n1 were done already (--again does them again)\n"
    )
    assert (labels / "106.ecgt").stat().st_mtime_ns == before
    (outcome,) = json.loads(ecgtune(*command, "--json").out)
    assert outcome["skipped"] is True
    again = ecgtune(*command, "--again", "--json")
    assert again.status == 0
    (outcome,) = json.loads(again.out)
    assert outcome["skipped"] is False
    assert sum(outcome["counts"].values()) > 2000
    assert (labels / "106.ecgt").stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("option", "says"),
    [
        (("--write", "ecgt,pdf"), "unknown output format 'pdf'; known: ecgt, csv, json, html"),
        (("--write", ","), "no output format asked for; known: ecgt, csv, json, html"),
        (("--fs", "250"), "fs 250 Hz asked for, the file says 360 Hz; leave fs out"),
        (("--units", "V"), "the file tells its units itself; leave units out"),
    ],
)
def test_options_that_do_not_fit_are_told(
    option: tuple[str, str], says: str, mitdb: Path, tiny_model: Path, tmp_path: Path, ecgtune: Command
) -> None:
    ended = ecgtune("classify", mitdb / "106", "--model", tiny_model, "--out", tmp_path / "out", *option)
    assert ended.status == 2
    assert len(ended.lines) == 1
    assert ended.err.startswith("ecgtune: ")
    assert ended.err.endswith(f"{says}\n")


def test_evaluate_compares_real_labels_and_keeps_training_records_apart(
    labels: Path, mitdb: Path, ecgtune: Command
) -> None:
    command = ("evaluate", mitdb / "106", mitdb / "208", "--test", labels)
    ended = ecgtune(*command)
    assert (ended.status, ended.err) == (0, "")
    assert "106" in ended.out
    content = json.loads(ecgtune(*command, "--json").out)
    assert "106" in json.dumps(content)
    rows = ecgtune(*command, "--csv").out.splitlines()
    assert sum(row.startswith("106,") for row in rows) == 1
    as_bxb = ecgtune(*command, "--bxb")
    assert len(as_bxb.out.splitlines()) > 3
    assert (as_bxb.status, len(as_bxb.lines)) == (0, 1)
    assert "trained on them: 208 (without --bxb" in as_bxb.err


def test_evaluate_prints_no_empty_table_where_bxb_leaves_no_record(
    labels: Path, mitdb: Path, ecgtune: Command
) -> None:
    ended = ecgtune("evaluate", mitdb / "208", "--test", labels, "--bxb")
    assert (ended.status, ended.out, len(ended.lines)) == (2, "", 1)
    assert ended.err.startswith("ecgtune: left out of --bxb")
    assert "trained on them: 208; no record is left (without --bxb" in ended.err


def test_evaluate_goes_on_where_one_record_is_missing(labels: Path, mitdb: Path, ecgtune: Command) -> None:
    ended = ecgtune("evaluate", mitdb / "106", mitdb / "999", "--test", labels, "--json")
    assert ended.status == 1
    assert len(ended.lines) == 1
    assert ended.err.startswith(f"ecgtune: {mitdb / '999'}: no such record")
    assert "106" in json.dumps(json.loads(ended.out))


def test_data_list_tells_what_is_here(data: Path, ecgtune: Command) -> None:
    shown = ecgtune("data", "list")
    assert re.search(r"^mitdb +48 of 48 records", shown.out, re.MULTILINE)
    rows = {row["name"]: row for row in json.loads(ecgtune("data", "list", "--json").out)}
    assert rows["mitdb"]["n_records"] == rows["mitdb"]["n_complete"] == 48
    assert rows["mitdb"]["root"] == str(data / "mitdb")


def test_data_list_without_data_says_so(
    tmp_path: Path, ecgtune: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGTUNE_DATA", str(tmp_path))
    monkeypatch.setattr("ecgtune.databases.index.cache_folder", lambda: tmp_path / "cache")
    shown = ecgtune("data", "list")
    assert shown.status == 0
    assert shown.out.count("not here") == len(shown.out.splitlines())


def test_data_verify_finds_mitdb_intact_and_a_damaged_copy_not(
    mitdb: Path, tmp_path: Path, ecgtune: Command
) -> None:
    whole = ecgtune("data", "verify", "mitdb", "--json")
    assert whole.status == 0
    assert json.loads(whole.out)["ok"] == 144
    for suffix in (".hea", ".dat", ".atr"):
        (tmp_path / f"100{suffix}").write_bytes((mitdb / f"100{suffix}").read_bytes())
    content = bytearray((tmp_path / "100.dat").read_bytes())
    content[1000] ^= 1
    (tmp_path / "100.dat").write_bytes(bytes(content))
    damaged = ecgtune("data", "verify", "mitdb", "--folder", tmp_path)
    assert damaged.status == 1
    assert "1 damaged" in damaged.out
    assert "100.dat" in damaged.out


def test_models_list_show_and_export(tiny_model: Path, tmp_path: Path, ecgtune: Command) -> None:
    names = [card["name"] for card in json.loads(ecgtune("models", "list", "--json").out)]
    assert names == list_models()
    assert len(ecgtune("models", "list").out.splitlines()) == len(names)
    card = json.loads(ecgtune("models", "show", tiny_model).out)
    assert (card["name"], card["classes"]) == ("tiny", ["N", "S", "V", "F", "Q"])

    out = tmp_path / "deeper" / "copy"
    ended = ecgtune("models", "export", tiny_model, "--out", out)
    assert ended.out == f"{tiny_model} copied to {out}\n"
    for file in tiny_model.iterdir():
        assert (out / file.name).read_bytes() == file.read_bytes()
    again = ecgtune("models", "export", tiny_model, "--out", out)
    assert again.status == 2
    assert again.lines == [f"ecgtune: {out}: exists already; choose another --out"]


@pytest.mark.slow
def test_a_quick_training_gives_a_model_that_labels_and_leaves_the_test_side_alone(
    mitdb: Path, tmp_path: Path, ecgtune: Command
) -> None:
    run = tmp_path / "run"
    ended = ecgtune("train", "default", "--out", run, "--quick", "--no-test", "--json")
    assert ended.status == 0
    metrics = json.loads(ended.out)
    assert "test" not in metrics
    assert metrics["validate"]["macro_f1"] > 0.4
    labelled = ecgtune("classify", mitdb / "106", "--model", run / "model", "--out", tmp_path / "out")
    assert re.search(r"^106: 20\d\d beats  N 1\d{3} ", labelled.out, re.MULTILINE)
