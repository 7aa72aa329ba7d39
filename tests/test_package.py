"""What ``import ecgtune`` gives."""

import subprocess
import sys

import pytest

import ecgtune


def run(code: str) -> str:
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@pytest.mark.parametrize("name", [name for name in ecgtune.__all__ if name != "__version__"])
def test_a_public_name_is_a_class_or_a_function_however_it_is_imported(name: str) -> None:
    """Never the module of that name, which importing a submodule would put in its place."""
    assert callable(getattr(ecgtune, name))
    first = f"from ecgtune import {name}; print(callable({name}))"
    assert run(first) == "True"
    assert run(f"import ecgtune.batch, ecgtune.cli; {first}") == "True"


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'scipy', 'torch', 'onnxruntime', 'wfdb', 'typer'}"
    assert run(f"import ecgtune, sys; print({heavy} & set(sys.modules))") == "set()"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ecgtune' has no attribute 'labelize'"):
        _ = ecgtune.labelize  # type: ignore[attr-defined]
