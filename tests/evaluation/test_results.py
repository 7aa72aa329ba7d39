import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecgtune.cli import app
from ecgtune.errors import ResultError
from ecgtune.evaluation.bootstrap import bootstrap
from ecgtune.evaluation.metrics import accuracy
from ecgtune.evaluation.provenance import code_version, data_used, machine_class
from ecgtune.evaluation.result_tables import (
    documents,
    markdown,
    plain_tables,
    update_documents,
    update_text,
)
from ecgtune.evaluation.results import (
    Code,
    Data,
    Division,
    Figure,
    Result,
    Scoring,
    Table,
    load_result,
    load_results,
    plain_matrices,
    save_result,
)

ROOT = Path(__file__).parents[2]

MATRICES = {("mitdb", "103"): [[5, 1], [0, 2]], ("mitdb", "100"): [[7, 0], [1, 0]]}


def made_up() -> Result:
    interval = bootstrap({"100": [[7, 0], [1, 0]], "103": [[5, 1], [0, 2]]}, accuracy)
    return Result(
        name="made-up",
        title="Two records",
        created=date(2026, 1, 31),
        command="ecgtune train default --out RUN",
        protocol="inter-patient",
        figures={
            "pooled": {"accuracy": Figure.of(interval), "beats": Figure(12345)},
            "pooled: S": {"F1": Figure(None), "delay": Figure(12.5, unit="ms"), "Se": Figure(99.1, unit="%")},
        },
        code=Code("0.1.0", "0123456789abcdef", False),
        machine="2 cores x86_64",
        wall_s=83.21,
        intervals="95 % by bootstrap over records",
        tables={
            "all": Table("", "group", {"pooled": "pooled"}, ("accuracy", "beats")),
            "classes": Table("By class", "class", {"pooled: S": "S"}, ("F1", "delay", "Se")),
        },
        divisions=(Division("inter-patient", 0, "f" * 64),),
        data={"mitdb": Data(2, "a" * 64, False)},
        seeds=(0,),
        parameters=48037,
        notes=("a decision",),
        scorings=(Scoring("2026-01-31T12:00:00+00:00", "inter-patient", "f" * 64, "b" * 64),),
        matrices={"test": plain_matrices(MATRICES)},
    )


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    save_result(made_up(), folder / "made-up.json")
    return folder


def test_a_result_comes_back_as_it_was(stored: Path) -> None:
    result = load_result(stored / "made-up.json")
    assert result.created == date(2026, 1, 31)
    assert result.figures["pooled"]["beats"] == Figure(12345)
    assert type(result.figures["pooled"]["beats"].value) is int
    assert result.figures["pooled"]["accuracy"].n == 2
    assert list(result.matrices["test"]) == ["mitdb/100", "mitdb/103"]
    assert result.to_json() == made_up().to_json()
    assert {
        field: getattr(result, field) for field in ("tables", "divisions", "data", "scorings", "code")
    } == {field: getattr(made_up(), field) for field in ("tables", "divisions", "data", "scorings", "code")}


def test_the_file_reads_well(stored: Path) -> None:
    lines = (stored / "made-up.json").read_text().splitlines()
    assert lines[:3] == ["{", ' "format": 1,', ' "name": "made-up",']
    assert any('"mitdb/100": [[7, 0], [1, 0]]' in line for line in lines)
    assert any('"beats": {"value": 12345}' in line for line in lines)
    assert max(map(len, lines)) <= 200


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda c: c.pop("command"), "command: is missing"),
        (lambda c: c.update(colour="red"), "colour: nobody reads this field"),
        (lambda c: c["code"].update(commit=7), "code.commit: text or null is expected, found 7"),
        (lambda c: c.update(created="yesterday"), 'created: a date .* found "yesterday"'),
        (lambda c: c.update(wall_s=True), "wall_s: a number is expected, found true"),
        (lambda c: c.update(seeds=[0, "1"]), r"seeds\[1\]: a whole number is expected"),
        (lambda c: c["data"]["mitdb"].pop("sha256"), "data.mitdb.sha256: is missing"),
        (
            lambda c: c["figures"]["pooled"]["accuracy"].update(value="high"),
            "figures.pooled.accuracy.value: a whole number or a number or null is expected",
        ),
        (lambda c: c["figures"].clear(), "figures: no row"),
        (lambda c: c["tables"]["all"]["rows"].update(median="median"), "tables.all.rows: .* 'median'"),
        (lambda c: c["tables"]["all"].update(columns=["kappa"]), "tables.all.columns: .* 'kappa'"),
        (lambda c: c["matrices"]["test"].update({"mitdb/100": [[1, 2]]}), "test.mitdb/100: is no square"),
        (lambda c: c.update(name="Made Up"), "name 'Made Up'"),
        (lambda c: c.update(command="ecgtune train /home/me/x.toml"), "command holds a path of this machine"),
        (lambda c: c.update(notes=[r"at C:\data"]), "notes holds a path of this machine"),
        (lambda c: c.update(format=99), "format 99; .* upgrade"),
    ],
)
def test_damage_is_told_by_file_and_field(stored: Path, spoil, says: str) -> None:
    path = stored / "made-up.json"
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ResultError, match=rf"made-up\.json: .*{says}"):
        load_result(path)


@pytest.mark.parametrize("text", ["", "{", "[1]", "NaN"])
def test_what_is_no_result(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(ResultError, match=r"broken\.json: is no"):
        load_result(path)


def test_a_folder_of_results(stored: Path, tmp_path: Path) -> None:
    assert list(load_results(stored)) == ["made-up"]
    with pytest.raises(ResultError, match="no result other; there are made-up"):
        load_results(stored, ["other"])
    with pytest.raises(ResultError, match="nowhere: no such folder"):
        load_results(tmp_path / "nowhere")
    (stored / "made-up.json").rename(stored / "renamed.json")
    with pytest.raises(
        ResultError, match=r"renamed\.json: name is 'made-up'; call the file \(or its folder\) so"
    ):
        load_results(stored)


def test_a_result_in_a_folder_of_its_own(stored: Path) -> None:
    (stored / "made-up").mkdir()
    (stored / "made-up.json").rename(stored / "made-up" / "result.json")
    assert list(load_results(stored)) == ["made-up"]
    (stored / "made-up").rename(stored / "other")
    with pytest.raises(ResultError, match=r"other/result\.json: name is 'made-up'"):
        load_results(stored)


def test_notes_are_a_table_too_and_the_source_stands_below_the_last_marker(stored: Path) -> None:
    result = replace(made_up(), notes=("one thing", "another"))
    assert markdown(result, "notes", source=False) == "* one thing\n* another\n"
    end = "<!-- /results -->\n"
    text = f"<!-- results:made-up/all -->\n{end}\n<!-- results:made-up/notes -->\n{end}"
    first, second = update_text(text, {"made-up": result}, "a document").split(end)[:2]
    assert "Measured" not in first
    assert second.index("* another") < second.index("Measured")


def test_tables_for_the_terminal(stored: Path) -> None:
    lines = plain_tables(replace(made_up(), notes=("one thing",))).splitlines()
    assert lines[-1] == "- one thing"
    assert any(line.startswith("pooled ") and line.endswith("12,345") for line in lines)


def test_markdown() -> None:
    text = markdown(made_up())
    assert "| group  |               accuracy |  beats |\n| :----- |" in text
    assert "| pooled | 0.875 (0.875 to 0.875) | 12,345 |" in text
    assert "**By class**\n\n| class |  F1 |   delay |      Se |" in text
    assert "| S     |   – | 12.5 ms | 99.10 % |" in text
    for fact in (
        "2026-01-31",
        "`ecgtune train default --out RUN`",
        "83 s on 2 cores x86_64",
        "012345678",
        "seed 0",
    ):
        assert fact in text
    assert "inter-patient fffffffff; " in text
    assert "By class" not in markdown(made_up(), "all")
    assert "| pooled: S |" in markdown(replace(made_up(), tables={}))


def test_tables_between_markers(stored: Path) -> None:
    results = load_results(stored)
    text = "Before\n\n<!-- results:made-up/all -->\nold\n<!-- /results -->\n\nAfter `<!-- results:x -->`\n"
    updated = update_text(text, results, "page.md")
    assert updated.startswith("Before\n\n<!-- results:made-up/all -->\n| group  |")
    assert updated.endswith(".\n<!-- /results -->\n\nAfter `<!-- results:x -->`\n")
    assert "old" not in updated
    assert update_text(updated, results, "page.md") == updated


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n<!-- results:none -->\n<!-- /results -->\n", r"page\.md:2: no result 'none'; there are made-up"),
        (
            "<!-- results:made-up/x -->\n<!-- /results -->\n",
            r"page\.md:1: .*no table 'x'; there are all, classes",
        ),
        ("<!-- results:made-up -->\n", r"page\.md: .* has no <!-- /results -->"),
        ("<!-- results:made-up -->\n<!-- results:made-up -->\n<!-- /results -->\n", r"page\.md:2: .* before"),
        ("<!-- /results -->\n", r"page\.md:1: .* without a beginning"),
    ],
)
def test_markers_that_are_wrong(stored: Path, text: str, says: str) -> None:
    with pytest.raises(ResultError, match=says):
        update_text(text, load_results(stored), "page.md")


def test_commands(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    table = run(app, ["results", "table"])
    assert table.exit_code == 0
    assert table.stdout.startswith("### Two records\n\n| group")
    as_json = json.loads(run(app, ["results", "table", "made-up", "--json"]).stdout)
    assert as_json["made-up"]["seeds"] == [0]

    page = tmp_path / "README.md"
    page.write_text("<!-- results:made-up -->\n<!-- /results -->\n")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "plain.md").write_text("nothing of ours")
    check = run(app, ["results", "update", "--check"])
    assert (check.exit_code, check.stdout) == (1, "README.md: stale; run `ecgtune results update`\n")
    assert "pooled" not in page.read_text()
    assert run(app, ["results", "update"]).stdout == "README.md: updated\n"
    assert "| pooled" in page.read_text()
    again = run(app, ["results", "update", "--check"])
    assert (again.exit_code, again.stdout) == (0, "")
    with pytest.raises(ResultError, match=r"missing\.md: cannot be read"):
        update_documents([Path("missing.md")], stored)


def test_where_figures_come_from() -> None:
    code = code_version()
    assert code.ecgtune
    assert code.commit is None or len(code.commit) == 40
    assert machine_class().split()[1] in ("core", "cores")


def test_hash_of_the_data(mitdb: Path) -> None:
    one = data_used([("mitdb", "100"), ("mitdb", "101")])
    assert one == data_used([("mitdb", "101"), ("mitdb", "100"), ("mitdb", "100")])
    assert one["mitdb"].records == 2
    assert not one["mitdb"].partial
    assert one["mitdb"].sha256 != data_used([("mitdb", "100")])["mitdb"].sha256


def test_stored_results_are_valid() -> None:
    results = load_results(ROOT / "results")
    paths = [*(ROOT / "results").glob("*.json"), *(ROOT / "results").glob("*/result.json")]
    assert len(paths) == len(results)
    for path in paths:
        assert load_result(path).to_json() == path.read_text(encoding="utf-8")


def test_tables_in_documents_are_of_these_results() -> None:
    stale = update_documents(documents(ROOT), ROOT / "results", write=False)
    assert not stale, f"stale tables in {', '.join(path.name for path in stale)}: run `make docs-tables`"
