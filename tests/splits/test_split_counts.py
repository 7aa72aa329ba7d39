"""De Chazal's counts, and what the protocols make of the real mitdb."""

import numpy as np
import pytest

from ecgtune.databases import DS1, DS2
from ecgtune.splits import make_split


def test_ds1_and_ds2_of_de_chazal(real) -> None:
    split = make_split(real, "inter-patient-published", validation=0)
    assert split.counts(split.train).tolist() == [45_866, 944, 3_788, 415, 8]
    assert split.counts(split.test).tolist() == [44_259, 1_837, 3_221, 388, 7]
    assert {record for _, record in split.records("train")} == set(DS1)
    assert {record for _, record in split.records("test")} == set(DS2)


def test_inter_patient_leaves_201_out(real) -> None:
    split = make_split(real, "inter-patient", validation=0)
    assert split.counts(split.train).tolist() == [44_231, 816, 3_590, 413, 8]
    assert split.counts(split.test).tolist() == [44_259, 1_837, 3_221, 388, 7]


@pytest.mark.parametrize("seed", range(5))
def test_validation_holds_its_share_of_the_classes(real, seed: int) -> None:
    split = make_split(real, "inter-patient", seed=seed)
    shares = split.counts(split.validate) / (split.counts(split.train) + split.counts(split.validate))
    assert len(split.patients("validate")) == 4
    assert len(split.patients("train")) == 17
    assert np.all((shares[:3] > 0.08) & (shares[:3] < 0.35)), shares
    # Nearly all fusion beats are of record 208; they stay in training.
    assert "mitdb/208" in split.patients("train")


def test_patient_adapted_24_has_24_records(real) -> None:
    split = make_split(real, "patient-adapted-24", window=(0.5, 0.5))
    assert len(split.records("train")) + len(split.records("validate")) == 20
    assert len(split.records("test")) == len(split.records("tune")) == 24
    assert real.sample[split.test].min() >= 300 * 360
    assert real.sample[split.tune].max() < 240 * 360


def test_beat_split_shares(real) -> None:
    split = make_split(real, "beat-split")
    assert len(split.test) / len(real) == pytest.approx(0.2, abs=1e-4)
    assert len(split.validate) / len(real) == pytest.approx(0.16, abs=1e-4)
    assert len(split.train) + len(split.validate) + len(split.test) == len(real) == 109_494
    everyone = split.counts(np.arange(len(real)))
    assert split.counts(split.test) / everyone == pytest.approx([0.2] * 5, abs=1e-3)


def test_the_hash_is_the_same_on_every_machine(real) -> None:
    assert make_split(real, "inter-patient", validation=0).hash[:16] == "3726afadc4722bd8"
    assert make_split(real, "beat-split").hash[:16] == "f8ed2b7a220158f8"
