"""The system `spectrogram-features` on a few segments of real records, and on wrong input."""

import shutil
import tomllib
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ecgtune.databases import DS2
from ecgtune.errors import DataError, ModelError, SplitError
from ecgtune.evaluation.leaderboard import boards
from ecgtune.evaluation.results import load_results
from ecgtune.systems import spectrogram_features, spectrogram_features_methods
from ecgtune.systems.config import load_config
from ecgtune.systems.spectrogram_features import (
    NAME,
    PROTOCOLS,
    cross_validate,
    fit_svm,
    quick_config,
    reproduce,
)
from ecgtune.systems.spectrogram_features_data import Instances, load_instances
from ecgtune.systems.spectrogram_features_methods import Method, features_of, make_method

Change = Callable[..., Path]


@pytest.fixture(scope="module")
def study(data: Path, tmp_path_factory: pytest.TempPathFactory, one_thread: None) -> Path:
    out = tmp_path_factory.mktemp("results") / f"{NAME}-quick"
    reproduce(out, quick=True, jobs=1)
    return out


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return quick_config(load_config(NAME))


@pytest.fixture(scope="module")
def instances(data: Path, config: dict[str, Any]) -> Instances:
    return load_instances(config, 4.0)


@pytest.fixture
def changed(tmp_path: Path) -> Change:
    """A copy of the system's TOML with something put in the place of something else."""

    def make(*changes: tuple[str, str]) -> Path:
        text = (files("ecgtune.systems") / "spectrogram_features.toml").read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        tomllib.loads(text)
        path = tmp_path / "changed.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return make


def test_the_study_leaves_a_result_of_the_store(study: Path) -> None:
    result = load_results(study.parent)[f"{NAME}-quick"]
    assert result.notes[0].startswith("a quick run")
    assert result.parameters == 1_235_496
    tables = {"headline", "seeds", "classes-k-fold", "classes-grouped-k-fold", "differences", "databases"}
    assert set(result.tables) == tables | {"segments-4", "segments-5"}
    assert result.figures["paper"]["accuracy"].value == 0.9723
    assert result.figures["imagenet, 4 s, k-fold"]["goal, balanced"].value == 0.95
    assert result.figures["imagenet, 4 s, grouped-k-fold"]["goal, balanced"].value == 0.85
    assert set(result.data) == {"mitdb", "vfdb", "cinc2017", "cpsc2021"}
    assert any("DS2 has no ventricular fibrillation" in note for note in result.notes)
    # Without an interval a figure of patients would say nothing.
    shown = result.figures["imagenet, 4 s, grouped-k-fold"]["balanced accuracy"]
    assert None not in (shown.low, shown.value, shown.high)
    assert shown.low != shown.high


def test_the_leaderboard_finds_the_headline(study: Path) -> None:
    result = load_results(study.parent)[f"{NAME}-quick"]
    for protocol in PROTOCOLS:
        (board,) = boards({NAME: result}, [protocol])
        (row,) = [row for row in board.rows if row.entry.system == NAME]
        assert row.seeds == 1
        matrices = result.matrices[f"{protocol}, seed 0"].values()
        assert np.sum(list(matrices)) == result.figures[f"imagenet, 4 s, {protocol}"]["segments"].value


def test_the_study_leaves_figures(study: Path) -> None:
    drawn = sorted(path.stem for path in (study / "figures").iterdir())
    wanted = ["confusion-grouped-k-fold", "confusion-k-fold", "methods", "spectrograms-4", "spectrograms-5"]
    assert drawn == wanted
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (study / "figures").iterdir())


def test_the_same_command_computes_nothing_again(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load_results(study.parent)[f"{NAME}-quick"]
    out = tmp_path / study.name
    shutil.copytree(study, out)
    monkeypatch.setattr(spectrogram_features_methods, "spectrograms", None)
    monkeypatch.setattr(spectrogram_features, "fit_svm", None)
    reproduce(out, quick=True, parts=["networks", "pixels", "databases"], jobs=1)
    again = load_results(tmp_path)[f"{NAME}-quick"]
    assert again.figures == {row: before.figures[row] for row in before.figures if " 5 s" not in row}
    assert set(again.scorings) < set(before.scorings)


def test_quick_scores_no_record_of_ds2(instances: Instances) -> None:
    assert not {f"mitdb/{record}" for record in DS2} & set(instances.key.tolist())


def test_segments_of_every_class_and_database_are_taken(instances: Instances) -> None:
    assert set(instances.label.tolist()) == {0, 1, 2, 3}
    assert set(instances.database[instances.label == 0].tolist()) == {"mitdb", "vfdb", "cinc2017", "cpsc2021"}
    assert np.isfinite(instances.signal).all()
    assert instances.signal.shape[1] == 4 * 128
    # Patients, not records: data_101_6 and data_101_8 are of one.
    assert "cpsc2021/101" in instances.patient.tolist()
    counts = np.unique(instances.label, return_counts=True)[1]
    assert counts.max() <= 40


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_both_leads_of_a_moment_are_on_one_side(
    protocol: str,
    config: dict[str, Any],
    instances: Instances,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tests: list[np.ndarray] = []

    def watch(shared: Any, test: np.ndarray) -> np.ndarray:
        tests.append(test)
        return np.zeros(test.sum(), dtype=np.int64)

    monkeypatch.setattr(spectrogram_features, "_predict_fold", watch)
    method = Method("none", None)  # type: ignore[arg-type]
    described = np.zeros((len(instances), 2), dtype=np.float32)
    scored = cross_validate(config, method, described, instances, protocol, 0, tmp_path, 1)
    assert np.sum(tests, axis=0).tolist() == [1] * len(instances)
    for test in tests:
        assert not set(instances.segment[test]) & set(instances.segment[~test])
        if protocol == "grouped-k-fold":
            assert not set(instances.patient[test]) & set(instances.patient[~test])
    assert sum(int(matrix.sum()) for matrix in scored.matrices.values()) == len(instances)


def test_more_patients_than_there_are(config: dict[str, Any], instances: Instances, tmp_path: Path) -> None:
    method = Method("none", None)  # type: ignore[arg-type]
    how = {**config, "folds": {"grouped-k-fold": 1000}}
    described = np.zeros((len(instances), 2), dtype=np.float32)
    with pytest.raises(SplitError, match="1000 folds asked for of"):
        cross_validate(how, method, described, instances, "grouped-k-fold", 0, tmp_path, 1)


def test_the_constant_is_chosen_inside_the_training_side() -> None:
    rng = np.random.default_rng(0)
    label = np.tile([0, 1], 30).astype(np.int8)
    features = (rng.normal(size=(60, 3)) + 3 * label[:, np.newaxis]).astype(np.float32)
    patient = np.repeat(np.arange(10).astype(str), 6)
    svm = {"kernel": "linear", "c": [1e-6, 1.0], "inner_folds": 3}
    model = fit_svm(svm, features, label, patient)
    assert model.best_params_["svm__C"] in svm["c"]
    assert (model.predict(features) == label).mean() > 0.9
    fixed = fit_svm(svm | {"c": [1.0]}, features, label, patient, components=2)
    assert fixed.named_steps["components"].n_components_ == 2


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"squeezenet1_1"', '"squeezenet1_2"', "no network 'squeezenet1_2' .*near it: squeezenet1_"),
        ('layer = ""', 'layer = "features.99"', "SqueezeNet has no layer 'features.99'"),
        (
            'weights = "imagenet"',
            'weights = "IMAGENET1K_V9"',
            "has no weights 'IMAGENET1K_V9'; known: imagenet",
        ),
        ('kernel = "rbf"', 'kernel = "poly"', "svm.kernel 'poly'; give rbf or linear"),
        ("c = [10.0]", "c = []", "svm.c .*; give one number above 0"),
        ('headline = "imagenet"', 'headline = "pixels"', "'pixels' is no method with a network"),
        ('colours = "viridis"', 'colours = "jet"', "image: unknown colour map 'jet'"),
    ],
)
def test_a_configuration_that_makes_no_sense(
    data: Path, tmp_path: Path, changed: Change, old: str, new: str, says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        reproduce(tmp_path / "out", quick=True, config=changed((old, new)), jobs=1)
    assert not (tmp_path / "out").exists()


def test_weights_of_another_network(data: Path, config: dict[str, Any]) -> None:
    file = str(data / "imagenet" / "squeezenet1_1.safetensors")
    methods = {"mine": {"network": "resnet18", "weights": file}}
    with pytest.raises(
        ModelError, match=r"squeezenet1_1\.safetensors: lacks conv1\.weight; .* another network"
    ):
        make_method({**config, "methods": methods}, "mine")


def test_another_network_and_layer_describe_images_too(
    config: dict[str, Any], tmp_path: Path, one_thread: None
) -> None:
    how = {**config, "image": {**config["image"], "size": 32}}
    how["methods"] = {"paper's": {"network": "densenet161", "weights": "random"}}
    method = make_method(how, "paper's")
    signal = np.random.default_rng(0).normal(size=(2, 512)).astype(np.float32)
    assert features_of(method, signal, tmp_path, 1, print).shape == (2, 2208)
    how["methods"] = {"early": {"network": "squeezenet1_1", "weights": "random", "layer": "features.3"}}
    early = make_method(how, "early")
    assert features_of(early, signal, tmp_path, 1, print).shape == (2, 128)


def test_several_processes_find_the_same(
    config: dict[str, Any], tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    how = {**config, "image": {**config["image"], "size": 32}}
    how["methods"] = {"small": {"network": "squeezenet1_1", "weights": "random"}}
    method = make_method(how, "small")
    signal = np.random.default_rng(0).normal(size=(4, 512)).astype(np.float32)
    alone = features_of(method, signal, tmp_path / "one", 1, print)
    monkeypatch.setattr(spectrogram_features_methods, "_IMAGES_TOGETHER", 2)
    several = features_of(method, signal, tmp_path / "two", 2, print)
    np.testing.assert_allclose(several, alone, rtol=1e-4, atol=1e-6)


def test_a_part_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no part 'images'; there are networks, pixels, lengths, databases"):
        reproduce(tmp_path / "out", parts=["images"])
    assert not (tmp_path / "out").exists()


def test_a_database_that_is_not_there(
    tmp_path: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGTUNE_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match=r"mitdb: no records in .*run `ecgtune data get mitdb`"):
        load_instances(config, 4.0)


def test_labels_that_are_not_there(
    data: Path, tmp_path: Path, config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cinc2017").mkdir()
    for suffix in (".hea", ".mat"):
        (tmp_path / "cinc2017" / f"A00001{suffix}").symlink_to(data / "cinc2017" / f"A00001{suffix}")
    monkeypatch.setenv("ECGTUNE_DATA", str(tmp_path))
    how = {**config, "segments": {**config["segments"], "databases": ["cinc2017"]}}
    with pytest.raises(DataError, match=r"cinc2017: no REFERENCE-v3.csv .*run `ecgtune data get cinc2017`"):
        load_instances(how, 4.0)


def test_a_class_without_segments(data: Path, config: dict[str, Any]) -> None:
    how = {**config, "segments": {**config["segments"], "databases": ["cinc2017"]}}
    with pytest.raises(DataError, match=r"no segment of 4 s of class VT \(VT\) in cinc2017; add a database"):
        load_instances(how, 4.0)


def test_options_of_other_systems_are_refused(ecgtune: Any, tmp_path: Path) -> None:
    done = ecgtune("reproduce", NAME, "--protocol", "inter-patient", "--out", str(tmp_path / "out"))
    assert done.status == 2
    assert f"{NAME} takes no --protocol; it has --seeds, --parts" in done.err
