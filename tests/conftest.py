"""Fixtures for real recordings, and the count of the tests that used them."""

import os
from pathlib import Path

import pytest


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
