"""A short recording with missing samples, and how each format stores it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import edfio
import numpy as np
from numpy.typing import NDArray

FS = 360
LEADS = ("MLII", "V5")
N_SAMPLES = 1001


def wave(n_samples: int = N_SAMPLES, n_leads: int = 2) -> NDArray[np.float64]:
    """A signal in mV on a grid of 1/200 mV, [samples, leads]."""
    time = np.arange(n_samples)[:, np.newaxis] / FS
    signal = np.sin(2 * np.pi * (1.2 + np.arange(n_leads)) * time) + 0.3 * np.cos(31 * time)
    return np.round(signal * 200) / 200


def with_gaps() -> NDArray[np.float64]:
    signal = wave()
    signal[100:110, 0] = np.nan
    signal[-1, 1] = np.nan
    return signal


@dataclass
class Stored:
    """A recording on disk: what to read, with which options, and what is in it."""

    path: Path
    signal: NDArray[np.float64]
    leads: tuple[str, ...] = LEADS
    fs: float = FS
    options: dict[str, Any] = field(default_factory=dict)
    tolerance: float = 1e-6


def wfdb_record(
    folder: Path, name: str, signal: NDArray[np.float64], fmt: str = "212", **fields: Any
) -> Path:
    import wfdb

    n_leads = signal.shape[1]
    wfdb.wrsamp(
        name,
        fs=fields.pop("fs", FS),
        units=fields.pop("units", ["mV"] * n_leads),
        sig_name=fields.pop("sig_name", list(LEADS[:n_leads])),
        p_signal=signal,
        fmt=[fmt] * n_leads,
        adc_gain=fields.pop("adc_gain", [50.0 if fmt == "80" else 200.0] * n_leads),
        baseline=fields.pop("baseline", [0] * n_leads),
        write_dir=str(folder),
        **fields,
    )
    return folder / f"{name}.hea"


def _store_wfdb(fmt: str) -> Callable[[Path], Stored]:
    def store(folder: Path) -> Stored:
        tolerance = 0.011 if fmt == "80" else 1e-6
        return Stored(wfdb_record(folder, "rec", with_gaps(), fmt), with_gaps(), tolerance=tolerance)

    return store


def _store_uv(folder: Path) -> Stored:
    path = wfdb_record(folder, "rec", with_gaps() * 1000, "16", units=["uV", "uV"], adc_gain=[0.2, 0.2])
    return Stored(path, with_gaps())


def _store_offset(folder: Path) -> Stored:
    return Stored(wfdb_record(folder, "rec", with_gaps(), "212", baseline=[1024, -30]), with_gaps())


def _store_frames(folder: Path) -> Stored:
    signal = with_gaps()
    adc = np.where(np.isnan(signal), -32768, np.round(np.nan_to_num(signal) * 200)).astype("<i2")
    beside = np.zeros((len(signal) // 7, 1), dtype="<i2")
    np.hstack([adc[:, :1].reshape(-1, 7), beside, adc[:, 1:].reshape(-1, 7)]).tofile(folder / "rec.dat")
    lines = ["rec.dat 16x7 200/mV 16 0 0 0 0 MLII", "rec.dat 16 1/NU 16 0 0 0 0 RESP"]
    lines += ["rec.dat 16x7 200/mV 16 0 0 0 0 V5"]
    (folder / "rec.hea").write_text("\n".join([f"rec 3 {FS / 7!r} {len(beside)}", *lines]) + "\n")
    return Stored(folder / "rec.hea", signal)


def _store_fixed_segments(folder: Path) -> Stored:
    signal = with_gaps()
    for number, (start, stop) in enumerate([(0, 300), (300, 700), (700, N_SAMPLES)]):
        wfdb_record(folder, f"part{number}", signal[start:stop], "212" if number else "16")
    (folder / "rec.hea").write_text("rec/3 2 360 1001\npart0 300\npart1 400\npart2 301\n")
    return Stored(folder / "rec.hea", signal)


def _store_variable_segments(folder: Path) -> Stored:
    signal = with_gaps()
    signal[300:500] = np.nan
    signal[700:, 0] = np.nan
    wfdb_record(folder, "part1", signal[:300])
    wfdb_record(folder, "part2", signal[500:700, ::-1], sig_name=["V5", "MLII"])
    wfdb_record(folder, "part3", signal[700:, 1:], sig_name=["V5"])
    (folder / "layout.hea").write_text("layout 2 360 0\n~ 0 200/mV 0 0 0 0 0 MLII\n~ 0 200/mV 0 0 0 0 0 V5\n")
    (folder / "rec.hea").write_text("rec/5 2 360 1001\nlayout 0\npart1 300\n~ 200\npart2 200\npart3 301\n")
    return Stored(folder / "rec.hea", signal)


def _store_edf(folder: Path) -> Stored:
    signal = wave(FS * 5)
    signals = [
        edfio.EdfSignal(signal[:, i] * 1000, FS, label=f"ECG {name}", physical_dimension="uV")
        for i, name in enumerate(LEADS)
    ]
    edfio.Edf(signals).write(folder / "rec.edf")
    return Stored(folder / "rec.edf", signal, tolerance=1e-4)


def _store_csv(folder: Path) -> Stored:
    signal = with_gaps()
    time = np.arange(len(signal)) / FS
    rows = [f"{t:.4f},{a},{b}".replace("nan", "") for t, (a, b) in zip(time, signal, strict=True)]
    (folder / "rec.csv").write_text("\n".join(["time,ECG mlii,V5", *rows]) + "\n")
    return Stored(folder / "rec.csv", signal)


def _store_tsv(folder: Path) -> Stored:
    signal = with_gaps()
    np.savetxt(folder / "rec.tsv", signal * 1000, delimiter="\t")
    (folder / "rec.json").write_text(json.dumps({"fs": FS, "leads": LEADS, "units": "uV"}))
    return Stored(folder / "rec.tsv", signal)


def _store_npy(folder: Path) -> Stored:
    np.save(folder / "rec.npy", with_gaps())
    return Stored(folder / "rec.npy", with_gaps(), options={"fs": FS, "leads": LEADS})


def _store_npy_transposed(folder: Path) -> Stored:
    np.save(folder / "rec.npy", np.ascontiguousarray(with_gaps().T) * 1e-3)
    return Stored(folder / "rec.npy", with_gaps(), options={"fs": FS, "leads": LEADS, "units": "V"})


def _store_npz(folder: Path) -> Stored:
    np.savez(folder / "rec.npz", signal=with_gaps(), fs=FS, leads=np.array(LEADS), units="mV")
    return Stored(folder / "rec.npz", with_gaps())


STORES: dict[str, Callable[[Path], Stored]] = {
    ".hea 212": _store_wfdb("212"),
    ".hea 16": _store_wfdb("16"),
    ".hea 80": _store_wfdb("80"),
    ".hea 24": _store_wfdb("24"),
    ".hea 32": _store_wfdb("32"),
    ".hea uV": _store_uv,
    ".hea baseline": _store_offset,
    ".hea frames": _store_frames,
    ".hea fixed segments": _store_fixed_segments,
    ".hea variable segments": _store_variable_segments,
    ".edf": _store_edf,
    ".csv": _store_csv,
    ".tsv": _store_tsv,
    ".npy": _store_npy,
    ".npy transposed": _store_npy_transposed,
    ".npz": _store_npz,
}
