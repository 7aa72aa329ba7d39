"""Noise of PhysioNet's noise stress test database, as strong as PhysioNet's own program makes it."""

from pathlib import Path

import numpy as np
import pytest

from ecgtune.readers import read_record
from ecgtune.record import Annotations
from ecgtune.signals.noise import measured_beats, noise_gain, noise_level, qrs_amplitude
from ecgtune.signals.noise_recorded import (
    EM_MINUTES,
    RECORDED_NOISES,
    STEP_MV,
    RecordedNoise,
    electrode_motion_of_118,
    recorded_noise,
)

FS = 360


def sigamp_rms(units: np.ndarray) -> float:
    """``sigamp -r`` of whole units, written out as its loops are."""
    measured = []
    for second in range(min(300, len(units) // FS)):
        piece = [int(value) for value in units[second * FS : (second + 1) * FS]]
        mean = sum(piece) / FS
        # Assigning to an int cuts towards zero.
        measured.append((sum(int(value - mean) ** 2 for value in piece) / FS) ** 0.5)
    cut = len(measured) // 20
    kept = sorted(measured)[cut : len(measured) - cut]
    return sum(kept) / len(kept)


def sigamp_ptp(units: np.ndarray, beats: list[int]) -> float:
    """``sigamp -r -a`` of whole units: the range from 50 ms before to 50 ms after, both included."""
    measured = sorted(int(np.ptp(units[at - 18 : at + 19])) for at in beats[:300])
    cut = len(measured) // 20
    kept = measured[cut : len(measured) - cut]
    return sum(kept) / len(kept)


@pytest.mark.parametrize("name", ["bw", "ma"])
def test_level_is_what_sigamp_measures(data: Path, name: str) -> None:
    noise = recorded_noise(name)
    units = np.round(read_record(data / "nstdb" / name).signal / STEP_MV)
    for lead in range(2):
        assert noise.level[lead] == pytest.approx(STEP_MV * sigamp_rms(units[:, lead]), rel=1e-5)
    # The cut to whole units is no trifle, and the exact RMS has no part in it.
    exact = noise_level(noise.signal, FS)
    assert (noise.level < 0.985 * exact).all()
    assert exact[0] == pytest.approx(noise.signal[: 300 * FS, 0].reshape(300, -1).std(1).mean(), rel=0.1)


def test_amplitude_is_what_sigamp_measures(mitdb: Path) -> None:
    record = read_record(mitdb / "119")
    annotations = record.annotations["atr"]
    beats = [
        int(at) for at, symbol in zip(annotations.sample, annotations.symbol, strict=True) if symbol == "N"
    ]
    assert measured_beats(annotations).tolist() == beats
    found = qrs_amplitude(record.signal, FS, beats)
    units = np.round(record.signal * 200)
    for lead in range(2):
        assert found[lead] == pytest.approx(sigamp_ptp(units[:, lead], beats) / 200, rel=1e-5)


def test_the_gain_is_that_of_nst() -> None:
    amplitude, level = np.array([2.0, 1.0, 0.0]), np.array([0.1, 0.2, 0.3])
    # nst: RMS noise over peak-to-peak signal is 10^(-SNR / 20) sqrt(2) / 4.
    for snr in (24, 0, -6):
        expected = 10 ** (-snr / 20) * np.sqrt(2) / 4 * amplitude / level
        np.testing.assert_allclose(noise_gain(amplitude, level, snr), expected)


def test_every_kind_of_beat_is_measured_but_ventricular_fusion_and_learning() -> None:
    symbols = list("NLRBejAaJSn/fQ") + list("VErF?") + ["+", "~"]
    annotations = Annotations(np.arange(len(symbols)), np.array(symbols))
    assert measured_beats(annotations).tolist() == list(range(14))
    alone = Annotations(np.arange(3), np.array(["V", "+", "F"]))
    assert measured_beats(alone).tolist() == [0, 2]


def test_electrode_motion_is_won_back_to_the_converters_unit(data: Path) -> None:
    """At 0 dB on mitdb 118 it gives nstdb 118e00, which PhysioNet made; it comes from 118e_6 alone."""
    em = electrode_motion_of_118()
    clean, published = read_record(data / "mitdb" / "118"), read_record(data / "nstdb" / "118e00")
    assert len(em.signal) == pytest.approx(13 * 60 * FS, rel=0.01)
    assert (recorded_noise("em").name, recorded_noise("em").fs) == (em.name, em.fs)
    amplitude = qrs_amplitude(clean.signal, FS, measured_beats(clean.annotations["atr"]))
    mine = em.signal * noise_gain(amplitude, em.level, 0).astype(np.float32)
    at = 0
    for begin, stop in EM_MINUTES:
        piece = slice(round(begin * 60 * FS) + 36, round(stop * 60 * FS) - 36)
        added = published.signal[piece] - clean.signal[piece]
        own = mine[at : at + len(added)]
        at += len(added)
        off = (own - own[0]) - (added - added[0])
        assert np.abs(off).max() < 2.5 * STEP_MV
    assert at == len(em.signal)


def test_pieces_wrap_without_a_step() -> None:
    ramp = np.linspace(0, 1, 11, dtype=np.float32)[:, np.newaxis]
    noise = RecordedNoise("x", 100.0, ramp, np.ones(1))
    np.testing.assert_allclose(noise.piece(2, 5)[:, 0], ramp[2:7, 0])
    long = noise.piece(5, 30)[:, 0]
    assert (np.diff(long) >= -1e-6).all()
    assert np.diff(long).max() <= 0.11
    np.testing.assert_allclose(noise.piece(16, 3) - noise.piece(5, 3), 1, rtol=1e-6)


def test_another_rate_keeps_shape_and_level() -> None:
    t = np.arange(20 * FS) / FS
    tone = (0.3 + np.sin(2 * np.pi * 5 * t)).astype(np.float32)[:, np.newaxis]
    noise = RecordedNoise("x", float(FS), tone, np.array([0.7]))
    slow = noise.at_rate(128.0)
    assert (slow.fs, len(slow.signal), slow.level[0]) == (128.0, 20 * 128, 0.7)
    expected = 0.3 + np.sin(2 * np.pi * 5 * np.arange(20 * 128) / 128)
    np.testing.assert_allclose(slow.signal[128:-128, 0], expected[128:-128], atol=0.01)
    assert noise.at_rate(360.0) is noise


def test_an_unknown_recording_is_named() -> None:
    assert RECORDED_NOISES == ("bw", "ma", "em")
    with pytest.raises(ValueError, match="unknown noise recording 'hum'; known: bw, ma, em"):
        recorded_noise("hum")
