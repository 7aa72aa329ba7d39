"""The small JSON file beside a recording whose format tells neither rate nor leads."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ecgtune.errors import RecordError
from ecgtune.readers.leads import lead_names, millivolts
from ecgtune.record import FloatArray, Record, SignalSource

_LARGEST_DEVIATION = 20.0
"""Median absolute deviation in mV that no ECG has: public databases stay below 1, in strong noise below 5."""
_LARGEST_WHOLE_RANGE = 100.0
"""Range in mV that no ECG has whose values are whole numbers, as ADC units are."""


@dataclass(frozen=True)
class Description:
    """What is told of a recording from outside its file; None where nothing is."""

    fs: float | None = None
    leads: tuple[str, ...] | None = None
    units: str | None = None
    start: datetime | None = None
    patient: str | None = None


def describe(path: Path, fs: float | None, leads: Sequence[str] | None, units: str | None) -> Description:
    """Combine options with the JSON file beside a recording; options win.

    Parameters
    ----------
    path
        The recording; ``rec.json`` is read for ``rec.csv``, with the keys ``fs`` (Hz), ``leads`` (list of
        names), ``units`` (``uV``, ``mV``, ``V``), ``start`` (ISO 8601) and ``patient``; other keys are
        ignored.
    fs, leads, units
        Options of the caller.

    Raises
    ------
    RecordError
        Where the JSON file is damaged or a value is of no use.
    """
    beside = path.with_suffix(".json")
    content = _load(beside) if beside.is_file() else {}
    told_leads = content.get("leads")
    if told_leads is not None and not (
        isinstance(told_leads, list) and all(isinstance(name, str) for name in told_leads)
    ):
        raise RecordError(f"{beside}: leads is {told_leads!r}; give a list of names")
    told_start = content.get("start")
    try:
        start = None if told_start is None else datetime.fromisoformat(str(told_start))
    except ValueError:
        raise RecordError(
            f"{beside}: start is {told_start!r}; give a time such as 2024-05-01T08:30:00"
        ) from None
    chosen_leads = leads if leads is not None else told_leads
    patient = content.get("patient")
    return Description(
        fs=checked_rate(fs, path) if fs is not None else checked_rate(content.get("fs"), beside),
        leads=None if chosen_leads is None else lead_names(chosen_leads),
        units=checked_units(units, path)
        if units is not None
        else checked_units(content.get("units"), beside),
        start=start,
        patient=None if patient is None else str(patient),
    )


def tells_rate(path: Path) -> bool:
    """Tell whether a JSON file beside a recording gives its rate; a broken one gives none."""
    try:
        return "fs" in _load(path.with_suffix(".json"))
    except RecordError:
        return False


def checked_rate(fs: object, path: Path) -> float | None:
    """Return a rate in Hz as a float, None for None; RecordError where it is not finite and positive."""
    if fs is None:
        return None
    if isinstance(fs, bool) or not isinstance(fs, int | float) or not (math.isfinite(fs) and fs > 0):
        raise RecordError(f"{path}: fs is {fs!r}; give a positive rate in Hz")
    return float(fs)


def checked_units(units: object, path: Path) -> str | None:
    """Return units, None for None; RecordError where they are no voltage."""
    if units is not None and (not isinstance(units, str) or millivolts(units) is None):
        raise RecordError(f"{path}: units are {units!r}; give uV, mV or V")
    return units


def _load(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise RecordError(f"{path}: cannot be read as JSON: {reason}; correct or remove it") from error
    if not isinstance(content, dict):
        raise RecordError(f"{path}: holds no JSON object; correct or remove it")
    return content


def described_record(
    path: Path,
    told: Description,
    source: SignalSource,
    n_samples: int,
    n_leads: int,
    *,
    fs: float | None = None,
    names: Sequence[str] | None = None,
) -> Record:
    """Make the record of a file and what is told of it.

    Parameters
    ----------
    path, told, source, n_samples, n_leads
        The file, what `describe` found, the signal and its size.
    fs, names
        Rate in Hz and lead names that the file itself gives; ``told`` wins.

    Raises
    ------
    RecordError
        Where the rate is unknown, there is no sample, or names and leads differ in number.
    """
    rate = told.fs if told.fs is not None else fs
    if rate is None:
        raise RecordError(
            f"{path}: the rate is unknown; give fs, or write it to {path.stem}.json beside it, "
            'as {"fs": 250} for 250 Hz'
        )
    if n_samples == 0 or n_leads == 0:
        raise RecordError(f"{path}: the recording holds no samples; leave it out")
    leads = told.leads or lead_names(names if names is not None else [""] * n_leads)
    if len(leads) != n_leads:
        raise RecordError(
            f"{path}: {len(leads)} lead names ({', '.join(leads)}) for {n_leads} leads; give one name each"
        )
    return Record(
        name=path.stem,
        fs=rate,
        leads=leads,
        n_samples=n_samples,
        source=source,
        patient=told.patient or path.stem,
        start=told.start,
        path=path,
    )


def check_plausible(path: Path, values: FloatArray, told: Description) -> None:
    """Refuse values that cannot be mV where no unit was told: they are likely uV or ADC units.

    Parameters
    ----------
    path
        The recording, for the message.
    values
        Some of its samples, [samples, leads].
    told
        What `describe` found.

    Raises
    ------
    RecordError
        Where a lead's typical deviation, or its range in whole numbers, is none of an ECG in mV.
    """
    if told.units is not None:
        return
    for lead, column in enumerate(values.T):
        finite = column[np.isfinite(column)]
        if not len(finite):
            continue
        deviation = float(np.median(np.abs(finite - np.median(finite))))
        whole_range = float(np.ptp(finite)) if (finite == np.rint(finite)).all() else 0.0
        if deviation > _LARGEST_DEVIATION:
            problem = f"typical deviation {deviation:.3g}"
        elif whole_range > _LARGEST_WHOLE_RANGE:
            problem = f"whole numbers over a range of {whole_range:.3g}"
        else:
            continue
        raise RecordError(
            f"{path}: lead {lead}: {problem}, too much for mV; give the units (--units uV?), or, where these "
            "are ADC units, subtract the zero and divide by the gain first"
        )
