"""A model tuned to one patient: what is read, what is learnt, what is refused, what is written."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ecgtune.classification import classify
from ecgtune.errors import ModelError, OutputError, RecordError
from ecgtune.labels import CLASSES
from ecgtune.model import Model, load_model
from ecgtune.readers import read_record
from ecgtune.record import Annotations, FloatArray, Record
from ecgtune.self_training import SelfTraining
from ecgtune.signals.simulate import simulate
from ecgtune.splits import make_split
from ecgtune.training import export
from ecgtune.training import personalize as module
from ecgtune.training.export import load_network
from ecgtune.training.networks import RelationEnsemble
from ecgtune.training.personal_choice import TEMPORAL
from ecgtune.training.personal_part import labelled_part
from ecgtune.training.personal_text import format_personalized, to_plain
from ecgtune.training.personal_tuning import Tuning, labelled_confusion
from ecgtune.training.personalize import Learnt, Personalized, learn, personalize
from ecgtune.training.run import score
from ecgtune.training.sequences import Recording
from ecgtune.training.tables import index_database, reference_table, split_options

UNTIL = 120.0
FEW = Tuning(steps=60, lr=0.02, hold=0.0, frozen=())
"""Enough to see the never-trained network learn."""


@pytest.fixture(scope="module")
def parent(tiny_model: Path) -> Model:
    return load_model(tiny_model)


@pytest.fixture(scope="module")
def record(mitdb: Path) -> Record:
    """119 of DS1: N and V."""
    return read_record(mitdb / "119")


def weights(network: torch.nn.Module) -> dict[str, np.ndarray[Any, Any]]:
    return {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    first, second = weights(one), weights(other)
    return all(np.array_equal(first[name], second[name]) for name in first)


def learnt(record: Record, parent: Model, labels: Annotations | None = None, **options: Any) -> Learnt:
    seed = options.pop("seed", 0)
    labels = record.annotations["atr"] if labels is None else labels
    part = labelled_part(record, labels, parent.preprocessing, UNTIL, None, None)
    return learn(load_network(parent.folder), parent, part, replace(FEW, **options), seed)


def folder_hash(folder: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.iterdir()))).hexdigest()


@pytest.fixture(scope="module")
def tuned(record: Record, parent: Model, tmp_path_factory: pytest.TempPathFactory) -> Personalized:
    """119 by its first two minutes, end to end."""
    before = folder_hash(parent.folder)
    out = tmp_path_factory.mktemp("models") / "m119"
    result = personalize(
        record, record.annotations["atr"], parent, out=out, until=UNTIL, options=FEW, reference="atr"
    )
    assert folder_hash(parent.folder) == before
    return result


def test_tuning_learns_the_patient_and_the_rest_of_the_recording_shows_it(tuned: Personalized) -> None:
    assert tuned.tuned
    assert tuned.checked is not None
    assert tuned.rest is not None
    before, after = tuned.rest
    assert after.trace() > before.trace()
    assert after.trace() > 0.9 * after.sum()
    assert before.sum(axis=1).tolist() == after.sum(axis=1).tolist()
    assert set(tuned.beats) == set(CLASSES)
    assert tuned.beats["S"] == tuned.beats["F"] == 0
    assert 90 < sum(tuned.beats.values()) < 140


def test_before_is_what_score_gives_the_parent_on_the_same_beats(
    tuned: Personalized, parent: Model, record: Record
) -> None:
    key = ("mitdb", "119")
    table = reference_table([key], parent.preprocessing)
    before, _ = split_options("patient-adapted", parent.preprocessing)["window"]
    rows = np.flatnonzero(table.sample - np.ceil(before * record.fs) >= UNTIL * record.fs)
    assert tuned.rest is not None
    np.testing.assert_array_equal(tuned.rest[0], score(parent, table, table, rows)[key])
    np.testing.assert_array_equal(tuned.rest[1], score(tuned.model, table, table, rows)[key])


def test_the_folder_is_a_model_whose_card_names_parent_patient_and_labels(
    tuned: Personalized, parent: Model, record: Record
) -> None:
    assert {path.name for path in tuned.model.folder.iterdir()} == {
        "card.json",
        "model.onnx",
        "weights.safetensors",
    }
    card = json.loads((tuned.model.folder / "card.json").read_text())
    assert card["name"] == "tiny-119"
    assert card["training"] == {"records": ["mitdb/119"], "patients": ["mitdb/119", "mitdb/208"]}
    assert card["metrics"] == {}
    personal = card["personal"]
    assert personal["parent"] == {"name": "tiny", "version": "0", "sha256": parent.hash}
    assert personal["record"] == personal["patient"] == "mitdb/119"
    assert (personal["reference"], personal["until_s"], personal["seed"]) == ("atr", UNTIL, 0)
    assert personal["beats"] == tuned.beats
    assert personal["options"]["steps"] == FEW.steps
    read = record.read(0, int(UNTIL * record.fs)).astype("<f4").tobytes()
    assert personal["signal_samples"] == UNTIL * record.fs
    assert personal["signal_sha256"] == hashlib.sha256(read).hexdigest()
    assert card["preprocessing"] == parent.card["preprocessing"]


def test_the_model_classifies_and_knows_that_it_has_seen_the_patient(
    tuned: Personalized, record: Record, mitdb: Path
) -> None:
    labelled = classify(record, tuned.model)
    assert labelled.model == "tiny-119 0"
    assert labelled.trained_on
    assert labelled.notes == ()
    other = classify(read_record(mitdb / "106"), tuned.model)
    assert not other.trained_on
    assert other.notes[0].startswith(
        "the model was tuned to another recording, mitdb/119: for another patient"
    )


def test_text_and_plain_types_say_the_same(tuned: Personalized) -> None:
    text = format_personalized(tuned)
    assert text.startswith(f"N: {tuned.beats['N']} beats, V: {tuned.beats['V']} beats, S: none, F: none, Q: ")
    assert "  no labels of S: the tuned model may find fewer of them" in text
    assert tuned.why in text
    plain = json.loads(json.dumps(to_plain(tuned), allow_nan=False))
    assert tuned.rest is not None
    assert plain["rest"]["after"]["matrix"] == tuned.rest[1].tolist()
    v = plain["rest"]["after"]["figures"]["classes"][2]
    assert f"{100 * v['sensitivity']:.2f}" in text
    assert plain["rest"]["after"]["figures"]["classes"][4]["sensitivity"] is None


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(record: Record, parent: Model) -> None:
    torch.manual_seed(5)
    one = learnt(record, parent)
    torch.rand(3)
    again, other = learnt(record, parent), learnt(record, parent, seed=1)
    assert same(one.network, again.network)
    assert one.why == again.why
    assert not same(one.network, other.network)


def test_what_is_frozen_stays_and_what_holds_holds(record: Record, parent: Model) -> None:
    start = load_network(parent.folder)
    frozen = learnt(record, parent, frozen=TEMPORAL).network
    for name, value in weights(frozen).items():
        assert np.array_equal(value, weights(start)[name]) == (not name.startswith(("shape", "encoder"))) or (
            "running" in name or "num_batches" in name
        )
    held, free = learnt(record, parent, hold=10.0).network, learnt(record, parent).network

    def moved(network: torch.nn.Module) -> float:
        return sum(
            float(((a - b) ** 2).sum().detach())
            for a, b in zip(network.parameters(), start.parameters(), strict=True)
        )

    assert 0 < moved(held) < 0.2 * moved(free)


class Watched:
    """A source that notes how far it was read."""

    def __init__(self, record: Record) -> None:
        self.source, self.last = record.source, 0

    def read(self, start: int, stop: int) -> FloatArray:
        self.last = max(self.last, stop)
        return self.source.read(start, stop)


def test_tuning_reads_no_signal_after_the_labelled_part(record: Record, parent: Model) -> None:
    watched = Watched(record)
    with_nothing_after = learnt(replace(record, source=watched), parent)
    assert 0 < watched.last <= UNTIL * record.fs
    assert same(with_nothing_after.network, learnt(record, parent).network)


def test_the_sides_are_those_of_the_protocol(mitdb: Path, parent: Model) -> None:
    how = parent.preprocessing
    index = index_database("mitdb")
    split = make_split(index, "patient-adapted-24", **split_options("patient-adapted-24", how))
    record = read_record(mitdb / "203")
    check_from, until = split.boundaries["mitdb", "203"]
    part = labelled_part(record, record.annotations["atr"], how, until, check_from, None)
    for mine, rows in ((part.early, split.tune), (part.tail, split.tune_validate), (part.rest, split.test)):
        own = rows[index.record[rows] == "203"]
        assert part.index.sample[mine].tolist() == index.sample[own].tolist()
        assert len(own)


def test_where_the_held_out_tail_gets_worse_the_parent_is_kept(
    record: Record, parent: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(network: torch.nn.Module, *_: object) -> torch.nn.Module:
        spoilt = load_network(parent.folder).eval()
        with torch.no_grad():
            spoilt.get_parameter("shape.bias")[4] += 100
        return spoilt

    monkeypatch.setattr(module, "tune", spoil)
    good = learnt_network_labels(record, parent)
    found = learnt(record, parent, good)
    assert not found.tuned
    assert found.checked is not None
    n = int(found.checked[0].sum())
    assert (
        found.why
        == f"of {n} held-out beats tiny 0 gets 0 wrong, the tuned model {n}: tiny 0 is kept as it is"
    )
    assert same(found.network, load_network(parent.folder))


def learnt_network_labels(record: Record, parent: Model, wrong: int = 1) -> Annotations:
    """What the parent itself says of the part, but for the first beats."""
    short = replace(record, n_samples=int(UNTIL * record.fs), annotations={})
    labels = classify(short, parent).annotations
    symbol = labels.symbol.copy()
    symbol[:wrong] = "S" if symbol[0] != "S" else "N"
    return Annotations(labels.sample, symbol)


@pytest.mark.parametrize("tuned", [True, False])
def test_a_tuned_network_trains_itself_as_its_parent_does(
    record: Record, self_trained_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tuned: bool
) -> None:
    short = replace(record, n_samples=int(UNTIL * record.fs), annotations={})
    monkeypatch.setattr(module, "_decide", lambda *_: (tuned, "as the test says"))
    labels = record.annotations["atr"]
    labels = labels.select(labels.sample < short.n_samples)
    few = replace(FEW, steps=3)
    found = personalize(short, labels, self_trained_model, out=tmp_path / "own", options=few)
    assert found.tuned == tuned
    assert found.parent.self_training.active
    assert found.model.self_training == found.parent.self_training


def test_every_network_of_an_ensemble_is_tuned(record: Record, ensemble_model: Path) -> None:
    parent = load_network(ensemble_model)
    tuned = learnt(record, load_model(ensemble_model), steps=3).network
    assert isinstance(parent, RelationEnsemble)
    assert isinstance(tuned, RelationEnsemble)
    assert tuned.is_familiar
    for before, after in zip(parent.members, tuned.members, strict=True):
        assert not torch.equal(before.look.weight, after.look.weight)
        assert after.know.any()
    held = learnt(record, load_model(ensemble_model), steps=3, frozen=TEMPORAL).network
    for before, after in zip(parent.members, held.members, strict=True):
        assert torch.equal(before.leave.weight, after.leave.weight)
        assert not torch.equal(before.look.weight, after.look.weight)


def test_labels_are_compared_after_self_training(
    record: Record, self_trained_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent, asked = load_model(self_trained_model), []

    def noted(network: torch.nn.Module, recording: Recording, how: SelfTraining) -> np.ndarray[Any, Any]:
        asked.append(how)
        return labelled_confusion(network, recording, how)

    monkeypatch.setattr(module, "labelled_confusion", noted)
    learnt(record, parent)
    # All labels by the parent, and those held out by parent and tuned network.
    assert asked == 3 * [parent.self_training]
    assert parent.self_training.active


def test_a_parent_that_gets_all_labels_right_is_kept_and_that_is_no_error(
    record: Record, parent: Model
) -> None:
    found = learnt(record, parent, learnt_network_labels(record, parent, wrong=0))
    assert not found.tuned
    assert found.why == f"tiny 0 gets all {sum(found.beats.values())} labelled beats right; kept as it is"


def test_one_class_alone_is_no_error_but_says_what_it_means() -> None:
    notes = module._notes({"N": 365, "S": 0, "V": 0, "F": 0, "Q": 0})
    assert notes == [
        "all labels are N: they can teach which beats are N here; of all others the tuned model may find "
        "fewer"
    ]
    assert module._notes({"N": 90, "S": 30, "V": 40, "F": 0, "Q": 0}) == []
    assert module._notes({"N": 90, "S": 3, "V": 0, "F": 0, "Q": 0}) == [
        "few labels of S (3): expect little of them",
        "no labels of V: the tuned model may find fewer of them",
    ]


def test_leads_that_carry_nothing_are_left_out_as_classify_does(parent: Model) -> None:
    record = simulate(90, 250, ["MLII", "V1", "V5"], seed=4, faults=[("MLII", 0, 90, "flat")])
    labels = (
        record.annotations["atr"] if "atr" in record.annotations else next(iter(record.annotations.values()))
    )
    part = labelled_part(record, labels, parent.preprocessing, 60, None, None)
    assert tuple(part.record.leads[i] for i in part.leads) == classify(record, parent).leads == ("V1", "V5")
    asked = labelled_part(record, labels, parent.preprocessing, 60, None, ["V5"])
    assert tuple(asked.record.leads[i] for i in asked.leads) == ("V5",)


def atr(record: Record) -> Annotations:
    return record.annotations["atr"]


def beyond(record: Record) -> Annotations:
    labels = atr(record)
    return Annotations(labels.sample + 20_000, labels.symbol)


def of_another(record: Record) -> Annotations:
    assert record.path is not None
    return read_record(record.path.with_name("106.hea")).annotations["atr"]


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        (
            beyond,
            {},
            r"^119: 60 of 1987 labels lie outside its 650000 samples \(the first at 650275\): of",
        ),
        (
            of_another,
            {"until": 300},
            r"^119: \d+ of \d+ labels lie nowhere near a beat of this recording",
        ),
        (
            atr,
            {"until": 0.5},
            r"^119: no labelled beat before 0.5 s, the first is at \d\.\d s; give a later",
        ),
        (atr, {"until": 20}, r"^119: \d+ usable labels of \d+ are too few to learn a patient from; "),
        (
            atr,
            {"until": 4000},
            r"^119: labels until 4000 s asked for; it is 1805.6 s long: leave",
        ),
        (atr, {"until": -1}, r"^119: labels until -1 s asked for"),
        (atr, {"leads": ["V9"]}, r"^119: no lead V9"),
        (lambda r: Annotations([5, 9], ["+", "~"]), {}, r"^119: no beat among its 0 annotations"),
    ],
    ids=["beyond", "another", "early", "few", "long", "negative", "lead", "no beats"],
)
def test_labels_that_teach_nothing_are_refused_in_one_line(
    record: Record, parent: Model, tmp_path: Path, labels: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecordError, match=message) as error:
        personalize(record, labels(record), parent, out=tmp_path / "new", **options)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_model_without_weights_and_a_folder_that_exists_are_refused(
    record: Record, parent: Model, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("card.json", "model.onnx"):
        (bare / name).write_bytes((parent.folder / name).read_bytes())
    with pytest.raises(ModelError, match=r"weights\.safetensors is missing"):
        personalize(record, atr(record), bare, out=tmp_path / "new", until=UNTIL)
    with pytest.raises(OutputError, match=r"bare: exists already; choose another --out"):
        personalize(record, atr(record), parent, out=bare, until=UNTIL)
    card = json.loads((bare / "card.json").read_text()) | {"classes": ["N", "V"]}
    (bare / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="this ecgtune labels N S V F Q"):
        personalize(record, atr(record), bare, out=tmp_path / "new", until=UNTIL)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("cut", ["_export", "_check"])
def test_a_call_that_is_interrupted_leaves_nothing(
    record: Record, parent: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export, cut, interrupt)
    if cut == "_check":
        monkeypatch.setattr(export, "_export", lambda _network, _how, path: path.write_bytes(b"half"))
        monkeypatch.setattr(export, "load_model", lambda folder: parent)
    with pytest.raises(KeyboardInterrupt):
        personalize(record, atr(record), parent, out=tmp_path / "new", until=UNTIL, options=FEW)
    assert not list(tmp_path.iterdir())


def test_without_an_end_all_labels_tune_and_nothing_is_left_to_compare(parent: Model) -> None:
    record = simulate(120, 250, seed=2, ectopy={"V": 0.1})
    labels = next(iter(record.annotations.values()))
    part = labelled_part(record, labels, parent.preprocessing, None, None, None)
    assert len(part.rest) == 0
    assert part.end == record.duration
    first_half = labels.select(labels.sample < 40 * 250)
    assert labelled_part(record, first_half, parent.preprocessing, None, None, None).end < 100
