import csv
import io
import json
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest

from ecgtune.errors import EvaluationError
from ecgtune.evaluation.cases import find_cases
from ecgtune.evaluation.evaluate import Evaluation, Settings, evaluate, evaluate_annotations
from ecgtune.record import Annotations
from ecgtune.writers.annotations import write_annotations

FS = 100
N_SAMPLES = 100 * FS


def beats(symbols: str, shift: int = 0) -> Annotations:
    """One beat a second from 1 s on."""
    return Annotations(
        np.arange(1, len(symbols) + 1, dtype=np.int64) * FS + shift, np.array(list(symbols), dtype=np.str_)
    )


def write_record(folder: Path, name: str, n_samples: int = N_SAMPLES, **annotators: Annotations) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.hea").write_text(f"{name} 1 {FS} {n_samples}\n{name}.dat 16 200 11 0 0 0 0 II\n")
    for annotator, annotations in annotators.items():
        write_annotations(folder / f"{name}.{annotator}", annotations, FS)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    folder = tmp_path / "db"
    write_record(folder, "a", atr=beats("NNVNSNNVVN"), mine=beats("NNVNNNNVVN", 3))
    write_record(folder, "b", atr=beats("NNVN" * 5), mine=beats("NNNN" * 5))
    return folder


def run(folder: Path, test: str | Path = "mine", **options: object) -> Evaluation:
    return evaluate([folder], test=test, **{"start": 0.0, **options})  # type: ignore[arg-type]


def test_annotators_beside_the_records(database: Path) -> None:
    found = run(database)
    assert [result.record for result in found.results] == ["a", "b"]
    assert found.failures == ()
    assert found.settings == Settings("atr", "mine", "aami", 0.0)
    assert found.tested.beats.gross.qrs_sensitivity.value == 1.0
    assert found.results[0].beats.rates.veb_sensitivity.value == 1.0
    assert found.results[1].beats.rates.veb_sensitivity.value == 0.0
    assert found.results[0].ventricular.couplets.found == 1


def test_a_folder_with_one_annotator(database: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in "ab":
        write_annotations(out / f"{name}.ecgt", beats("N" * 10), FS)
        (out / f"{name}.csv").write_text("time,label\n")
        (out / f"{name}.json").write_text("{}")
    assert run(database, out).settings.test == "ecgt"
    assert run(database, f"{out}:ecgt").settings.test == "ecgt"
    assert len(run(database, f"{out}:none").failures) == 2
    write_annotations(out / "a.other", beats("N"), FS)
    with pytest.raises(
        EvaluationError, match=r"annotators: ecgt \(2 records\), other \(1 record\); .*:ecgt$"
    ):
        run(database, out)


def test_the_reference_annotator_is_not_taken_for_the_test(database: Path) -> None:
    assert run(database, database).settings.test == "mine"


def test_a_folder_of_an_annotators_name(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.dat").write_bytes(b"")
    assert [result.record for result in run(database).results] == ["a", "b"]
    # What the folder has for the records wins.
    write_annotations(folder / "a.ecgt", beats("N" * 10), FS)
    assert run(database).settings.test == "ecgt"


def test_single_records_and_patterns(database: Path) -> None:
    one = evaluate([database / "b.atr", str(database / "[b]")], test="mine", start=0.0)
    assert [result.record for result in one.results] == ["b"]


def test_class_conventions_differ(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    write_record(folder, "a", atr=beats("NjSn"), mine=beats("NSSS"))
    aami, bxb = (run(folder, classes=classes) for classes in ("aami", "bxb"))
    assert aami.tested.beats.n_sveb == 2
    assert bxb.tested.beats.n_sveb == 3
    assert "AAMI classes" in aami.to_text()
    assert "not comparable with AAMI's" in bxb.to_text()


def test_training_records_are_apart_and_in_no_headline(database: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name, content in (
        ("a", {"model": {"name": "m", "trained_on_this_record": True}}),
        ("b", {"model": {"trained_on_this_record": False}}),
    ):
        write_annotations(out / f"{name}.ecgt", beats("NNVN"), FS)
        (out / f"{name}.json").write_text(json.dumps(content))
    found = run(database, out)
    assert [result.record for result in found.tested.results] == ["b"]
    assert [result.record for result in found.training.results] == ["a"]
    assert found.tested.beats.n_beats == 20
    headline, training = found.to_text().split("The model was trained on 1 record below")
    assert "\na " not in headline
    assert "\na " in training
    assert "\n   a" not in found.to_bxb()
    (line,) = found.left_out(bxb=True)
    assert "trained on them: a (without --bxb" in line
    assert found.left_out() == []
    content = json.loads(found.to_json())
    assert content["tested"]["records"] == ["b"]
    assert content["training"]["records"] == ["a"]
    assert [row["trained_on"] for row in csv.DictReader(io.StringIO(found.to_csv()))] == ["true", "false"]

    (out / "b.json").write_text('{"trained_on": true}')
    assert "No headline: the model was trained on every record" in run(database, out).to_text()
    for broken in ("[]", "{", '{"model": "m"}'):
        (out / "b.json").write_text(broken)
        assert len(run(database, out).tested.results) == 1


def test_json_and_csv_hold_the_figures(database: Path) -> None:
    found = run(database)
    content = json.loads(found.to_json())
    assert content["settings"]["classes"] == "aami"
    assert content["tested"]["beats"]["gross"]["veb_sensitivity"] == {
        "value": 0.375,
        "numerator": 3,
        "denominator": 8,
    }
    assert content["tested"]["labels"]["figures"]["classes"][3]["f1"] is None
    assert content["tested"]["labels"]["intervals"]["accuracy"]["n_records"] == 2
    assert content["training"] is None
    assert content["records"][1]["beats"]["veb_predictivity"]["value"] is None
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [row["record"] for row in rows] == ["a", "b"]
    assert (rows[0]["Vv"], rows[0]["Sn"], rows[0]["V_couplets_found"]) == ("3", "1", "1")
    assert rows[1]["veb_predictivity"] == ""


def test_text_is_readable(database: Path) -> None:
    text = run(database, stop=50.0).to_text()
    assert text.startswith("mine against atr, from 0 s to 50 s, match window 150 ms\n")
    assert "gross       30       0      0  100.00  100.00" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def broken(symbols: str, at: dict[int, int]) -> Annotations:
    """Beats of which some are moved to other samples."""
    annotations = beats(symbols)
    for position, sample in at.items():
        annotations.sample[position] = sample
    return annotations


BAD_INPUT = {
    "unsorted": (broken("NNNN", {2: 150}), "annotations out of order: sample 150 follows 200"),
    "two beats at one sample": (broken("NNNN", {2: 200}), r"two beats at sample 200 \(1 such pairs\)"),
    "longer than the record": (beats("N" * 101), "sample 10100, outside the record's 10000 samples"),
    "before the record": (broken("NNNN", {0: -5}), "sample -5, outside the record's 10000 samples"),
    "unknown symbol": (beats("NNZN"), "unknown symbol 'Z' at sample 300"),
    "no annotations": (beats(""), r"has no beats \(0 other annotations\)"),
    "no beats": (beats("+~"), r"has no beats \(2 other annotations\)"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
@pytest.mark.parametrize("side", ["reference", "test"])
def test_bad_annotations(case: str, side: str) -> None:
    bad, message = BAD_INPUT[case]
    pair = {"reference": beats("NNNN"), "test": beats("NNNN"), side: bad}
    settings = Settings("atr", "mine", start=0.0)
    annotator = {"reference": "atr", "test": "mine"}[side]
    with pytest.raises(EvaluationError, match=f"^208: annotator {annotator}.*{message}") as error:
        evaluate_annotations("208", **pair, fs=FS, settings=settings, n_samples=N_SAMPLES)
    assert "\n" not in str(error.value)


def test_a_beat_and_a_mark_at_one_sample_are_in_order() -> None:
    both = Annotations(np.array([100, 100, 200]), np.array(["|", "N", "N"]))
    result = evaluate_annotations("804", both, both, FS, Settings(start=0.0), n_samples=200)
    assert result.beats.counts[0, 0] == 2


def test_no_reference_beats_in_the_period() -> None:
    with pytest.raises(EvaluationError, match=r"^a: no reference beats in the test period \(beats from 1 to"):
        evaluate_annotations("a", beats("NNNN"), beats("NNNN"), FS, Settings())


def test_failures_do_not_stop_the_others(database: Path, tmp_path: Path) -> None:
    write_record(database, "c", mine=beats("N"))
    write_record(database, "d", atr=beats("N"))
    write_record(database, "e", n_samples=50, atr=beats("NN"), mine=beats("NN"))
    write_record(database, "f")
    write_record(database, "g", atr=beats("N"), mine=beats("N"))
    (database / "g.mine").write_bytes(b"\1")
    write_record(database, "h", atr=beats("N"), mine=beats("N"))
    (database / "h.hea").write_text("h one 100\n")
    found = evaluate([tmp_path / "missing", database], test="mine", start=0.0)
    assert [result.record for result in found.results] == ["a", "b"]
    lines = [str(failure) for failure in found.failures]
    assert [line.split(":")[0] for line in lines[1:]] == ["c", "d", "e", "g", "h"]
    assert "no such record" in lines[0]
    assert "no reference annotations of atr" in lines[1]
    assert "no test annotations of mine" in lines[2]
    assert "outside the record's 50 samples" in lines[3]
    assert "g.mine" in lines[4]
    assert "h.hea" in lines[5]
    assert not any("\n" in line for line in lines)
    assert len(json.loads(found.to_json())["failures"]) == 6


def test_records_in_the_test_folder_alone(database: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    for name in ("a", "z"):
        write_annotations(out / f"{name}.ecgt", beats("N"), FS)
    found = run(database, out)
    assert [failure.record for failure in found.failures] == ["z", "b"]
    assert "no record among the references" in found.failures[0].message
    # Naming single records asks for no others.
    assert evaluate([database / "a"], test=out, start=0.0).failures == ()


def test_one_name_for_two_recordings(database: Path, tmp_path: Path) -> None:
    write_record(tmp_path / "other", "a", atr=beats("N"), mine=beats("N"))
    found = evaluate([database, tmp_path / "other", database / "a"], test="mine", start=0.0)
    assert [failure.record for failure in found.failures] == ["a"]
    assert "evaluate them one by one" in found.failures[0].message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test": "nowhere/out"}, "no such folder"),
        ({"test": ""}, "no such folder"),
        ({"test": "nobody", "reference": "none"}, "none of 2 records has annotations of none or nobody"),
        ({"classes": "mine"}, "unknown class convention"),
        ({"start": 5.0, "stop": 1.0}, "stop 1.0 s is not after start 5.0 s"),
        ({"window": -1.0}, "match window"),
    ],
)
def test_wrong_use(database: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(EvaluationError, match=message):
        run(database, **options)  # type: ignore[arg-type]


def test_nothing_to_evaluate(tmp_path: Path, database: Path) -> None:
    with pytest.raises(EvaluationError, match="no records given"):
        evaluate([], test="mine")
    with pytest.raises(EvaluationError, match="no such record"):
        evaluate([tmp_path / "missing"], test="mine")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(EvaluationError, match="no annotation file of any of the records"):
        run(database, empty)
    assert "No record could be evaluated" in run(database, start=99.0).to_text()


def test_records_of_other_formats(tmp_path: Path) -> None:
    (tmp_path / "rec.csv").write_text("II\n" + "0.1\n" * 1000)
    (tmp_path / "rec.json").write_text(json.dumps({"fs": FS}))
    for annotator in ("atr", "mine"):
        write_annotations(tmp_path / f"rec.{annotator}", beats("NNVN"), FS)
    found = evaluate([tmp_path / "rec.csv"], test="mine", start=0.0)
    assert found.results[0].beats.counts[0, 0] == 3


def test_pure_noise_records_are_passed_over(database: Path) -> None:
    write_record(database, "noise")
    cases = find_cases([database], "atr", "mine")
    assert [case.record for case in cases.cases] == ["a", "b"]
    assert cases.unannotated == ("noise",)
    assert run(database).left_out() == ["left out, with annotations neither of atr nor of mine: noise"]


def test_all_of_mitdb(data: Path, mitdb: Path) -> None:
    vectors = data.parent / "ec57-vectors"
    if not vectors.is_dir():
        pytest.skip("no ec57-vectors beside ECGTUNE_DATA")
    begun = perf_counter()
    found = evaluate([mitdb], test=vectors / "td", classes="bxb")
    assert perf_counter() - begun < 2.0
    assert (len(found.results), found.failures) == (48, ())
    printed = found.to_bxb()
    for name in ("bxb_sumstats", "bxb_shutdown", "rxr_ve_sumstats", "rxr_sve_sumstats"):
        assert (vectors / "td" / f"{name}.txt").read_text() in printed
