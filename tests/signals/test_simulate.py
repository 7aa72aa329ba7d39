import pickle

import numpy as np
import pytest
import sleepecg
from numpy.typing import NDArray
from scipy.signal import welch

from ecgtune.record import Annotations, Record
from ecgtune.signals.simulate import SimulatedSource, simulate
from ecgtune.signals.simulate_beats import LEADS, STANDARD_LEADS

MIX = {"S": 0.05, "V": 0.08, "F": 0.03, "paced": 0.1}


def beats(record: Record) -> Annotations:
    return record.annotations["truth"]


def inner(record: Record, symbol: str, margin: float = 0.6) -> NDArray[np.int64]:
    """Beats of one symbol that are not at the record's ends."""
    truth = beats(record)
    edge = int(margin * record.fs)
    return truth.sample[
        (truth.symbol == symbol) & (truth.sample > edge) & (truth.sample < record.n_samples - edge)
    ]


def excerpts(record: Record, samples: NDArray[np.int64], before: float, after: float) -> NDArray[np.float32]:
    a, b = round(before * record.fs), round(after * record.fs)
    return np.stack([record.read(int(s) - a, int(s) + b + 1) for s in samples])


def test_same_seed_same_record() -> None:
    one, two, other = (simulate(60, seed=seed, noise={"muscle": 20}) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.signal, two.signal)
    np.testing.assert_array_equal(beats(one).sample, beats(two).sample)
    assert not np.array_equal(one.signal, other.signal)


def test_shape_units_and_names() -> None:
    record = simulate(10, fs=250, leads=("ii", "V5"), seed=2)
    assert record.leads == ("II", "V5")
    assert (record.fs, record.n_samples, record.signal.shape) == (250.0, 2500, (2500, 2))
    assert record.signal.dtype == np.float32
    assert record.patient == record.name == "simulated-2"
    assert 0.5 < np.abs(record.signal).max() < 4


def test_no_samples() -> None:
    record = simulate(0)
    assert record.signal.shape == (0, 2)
    assert len(beats(record)) == 0


@pytest.mark.parametrize(
    "noise", [None, {"muscle": 20, "wander": 10, "motion": 12, "mains50": 20, "white": 30}]
)
def test_pieces_are_bit_identical_however_read(noise: dict[str, float] | None) -> None:
    faults = [("MLII", 20, 200, "burst"), ("V1", 50, 170, "pop"), (0, 95, 96, "gain")]
    arguments = {"seed": 5, "ectopy": MIX, "noise": noise, "faults": faults}
    whole = simulate(240, **arguments).signal  # type: ignore[arg-type]
    record = simulate(240, **arguments)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    for start in rng.integers(0, record.n_samples, 40):
        stop = min(int(start) + int(rng.integers(1, 60_000)), record.n_samples)
        np.testing.assert_array_equal(record.read(int(start), stop), whole[start:stop])
    one_by_one = np.concatenate([record.read(i, i + 1) for i in range(32_740, 32_800)])
    np.testing.assert_array_equal(one_by_one, whole[32_740:32_800])


def test_no_seam_between_blocks() -> None:
    record = simulate(200, noise={"muscle": 25, "wander": 10}, ectopy={}, seed=1)
    assert isinstance(simulate(1).source, SimulatedSource)
    steps = np.abs(np.diff(record.signal, axis=0))
    assert (steps[32_760:32_775] < steps.max(axis=0) / 2).all()


def test_source_can_be_pickled() -> None:
    record = simulate(20, seed=1)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(record.source)).read(0, 7200), record.signal)


@pytest.mark.parametrize("seed", range(3))
def test_fractions_of_beats(seed: int) -> None:
    symbol = beats(simulate(3 * 3600, seed=seed, ectopy=MIX)).symbol
    for wanted, got in zip(MIX.values(), "AVF/", strict=True):
        assert np.mean(symbol == got) == pytest.approx(wanted, rel=0.12)
    assert set(symbol) == set("NAVF/")


def test_usual_ectopy_and_none() -> None:
    assert set(beats(simulate(1800)).symbol) == set("NAVF")
    assert set(beats(simulate(1800, ectopy={})).symbol) == {"N"}
    assert set(beats(simulate(600, ectopy={"paced": 1.0})).symbol) == {"/"}
    assert set(beats(simulate(600, ectopy={"V": 1.0})).symbol) == {"V"}


def test_heart_rate_is_met() -> None:
    for rate in (45, 70, 130):
        rr = np.diff(beats(simulate(600, heart_rate=rate, ectopy={})).sample) / 360
        assert 60 / rr.mean() == pytest.approx(rate, rel=0.01)
        assert rr.std() == pytest.approx(60 * 2 / rate**2, rel=0.25)


def test_rr_spectrum_has_mayer_and_breathing_peaks() -> None:
    sample = beats(simulate(3600, fs=1000, ectopy={}, heart_rate=75)).sample / 1000
    even = np.interp(np.arange(5, 3590, 0.25), sample[1:], np.diff(sample))
    frequency, power = welch(even - even.mean(), 4, nperseg=1024)

    def mean_power(low: float, high: float) -> float:
        return float(power[(frequency >= low) & (frequency <= high)].mean())

    between = mean_power(0.15, 0.20)
    assert mean_power(0.09, 0.11) > 10 * between
    assert mean_power(0.24, 0.26) > 10 * between
    assert mean_power(0.24, 0.26) > mean_power(0.09, 0.11)


def test_premature_beats_and_their_pauses() -> None:
    truth = beats(simulate(3600, seed=2, ectopy={"S": 0.03, "V": 0.03}, heart_rate_std=0.5))
    rr = np.diff(truth.sample) / 360
    usual = np.median(rr)
    text = "".join(truth.symbol)
    alone = {
        kind: [i for i in range(2, len(text) - 3) if text[i - 2 : i + 3] == f"NN{kind}NN"] for kind in "AV"
    }
    for kind in "AV":
        assert len(alone[kind]) > 30
    coupling = {kind: rr[np.array(at) - 1] / usual for kind, at in alone.items()}
    both = {kind: (rr[np.array(at) - 1] + rr[np.array(at)]) / usual for kind, at in alone.items()}
    assert (coupling["A"] > 0.57).all()
    assert (coupling["A"] < 0.88).all()
    assert (coupling["V"] < 0.83).all()
    np.testing.assert_allclose(both["V"], 2, atol=0.06)
    assert (both["A"] < 1.98).all()


def test_couplets_runs_and_bigeminy_occur() -> None:
    text = "".join(beats(simulate(4 * 3600, seed=1)).symbol)
    for episode in ("NVVN", "VVV", "NVNVNVN", "NAAN", "AAA"):
        assert episode in text


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("symbol", ["N", "A", "V", "F", "/"])
def test_annotation_sits_on_the_extremum_of_the_qrs(seed: int, symbol: str) -> None:
    record = simulate(900, seed=seed, ectopy=MIX, leads=("MLII", "X", "Y", "Z"))
    qrs = excerpts(record, inner(record, symbol), 0.06, 0.06)
    middle = qrs.shape[1] // 2
    in_space = np.linalg.norm(qrs[..., 1:], axis=2).argmax(axis=1) - middle
    assert np.abs(in_space).max() <= 0.010 * 360
    if symbol != "F":
        in_lead = np.abs(qrs[..., 0]).argmax(axis=1) - middle
        assert np.mean(np.abs(in_lead) <= 0.010 * 360) > 0.98


def width_at_half(qrs: NDArray[np.float32], fs: float) -> NDArray[np.float64]:
    """Seconds for which the heart's vector is above half of its maximum."""
    size = np.linalg.norm(qrs, axis=2)
    return (size > size.max(axis=1, keepdims=True) / 2).sum(axis=1) / fs


@pytest.mark.parametrize("seed", range(4))
def test_ventricular_and_paced_beats_are_wide(seed: int) -> None:
    record = simulate(900, seed=seed, ectopy=MIX, leads=("X", "Y", "Z"))
    width = {
        s: np.median(width_at_half(excerpts(record, inner(record, s), 0.08, 0.08), 360)) for s in "NAVF/"
    }
    assert width["V"] > 1.8 * width["N"]
    assert width["/"] > 1.8 * width["N"]
    assert width["A"] == pytest.approx(width["N"], rel=0.1)


@pytest.mark.parametrize("seed", range(4))
def test_fusion_lies_between_normal_and_ventricular(seed: int) -> None:
    record = simulate(1800, seed=seed, ectopy={"V": 0.05, "F": 0.03}, leads=("X", "Y", "Z"))
    shape = {s: np.median(excerpts(record, inner(record, s), 0.08, 0.08), axis=0).ravel() for s in "NVF"}

    def distance(a: str, b: str) -> float:
        return float(np.linalg.norm(shape[a] - shape[b]))

    assert distance("N", "F") < 0.8 * distance("N", "V")
    assert distance("F", "V") < 0.8 * distance("N", "V")


@pytest.mark.parametrize("seed", range(4))
def test_p_wave_before_normal_beats_and_none_before_ventricular(seed: int) -> None:
    record = simulate(900, seed=seed, ectopy={"V": 0.05}, heart_rate=55, leads=("MLII",))
    p = {}
    for symbol in "NV":
        x = np.median(excerpts(record, inner(record, symbol), 0.30, -0.10), axis=0)[:, 0]
        p[symbol] = x.max() - np.median(x[:15])
    assert p["N"] > 0.06
    assert p["V"] < 0.03


@pytest.mark.parametrize("seed", range(6))
def test_ventricular_t_wave_is_discordant(seed: int) -> None:
    record = simulate(900, seed=seed, ectopy={"V": 0.05}, heart_rate=55, leads=("MLII", "V1"))
    v = np.median(excerpts(record, inner(record, "V"), 0.0, 0.45), axis=0)
    for lead in v.T:
        main = lead[0]
        late = lead[round(0.18 * 360) :]
        assert np.sign(late[np.abs(late).argmax()]) == -np.sign(main)


def test_atrial_fibrillation_is_irregular_and_has_no_p() -> None:
    record = simulate(600, rhythm="af", ectopy={"S": 0.1}, leads=("V1", "MLII"), seed=3)
    assert set(beats(record).symbol) == {"N"}
    rr = np.diff(beats(record).sample)
    assert rr.std() / rr.mean() > 0.15
    assert abs(np.corrcoef(rr[:-1], rr[1:])[0, 1]) < 0.15
    around = excerpts(record, inner(record, "N"), 0.22, -0.10)[..., 1]
    sinus = simulate(600, ectopy={}, leads=("V1", "MLII"), seed=3)
    assert np.ptp(around.mean(axis=0)) < 0.4 * np.ptp(
        excerpts(sinus, inner(sinus, "N"), 0.22, -0.10)[..., 1].mean(axis=0)
    )
    varying = []
    for r in (record, sinus):
        x = excerpts(r, inner(r, "N"), 0.22, -0.10)[..., 0]
        varying.append((x - x.mean(axis=1, keepdims=True)).std(axis=0).mean())
    assert varying[0] > 3 * varying[1]


def test_rhythms_in_turn() -> None:
    record = simulate(100, rhythm=[("sinus", 30), ("vt", 10)], ectopy={})
    rhythm = record.annotations["rhythm"]
    assert list(rhythm.aux) == ["(N", "(VT", "(N", "(VT", "(N"]
    assert list(rhythm.sample / 360) == [0, 30, 40, 70, 80]
    truth = beats(record)
    in_vt = (truth.sample / 360 % 40) >= 30
    assert (truth.symbol[in_vt] == "V").all()
    assert (truth.symbol[~in_vt] == "N").all()
    rr = np.diff(truth.sample[in_vt & (truth.sample < 40 * 360)]) / 360
    assert 150 <= 60 / rr.mean() <= 190
    assert np.diff(truth.sample).min() > 0.25 * 360


def test_breathing_modulates_amplitude() -> None:
    record = simulate(600, ectopy={}, leads=("MLII",), heart_rate=80)
    samples = inner(record, "N")
    height = np.ptp(excerpts(record, samples, 0.05, 0.05)[..., 0], axis=1)
    even = np.interp(np.arange(5, 590, 0.25), samples / 360, height)
    frequency, power = welch(even - even.mean(), 4, nperseg=512)
    assert frequency[power.argmax()] == pytest.approx(0.25, abs=0.05)
    assert 0.01 < height.std() / height.mean() < 0.15


def test_twelve_leads_obey_einthoven_and_goldberger() -> None:
    record = simulate(30, leads=STANDARD_LEADS, seed=6, ectopy=MIX)
    x = dict(zip(record.leads, record.signal.T, strict=True))
    for name, expected in {
        "III": x["II"] - x["I"],
        "aVR": -(x["I"] + x["II"]) / 2,
        "aVL": x["I"] - x["II"] / 2,
        "aVF": x["II"] - x["I"] / 2,
    }.items():
        np.testing.assert_allclose(x[name], expected, atol=1e-5)


def test_leads_differ() -> None:
    x = simulate(30, leads=("MLII", "V1", "V5"), ectopy={}).signal
    assert x[:, 0].max() > 0.6
    assert x[:, 1].min() < -0.5
    assert np.corrcoef(x.T)[0, 1] < 0
    assert np.corrcoef(x.T)[0, 2] > 0.5


@pytest.mark.parametrize(("fs", "seed"), [(100, 1), (250, 2), (360, 3), (1000, 4)])
def test_sleepecg_finds_the_beats_of_clean_sinus_rhythm(fs: float, seed: int) -> None:
    record = simulate(300, fs=fs, seed=seed, ectopy={})
    found = sleepecg.detect_heartbeats(record.signal[:, 0].astype(float), fs)
    truth = beats(record).sample
    gap = np.abs(found[:, np.newaxis] - truth).min(axis=0) / fs
    assert np.mean(gap < 0.05) >= 0.99
    assert abs(len(found) - len(truth)) <= 0.01 * len(truth) + 1


def test_two_weeks_are_decided_without_making_their_samples() -> None:
    record = simulate(14 * 86400, rhythm=[("sinus", 3 * 86400), ("af", 900)])
    assert 1.3e6 < len(beats(record)) < 1.6e6
    end = record.n_samples
    assert np.isfinite(record.read(end - 3600, end)).all()
    assert np.diff(beats(record).sample).min() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"duration": -1}, "duration -1 s"),
        ({"duration": float("inf")}, "duration inf s"),
        ({"fs": 0}, "sampling rate 0 Hz"),
        ({"fs": -360}, "sampling rate -360 Hz"),
        ({"leads": ("MLII", "V77")}, r"unknown lead V77; known: I, II"),
        ({"leads": ()}, "none given"),
        ({"heart_rate": 0}, "heart rate 0 lies outside 20 to 200"),
        ({"heart_rate_std": -1}, "standard deviation -1"),
        ({"rhythm": "waltz"}, "unknown rhythm 'waltz'; known: sinus, af, vt"),
        ({"rhythm": [("af", 0)]}, "rhythm 'af' for 0 s"),
        ({"rhythm": []}, "no rhythm given"),
        ({"ectopy": {"Z": 0.1}}, "unknown ectopy 'Z'; known: S, V, F, paced"),
        ({"ectopy": {"V": -0.1}}, "fraction -0.1 lies outside 0 to 1"),
        ({"ectopy": {"V": 0.6, "S": 0.6}}, "sum to 1.2"),
        ({"noise": {"hiss": 3}}, "unknown noise 'hiss'"),
        ({"noise": {"mains60": 3}, "fs": 100}, "mains60 needs a sampling rate above 120 Hz; it is 100 Hz"),
        ({"duration": 0.1, "noise": {"white": 3}}, "no beat at which to measure the signal"),
        ({"faults": [("V9", 0, 1, "flat")]}, "no lead V9"),
        ({"faults": [("V1", 0, 1, "melted")]}, "unknown fault 'melted'; known: flat, off"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate(**({"duration": 10} | arguments))  # type: ignore[arg-type]


def test_every_lead_is_seen() -> None:
    record = simulate(5, leads=tuple(LEADS))
    assert (np.ptp(record.signal, axis=0) > 0.2).all()
