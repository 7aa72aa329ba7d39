"""What the pages on explanations and on trust show works."""

import re
from pathlib import Path

import pytest

from ecgtune.explain import METHODS
from ecgtune.explain.baselines import BASELINES

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "explain.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("one_thread", "data")
def test_the_python_example_explains_real_beats(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(example, "explain.md", "exec"), {})
    first, *shares = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"\(10, 2, \d+\) \(10, \d+\) largest error of a sum: \d\.\d\d", first)
    assert [line.split()[0] for line in shares] == ["P", "QRS", "T", "elsewhere"]
    assert sum(float(line.split()[1]) for line in shares) == pytest.approx(1, abs=0.03)


def test_every_method_and_baseline_has_a_row() -> None:
    rows = re.findall(r"^\| `([a-z][\w-]+)`", PAGE, re.MULTILINE)
    assert sorted(rows) == sorted([*METHODS, *BASELINES])


@pytest.mark.parametrize("name", ["explain", "explain-report", "confidence", "robustness"])
def test_options_of_the_examples_exist(name: str) -> None:
    from typer.main import get_command

    from ecgtune.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    examples = re.findall(
        r"^ +ecgtune (.*)$", (DOCS / f"{name}.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert examples
    for line in examples:
        command, *words = line.partition("#")[0].split()
        known = {option for p in commands[command].params for option in p.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
