"""Fixtures for real recordings, and the count of the tests that used them."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from command import Command


@pytest.fixture(autouse=True)
def _small_numbers_are_numbers() -> Iterator[None]:
    """What a training switches off in its process, numbers near zero, the next test has again."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real recordings; skips where `ECGTUNE_DATA` is not set, fails where it is wrong."""
    folder = os.environ.get("ECGTUNE_DATA")
    if not folder:
        pytest.skip("ECGTUNE_DATA is not set: this test needs real recordings")
    path = Path(folder)
    assert (path / "mitdb" / "100.hea").exists(), f"ECGTUNE_DATA={folder} holds no mitdb"
    return path


@pytest.fixture(scope="session")
def mitdb(data: Path) -> Path:
    return data / "mitdb"


@pytest.fixture(scope="session")
def vfdb(data: Path) -> Path:
    """Folder of the MIT-BIH Malignant Ventricular Ectopy Database, or of a part of it."""
    return data / "vfdb"


def never_trained(
    folder: Path,
    *,
    network: str = "beat-sequence",
    louder: float = 1.0,
    card: Mapping[str, object] = {},
    given: Mapping[str, object] = {},
    **preprocessing: int,
) -> Path:
    """Save a model that was never trained: every stage runs, the labels mean nothing.

    ``louder`` multiplies what a beat says by itself, ``card`` and ``given`` are further fields of the card
    and arguments of the network.
    """
    import torch

    from ecgtune.beats import Preprocessing
    from ecgtune.labels import CLASSES
    from ecgtune.training.export import save_model
    from ecgtune.training.networks import build_network

    how = Preprocessing(neighbours=8, near=4, far=16, **preprocessing)
    arguments = {
        "channels": how.channels,
        "width": how.width,
        "rhythm": len(how.rhythm_features),
        "filters": [4],
        "size": 4,
        "hidden": 4,
        "dilations": [1],
        **given,
    }
    torch.manual_seed(0)
    made = build_network(network, **arguments)
    with torch.no_grad():
        for name, weights in made.named_parameters():
            if "shape" in name.split("."):
                weights *= louder
    described = {
        "name": "tiny",
        "version": "0",
        "summary": "never trained",
        "classes": list(CLASSES),
        "architecture": {"network": network, **arguments},
        "preprocessing": how.to_card(),
        "training": {"patients": ["mitdb/208"]},
        **card,
    }
    return save_model(made, described, folder).folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small model (`never_trained`)."""
    return never_trained(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def timed_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small model that knows positions of beats far off and the usual beat."""
    return never_trained(tmp_path_factory.mktemp("models") / "timed", usual=600, usual_beat=True)


@pytest.fixture(scope="session")
def self_trained_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small model, never trained but sure of itself, that trains itself on each recording."""
    return self_trained(tmp_path_factory.mktemp("models") / "self-trained", "relation-sequence")


@pytest.fixture(scope="session")
def ensemble_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the same in two networks."""
    folder = tmp_path_factory.mktemp("models") / "ensemble"
    return self_trained(folder, "relation-ensemble", members=2)


def self_trained(folder: Path, network: str, **given: object) -> Path:
    """Save a model as `self_trained_model`, with more arguments of its network."""
    return never_trained(
        folder,
        network=network,
        louder=40,
        card={"temperature": 0.8, "self_training": {"ventricular": 0.4, "supraventricular": 0.2}},
        given={"before": 40, "alike": True, **given},
        before=40,
        after=80,
        alike=12,
    )


@pytest.fixture(scope="session")
def one_thread() -> Iterator[None]:
    """Torch on one thread: with several, the tiny networks of tests mostly wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def ecgtune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process."""
    return Command(monkeypatch, capsys)


def pytest_configure() -> None:
    """Listen to Ctrl-C, which a program that is started in the background ignores, and all that it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed and "data" in getattr(report, "fixtures", ()):
        _ran.append(report.nodeid)


_ran: list[str] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    outcome = yield
    outcome.get_result().fixtures = tuple(getattr(item, "fixturenames", ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"real-data tests passed: {len(_ran)}")
