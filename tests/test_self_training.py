"""Limits between classes follow the patient's own beats, as far as they are to be trusted."""

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp, softmax

from ecgtune import self_training
from ecgtune.errors import ModelError
from ecgtune.labels import CLASSES
from ecgtune.self_training import SelfTrainer, SelfTraining, discriminant_of, moved

N, S, V, F, Q = range(len(CLASSES))
HOW = SelfTraining(ventricular=0.4, supraventricular=0.2)
NUMBERS = 12


def patient(counts: dict[int, int], seed: int = 0, apart: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Evidence and classes of beats in random order; each class lies apart in a direction of its own."""
    rng = np.random.default_rng(seed)
    true = rng.permutation(np.repeat(list(counts), list(counts.values())))
    centre = apart * np.eye(len(CLASSES), NUMBERS)
    evidence = np.clip(centre[true] + 0.5 * rng.normal(size=(len(true), NUMBERS)), -2.5, 2.5)
    return evidence.astype(np.float32), true


def network_says(true: np.ndarray, sure: float, unsure: float, share: float, wrong: int) -> np.ndarray:
    """Logits that are right and sure, but for a share of the beats, which lean to another class."""
    rng = np.random.default_rng(1)
    logits = sure * np.eye(len(CLASSES))[true]
    doubtful = rng.random(len(true)) < share
    logits[doubtful] = unsure * np.eye(len(CLASSES))[wrong]
    return logits.astype(np.float32)


def test_doubtful_beats_go_where_the_patient_s_sure_beats_of_their_kind_are() -> None:
    evidence, true = patient({N: 1500, V: 400, S: 100})
    logits = network_says(true, 6, 1.0, 0.1, N)
    before, after = (
        (said.argmax(axis=1) == true).mean()
        for said in (logits, SelfTrainer(SelfTraining(1.0, 1.0)).move(logits, evidence))
    )
    assert before < 0.98
    assert after > 0.995


def test_each_share_moves_its_own_odds_and_no_others() -> None:
    evidence, true = patient({N: 1500, V: 400, S: 100})
    logits = network_says(true, 6, 1.0, 0.1, N)
    said = log_softmax(logits, axis=1)

    def v_odds(of: np.ndarray) -> np.ndarray:
        return of[:, V] - logsumexp(np.delete(of, V, axis=1), axis=1)

    only_v = SelfTrainer(SelfTraining(ventricular=0.4)).move(logits, evidence)
    only_s = SelfTrainer(SelfTraining(supraventricular=0.2)).move(logits, evidence)
    assert np.abs(v_odds(only_v) - v_odds(said)).max() > 1
    np.testing.assert_allclose(only_v[:, S] - only_v[:, N], said[:, S] - said[:, N], atol=1e-4)
    np.testing.assert_allclose(v_odds(only_s), v_odds(said), atol=1e-4)
    assert np.abs((only_s[:, S] - only_s[:, N]) - (said[:, S] - said[:, N])).max() > 0.5
    # What N and S have together, F and Q have beside them, stays.
    both = np.logaddexp(said[:, N], said[:, S])
    np.testing.assert_allclose(np.logaddexp(only_s[:, N], only_s[:, S]), both, atol=1e-4)
    np.testing.assert_allclose(only_s[:, [F, Q]], said[:, [F, Q]], atol=1e-4)


def test_shares_are_those_of_the_way_to_the_discriminant() -> None:
    evidence, true = patient({N: 1500, V: 400, S: 100})
    logits = network_says(true, 6, 1.0, 0.1, N)
    drawn = discriminant_of(evidence, logits, SelfTraining(1.0, 1.0))
    half = discriminant_of(evidence, logits, SelfTraining(0.5, 0.5))
    np.testing.assert_allclose(half.trust, drawn.trust / 2, rtol=1e-6)
    np.testing.assert_array_equal(half.weight, drawn.weight)
    assert 0.7 < drawn.trust[0] < 1
    assert drawn.trust[1] < drawn.trust[0]


def test_the_discriminant_is_fisher_s() -> None:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    evidence, true = patient({N: 3000, S: 600, V: 900, F: 300, Q: 300}, apart=1.0)
    logits = (100 * np.eye(len(CLASSES))[true]).astype(np.float32)
    drawn = discriminant_of(evidence, logits, HOW)
    fisher = LinearDiscriminantAnalysis(solver="lsqr").fit(evidence, true)
    ours = softmax(evidence @ drawn.weight.T + drawn.bias, axis=1)
    # The beats that shrink the covariance are a hundred among five thousand.
    np.testing.assert_allclose(ours, fisher.predict_proba(evidence), atol=0.1)
    assert (ours.argmax(axis=1) == fisher.predict(evidence)).mean() > 0.99


def test_nothing_moves_where_nobody_is_sure() -> None:
    evidence, true = patient({N: 500, V: 100})
    logits = network_says(true, 0.8, 0.5, 0.2, N)
    np.testing.assert_allclose(
        SelfTrainer(HOW).move(logits, evidence), log_softmax(logits, axis=1), atol=1e-5
    )


def test_few_beats_of_a_class_and_short_recordings_move_little() -> None:
    evidence, true = patient({N: 1500, V: 400, S: 100})
    long = discriminant_of(evidence, 100 * np.eye(5, dtype=np.float32)[true], HOW).trust
    evidence, true = patient({N: 1897, V: 3, S: 100})
    rare = discriminant_of(evidence, 100 * np.eye(5, dtype=np.float32)[true], HOW).trust
    evidence, true = patient({N: 40, V: 10, S: 3})
    short = discriminant_of(evidence, 100 * np.eye(5, dtype=np.float32)[true], HOW).trust
    assert rare[0] < 0.2 * long[0]
    assert rare[1] == pytest.approx(long[1], rel=0.05)
    assert (short < 0.15 * long).all()


def test_a_limit_is_trusted_no_more_than_its_rarer_side_is_known() -> None:
    evidence, true = patient({N: 200, V: 1800})
    sure = network_says(true, 6, 1.0, 0.0, N)
    unsure = sure.copy()
    # Of the normal beats the network is right, and sure of none.
    unsure[true == N] = np.log([0.65, 0.05, 0.2, 0.05, 0.05])
    known, unknown = (discriminant_of(evidence, logits, HOW).trust for logits in (sure, unsure))
    assert unknown[0] < 0.5 * known[0]
    said = np.exp(SelfTrainer(HOW).move(unsure, evidence))
    assert (said.argmax(axis=1) == true).all()


@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_handful_of_beats_stays_as_it_is(n: int) -> None:
    rng = np.random.default_rng(0)
    logits, evidence = rng.normal(size=(n, 5)).astype(np.float32), rng.normal(size=(n, 8)).astype(np.float32)
    np.testing.assert_allclose(
        SelfTrainer(HOW).move(logits, evidence), log_softmax(logits, axis=1), atol=1e-6
    )


def test_a_short_last_stretch_is_taught_by_the_beats_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_training, "STRETCH", 1000)
    evidence, true = patient({N: 1500, V: 400, S: 100})
    logits = network_says(true, 6, 1.0, 0.1, N)
    trainer = SelfTrainer(HOW)
    trainer.move(logits[:1000], evidence[:1000])
    second = trainer.discriminant(logits[1000:1200], evidence[1000:1200])
    expected = discriminant_of(evidence[200:1200], logits[200:1200], HOW)
    for found, wanted in zip(second, expected, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_probabilities_are_moved_as_the_logits_behind_the_temperature() -> None:
    evidence, true = patient({N: 1500, V: 400, S: 100})
    logits = network_says(true, 6, 1.0, 0.1, N)
    said = softmax(logits / 0.7, axis=1)
    found = SelfTrainer(HOW).probability(said, evidence, 0.7)
    expected = softmax(SelfTrainer(HOW).move(logits, evidence) / 0.7, axis=1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_probabilities_of_zero_and_one_do_no_harm() -> None:
    evidence, true = patient({N: 300, V: 100})
    found = SelfTrainer(HOW).probability(np.eye(5, dtype=np.float32)[true], evidence, 1.0)
    assert np.isfinite(found).all()
    assert (found.argmax(axis=1) == true).all()


def test_evidence_that_is_the_same_for_all_beats_moves_nothing_much() -> None:
    _, true = patient({N: 600, V: 200})
    logits = network_says(true, 6, 3.0, 0.1, N)
    for constant in (0.0, 2.5):
        same = np.full((len(true), NUMBERS), constant, dtype=np.float32)
        found = moved(logits, same, discriminant_of(same, logits, HOW))
        assert np.isfinite(found).all()
        assert (found.argmax(axis=1) == logits.argmax(axis=1)).all()


@pytest.mark.parametrize("given", [{"ventricular": -0.1}, {"supraventricular": 1.5}, {"ventricular": True}])
def test_shares_are_from_0_to_1(given: dict[str, float]) -> None:
    with pytest.raises(ModelError, match="give a number from 0 to 1"):
        SelfTraining(**given)


def test_cards_say_how_far() -> None:
    assert not SelfTraining.from_card({}).active
    card = {"self_training": {"ventricular": 0.4, "supraventricular": 0.2}}
    assert SelfTraining.from_card(card) == HOW
    for wrong in ([], {"junctional": 0.1}):
        with pytest.raises(ModelError, match="in the model's card; give supraventricular and ventricular"):
            SelfTraining.from_card({"self_training": wrong})
