"""From mitdb to infarction: sets, folds, what is kept of the network, figures, and spoilt copies of PTB."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import wfdb
from sklearn.metrics import roc_auc_score

from ecgtune.beats import Beats
from ecgtune.beats.kachuee import kachuee_beats
from ecgtune.databases import CATALOGUE
from ecgtune.errors import DataError
from ecgtune.evaluation.results import Data
from ecgtune.signals.simulate import simulate
from ecgtune.systems import two_fold_focal_transfer
from ecgtune.systems.config import load_config
from ecgtune.systems.two_fold_focal_infarction import InfarctionSet, at_hand, load_set
from ecgtune.systems.two_fold_focal_transfer import WAYS, Transferred, any_begun, figures, transfer
from ecgtune.training.networks.windows import build_window_network
from ecgtune.training.outcomes import WEIGHTS, Outcome, load_weights
from ecgtune.training.trials import Method, Trial, WindowTable, run_trials
from ecgtune.training.window_options import make_options

PATIENTS = {
    "patient001": ("Myocardial infarction", ["s0001lre", "s0002lre"]),
    "patient002": ("myocardial infarction", ["s0003lre"]),
    "patient003": ("Healthy control", ["s0004_re"]),
    "patient004": ("Healthy control", ["s0005_re"]),
    "patient005": ("Cardiomyopathy", ["s0006_re"]),
}


@pytest.fixture
def how() -> dict[str, Any]:
    """Section ``transfer``."""
    return load_config("two-fold-focal")["transfer"]


@pytest.fixture
def ptbdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PTB database of six simulated records, complete as far as the catalogue knows."""
    root = tmp_path / "data" / "ptbdb"
    seed = 0
    for patient, (reason, records) in PATIENTS.items():
        folder = root / patient
        folder.mkdir(parents=True)
        for record in records:
            seed += 1
            signal = simulate(12.0, 1000.0, ("I", "II"), seed=seed).signal.astype(np.float64)
            wfdb.wrsamp(
                record,
                fs=1000,
                units=["mV", "mV"],
                sig_name=["i", "ii"],
                p_signal=signal,
                fmt=["16", "16"],
                comments=["age: 60", f"Reason for admission: {reason}"],
                write_dir=str(folder),
            )
            (folder / f"{record}.xyz").touch()
    monkeypatch.setitem(CATALOGUE, "ptbdb", replace(CATALOGUE["ptbdb"], n_records=seed))
    monkeypatch.setenv("ECGTUNE_DATA", str(tmp_path / "data"))
    return root


def made_up(subjects: int = 6, each: int = 5) -> InfarctionSet:
    """Noise; every other subject has an infarction, and a larger mean."""
    random = np.random.default_rng(0)
    n = subjects * each
    number = np.repeat(np.arange(subjects), each)
    names = np.array([f"made-up/{i}" for i in range(subjects)])[number]
    label = (number % 2).astype(np.int8)
    windows = (random.random((n, 1, 187)) * 0.5 + 0.5 * label[:, np.newaxis, np.newaxis]).astype(np.float32)
    sample = np.arange(n, dtype=np.int64)
    beats = Beats(np.full(n, "made-up"), names, names, sample, np.full(n, 125.0), label, sample, windows)
    return InfarctionSet("ptb-10-subjects", beats, Data(subjects, "", True), "made up")


@pytest.fixture
def start(tmp_path: Path, one_thread: None) -> tuple[Method, Path]:
    """A network of five classes as a trial leaves it."""
    torch.manual_seed(0)
    method = Method("two-fold-focal", "two-fold-focal", {"pairs": 3})
    network = build_window_network(method.model, channels=1, width=187, classes=5, pairs=3)
    folder = tmp_path / "work" / "two-fold-focal-beat-split-seed-0-0123456789"
    folder.mkdir(parents=True)
    torch.save(network.state_dict(), folder / WEIGHTS)
    return method, folder


def short(folds: int = 3) -> dict[str, Any]:
    config = load_config("two-fold-focal")
    config["transfer"] |= {"folds": folds}
    config["transfer"]["sets"]["ptb-10-subjects"]["options"] = {"batch": 8, "epochs": 1}
    return config


def test_the_ten_subjects(data: Path, how: dict[str, Any]) -> None:
    found = load_set("ptb-10-subjects", how)
    assert at_hand("ptb-10-subjects")
    assert list(found.subjects.values()) == [False] * 5 + [True] * 5
    assert found.beats.windows.shape == (len(found.beats), 1, 187)
    assert (found.data.records, found.data.partial) == (10, True)
    # Lead II of the third subject, which is healthy and beats nine times before the last.
    own = found.beats.of("ptb-10-subjects", "subject-3")
    signal = np.load(data / "ptbdb" / "ptb_10_subjects.npz")["signal"][2, :, 1]
    cut, _ = kachuee_beats(signal, 1000.0, np.append(found.beats.sample[own], 8057))
    assert len(own) == 9
    assert found.beats.windows[own, 0] == pytest.approx(cut[:-1], abs=1e-6)


def test_segments_begin_at_r_peaks(data: Path, how: dict[str, Any]) -> None:
    beats = load_set("ptb-10-subjects", how).beats
    largest = beats.windows[:, 0, :12].argmax(1)
    # Of 96 ms the largest sample is at most 24 ms away, but where the complex is mostly negative.
    assert np.mean(largest <= 3) > 0.85


@pytest.mark.parametrize(("name", "subjects"), [("ptbxl-sample", 74), ("ptbxl-sample-healthy", 44)])
def test_the_sample_of_ptbxl(data: Path, how: dict[str, Any], name: str, subjects: int) -> None:
    found = load_set(name, how)
    assert (len(found.subjects), sum(found.subjects.values())) == (subjects, 15)
    assert 0 <= found.beats.windows.min() <= found.beats.windows.max() == 1


def test_a_whole_ptb_database(ptbdb: Path, how: dict[str, Any]) -> None:
    how["sets"]["ptbdb"]["beats_per_record"] = 5
    found = load_set("ptbdb", how)
    assert at_hand("ptbdb")
    assert found.subjects == {
        "ptbdb/patient001": True,
        "ptbdb/patient002": True,
        "ptbdb/patient003": False,
        "ptbdb/patient004": False,
    }
    assert [len(found.beats.of("ptbdb", record)) for record in ("s0001lre", "s0004_re")] == [5, 5]
    assert set(found.beats.record[found.beats.patient == "ptbdb/patient001"]) == {"s0001lre", "s0002lre"}
    assert (found.data.records, found.data.partial) == (5, False)
    assert found.note.startswith("5 of 6 records")


def test_the_real_records_of_ptb(data: Path, ptbdb: Path, how: dict[str, Any]) -> None:
    """Both are of one patient, in a copy whose healthy patients are simulated."""
    folder = ptbdb / "patient001"
    for record in ("s0001lre", "s0002lre"):
        for file in folder.glob(f"{record}.*"):
            file.unlink()
    for file in (data / "ptbdb").glob("s0*"):
        (folder / file.name).symlink_to(file)
    found = load_set("ptbdb", how)
    own = found.beats.patient == "ptbdb/patient001"
    assert set(found.beats.record[own]) == {"s0010_re", "s0014lre"}
    # 38 and 115 seconds: all beats of the first but the last, 40 of the second, over all of its time.
    late = found.beats.sample[found.beats.of("ptbdb", "s0014lre")]
    assert len(late) == 40
    assert late[-1] > 100_000
    assert 30 < len(found.beats.of("ptbdb", "s0010_re")) <= 40


def broken_header(root: Path) -> None:
    path = root / "patient003" / "s0004_re.hea"
    path.write_text(path.read_text().replace(" 2 1000 ", " two 1000 ", 1))


def cut_signal(root: Path) -> None:
    path = root / "patient003" / "s0004_re.dat"
    path.write_bytes(path.read_bytes()[:1000])


def no_lead(root: Path) -> None:
    path = root / "patient003" / "s0004_re.hea"
    path.write_text(path.read_text().replace(" ii\n", " v1\n"))


def no_signal(root: Path) -> None:
    (root / "patient003" / "s0004_re.dat").unlink()


def no_diagnosis(root: Path) -> None:
    path = root / "patient003" / "s0004_re.hea"
    path.write_text(path.read_text().replace("Reason for admission", "Admitted for"))


@pytest.mark.parametrize("spoil", [broken_header, cut_signal, no_lead, no_signal, no_diagnosis])
def test_a_spoilt_copy_names_the_record_and_the_remedy(
    ptbdb: Path, how: dict[str, Any], spoil: Callable[[Path], None]
) -> None:
    spoil(ptbdb)
    with pytest.raises(DataError) as raised:
        load_set("ptbdb", how)
    text = str(raised.value)
    assert text.startswith("ptbdb s0004_re")
    assert text.endswith("; run `ecgtune data get ptbdb`")
    assert "\n" not in text


def say(root: Path, reason: str) -> None:
    for path in root.rglob("*.hea"):
        lines = path.read_text().splitlines()
        path.write_text("\n".join([*lines[:-1], f"# Reason for admission: {reason}", ""]))


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("n/a", "no record of .* has Healthy control or Myocardial infarction as reason for admission; run"),
        ("Healthy control", "0 of 5 subjects have an infarction; both kinds are needed"),
    ],
)
def test_a_copy_without_both_kinds(ptbdb: Path, how: dict[str, Any], reason: str, says: str) -> None:
    say(ptbdb, reason)
    with pytest.raises(DataError, match=says):
        load_set("ptbdb", how)


def test_samples_that_are_not_there_or_damaged(
    tmp_path: Path, how: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECGTUNE_DATA", str(tmp_path))
    assert not at_hand("ptbxl-sample")
    with pytest.raises(
        DataError, match=r"ptbxl-sample: no ptbxl-sample/ptbxl_74.npz in .*; set ECGTUNE_DATA"
    ):
        load_set("ptbxl-sample", how)
    path = tmp_path / "ptbdb" / "ptb_10_subjects.npz"
    path.parent.mkdir()
    np.savez(path, signal=np.zeros((1, 9, 1)))
    with pytest.raises(
        DataError, match=r"ptb_10_subjects.npz: cannot be read .*label.*it should hold signal, label"
    ):
        load_set("ptb-10-subjects", how)
    monkeypatch.delenv("ECGTUNE_DATA")
    assert not at_hand("ptbxl-sample")


@pytest.mark.parametrize("way", WAYS)
def test_what_a_network_keeps_of_mitdb(start: tuple[Method, Path], way: str) -> None:
    """Convolutions and the first dense layer begin as on mitdb, the output layer anew; frozen ones stay."""
    method, folder = start
    started, frozen = WAYS[way]
    data = made_up()
    rows = np.arange(len(data.beats))
    options = make_options({"epochs": 1, "batch": 8, "keep": "last", "lr": 0.01})
    trial = Trial(
        replace(method, options=options),
        *("test", 0, rows, rows[:0], rows),
        folder if started else None,
        frozen,
    )
    table = WindowTable(data.beats.windows, data.beats.label.astype(np.int64), ("healthy", "infarction"))
    (outcome,) = run_trials([trial], table, folder.parent, jobs=1)
    before, after = load_weights(folder), load_weights(outcome.folder)
    assert after["head.4.weight"].shape == (2, 64)
    near = {name: float((after[name] - before[name]).abs().mean()) for name in after if "head.4" not in name}
    convolutions = [value for name, value in near.items() if name.startswith("features")]
    if way == "frozen":
        assert max(convolutions) == 0
    else:
        assert min(convolutions) > 0
    # A few steps of Adam from the start; far from it where the start was another.
    assert (near["head.1.weight"] < 0.03) == started
    assert near["head.1.weight"] > 0
    assert outcome.probability is not None
    assert outcome.probability.shape == (len(rows), 2)


@pytest.mark.parametrize("protocol", ["grouped-k-fold", "k-fold"])
def test_folds_test_every_beat_once_and_share_no_subject(
    start: tuple[Method, Path], monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    data, asked = made_up(), []

    def watched(trials: list[Trial], *_: Any, **__: Any) -> list[Outcome]:
        asked.extend(trials)
        return [
            Outcome(t.test, np.tile(np.float32([0.2, 0.8]), (len(t.test), 1)), (), 1, 1, 0.0, "", t_folder)
            for t, t_folder in ((trial, start[1]) for trial in trials)
        ]

    monkeypatch.setattr(two_fold_focal_transfer, "run_trials", watched)
    found = transfer(short(), data, protocol, [0, 1], *start, start[1].parent, jobs=1)
    assert found is not None
    assert len(asked) == len(WAYS) * 2 * 3
    for way in WAYS:
        for seed in (0, 1):
            own = [t for t in asked if t.method.name == f"infarction {way}" and t.seed == seed]
            assert sorted(np.concatenate([t.test for t in own]).tolist()) == list(range(len(data.beats)))
            for trial in own:
                sides = [set(data.beats.patient[rows]) for rows in (trial.train, trial.test)]
                assert bool(sides[0] & sides[1]) == (protocol == "k-fold")
                assert (trial.start == start[1], trial.frozen) == WAYS[way]
    # The three ways are compared on the same folds.
    tests = {way: [t.test.tolist() for t in asked if t.method.name.endswith(way)] for way in WAYS}
    assert tests["frozen"] == tests["fine-tuned"] == tests["scratch"]
    assert found.probability["frozen"] == pytest.approx(np.full((2, len(data.beats)), 0.8))


def test_what_is_finished_is_read_and_nothing_else_is(
    start: tuple[Method, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    method, folder = start
    given = (short(2), made_up(4), "grouped-k-fold", [0], method, folder, folder.parent)
    assert transfer(*given, jobs=1, train=False) is None
    assert not any_begun(folder.parent, "ptb-10-subjects", [0, 1])
    first = transfer(*given, jobs=1)
    assert first is not None
    assert any_begun(folder.parent, "ptb-10-subjects", [0, 1])
    assert not any_begun(folder.parent, "ptb-10-subjects", [1])
    # Their weights are not kept.
    assert len(list(folder.parent.glob(f"infarction-*/{WEIGHTS}"))) == 0
    monkeypatch.setattr("ecgtune.training.trials.fit_windows", None)
    again = transfer(*given, jobs=1, train=False)
    assert again is not None
    for way in WAYS:
        assert np.array_equal(again.probability[way], first.probability[way])
    assert again.hash == first.hash


def judged(*seeds: list[float], protocol: str = "grouped-k-fold") -> Transferred:
    """Two beats of each of four subjects; the second and the fourth have an infarction."""
    data = made_up(4, 2)
    right = np.where(data.beats.label == 1, 0.9, 0.1)[np.newaxis]
    probability = {"frozen": np.array(seeds), "fine-tuned": right, "scratch": np.array(seeds)}
    return Transferred(data, protocol, (0,), probability, (), "")


def test_subjects_are_called_by_the_mean_of_their_beats() -> None:
    # Three of eight beats are wrong; subject 1 is saved by its other beat, subject 2 is not.
    found = judged([0.1, 0.2, 0.4, 0.9, 0.8, 0.6, 0.9, 0.9])
    assert found.scores("frozen") == pytest.approx(np.array([[0.15, 0.65, 0.7, 0.9]]))
    made = figures(found, "frozen")
    assert made["beats: accuracy"].value == pytest.approx(5 / 8)
    assert made["beats: balanced accuracy"].value == pytest.approx((2 / 4 + 3 / 4) / 2)
    assert made["beats: precision"].value == pytest.approx((2 / 3 + 3 / 5) / 2)
    assert made["subjects: accuracy"].value == pytest.approx(3 / 4)
    area = roc_auc_score([0, 1, 0, 1], [0.15, 0.65, 0.7, 0.9])
    assert made["subjects: AUROC"].value == pytest.approx(area)
    assert {each.n_records for each in made.values()} == {4}


def test_several_seeds_count_alike() -> None:
    one, other = [0.1] * 2 + [0.9] * 2 + [0.1] * 2 + [0.9] * 2, [0.9] * 8
    made = figures(judged(one, other), "frozen")
    assert made["beats: accuracy"].value == pytest.approx((1 + 0.5) / 2)
    assert made["subjects: AUROC"].value == pytest.approx((1 + 0.5) / 2)


def test_differences_are_paired() -> None:
    found = judged([0.1, 0.2, 0.4, 0.9, 0.8, 0.6, 0.9, 0.9])
    better = figures(found, "fine-tuned", "scratch")
    assert better["beats: accuracy"].value == pytest.approx(1 - 5 / 8)
    assert better["subjects: AUROC"].value == pytest.approx(1 - 3 / 4)
    assert all((e.value, e.low, e.high) == (0, 0, 0) for e in figures(found, "frozen", "scratch").values())


def test_a_division_by_beats_says_nothing_of_subjects() -> None:
    found = judged([0.9] * 8, protocol="k-fold")
    assert list(figures(found, "frozen")) == [
        "beats: accuracy",
        "beats: precision",
        "beats: balanced accuracy",
    ]
