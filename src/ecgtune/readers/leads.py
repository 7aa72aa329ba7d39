"""Which signals of a file are ECG leads, and their units."""

import re
from collections.abc import Sequence

from ecgtune.errors import RecordError
from ecgtune.record import normalise_lead

_MILLIVOLTS = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "nv": 1e-6, "volt": 1e3, "millivolt": 1.0, "microvolt": 1e-3}

_OTHER_UNITS = frozenset({"mmhg", "cmh2o", "%", "bpm", "1/min", "l/min", "degc", "hz", "g"})

# Signals that are recorded in mV beside an ECG, in sleep studies and intensive care, and are none.
_OTHER_SIGNAL = re.compile(
    r"(eeg|eog|emg|resp|respiration|pleth|ppg|spo2|sao2|abp|art|bp|cvp|pap|icp|co2|airflow|flow|thor\w*|abdo\w*"
    r"|temp\w*|acc\w*|sound|snore|position|marker|trigger|status)(?![a-z])",
    re.IGNORECASE,
)


def millivolts(units: str) -> float | None:
    """Return the size of a unit in mV: ``uV`` 0.001, ``mV`` 1, ``V`` 1000; None where it is no voltage."""
    return _MILLIVOLTS.get(units.strip().replace("µ", "u").replace("μ", "u").lower().removesuffix("s"))


def is_ecg(name: str, units: str) -> bool:
    """Tell whether a signal may be an ECG lead.

    It is one where its unit is a voltage and its name is not that of another signal: respiration, pressure,
    pulse, EEG, EOG, EMG and their like are kept out of classification.
    """
    return millivolts(units) is not None and not _OTHER_SIGNAL.match(name.strip())


def completed_units(
    record: str, names: Sequence[str], units: Sequence[str], given: str | None
) -> tuple[str, ...]:
    """Units of a file's signals, with the one given where the file tells none that is of use.

    Parameters
    ----------
    record
        The record, for messages.
    names, units
        Of its signals.
    given
        ``uV``, ``mV`` or ``V``: the unit of all signals that may be ECG leads, where not one of them is in a
        voltage by the file; None leaves the units as they are.

    Raises
    ------
    RecordError
        Where the file tells another voltage.
    """
    if given is None:
        return tuple(units)
    told = [unit for name, unit in zip(names, units, strict=True) if is_ecg(name, unit)]
    if not told:
        pairs = zip(names, units, strict=True)
        return tuple(given if _may_be_ecg(name, unit) else unit for name, unit in pairs)
    if any(millivolts(unit) != millivolts(given) for unit in told):
        raise RecordError(f"{record}: the file tells its units itself; leave units out")
    return tuple(units)


def _may_be_ecg(name: str, units: str) -> bool:
    """Tell whether a signal would be an ECG lead if its unit were a voltage."""
    return is_ecg(name, "mV") and units.strip().lower() not in _OTHER_UNITS


def ecg_signals(record: str, names: Sequence[str], units: Sequence[str]) -> list[int]:
    """Indices of the signals that may be ECG leads.

    Raises
    ------
    RecordError
        Where there is none.
    """
    signals = list(zip(names, units, strict=True))
    chosen = [i for i, (name, unit) in enumerate(signals) if is_ecg(name, unit)]
    if not chosen:
        listing = ", ".join(f"{name} [{unit or 'no unit'}]" for name, unit in signals)
        unknown = any(_may_be_ecg(name, unit) for name, unit in signals)
        remedy = "; if these signals are, give units (--units mV)" if unknown else ""
        raise RecordError(
            f"{record}: no ECG lead among its signals ({listing}); leads are in uV, mV or V{remedy}"
        )
    return chosen


def lead_names(names: Sequence[str]) -> tuple[str, ...]:
    """Normalise lead names; a nameless lead becomes ``lead 1``, ``lead 2``, ... by its place."""
    return tuple(normalise_lead(name) or f"lead {i + 1}" for i, name in enumerate(names))
