"""Beats of subjects with and without myocardial infarction: lead II, cut as those of mitdb (Kachuee's way).

Three sets: ten subjects of the PTB Diagnostic ECG Database with eight seconds each, 74 records of PTB-XL with
ten seconds each, and, on a machine that has it whole, the PTB database itself, which is the paper's.
"""

import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.beats import Beats, concatenate
from ecgtune.beats.kachuee import kachuee_beats
from ecgtune.databases import find_database
from ecgtune.databases.index import data_folder
from ecgtune.databases.ptb import REASONS, admissions
from ecgtune.databases.verification import file_sha256
from ecgtune.errors import DataError, RecordError
from ecgtune.evaluation.provenance import data_used
from ecgtune.evaluation.results import Data
from ecgtune.readers import read_record
from ecgtune.record import Record, normalise_lead
from ecgtune.signals.detect import detect_beats
from ecgtune.signals.resample import to_working

TASK = ("healthy", "infarction")
"""Classes, in the order of the labels."""

FULL = "ptbdb"
"""The set that is a database of the catalogue, and the paper's."""

TEN = "ptb-10-subjects"


@dataclass(frozen=True)
class InfarctionSet:
    """Beats of subjects of both classes.

    Parameters
    ----------
    name
        Of the section of the TOML.
    beats
        ``windows`` float32 [n, 1, 187]; ``label`` an index into `TASK`, the same for all beats of a subject.
    data
        Hash of what was read.
    note
        What of the set was taken.
    """

    name: str
    beats: Beats = field(repr=False)
    data: Data
    note: str

    @property
    def subjects(self) -> dict[str, bool]:
        """Whether each subject has an infarction."""
        pairs = zip(self.beats.patient.tolist(), self.beats.label.tolist(), strict=True)
        return {subject: bool(label) for subject, label in pairs}


def load_set(name: str, how: Mapping[str, Any]) -> InfarctionSet:
    """Read a set and cut its beats.

    Parameters
    ----------
    name
        A section of ``transfer.sets``.
    how
        Section ``transfer`` of the TOML.

    Raises
    ------
    DataError
        Where it is not at hand, incomplete or damaged, or has no subject of a class.
    """
    own = how["sets"][name]
    if name == FULL:
        found = _whole_database(how)
    elif name == TEN:
        found = _ten_subjects(how)
    else:
        found = _ptbxl_sample(name, own, how)
    count = sum(found.subjects.values())
    if not 0 < count < len(found.subjects):
        raise DataError(
            f"{name}: {count} of {len(found.subjects)} subjects have an infarction; both kinds are needed"
        )
    return found


def at_hand(name: str) -> bool:
    """Whether the files of a set are here, the database in whole."""
    if name == FULL:
        try:
            return find_database(FULL).complete
        except DataError:
            return False
    folder = data_folder()
    return folder is not None and (folder / _file(name)).is_file()


def cut_beats(
    recordings: Iterable[tuple[Record, int]], database: str, *, lead: str, at_most: int | None = None
) -> Beats:
    """Detect beats in all leads of recordings, and cut those of one lead.

    Parameters
    ----------
    recordings
        Each with its label.
    database
        Their name in the table.
    lead
        Name of the lead.
    at_most
        Beats of a recording that are kept, evenly over its time; all where None.

    Raises
    ------
    RecordError
        Where a recording lacks the lead or is too short.
    """
    tables = []
    for record, label in recordings:
        signal = record.signal[:, record.lead_index(lead)]
        windows, sample = kachuee_beats(signal, record.fs, detect_beats(record))
        # The last beat's segment goes on after the recording's end.
        kept = np.arange(len(sample) - 1)
        if at_most is not None and len(kept) > at_most:
            kept = np.linspace(0, len(kept) - 1, at_most).round().astype(np.intp)
        n = len(kept)
        tables.append(
            Beats(
                np.full(n, database),
                np.full(n, record.name),
                np.full(n, record.patient),
                sample[kept],
                np.full(n, record.fs),
                np.full(n, label, dtype=np.int8),
                np.round(to_working(sample[kept], record.fs)).astype(np.int64),
                windows[kept, np.newaxis],
            )
        )
    return concatenate(tables)


def _ten_subjects(how: Mapping[str, Any]) -> InfarctionSet:
    path = _path(TEN)
    arrays = _arrays(path, "signal", "label", "fs", "leads")
    recordings = [
        (_record(signal, arrays, f"subject-{number}", TEN), int(label))
        for number, (signal, label) in enumerate(zip(arrays["signal"], arrays["label"], strict=True), 1)
    ]
    beats = cut_beats(recordings, TEN, lead=how["lead"])
    data = Data(len(recordings), file_sha256(path), True)
    return InfarctionSet(TEN, beats, data, "eight seconds of each subject")


def _ptbxl_sample(name: str, own: Mapping[str, Any], how: Mapping[str, Any]) -> InfarctionSet:
    """Records with the code of infarction against all others, or against those with none but given codes."""
    path = _path(name)
    arrays = _arrays(path, "signal", "snomed_ct", "fs", "leads", "ecg_id")
    recordings = []
    for signal, listed, number in zip(arrays["signal"], arrays["snomed_ct"], arrays["ecg_id"], strict=True):
        codes = set(str(listed).split("|"))
        infarction = own["infarction"] in codes
        if infarction or not own["healthy"] or codes <= set(own["healthy"]):
            recordings.append((_record(signal, arrays, f"ecg-{number}", name), int(infarction)))
    beats = cut_beats(recordings, name, lead=how["lead"])
    others = "with no code but those of sinus rhythm" if own["healthy"] else "with any other finding or none"
    note = f"infarction against records {others}; ten seconds each, every record taken for a patient"
    return InfarctionSet(name, beats, Data(len(recordings), file_sha256(path), True), note)


def _whole_database(how: Mapping[str, Any]) -> InfarctionSet:
    database = find_database(FULL)
    every = admissions(database)
    reasons = [reason.casefold() for reason in REASONS]
    chosen = {
        record: reasons.index(said.casefold()) for record, said in every.items() if said.casefold() in reasons
    }
    if not chosen:
        raise DataError(
            f"{FULL}: no record of {database.root} has {' or '.join(REASONS)} as reason for admission; "
            "run `ecgtune data get ptbdb`"
        )
    at_most = how["sets"][FULL]["beats_per_record"]
    tables = []
    for name, label in chosen.items():
        try:
            record = replace(read_record(database.path(name)), patient=database.patient(name))
            tables.append(cut_beats([(record, label)], FULL, lead=how["lead"], at_most=at_most))
        except RecordError as error:
            raise DataError(
                f"{FULL} {name}: cannot be used ({error}); run `ecgtune data get ptbdb`"
            ) from error
    note = (
        f"{len(chosen)} of {len(every)} records: those admitted for {REASONS[1].lower()} and the "
        f"{REASONS[0].lower()}s; at most {at_most} beats of a record"
    )
    return InfarctionSet(
        FULL, concatenate(tables), data_used((FULL, record) for record in chosen)[FULL], note
    )


def _record(signal: NDArray[Any], arrays: Mapping[str, NDArray[Any]], name: str, database: str) -> Record:
    leads = [normalise_lead(str(lead)) for lead in arrays["leads"]]
    return Record.from_array(signal, float(arrays["fs"]), leads, name=name, patient=f"{database}/{name}")


def _file(name: str) -> Path:
    return Path("ptbdb", "ptb_10_subjects.npz") if name == TEN else Path("ptbxl-sample", "ptbxl_74.npz")


def _path(name: str) -> Path:
    folder = data_folder()
    if folder is None or not (folder / _file(name)).is_file():
        raise DataError(
            f"{name}: no {_file(name).as_posix()} in "
            f"{folder or 'ECGTUNE_DATA, which is not set'}; set ECGTUNE_DATA to the folder that has it"
        )
    return folder / _file(name)


def _arrays(path: Path, *names: str) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in names}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be read ({error}); it should hold {', '.join(names)}") from error
