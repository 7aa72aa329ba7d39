"""Model folders: loading, refusing, copying; predictions that do not depend on how beats are handed over."""

import hashlib
import itertools
import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecgtune.errors import ModelError, OutputError
from ecgtune.labels import CLASSES
from ecgtune.model import (
    CARD,
    FORMAT,
    ONNX,
    SEGMENT,
    WEIGHTS,
    Model,
    Predictor,
    export_model,
    list_models,
    load_model,
    preferred_leads,
)
from ecgtune.record import Record
from ecgtune.self_training import SelfTrainer

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> Model:
    return load_model(tiny_model)


@pytest.fixture(scope="module")
def timed(timed_model: Path) -> Model:
    return load_model(timed_model)


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "copy"))


def beats(n: int, model: Model, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Positions and windows of made-up beats."""
    rng = np.random.default_rng(seed)
    how = model.preprocessing
    windows = rng.normal(0, 0.3, (n, how.leads, how.width)).astype(np.float32)
    windows[:, :, how.before - 2 : how.before + 3] += rng.uniform(0.5, 2, (n, 1, 1)).astype(np.float32)
    return np.cumsum(rng.integers(50, 150, n)), windows


# Loading and refusing.


def test_a_model_folder_is_loaded_by_path_or_text(tiny_model: Path, model: Model) -> None:
    assert load_model(str(tiny_model)).hash == model.hash
    assert model.name == "tiny 0"
    assert model.folder == tiny_model
    assert model.trained_on == {"mitdb/208"}
    assert model.hash == hashlib.sha256((tiny_model / ONNX).read_bytes()).hexdigest()
    assert model.reach >= model.preprocessing.reach + 1
    assert model.reach % model.preprocessing.stride == 0


def test_a_model_that_ships_is_loaded_by_its_name(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Path, tmp_path: Path
) -> None:
    shutil.copytree(tiny_model, tmp_path / "some-name")
    monkeypatch.setattr("ecgtune.model.pretrained_folder", lambda: tmp_path)
    assert list_models() == ["some-name"]
    assert load_model("some-name").folder == tmp_path / "some-name"
    with pytest.raises(ModelError, match=r"^other: no such model; give a folder or one of: some-name$"):
        load_model("other")


def without(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def card(**changes: Any) -> Change:
    def change(folder: Path) -> None:
        path = folder / CARD
        content = json.loads(path.read_text()) | changes
        path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))

    return change


def replaced_network(folder: Path) -> None:
    data = b"no network at all"
    (folder / ONNX).write_bytes(data)
    card(onnx_sha256=hashlib.sha256(data).hexdigest())(folder)


def test_an_older_folder_without_jumps_of_the_rate_is_read(copy: Path) -> None:
    card(format=1)(copy)
    assert load_model(copy).name == "tiny 0"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without(CARD), "card.json is missing; a model folder holds card.json and model.onnx"),
        (without(ONNX), "model.onnx is missing; a model folder holds card.json and model.onnx"),
        (lambda folder: (folder / CARD).write_text("{"), "card.json: cannot be read"),
        (lambda folder: (folder / CARD).write_bytes(b"\xff\xfe{}"), "card.json: cannot be read"),
        (lambda folder: (folder / CARD).write_text("[]"), "card.json: lacks everything; train or export"),
        (card(reach=None, name=None), "card.json: lacks name, reach; train or export the model again"),
        (card(format=FORMAT + 1), "card.json: format 4; this ecgtune reads up to 3: upgrade ecgtune"),
        (
            card(format=2, preprocessing={"usual": 4096}),
            "card.json: format 2, from before jumps of the heart rate .*; train or tune the model again",
        ),
        (card(format="1"), "card.json: format is '1', no int"),
        (card(classes=["N", "V"]), r"card.json: classes \['N', 'V'\]; this ecgtune labels N S V F Q"),
        (card(reach="far"), "card.json: reach is 'far', no int"),
        (
            card(preprocessing={"wavelet": 1}),
            "preprocessing wavelet unknown: the model needs a newer ecgtune",
        ),
        (card(preprocessing={"rate": 250}), "this ecgtune works at 128 Hz"),
        (card(preprocessing=[]), r"card.json: preprocessing is \[\], no dict"),
        (card(onnx_sha256="0" * 64), r"model.onnx: does not belong to its card \(SHA-256 differs\)"),
        (
            lambda folder: (folder / ONNX).write_bytes((folder / ONNX).read_bytes()[:-100]),
            r"model.onnx: does not belong to its card \(SHA-256 differs\); export the model again",
        ),
    ],
)
def test_a_folder_that_is_no_usable_model_is_refused_in_one_line(
    copy: Path, damage: Change, message: str
) -> None:
    damage(copy)
    with pytest.raises(ModelError, match=message) as raised:
        load_model(copy)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (replaced_network, "model.onnx: cannot be loaded: .*; export the model again"),
        (
            card(preprocessing={"before": 20, "after": 30}),
            r"model.onnx: takes .* its card asks for \{'beats': \[4, 50\], 'rhythm': \[7\]\} and probability",
        ),
        (card(preprocessing={"leads": 1}), "model.onnx: takes"),
    ],
)
def test_a_network_that_does_not_fit_its_card_is_refused_when_opened(
    copy: Path, damage: Change, message: str
) -> None:
    damage(copy)
    broken = load_model(copy)
    with pytest.raises(ModelError, match=message) as raised:
        broken.open()
    assert "\n" not in str(raised.value)


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("")
    with pytest.raises(ModelError, match="no such model; give a folder or one of"):
        load_model(tmp_path / "model")


# Copying.


def test_a_copy_holds_the_same_files_and_loads(tiny_model: Path, tmp_path: Path) -> None:
    out = export_model(tiny_model, tmp_path / "new" / "mine")
    for name in (CARD, ONNX, WEIGHTS):
        assert (out / name).read_bytes() == (tiny_model / name).read_bytes()
    assert load_model(out).hash == load_model(tiny_model).hash


def test_a_copy_replaces_nothing(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(OutputError, match="mine: exists already; choose another --out"):
        export_model(tiny_model, tmp_path / "mine")
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_copy_that_fails_half_way_leaves_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: Path, target: Path) -> None:
        target.mkdir()
        (target / CARD).write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ecgtune.model.shutil.copytree", full)
    with pytest.raises(OutputError, match="mine: cannot be written: No space left on device"):
        export_model(tiny_model, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_model_is_not_copied(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        export_model(tmp_path / "none", tmp_path / "mine")


# Predicting.


def test_probabilities_are_probabilities(model: Model) -> None:
    at, windows = beats(300, model)
    probability = model.predict(windows, at)
    assert probability.shape == (300, len(CLASSES))
    assert probability.dtype == np.float32
    np.testing.assert_allclose(probability.sum(axis=1), 1, atol=1e-5)
    assert probability.min() >= 0


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_few_beats_are_no_error(model: Model, n: int) -> None:
    at, windows = beats(n, model)
    assert model.predict(windows, at).shape == (n, len(CLASSES))


LONG = 2 * SEGMENT + 400


@pytest.fixture(scope="module")
def long_beats(model: Model) -> tuple[np.ndarray, np.ndarray]:
    return beats(LONG, model)


def handed_over(
    model: Model, at: np.ndarray, windows: np.ndarray, cuts: Iterable[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Positions and probabilities of beats that are handed over in pieces."""
    predictor = Predictor(model)
    done = []
    for begin, end in itertools.pairwise([0, *sorted(min(cut, len(at)) for cut in cuts), len(at)]):
        done += predictor.push(at[begin:end], windows[begin:end])
    done += predictor.finish()
    positions, found = zip(*done, strict=True)
    return np.concatenate(positions), np.concatenate(found)


@settings(deadline=None, max_examples=15)
@given(
    n=st.sampled_from(
        [1, 30, SEGMENT - 1, SEGMENT, SEGMENT + 1, SEGMENT + 22, SEGMENT + 23, SEGMENT + 24, LONG]
    ),
    cuts=st.lists(st.integers(0, LONG), max_size=8),
)
def test_pieces_of_any_size_give_the_same_digits(
    model: Model, long_beats: tuple[np.ndarray, np.ndarray], n: int, cuts: list[int]
) -> None:
    at, windows = long_beats[0][:n], long_beats[1][:n]
    positions, found = handed_over(model, at, windows, cuts)
    np.testing.assert_array_equal(positions, at)
    np.testing.assert_array_equal(found, model.predict(windows, at))


def test_beats_one_by_one_give_the_same_digits(
    model: Model, long_beats: tuple[np.ndarray, np.ndarray]
) -> None:
    n = SEGMENT + 100
    at, windows = long_beats[0][:n], long_beats[1][:n]
    _, found = handed_over(model, at, windows, range(1, n))
    np.testing.assert_array_equal(found, model.predict(windows, at))


@settings(deadline=None, max_examples=10)
@given(n=st.sampled_from([SEGMENT, SEGMENT + 639, SEGMENT + 641, LONG]), cuts=st.lists(st.integers(0, LONG)))
def test_positions_far_ahead_are_waited_for(
    timed: Model, long_beats: tuple[np.ndarray, np.ndarray], n: int, cuts: list[int]
) -> None:
    at, windows = long_beats[0][:n], long_beats[1][:n]
    positions, found = handed_over(timed, at, windows, cuts)
    np.testing.assert_array_equal(positions, at)
    np.testing.assert_array_equal(found, timed.predict(windows, at))
    whole, _ = timed.run(*timed.preprocessing.inputs(windows, at))
    assert (np.abs(found - whole).max(axis=1) < 1e-4).mean() > 0.95


@pytest.fixture(scope="module")
def self_trained(self_trained_model: Path) -> Model:
    return load_model(self_trained_model)


@settings(deadline=None, max_examples=10)
@given(n=st.sampled_from([1, 30, SEGMENT + 24, LONG]), cuts=st.lists(st.integers(0, LONG), max_size=8))
def test_self_training_gives_the_same_digits_of_pieces_of_any_size(
    self_trained: Model, n: int, cuts: list[int]
) -> None:
    at, windows = beats(n, self_trained)
    positions, found = handed_over(self_trained, at, windows, cuts)
    np.testing.assert_array_equal(positions, at)
    np.testing.assert_array_equal(found, self_trained.predict(windows, at))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_self_training_moves_what_the_network_says_as_it_is_defined(self_trained: Model) -> None:
    at, windows = beats(1000, self_trained)
    said = self_trained.run(*self_trained.preprocessing.inputs(windows, at))
    assert said.evidence is not None
    assert said.evidence.shape[0] == 1000
    assert np.abs(said.evidence).max() <= 2.5
    expected = SelfTrainer(self_trained.self_training).probability(said.probability, said.evidence, 0.8)
    found = self_trained.predict(windows, at)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    assert np.abs(found - said.probability).max() > 0.1


def test_a_network_without_evidence_does_not_belong_to_a_card_that_asks_for_it(copy: Path) -> None:
    card(self_training={"ventricular": 0.4})(copy)
    with pytest.raises(ModelError, match=r"its card asks for .* and probability, evidence: export the model"):
        load_model(copy).open()


def test_a_card_may_not_ask_for_more_self_training_than_there_is(copy: Path) -> None:
    card(self_training={"ventricular": 1.4})(copy)
    with pytest.raises(ModelError, match=r"ventricular is 1\.4; give a number from 0 to 1"):
        load_model(copy)


def test_where_segments_meet_makes_no_difference(
    model: Model, long_beats: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = model.predict(long_beats[1], long_beats[0])
    monkeypatch.setattr("ecgtune.model.SEGMENT", 500)
    np.testing.assert_allclose(model.predict(long_beats[1], long_beats[0]), usual, atol=1e-5)


def test_labels_do_not_depend_on_beats_beyond_the_reach(
    model: Model, long_beats: tuple[np.ndarray, np.ndarray]
) -> None:
    at, windows = long_beats[0][:600], long_beats[1][:600]
    usual = model.predict(windows, at)
    changed = windows.copy()
    changed[400:] = changed[400:][::-1]
    differs = np.abs(model.predict(changed, at) - usual).max(axis=1) > 1e-5
    assert not differs[: 400 - model.reach].any()
    assert differs[400:].any()


@pytest.mark.parametrize("kind", ["model", "timed"])
def test_no_more_beats_are_held_than_a_segment_and_its_surroundings(
    kind: str, request: pytest.FixtureRequest
) -> None:
    model: Model = request.getfixturevalue(kind)
    at, windows = beats(700, model)
    predictor = Predictor(model)
    around = max(model.reach, model.preprocessing.timed)
    for i in range(12):
        predictor.push(at + i * (at[-1] + 100), windows)
        assert sum(map(len, predictor._windows)) < SEGMENT + model.reach + around + 700
        assert sum(map(len, predictor._at)) < SEGMENT + 2 * around + 700


# Leads.


@pytest.mark.parametrize(
    ("leads", "chosen"),
    [
        (("MLII", "V1"), ("MLII", "V1")),
        (("V5", "MLII"), ("MLII", "V5")),
        (("V5",), ("V5",)),
        (("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"), ("II", "V1")),
        (("ECG", "ECG", "ECG"), ("ECG", "ECG")),
        (("chest", "V2"), ("V2", "chest")),
    ],
)
def test_the_usual_leads_of_ambulatory_recordings_come_first(
    leads: tuple[str, ...], chosen: tuple[str, ...]
) -> None:
    record = Record.from_array(np.zeros((10, len(leads))), 360, leads)
    picked = preferred_leads(record, range(len(leads)), 2)
    assert tuple(record.leads[i] for i in picked) == chosen
    assert len(set(picked)) == len(picked)


def test_leads_without_signal_are_not_picked() -> None:
    record = Record.from_array(np.zeros((10, 3)), 360, ("MLII", "V1", "V5"))
    assert preferred_leads(record, (1, 2), 2) == (1, 2)


@pytest.mark.parametrize(
    ("name", "protocol"), [("default", "inter-patient-open"), ("strict", "inter-patient")]
)
def test_the_stored_result_is_that_of_the_model_that_ships(name: str, protocol: str) -> None:
    from ecgtune.evaluation.results import load_result

    result = load_result(Path(__file__).parents[1] / "results" / f"{name}-{protocol}.json")
    model = load_model(name)
    assert result.scorings[-1].model_hash == model.hash
    assert result.divisions[0].split_hash == model.card["training"]["split_hash"]
    assert result.parameters == model.card["parameters"]
    assert f"up to {model.reach} beats" in model.card["looks_ahead"]
    shown = model.card["metrics"][f"{name}-{protocol}"]["figures"]["pooled"]["V F1"]
    figure = result.figures["pooled"]["V F1"]
    assert shown == pytest.approx([figure.value, figure.low, figure.high], rel=1e-3)


def test_models_that_ship_are_small_and_were_trained_on_no_patient_of_ds2() -> None:
    from ecgtune.databases import DS2, patient_of

    tested = {patient_of("mitdb", record) for record in DS2}
    assert list_models() == ["default", "strict"]
    for name in list_models():
        model = load_model(name)
        assert sum(path.stat().st_size for path in model.folder.iterdir()) < 3_000_000
        assert model.trained_on
        assert not model.trained_on & tested
    assert {who.split("/")[0] for who in load_model("strict").trained_on} == {"mitdb"}


def test_no_file_of_a_model_that_ships_tells_of_the_machine_that_made_it() -> None:
    for path in load_model("default").folder.iterdir():
        assert not re.search(rb"site-packages|/home/|\.py\b", path.read_bytes()), path.name
