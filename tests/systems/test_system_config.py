"""Parameters of the systems: their own TOML, and a user's in its place."""

from importlib.resources import files
from pathlib import Path

import pytest

from ecgtune.errors import ModelError
from ecgtune.systems import SYSTEMS
from ecgtune.systems.config import load_config


def own(name: str) -> str:
    return (files("ecgtune.systems") / f"{name.replace('-', '_')}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SYSTEMS)
def test_every_system_has_a_configuration(name: str) -> None:
    assert load_config(name)["title"].startswith(f"{name} (")


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_copy_of_the_systems_own_is_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(own(name), encoding="utf-8")
    assert load_config(name, path) == load_config(name)


def test_a_configuration_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    text = own("patient-transfer")
    assert "order = 3 " in text
    path.write_text(text.replace("order = 3 ", "order = 2 "), encoding="utf-8")
    assert load_config("patient-transfer", path)["windows"]["order"] == 2
    assert load_config("patient-transfer")["windows"]["order"] == 3


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_configuration_lacks_no_key_of_the_systems_own(name: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    keys = list(load_config(name))
    path.write_text(f"{keys[0]} = 1\n", encoding="utf-8")
    with pytest.raises(ModelError) as raised:
        load_config(name, path)
    toml = f"{name.replace('-', '_')}.toml"
    assert str(raised.value) == f"{path}: lacks {keys[1]}; start from a copy of {toml}"


@pytest.mark.parametrize("broken", [b"[windows", b"\xff"])
def test_what_is_no_toml_is_named(tmp_path: Path, broken: bytes) -> None:
    path = tmp_path / "own.toml"
    path.write_bytes(broken)
    with pytest.raises(ModelError, match=r"own\.toml: cannot be read: "):
        load_config("patient-transfer", path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"own\.toml: cannot be read: "):
        load_config("patient-transfer", tmp_path / "own.toml")
