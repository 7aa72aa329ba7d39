import json
from pathlib import Path

import pytest

import ecgtune.training
from ecgtune.beats import Preprocessing
from ecgtune.errors import ModelError
from ecgtune.training.config import DataOptions, TrainingOptions, load_config, make_config, quick_config
from ecgtune.training.networks import build_network
from ecgtune.training.sequences import Augmentation

SHIPPED = sorted(path.stem for path in Path(ecgtune.training.__file__).parent.glob("*.toml"))

MINIMAL = """
name = "mine"
version = "1"
summary = "mine"
[network]
network = "beat-sequence"
"""

RELATED = MINIMAL.replace("beat-sequence", "relation-sequence")


@pytest.mark.parametrize("name", SHIPPED)
def test_every_configuration_that_ships_is_called_by_its_name_and_builds_its_network(name):
    config = load_config(name)
    assert config.name == name
    arguments = config.architecture
    network = build_network(arguments.pop("network"), **arguments)
    assert all(arguments[name] is not None for name in network.given)


def test_what_follows_from_the_preprocessing_is_filled_in(tmp_path):
    (tmp_path / "mine.toml").write_text(RELATED + "[preprocessing]\nbefore = 60\nafter = 90\nalike = 16")
    known = load_config(tmp_path / "mine.toml").architecture
    assert known == {
        "network": "relation-sequence",
        **{"channels": 6, "width": 150, "rhythm": 11, "before": 60, "alike": True},
    }


def test_a_number_of_stretches_is_not_negative():
    with pytest.raises(ModelError, match="short is -1; give a number of stretches"):
        DataOptions(short=-1)


def test_what_a_file_does_not_say_is_the_default_of_the_classes(tmp_path):
    (tmp_path / "mine.toml").write_text(MINIMAL)
    config = load_config(tmp_path / "mine.toml")
    assert config.preprocessing == Preprocessing()
    assert config.augmentation == Augmentation()
    assert config.training == TrainingOptions()


def test_a_configuration_comes_back_equal_from_json():
    config = load_config("default")
    content = json.loads(json.dumps(config.to_dict()))
    assert make_config(content, "config.json") == config


def test_quick_changes_the_number_of_epochs_alone():
    config, quick = load_config("default"), quick_config(load_config("default"))
    assert quick.training.epochs == 2
    assert 1 <= quick.training.refit_epochs <= 2
    assert {**quick.to_dict(), "training": 0} == {**config.to_dict(), "training": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is no TOML"),
        (MINIMAL.replace('version = "1"', ""), "version is missing"),
        (MINIMAL + "[trainig]\nepochs = 2", "knows no trainig"),
        (MINIMAL + "[training]\nepoch = 2\nbatches = 3", r"\[training\] knows no batches, epoch"),
        (
            MINIMAL + "[data]\nfaults = ['inverted']",
            r"\[data\] faults: inverted unknown; known: burst, motion",
        ),
        (MINIMAL + "[data]\nepisodes = [['flutter']]", r"\[data\] episodes: flutter unknown; known: tach"),
        (MINIMAL + "[data]\nepisodes = ['slower']", r"\[data\] episodes: give a list of kinds for each copy"),
        (MINIMAL + "[augmentation]\nflip = 1", r"\[augmentation\] knows no flip"),
        (MINIMAL + '[training]\nepochs = "many"', r"\[training\] epochs is 'many'; give a value like 20"),
        (MINIMAL + "[training]\nepochs = 2.5", r"\[training\] epochs is 2.5"),
        (MINIMAL + "[training]\nrefit = 1", r"\[training\] refit is 1; give a value like True"),
        (MINIMAL + "[training]\nlr = true", r"\[training\] lr is True"),
        (MINIMAL + "[training]\ntemperature = -0.5", r"\[training\] temperature is -0.5; give 0 or more"),
        (MINIMAL + "[preprocessing]\nband = 40", r"\[preprocessing\] band is 40; give a value like"),
        (MINIMAL + "[preprocessing]\nrate = 250", "250 Hz asked for; this ecgtune works at 128 Hz"),
        (MINIMAL + "[self_training]\nventricular = 2.0", r"\[self_training\] ventricular is 2.0; give a num"),
        (MINIMAL + "[self_training]\njunctional = 0.1", r"\[self_training\] knows no junctional"),
        (
            MINIMAL + "[self_training]\nventricular = 0.4",
            r"\[self_training\] needs what a network knows of each beat, and beat-sequence does not tell",
        ),
        (MINIMAL + "width = 60", r"\[network\] width follows from \[preprocessing\]; leave it out"),
        (RELATED + "before = 60\nalike = true", r"\[network\] alike, before follows from"),
        ("training = 3\n" + MINIMAL, r"training is 3; write it as a table, \[training\]"),
        (MINIMAL.replace("beat-sequence", "transformer"), r"\[network\] needs network = one of: beat-seq"),
        (MINIMAL.split("[network]")[0] + 'network = "beat-sequence"', r"\[network\] needs network"),
    ],
)
def test_a_configuration_that_cannot_be_meant_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ModelError, match=message) as caught:
        load_config(path)
    assert "\n" not in str(caught.value)


def test_whole_numbers_are_fine_where_fractions_are(tmp_path):
    (tmp_path / "mine.toml").write_text(MINIMAL + "[training]\nlr = 1\n[augmentation]\nswap = 0")
    assert load_config(tmp_path / "mine.toml").training.lr == 1


def test_a_name_that_is_nowhere_is_told_what_ships():
    with pytest.raises(ModelError, match=r"nowhere: no such configuration; known: .*default.*or a TOML file"):
        load_config("nowhere")
