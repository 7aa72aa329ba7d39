"""The command line inside the test's process, through the same door as the installed program."""

import signal
import sys
from dataclasses import dataclass

import pytest

from ecgtune import cli


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Parameters
    ----------
    status
        Exit status.
    out, err
        What it printed.
    """

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of stderr."""
        return self.err.splitlines()


class Command:
    """Runs ``ecgtune`` with some arguments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def __call__(self, *arguments: object) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["ecgtune", *map(str, arguments)])
        self._capsys.readouterr()
        ctrl_c = signal.getsignal(signal.SIGINT)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        signal.signal(signal.SIGINT, ctrl_c)
        out, err = self._capsys.readouterr()
        return Ended(ended.value.code or 0, out, err)
