"""Trainings in stacks: what is together, what is kept on disk, what a killed call leaves."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_stacks import build, made_up, member, table, two_batch_sizes

from ecgtune.training import stacks
from ecgtune.training.stacked import Member, Trained, fresh_weights, predict_stack, train_stack
from ecgtune.training.stacks import Trainer, Windows, make_stacks, predict_all, train_all

pytestmark = pytest.mark.usefixtures("one_thread")

HERE = Path(__file__).parent


def train(folder: Path, members=None, windows: Windows | None = None, jobs: int = 1, **options):
    """Train at most two members together; return what was trained and the lines told."""
    lines: list[str] = []
    trained = train_all(
        members or two_batch_sizes(),
        windows or table(),
        folder,
        **{"jobs": jobs, "together": 2, "tell": lines.append, **options},
    )
    return trained, lines


def assert_same(one: dict[str, Trained], other: dict[str, Trained]) -> None:
    assert one.keys() == other.keys()
    for name, trained in one.items():
        assert trained.name == name
        assert trained.history == other[name].history
        assert trained.best == other[name].best
        assert np.array_equal(trained.weights, other[name].weights)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder that an uninterrupted call has filled, and what it returned."""
    folder = tmp_path_factory.mktemp("whole")
    trained, lines = train(folder)
    assert lines == [f"{n} of 4 stacks" for n in (1, 2, 3, 4)]
    return folder, trained


def names(several: list[list[Member]]) -> list[list[str]]:
    return [[one.name for one in stack] for stack in several]


def test_members_of_one_batch_size_and_like_numbers_of_steps_are_together():
    members = [
        member("long", 80, epochs=2),
        member("four", 80, batch=4, epochs=2),
        member("short", 20, epochs=2),
        member("longest", 20, epochs=9),
        member("middle", 40, epochs=2),
    ]
    assert names(make_stacks(members, 2)) == [["four"], ["short", "middle"], ["long", "longest"]]


def test_stacks_do_not_depend_on_the_order_of_members():
    members = two_batch_sizes()
    expected = names(make_stacks(members, 2))
    assert sorted(name for stack in expected for name in stack) == sorted(m.name for m in members)
    draw = np.random.default_rng(0)
    for _ in range(10):
        shuffled = [members[k] for k in draw.permutation(len(members))]
        assert names(make_stacks(shuffled, 2)) == expected


@pytest.mark.parametrize(("batch", "size"), [(4, 24), (5, 19), (8, 12), (16, 12), (32, 12)])
def test_small_batches_make_larger_stacks(batch, size):
    members = [member(str(n), batch=batch) for n in range(50)]
    assert [len(stack) for stack in make_stacks(members)] == [size] * (50 // size) + [50 % size]


def test_nobody_makes_no_stack(tmp_path):
    assert make_stacks([]) == []
    assert train_all([], table(), tmp_path, jobs=2) == {}


def test_each_member_is_what_its_stack_makes_of_it(whole):
    windows, labels = made_up()
    for stack in make_stacks(two_batch_sizes(), 2):
        expected = train_stack(stack, torch.from_numpy(windows[:, np.newaxis]), labels, build)
        for trained in expected:
            mine = whole[1][trained.name]
            assert mine.best == trained.best
            losses = [[e.train_loss, e.loss] for e in mine.history]
            assert losses == [pytest.approx([e.train_loss, e.loss], rel=1e-4) for e in trained.history]
            np.testing.assert_allclose(mine.weights, trained.weights, atol=1e-5)


def test_two_processes_give_what_one_gives(whole, tmp_path):
    trained, lines = train(tmp_path, jobs=2)
    assert_same(trained, whole[1])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in whole[0].iterdir()
    )
    assert lines == [f"{n} of 4 stacks" for n in (1, 2, 3, 4)]


def test_a_trainer_says_what_it_trains_and_keeps_it(whole, tmp_path):
    lines: list[str] = []
    trainer = Trainer(tmp_path, 1, False, lines.append)
    members = two_batch_sizes()
    assert_same(trainer.train("grid", members, table(), together=2), whole[1])
    assert lines == [f"grid: {len(members)} networks", *(f"grid: {n} of 4 stacks" for n in (1, 2, 3, 4))]
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept == {path.name: path.read_bytes() for path in whole[0].iterdir()}
    lines.clear()
    assert_same(trainer.train("again", members, table(), together=2), whole[1])
    assert lines == [f"again: {len(members)} networks"]


def test_a_trainer_multiplies_as_it_is_told(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(stacks, "train_all", lambda *_, **options: asked.append(options) or {})
    for jobs, bfloat16 in ((1, True), (2, False)):
        Trainer(tmp_path, jobs, bfloat16, lambda _: None).train("grid", [], table(), weights=False)
        options = asked.pop()
        assert (options["jobs"], options["bfloat16"], options["weights"]) == (jobs, bfloat16, False)


def twice(windows):
    """A transform: two channels."""
    return np.stack([windows, windows**2], 1)


def test_a_transform_makes_the_inputs(tmp_path):
    windows, labels = made_up()
    two = Windows(windows, labels, {"width": windows.shape[1], "channels": 2}, twice)
    one = member("two channels", epochs=1)
    trained, _ = train(tmp_path, [one], two)
    (expected,) = train_stack([one], torch.from_numpy(twice(windows)), labels, two.build)
    np.testing.assert_allclose(trained[one.name].weights, expected.weights, atol=1e-6)


def test_threads_are_as_before_after_training_in_this_process(tmp_path):
    torch.set_num_threads(2)
    try:
        train(tmp_path, [member("one", 8, epochs=1)])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


def test_predictions_are_of_the_rows_asked_for():
    windows, _ = made_up()
    weights = [fresh_weights(build, seed) for seed in (0, 1)]
    rows = [np.array([5, 200, 17]), np.arange(90)]
    logits = predict_all(weights, rows, table())
    inputs = torch.from_numpy(windows[:, np.newaxis])
    for mine, own, wanted in zip(logits, weights, rows, strict=True):
        (expected,) = predict_stack(own[np.newaxis], [wanted], inputs, build)
        np.testing.assert_allclose(mine, expected, rtol=1e-5, atol=1e-6)


@pytest.fixture
def no_training(monkeypatch):
    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(stacks, "_train", refuse)


@pytest.mark.usefixtures("no_training")
def test_what_is_finished_is_read_again_bit_by_bit(whole):
    trained, lines = train(whole[0])
    assert_same(trained, whole[1])
    assert lines == []


@pytest.mark.usefixtures("no_training")
def test_what_is_finished_by_one_process_is_finished_for_two(whole):
    assert_same(train(whole[0], jobs=2)[0], whole[1])


def data(change) -> Windows:
    windows, labels = made_up()
    change(windows, labels)
    return Windows(windows, labels, {"width": windows.shape[1]})


def set_window(windows, _):
    windows[239, 60] += 1e-6


def set_label(_, labels):
    labels[239] ^= 1


@pytest.mark.parametrize("change", [set_window, set_label])
@pytest.mark.usefixtures("no_training")
def test_other_data_is_not_taken_for_the_same(whole, change):
    train(whole[0], windows=data(lambda *_: None))
    with pytest.raises(AssertionError, match="trained again"):
        train(whole[0], windows=data(change))


@pytest.mark.parametrize(
    "changed",
    [
        {"settings": {"lr": 0.002}},
        {"settings": {"weighted": True}},
        {"settings": {"epochs": 9}},
        {"settings": {"patience": 9}},
        {"settings": {"weight_decay": 0.0}},
        {"settings": {"frozen": 1}},
        {"seed": 9},
        {"start": fresh_weights(build, 9)},
        {"train": np.arange(40)},
        {"validate": np.arange(41, 60)},
        {"name": "another"},
    ],
    ids=lambda changed: " ".join([*changed, *changed.get("settings", {})]),
)
@pytest.mark.usefixtures("no_training")
def test_a_changed_member_is_not_taken_for_the_same(whole, changed):
    first, *rest = two_batch_sizes()
    settings = replace(first.settings, **changed.get("settings", {}))
    with pytest.raises(AssertionError, match="trained again"):
        train(whole[0], [replace(first, **changed | {"settings": settings}), *rest])


@pytest.mark.parametrize(
    "changed", [{"network": {"width": 64}}, {"transform": twice}], ids=lambda changed: next(iter(changed))
)
@pytest.mark.usefixtures("no_training")
def test_another_network_or_transform_is_not_taken_for_the_same(whole, changed):
    with pytest.raises(AssertionError, match="trained again"):
        train(whole[0], windows=replace(table(), **changed))


@pytest.mark.usefixtures("no_training")
def test_bfloat16_is_not_taken_for_float32(whole):
    with pytest.raises(AssertionError, match="trained again"):
        train(whole[0], bfloat16=True)


def test_a_file_without_weights_is_enough_for_figures_and_not_for_weights(whole, tmp_path):
    members = two_batch_sizes()[:2]
    short, _ = train(tmp_path, members, weights=False)
    assert [len(each.weights) for each in short.values()] == [0, 0]
    assert [each.history for each in short.values()] == [whole[1][name].history for name in short]
    again, lines = train(tmp_path, members, weights=False)
    assert lines == []
    assert_same(again, short)
    full, lines = train(tmp_path, members)
    assert lines == ["1 of 1 stacks"]
    assert_same(full, {name: whole[1][name] for name in full})
    assert_same(train(tmp_path, members)[0], full)


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flip_a_bit(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, lambda _: b"", lambda _: b"text"])
def test_a_damaged_file_is_made_again(whole, tmp_path, damage):
    members = two_batch_sizes()[:2]
    expected = {one.name: whole[1][one.name] for one in members}
    train(tmp_path, members)
    (path,) = tmp_path.iterdir()
    sound = path.read_bytes()
    path.write_bytes(damage(sound))
    trained, lines = train(tmp_path, members)
    assert lines == ["1 of 1 stacks"]
    assert_same(trained, expected)
    assert path.read_bytes() == sound


def begin(folder: Path, jobs: int) -> subprocess.Popen[bytes]:
    """Start the same trainings as `whole` in a process group of their own; wait for the first file."""
    command = [sys.executable, str(HERE / "train_stacks.py"), str(folder), str(jobs)]
    program = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not list(folder.glob("*.npz")):
        assert program.poll() is None, "ended before it was killed"
        assert time.monotonic() < until, "no stack finished"
        time.sleep(0.002)
    return program


def wait_for_group(group: int, seconds: float) -> None:
    """Wait until no process of a group is left; end the group where some are."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    os.killpg(group, signal.SIGKILL)
    raise AssertionError("processes wait for work from one that is gone")


@pytest.mark.skipif(os.name != "posix", reason="counts the processes of a group")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_call_that_is_repeated_does_the_rest_and_gives_the_same(whole, tmp_path, jobs):
    program = begin(tmp_path, jobs)
    # This one alone: the processes that it started end by themselves.
    program.kill()
    program.wait()
    wait_for_group(program.pid, 30)
    finished = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.npz")}
    assert 1 <= len(finished) < 4
    trained, lines = train(tmp_path)
    rest = 4 - len(finished)
    assert lines == [f"{n} of {rest} stacks" for n in range(1, rest + 1)]
    assert_same(trained, whole[1])
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
