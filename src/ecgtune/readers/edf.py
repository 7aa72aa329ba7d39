"""EDF and EDF+C recordings, through edfio (extra ``formats``)."""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import catch_warnings, simplefilter

import numpy as np

from ecgtune.errors import MissingExtraError, RecordError
from ecgtune.readers.leads import completed_units, ecg_signals, lead_names, millivolts
from ecgtune.record import Annotations, FloatArray, LazyAnnotations, Record

if TYPE_CHECKING:
    from edfio import Edf, EdfSignal

_HEADER_BYTES = 256
"""Length of a header before what it says of each signal."""

ANNOTATOR = "edf"
"""Name under which the notes of an EDF+ file are found in ``Record.annotations``."""


def read_edf(path: Path, units: str | None = None) -> Record:
    """Open an EDF or continuous EDF+ recording.

    Parameters
    ----------
    path
        The ``.edf`` file.
    units
        ``uV``, ``mV`` or ``V``, where the file tells no unit that is of use.

    Returns
    -------
    Record
        Leads are the signals whose label starts with ``ECG`` or ``EKG``, as the EDF standard names them;
        where there is none, all signals in uV, mV or V that are not named as something else (EEG,
        respiration, ...). Where their rates differ, those of the most common rate, and of equally common
        ones those of the highest; the record's ``notes`` name the others. Notes of EDF+ are the annotator
        ``edf``: symbol ``"`` with the text in ``aux``. EDF has no code for a missing sample, so there is
        no NaN.

    Raises
    ------
    RecordError
        Where the file is damaged, shorter than its header says, discontinuous (EDF+D), or holds no ECG.
    MissingExtraError
        Where edfio is not installed.
    """
    edf = _open(path)
    if edf.reserved.startswith("EDF+D"):
        raise RecordError(
            f"{path}: discontinuous recording (EDF+D), whose gaps would be lost; "
            "split it at its gaps into EDF+C files"
        )
    signals, units_of_signals, others = _ecg(path, edf, units)
    per_record = signals[0].samples_per_data_record
    duration = edf.data_record_duration
    if duration <= 0 or edf.num_data_records == 0:
        raise RecordError(f"{path}: the recording holds no samples; leave it out")
    n_samples = edf.num_data_records * per_record
    fs = per_record / duration
    loaders = {}
    if edf.reserved.startswith("EDF+C"):
        loaders[ANNOTATOR] = lambda: _notes(path, edf, fs)
    return Record(
        name=path.stem,
        fs=fs,
        leads=lead_names([signal.label for signal in signals]),
        n_samples=n_samples,
        source=EdfSource(path, signals, units_of_signals, fs),
        patient=path.stem,
        start=_start(edf),
        notes=_left_out(others, duration, fs),
        annotations=LazyAnnotations(loaders),
        path=path,
    )


@dataclass(frozen=True)
class EdfSource:
    """Signals of one rate of an EDF file, which stays on disk."""

    path: Path
    signals: list["EdfSignal"]
    units: list[str]
    fs: float

    def read(self, start: int, stop: int) -> FloatArray:
        """Samples ``start`` to ``stop`` in mV, float32 [samples, leads]."""
        out = np.empty((len(self.signals), stop - start), dtype=np.float32)
        if stop == start:
            return out.T
        for row, signal, units in zip(out, self.signals, self.units, strict=True):
            digital = signal.get_digital_slice(start / self.fs, stop / self.fs)
            scale, offset = _calibration(signal, units)
            row[:] = (digital - offset) * scale
        return out.T


def _open(path: Path) -> "Edf":
    try:
        import edfio
    except ImportError:
        raise MissingExtraError("edfio", "formats", f"{path}: reading EDF") from None
    try:
        announced = _announced(path)
        with catch_warnings():
            # edfio only warns of a file that was cut off; its length is compared below.
            simplefilter("ignore")
            edf = edfio.read_edf(path, header_encoding="latin-1")
    except Exception as error:
        # edfio lets whatever a damaged header provokes through: ValueError, UnicodeError, ZeroDivisionError.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecordError(f"{path}: cannot be read as EDF: {reason}; replace it with a whole copy") from error
    # -1 stands for a recording whose length was not known when the header was written.
    if announced not in (-1, edf.num_data_records):
        raise RecordError(
            f"{path}: header says {announced} data records, the file holds {edf.num_data_records}; "
            "replace it with a whole copy"
        )
    return edf


def _announced(path: Path) -> int:
    """Number of data records by the header; ValueError where there is none."""
    with path.open("rb") as file:
        header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES:
        where = f"cut off after {len(header)} of the {_HEADER_BYTES} bytes of its header"
        raise ValueError(f"the file is {where if header else 'empty'}")
    records = header[236:244].decode("latin-1").strip()
    try:
        return int(records)
    except ValueError:
        raise ValueError(f"its number of data records, {records!r}, is no whole number") from None


def _ecg(path: Path, edf: "Edf", given: str | None) -> tuple[list["EdfSignal"], list[str], list["EdfSignal"]]:
    """ECG signals of one rate, which become leads, their units, and ECG signals of other rates."""
    signals = edf.signals
    labels = [signal.label for signal in signals]
    units = completed_units(str(path), labels, [signal.physical_dimension for signal in signals], given)
    chosen = ecg_signals(str(path), labels, units)
    chosen = [i for i in chosen if labels[i].upper().startswith(("ECG", "EKG"))] or chosen
    rates = Counter(signals[i].samples_per_data_record for i in chosen)
    rate = max(rates, key=lambda samples: (rates[samples], samples))
    others = [signals[i] for i in chosen if signals[i].samples_per_data_record != rate]
    chosen = [i for i in chosen if signals[i].samples_per_data_record == rate]
    for signal in (signals[i] for i in chosen):
        low, high = signal.physical_range
        if signal.digital_min >= signal.digital_max or not np.isfinite([low, high]).all() or low == high:
            raise RecordError(
                f"{path}: lead {signal.label}: physical range {low:g} to {high:g} for digital range "
                f"{signal.digital_min} to {signal.digital_max}; correct the header"
            )
    return [signals[i] for i in chosen], [units[i] for i in chosen], others


def _left_out(others: list["EdfSignal"], duration: float, fs: float) -> tuple[str, ...]:
    names = lead_names([signal.label for signal in others])
    rates = [signal.samples_per_data_record / duration for signal in others]
    return tuple(
        f"lead {name} was left out: it has {rate:g} Hz, the leads that were read have {fs:g} Hz"
        for name, rate in zip(names, rates, strict=True)
    )


def _calibration(signal: "EdfSignal", units: str) -> tuple[float, float]:
    """Size of a digital unit in mV, and the digital value of 0 mV."""
    step = (signal.physical_max - signal.physical_min) / (signal.digital_max - signal.digital_min)
    offset = signal.digital_max - signal.physical_max / step
    return step * (millivolts(units) or 1.0), offset


def _notes(path: Path, edf: "Edf", fs: float) -> Annotations:
    try:
        notes = edf.annotations
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise RecordError(f"{path}: EDF+ annotations cannot be read: {reason}; correct the file") from error
    return Annotations(
        np.array([round(note.onset * fs) for note in notes], dtype=np.int64),
        np.array(['"'] * len(notes), dtype=np.str_),
        np.array([note.text for note in notes], dtype=np.str_),
    )


def _start(edf: "Edf") -> datetime | None:
    """Time of the first sample; where the date was removed, on 1 January 1900 as in WFDB records."""
    with catch_warnings():
        simplefilter("ignore")
        with suppress(ValueError):
            try:
                return edf.startdatetime
            except Exception:
                return datetime.combine(date(1900, 1, 1), edf.starttime)
    return None
