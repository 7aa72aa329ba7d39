"""Subjects see what labelling sees: the same beats, inputs and probabilities."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_beats_explained import random_reading, small_network, subject_around
from safetensors.torch import load_file
from subjects_to_explain import ALIKE, HOW, SELF_TRAINED, sequence_reading, sequence_subject

from ecgtune.beats import Preprocessing
from ecgtune.beats.usual_beat import beside_usual, seconds_between
from ecgtune.classification import classify
from ecgtune.errors import ModelError, RecordError
from ecgtune.explain import concatenate, logits_of, subject_of
from ecgtune.explain.load import beat_subject_of
from ecgtune.explain.subject_sequence import SequenceSubject, moved_logits
from ecgtune.explain.subject_windows import WindowSubject
from ecgtune.labels import CLASSES
from ecgtune.model import load_model
from ecgtune.readers import read_record
from ecgtune.record import ArraySource, Record
from ecgtune.self_training import SelfTraining, discriminant_of, moved
from ecgtune.signals.simulate import simulate
from ecgtune.systems import beat_tables
from ecgtune.systems.config import load_config
from ecgtune.training.networks.windows import build_window_network
from ecgtune.training.window_model import load_window_model, save_window_model

pytestmark = pytest.mark.usefixtures("one_thread")


def softmax(logits: np.ndarray) -> np.ndarray:
    return torch.from_numpy(logits).softmax(1).numpy()


@pytest.fixture(scope="module")
def simulated() -> Record:
    return simulate(60, 250, ["MLII", "V1"], seed=3, ectopy={"V": 0.2})


@pytest.mark.parametrize("how", [HOW, ALIKE])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 40])
def test_one_beat_alone_has_the_logits_that_it_has_in_its_recording(n: int, how: Preprocessing) -> None:
    subject, reading = sequence_subject(how=how), sequence_reading(n, how=how)
    alone = softmax(logits_of(subject, subject.examples(reading)))
    np.testing.assert_allclose(alone, subject.probability(reading), atol=1e-6)
    # In any order, and beats from the ends of the recording among those from its middle.
    order = np.random.default_rng(0).permutation(n)
    mixed = softmax(logits_of(subject, subject.examples(reading, order)))
    np.testing.assert_allclose(mixed, alone[order], atol=1e-6)


def decisive(subject: SequenceSubject) -> SequenceSubject:
    """The same, sure of most beats: of some that they are N, of others that they are V."""
    with torch.no_grad():
        subject.network.shape.weight *= 100
        subject.network.shape.bias[CLASSES.index("F") :] -= 100
    return subject


@pytest.mark.parametrize("n", [1, 15, 300])
def test_one_self_trained_beat_alone_has_the_logits_that_it_has_in_its_recording(n: int) -> None:
    subject = decisive(sequence_subject(how=ALIKE, self_training=SelfTraining(1.0, 1.0)))
    reading = sequence_reading(n, how=ALIKE)
    alone = softmax(logits_of(subject, subject.examples(reading)))
    # Their logits are in the hundreds.
    np.testing.assert_allclose(alone, subject.probability(reading), atol=1e-4)
    network_alone = subject.with_network(subject.network)
    by_itself = network_alone.probability(reading)
    if n == 300:
        assert np.abs(alone - by_itself).max() > 0.1
    else:
        np.testing.assert_allclose(alone, by_itself, atol=0.05)
    assert len(network_alone.examples(reading).context) == 6


def test_probabilities_follow_a_network_that_is_trained() -> None:
    subject, reading = sequence_subject(how=ALIKE), sequence_reading(how=ALIKE)
    before = subject.probability(reading)
    with torch.no_grad():
        subject.network.shape.bias[0] += 3
    assert np.abs(subject.probability(reading) - before).max() > 0.1


def test_torch_moves_logits_as_labelling_does() -> None:
    rng = np.random.default_rng(0)
    logits, evidence = 3 * rng.normal(size=(500, 5)), rng.normal(size=(500, 9))
    logits, evidence = logits.astype(np.float32), evidence.astype(np.float32)
    drawn = discriminant_of(evidence, logits, SelfTraining(0.9, 0.6))
    expected = moved(logits, evidence, drawn)
    fixed = [torch.from_numpy(np.tile(part, (500, *[1] * part.ndim))) for part in drawn]
    found = moved_logits(torch.from_numpy(logits), torch.from_numpy(evidence), *fixed)
    np.testing.assert_allclose(found.log_softmax(1), expected, atol=1e-4)
    assert np.abs(softmax(logits) - np.exp(expected)).max() > 0.2
    # Without trust they are the network's own, not only up to a shift.
    fixed[2] *= 0
    still = moved_logits(torch.from_numpy(logits), torch.from_numpy(evidence), *fixed)
    np.testing.assert_allclose(still, logits, atol=1e-4)


def test_long_recordings_have_a_discriminant_for_each_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = sequence_subject(how=ALIKE, self_training=SELF_TRAINED)
    reading = sequence_reading(90, how=ALIKE)
    monkeypatch.setattr("ecgtune.self_training.STRETCH", 40)
    monkeypatch.setattr("ecgtune.explain.subject_sequence.STRETCH", 40)
    alone = softmax(logits_of(subject, subject.examples(reading)))
    np.testing.assert_allclose(alone, subject.probability(reading), atol=1e-5)
    weights = subject.examples(reading).context[6]
    for own in (slice(0, 40), slice(40, 80), slice(80, 90)):
        assert len(np.unique(weights[own], axis=0)) == 1
    assert not np.array_equal(weights[0], weights[40])


def test_labels_are_those_of_classify_after_self_training(self_trained_model: Path) -> None:
    subject = beat_subject_of(self_trained_model)
    assert isinstance(subject, SequenceSubject)
    assert subject.self_training.active
    record = simulate(600, 250, ["MLII", "V1"], seed=3, ectopy={"V": 0.2})
    labelled, reading = classify(record, self_trained_model), subject.read(record)
    found = subject.probability(reading)[reading.readable]
    np.testing.assert_allclose(found, labelled.annotations.probability, atol=1e-4)
    alone = subject.with_network(subject.network).probability(reading)[reading.readable]
    assert np.abs(found - alone).max() > 0.01


def test_the_mean_of_look_alikes_follows_the_beat_by_its_share() -> None:
    subject = sequence_subject(how=ALIKE)
    windows = np.random.default_rng(0).normal(size=(40, ALIKE.leads, ALIKE.width)).astype(np.float32)
    at = np.arange(40) * 90
    reading = sequence_reading(how=ALIKE)
    parts = ALIKE.parts(windows, at)
    signal, rhythm = parts.inputs()
    assert parts.alike is not None
    reading = replace(reading, signal=signal, rhythm=rhythm, own_share=parts.alike.own)
    row = np.array([20])
    examples = subject.examples(reading, row)
    changed = examples.with_signal(examples.signal * 1.3)
    whole = signal[None].copy()
    whole[0, 20, :2] *= 1.3
    whole[0, 20, 4:] += parts.alike.own[20] * 0.3 * signal[20, :2]
    with torch.no_grad():
        expected = subject.network(torch.from_numpy(whole), torch.from_numpy(rhythm)[None])[0, row]
    np.testing.assert_allclose(logits_of(subject, changed), expected, atol=1e-5)


def test_how_a_beat_compares_with_the_usual_one_follows_its_window() -> None:
    how = replace(ALIKE, usual_beat=True)
    subject, row, at = sequence_subject(how=how), np.array([20]), np.arange(40) * 90
    windows = np.random.default_rng(0).normal(size=(40, how.leads, how.width)).astype(np.float32)
    parts = how.parts(windows, at)
    signal, rhythm = parts.inputs()
    assert parts.alike is not None
    given = {"signal": signal, "rhythm": rhythm, "own_share": parts.alike.own, "usual": parts.usual}
    reading = replace(sequence_reading(how=how), **given)
    examples = subject.examples(reading, row)
    with torch.no_grad():
        expected = subject.network(torch.from_numpy(signal)[None], torch.from_numpy(rhythm)[None])[0, row]
    np.testing.assert_allclose(logits_of(subject, examples), expected, atol=1e-4)

    # Its RR features are not looked at for that, its samples are.
    of_beat = how.rhythm_features.index("beat beside usual beat: likeness")
    moved, mirrored = examples.rhythm.copy(), examples.with_signal(-examples.signal)
    moved[:, of_beat] += 1
    np.testing.assert_array_equal(
        logits_of(subject, replace(examples, rhythm=moved)), logits_of(subject, examples)
    )
    signal, rhythm = signal.copy(), rhythm.copy()
    signal[20, 4:] -= 2 * parts.alike.own[20] * signal[20, :2]
    signal[20, :2] *= -1
    kinds = [signal[:, :2], signal[:, 4:]]
    compared, _ = beside_usual(kinds, parts.typical, seconds_between(at), how.before, how.stride)
    for kind, column in (("beat", 0), ("look-alikes", 2)):
        first = how.rhythm_features.index(f"{kind} beside usual beat: likeness")
        rhythm[20, first : first + 2] = compared[20, column : column + 2]
    with torch.no_grad():
        expected = subject.network(torch.from_numpy(signal)[None], torch.from_numpy(rhythm)[None])[0, row]
    np.testing.assert_allclose(logits_of(subject, mirrored), expected, atol=1e-4)


def test_long_recordings_are_labelled_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    from ecgtune.explain import subject_sequence

    subject, reading = sequence_subject(), sequence_reading(50)
    whole = subject.probability(reading)
    monkeypatch.setattr(subject_sequence, "ENCODED_TOGETHER", 8)
    np.testing.assert_allclose(subject.probability(reading), whole, atol=1e-6)


def test_probabilities_are_those_of_the_temperature() -> None:
    subject, reading = sequence_subject(), sequence_reading(9)
    logits = logits_of(subject, subject.examples(reading))
    warm = replace(subject, temperature=2.5)
    np.testing.assert_allclose(warm.probability(reading), softmax(logits / 2.5), atol=1e-6)
    np.testing.assert_array_equal(logits_of(warm, warm.examples(reading)), logits)


def test_labels_are_those_of_classify(simulated: Record, tiny_model: Path) -> None:
    subject = beat_subject_of(tiny_model)
    assert isinstance(subject, SequenceSubject)
    labelled = classify(simulated, tiny_model)
    reading = subject.read(simulated)
    np.testing.assert_array_equal(reading.sample[reading.readable], labelled.annotations.sample)
    np.testing.assert_allclose(
        subject.probability(reading)[reading.readable], labelled.annotations.probability, atol=1e-5
    )
    assert reading.leads == labelled.leads
    assert subject.name == labelled.model


def test_the_shipped_model_labels_a_real_recording_as_classify_does(mitdb: Path) -> None:
    record = read_record(mitdb / "208")
    record = replace(record, n_samples=int(300 * record.fs), annotations={})
    subject = beat_subject_of("default")
    reading = subject.read(record)
    labelled = classify(record)
    np.testing.assert_array_equal(reading.sample[reading.readable], labelled.annotations.sample)
    np.testing.assert_allclose(
        subject.probability(reading)[reading.readable], labelled.annotations.probability, atol=1e-4
    )
    assert "mitdb/208" in subject.trained_on
    examples = subject.examples(reading, np.arange(20, 30))
    # Back in mV, R peaks are as high as in the recording, but for the filter.
    for lead, name in enumerate(reading.leads):
        signal = record.read(0, record.n_samples)[:, record.leads.index(name)]
        for mv, sample in zip(examples.millivolts[:, lead], examples.sample, strict=True):
            native = signal[sample - 18 : sample + 18]
            middle = mv[subject.before - 6 : subject.before + 7]
            assert np.ptp(middle) == pytest.approx(np.ptp(native), rel=0.25, abs=0.05)


def test_annotated_positions_bring_their_labels(simulated: Record) -> None:
    annotations = next(iter(simulated.annotations.values()))
    subject = sequence_subject()
    reading = subject.read(simulated, annotations, database="made")
    beats = annotations.beats()
    assert reading.sample.tolist() == beats.sample.tolist()
    assert reading.label.min() >= 0
    examples = subject.examples(reading, np.array([3, 4]))
    assert examples.label.tolist() == reading.label[[3, 4]].tolist()
    assert examples.database.tolist() == ["made", "made"]
    np.testing.assert_allclose(examples.time, beats.sample[[3, 4]] / 250)
    np.testing.assert_allclose(examples.rr[0, 1], examples.rr[1, 0])


def test_a_lead_that_is_not_there_is_zero_and_has_no_name(simulated: Record) -> None:
    subject = sequence_subject()
    reading = subject.read(simulated, leads=["V1"])
    assert reading.leads == ("V1",)
    examples = subject.examples(reading, np.arange(3))
    assert examples.leads[0].tolist() == ["V1", "-"]
    assert not examples.signal[:, 1].any()
    assert np.ptp(examples.signal[:, 0]) > 0


def test_typical_beats_are_medians_of_the_recording() -> None:
    subject, reading = subject_around(small_network(), 1, 32), random_reading()
    examples = subject.examples(reading, np.array([4]))
    np.testing.assert_allclose(examples.typical[0], np.median(reading.signal, axis=0), atol=1e-6)
    sequence, recording = sequence_subject(), sequence_reading()
    examples = sequence.examples(recording, np.array([7]))
    np.testing.assert_array_equal(examples.typical, recording.signal[7:8, HOW.leads :])
    np.testing.assert_allclose(examples.typical_rhythm[0], np.median(recording.rhythm, axis=0))


def test_examples_are_picked_and_put_together() -> None:
    subject = sequence_subject()
    first, second = (subject.examples(sequence_reading(seed=seed), np.arange(4)) for seed in (1, 2))
    both = concatenate([first, second])
    assert len(both) == 8
    np.testing.assert_allclose(
        logits_of(subject, both),
        np.concatenate([logits_of(subject, first), logits_of(subject, second)]),
        atol=1e-5,
    )
    again = both.select(np.array([5, 0]))
    np.testing.assert_array_equal(again.signal, np.stack([second.signal[1], first.signal[0]]))
    np.testing.assert_array_equal(again.context[1], np.stack([second.context[1][1], first.context[1][0]]))
    with pytest.raises(ModelError, match="no beats to explain"):
        concatenate([])


@pytest.fixture(scope="module", params=["ft-cnn", "two-fold-focal"])
def window_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model folder of a network of windows that was never trained, as its system cuts them."""
    how = load_config(request.param)["windows"]
    kachuee = how["cut"] == "kachuee"
    leads, width = how["leads"], 187 if kachuee else how["width"]
    torch.manual_seed(0)
    network = build_window_network(request.param, channels=leads, width=width, classes=5)
    card = {
        "name": request.param,
        "network": {"name": request.param},
        "classes": ["N", "S", "V", "F", "Q"],
        "leads": leads,
        "fs": 125.0 if kachuee else 128.0,
        "width": width,
        "before": 0 if kachuee else width // 2,
        "windows": how,
        "training": {"protocol": "inter-patient", "seed": 0, "patients": ["mitdb/208"]},
        "metrics": {},
    }
    return save_window_model(network, card, tmp_path_factory.mktemp("models") / "model")


def test_a_network_of_windows_sees_what_its_system_cuts(
    window_folder: Path, mitdb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of(window_folder.parent)
    assert isinstance(subject, WindowSubject)
    assert subject.trained_on == {"mitdb/208"}
    record = read_record(mitdb / "208")
    # The whole recording is read, for its scale; few beats of it are enough.
    annotations = record.annotations["atr"].beats().select(slice(0, 60))
    monkeypatch.setattr(beat_tables, "open_record", lambda key: (record, annotations))
    reading = subject.read(record, annotations)
    table = beat_tables.beat_table(subject.windows, ["208"])
    np.testing.assert_array_equal(reading.signal, table.windows)
    np.testing.assert_array_equal(reading.label, table.label)
    network = load_window_model(window_folder).network
    rows = np.arange(30, 40)
    examples = subject.examples(reading, rows)
    with torch.inference_mode():
        expected = network(torch.from_numpy(table.windows[rows])).numpy()
    np.testing.assert_allclose(logits_of(subject, examples), expected, atol=1e-5)
    np.testing.assert_allclose(subject.probability(reading)[rows], softmax(expected), atol=1e-5)


def test_without_annotations_the_detector_says_where_beats_are(
    window_folder: Path, simulated: Record
) -> None:
    reading = beat_subject_of(window_folder).read(simulated)
    found = next(iter(simulated.annotations.values())).beats().sample
    assert abs(len(reading) - len(found)) <= 2
    assert (reading.label == -1).all()


def test_a_network_of_two_leads_refuses_a_recording_of_one(window_folder: Path, simulated: Record) -> None:
    subject = beat_subject_of(window_folder)
    single = replace(
        simulated, leads=("MLII",), source=ArraySource(simulated.read(0, simulated.n_samples)[:, :1])
    )
    if len(subject.leads) == 1:
        assert len(subject.read(single)) > 0
        return
    with pytest.raises(RecordError, match="reads 2 leads, with signal there is MLII; take another model"):
        subject.read(single)


def test_onnx_alone_has_no_gradients(tiny_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "onnx-alone"
    shutil.copytree(tiny_model, folder)
    (folder / "weights.safetensors").unlink()
    load_model(folder)
    with pytest.raises(ModelError, match=r"weights\.safetensors is missing, and ONNX alone has no gradients"):
        subject_of(folder)


def test_a_run_folder_stands_for_the_model_in_it(tiny_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model, tmp_path / "model")
    assert subject_of(tmp_path).name == "tiny 0"


def test_no_model_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        subject_of(tmp_path / "none")


def test_models_of_windows_do_not_label_recordings(window_folder: Path) -> None:
    for folder in (window_folder, window_folder.parent):
        with pytest.raises(ModelError, match="this model looks at single windows, to be explained: label"):
            load_model(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "ecg-image"}, "no model of windows; give a folder that `ecgtune train ft-cnn` made"),
        ({"format": 2}, "format 2; this ecgtune reads up to 1: upgrade ecgtune"),
        ({"width": None}, "lacks width; train the model again"),
        ({"weights_sha256": "0"}, "does not belong to its card"),
        ({"network": {"name": "cnn"}}, "its weights do not fit the card's network"),
        ({"network": {"name": "net"}}, "unknown network 'net'"),
    ],
)
def test_damaged_models_of_windows(
    window_folder: Path, tmp_path: Path, change: dict[str, object], says: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(window_folder, folder)
    card = json.loads((folder / "card.json").read_text()) | change
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=says):
        load_window_model(folder)


def test_models_of_windows_without_weights_or_card(window_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(window_folder, folder)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ModelError, match=r"weights\.safetensors is missing; copy the model again"):
        load_window_model(folder)
    (folder / "card.json").write_text("{")
    with pytest.raises(ModelError, match=r"card\.json: cannot be read"):
        load_window_model(folder)


def test_a_card_that_lacks_something_is_not_written(window_folder: Path, tmp_path: Path) -> None:
    loaded = load_window_model(window_folder)
    card = {name: value for name, value in loaded.card.items() if name != "leads"}
    with pytest.raises(ModelError, match="lacks leads"):
        save_window_model(loaded.network, card, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_weights_are_kept_to_the_bit(window_folder: Path, tmp_path: Path) -> None:
    loaded = load_window_model(window_folder)
    again = save_window_model(loaded.network, loaded.card, tmp_path / "model")
    first, second = (load_file(folder / "weights.safetensors") for folder in (window_folder, again))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
