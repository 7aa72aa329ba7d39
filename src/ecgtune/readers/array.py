"""NumPy arrays: ``.npy``, which stays on disk, and ``.npz``, which is read whole."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.errors import RecordError
from ecgtune.readers.leads import millivolts
from ecgtune.readers.sidecar import check_plausible, describe, described_record
from ecgtune.record import FloatArray, Record

NPZ_LIMIT = 2 << 30
"""Largest signal in an NPZ file, in bytes; NPZ cannot be read in pieces."""


def read_npy(path: Path, fs: float | None, leads: Sequence[str] | None, units: str | None) -> Record:
    """Open a NumPy array as a recording.

    Parameters
    ----------
    path
        A numeric array, [samples], [samples, leads] or [leads, samples]: the longer axis is time.
    fs
        Sampling rate in Hz; else from the JSON file beside it.
    leads, units
        Lead names (``lead 1``, ... by default) and ``uV``, ``mV`` (default) or ``V``; else from the JSON
        file.

    Raises
    ------
    RecordError
        Where the file is damaged, holds no numbers or has more than two dimensions, or the rate is unknown.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise RecordError(
            f"{path}: cannot be read as a numeric array: {_reason(error)}; save it anew"
        ) from error
    if not isinstance(array, np.ndarray):
        raise RecordError(f"{path}: holds an archive; name it .npz")
    return _record(path, array, fs, leads, units)


def read_npz(path: Path, fs: float | None, leads: Sequence[str] | None, units: str | None) -> Record:
    """Read an archive of NumPy arrays as a recording.

    Parameters
    ----------
    path
        Archive with ``signal`` (as in `read_npy`) and optionally ``fs``, ``leads`` and ``units``. It is read
        whole; the signal may have up to 2 GiB.
    fs, leads, units
        As in `read_npy`; they win over the archive, and the archive over the JSON file.

    Raises
    ------
    RecordError
        As in `read_npy`, and where ``signal`` is missing or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {Path(info.filename).stem: info.file_size for info in archive.infolist()}
        if "signal" not in sizes:
            raise RecordError(f"{path}: no array named signal; it holds {', '.join(sizes) or 'nothing'}")
        if sizes["signal"] > NPZ_LIMIT:
            raise RecordError(
                f"{path}: signal has {sizes['signal'] / 2**30:.1f} GiB, more than {NPZ_LIMIT >> 30} GiB, and "
                "NPZ cannot be read in pieces; save the array as NPY"
            )
        with np.load(path, allow_pickle=False) as arrays:
            content = {key: arrays[key] for key in ("signal", "fs", "leads", "units") if key in sizes}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RecordError(
            f"{path}: cannot be read as numeric arrays: {_reason(error)}; save it anew"
        ) from error
    if fs is None and "fs" in content:
        fs = _scalar(path, "fs", content["fs"], (int, float))
    if leads is None and "leads" in content:
        leads = [str(name) for name in np.atleast_1d(content["leads"]).ravel()]
    if units is None and "units" in content:
        units = _scalar(path, "units", content["units"], (str,))
    return _record(path, content["signal"], fs, leads, units)


def sniff_npy(path: Path) -> bool | None:
    """Return False, as an array tells no rate; None where it has more dimensions than a recording."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    return None if isinstance(array, np.ndarray) and array.ndim > 2 else False


def sniff_npz(path: Path) -> bool | None:
    """Tell whether an archive gives its rate; None where it is no recording. A damaged one gives no rate.

    No recordings are archives without ``signal``, or whose signal has more than two dimensions.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {Path(name).stem for name in archive.namelist()}
            if "signal" not in names:
                return None
            with archive.open("signal.npy") as file:
                form = np.lib.format
                first = form.read_magic(file) == (1, 0)
                shape, *_ = (form.read_array_header_1_0 if first else form.read_array_header_2_0)(file)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        return False
    return None if len(shape) > 2 else "fs" in names


@dataclass(frozen=True)
class NumpySource:
    """An array on disk or in memory, [samples, leads], in units of ``scale`` mV."""

    array: NDArray[Any]
    scale: float

    def read(self, start: int, stop: int) -> FloatArray:
        """Samples ``start`` to ``stop`` in mV, float32 [samples, leads], NaN where not finite."""
        out = (np.asarray(self.array[start:stop], dtype=np.float64) * self.scale).astype(np.float32)
        out[~np.isfinite(out)] = np.nan
        return out


def _record(
    path: Path, array: NDArray[Any], fs: float | None, leads: Sequence[str] | None, units: str | None
) -> Record:
    if array.dtype.kind not in "iuf":
        raise RecordError(f"{path}: holds values of type {array.dtype}; save real numbers")
    if array.ndim not in (1, 2):
        shape = " x ".join(map(str, array.shape))
        raise RecordError(
            f"{path}: signal has {array.ndim} dimensions ({shape}); save one recording as [samples, leads]"
        )
    if array.ndim == 1:
        array = array[:, np.newaxis]
    elif array.shape[0] < array.shape[1]:
        array = array.T
    told = describe(path, fs, leads, units)
    source = NumpySource(array, millivolts(told.units or "mV") or 1.0)
    record = described_record(path, told, source, len(array), array.shape[1])
    step = max(1, len(array) // 10_000)
    check_plausible(path, np.asarray(array[::step], dtype=np.float32), told)
    return record


def _scalar(path: Path, name: str, value: NDArray[Any], kinds: tuple[type, ...]) -> Any:
    item = value.item() if value.size == 1 else None
    if not isinstance(item, kinds):
        raise RecordError(f"{path}: {name} is {value!r:.60}; save one value")
    return item


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
