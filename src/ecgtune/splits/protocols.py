"""The evaluation protocols: how each divides a table of beats into training, validation and testing.

Beats without a label (-1) are on no side. What each protocol tells is in `PROTOCOLS`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgtune.databases import CATALOGUE, DS1, DS2, PACED, patient_of
from ecgtune.errors import SplitError
from ecgtune.labels import CLASSES
from ecgtune.splits import choose
from ecgtune.splits.beat_index import NO_ROWS, BeatIndex, RecordKey, Rows
from ecgtune.splits.boundaries import Window, divide_time, durations_by_patient, timeline
from ecgtune.splits.split import Split

Mask = NDArray[np.bool_]


def make_split(
    beats: BeatIndex,
    protocol: str,
    *,
    seed: int = 0,
    classes: tuple[str, ...] = CLASSES,
    **options: Any,
) -> Split:
    """Divide beats by a protocol, and check that nobody is where the protocol forbids it.

    Parameters
    ----------
    beats
        The beats' index; see `BeatIndex`.
    protocol
        A name of `PROTOCOLS`.
    seed
        Draws what the protocol leaves to chance.
    classes
        Names of the classes that the labels index.
    options
        The protocol's own parameters (see its function); `fold` picks one of a protocol's folds. Protocols
        that divide in time need `window`: seconds before and after the annotation that anything about a beat
        reads, neighbouring beats' times and the room for moving to the fiducial included.

    Raises
    ------
    SplitError
        On an unknown protocol or option, where these beats cannot be divided so (the text says why), and
        where the split would leak a patient (the text names the patient).
    """
    fold = int(options.pop("fold", 0))
    folds = make_folds(beats, protocol, seed=seed, classes=classes, **options)
    if not 0 <= fold < len(folds):
        raise SplitError(f"{protocol}: no fold {fold}; there are folds 0 to {len(folds) - 1}")
    return folds[fold]


def make_folds(
    beats: BeatIndex,
    protocol: str,
    *,
    seed: int = 0,
    classes: tuple[str, ...] = CLASSES,
    **options: Any,
) -> list[Split]:
    """All folds of a protocol, each checked; one for the protocols without folds.

    Parameters and errors as in `make_split`.
    """
    if protocol not in PROTOCOLS:
        raise SplitError(f"no protocol {protocol!r}; known: {', '.join(PROTOCOLS)}")
    _check_identities(beats)
    make = _MAKERS[protocol]
    try:
        signature(make).bind(beats, seed, **options)
    except TypeError as error:
        raise SplitError(f"{protocol}: {error}; its options: {_options(make)}") from error
    splits = make(beats, seed, **options)
    named = [replace(split, protocol=protocol, seed=seed, classes=classes) for split in splits]
    for split in named:
        split.check()
    return named


def _beat_split(
    beats: BeatIndex,
    seed: int,
    *,
    test: float = 0.2,
    validation: float = 0.2,
    by_patient: bool = False,
) -> Iterator[Split]:
    """Beats at random, stratified by class: `test` of all, then `validation` of the rest.

    `by_patient` stratifies inside each patient, as `patient-transfer` does.
    """
    rest, test_rows = choose.divide(
        choose.shuffled_strata(beats, _labelled(beats), seed, by_patient=by_patient), test
    )
    train, validate = choose.divide(
        choose.shuffled_strata(beats, rest, seed + 1, by_patient=by_patient), validation
    )
    yield _split(beats, train, validate, test_rows, shared=None)


def _k_fold(beats: BeatIndex, seed: int, *, k: int = 10, validation: bool = False) -> Iterator[Split]:
    """Deal beats (segments) at random into `k` folds, stratified by class."""
    folds = choose.beat_folds(choose.shuffled_strata(beats, _labelled(beats), seed), k)
    yield from _rotate(beats, folds, validation, shared=None)


def _grouped_k_fold(beats: BeatIndex, seed: int, *, k: int = 5, validation: bool = False) -> Iterator[Split]:
    """Deal whole patients into `k` folds, the classes as even as patients allow."""
    labelled = _labelled(beats)
    groups = choose.patient_folds(beats, labelled, k, seed)
    folds = [labelled[np.isin(beats.patient[labelled], group)] for group in groups]
    yield from _rotate(beats, folds, validation, shared=frozenset())


def _leave_patients_out(
    beats: BeatIndex, seed: int, *, k: int = 5, databases: str = "strict"
) -> Iterator[Split]:
    """DS1 without 201 in `k` folds of patients, each validating once; DS2 is on no side.

    For choosing: epochs, thresholds, features, architectures. With `databases` ``"open"`` the folds are of
    all patients but DS2's, of whatever database.
    """
    if databases not in ("strict", "open"):
        raise SplitError(f"leave-patients-out: databases {databases!r}; give strict or open")
    rows = _rows(_ds1(beats) if databases == "strict" else _not_ds2(beats))
    groups = choose.patient_folds(beats, rows, k, seed)
    for number, group in enumerate(groups):
        out = np.isin(beats.patient[rows], group)
        yield _split(beats, rows[~out], rows[out], NO_ROWS, fold=number)


def _inter_patient(beats: BeatIndex, seed: int, *, validation: float = 0.2) -> Iterator[Split]:
    """Train on mitdb's DS1 without 201 (the patient of DS2's 202), test on DS2; no paced records.

    Validation is a part of DS1's patients, chosen so that the classes are represented
    (`choose.choose_patients`).
    """
    yield _by_patients(beats, seed, _ds1(beats), _mitdb(beats, DS2), validation)


def _inter_patient_open(beats: BeatIndex, seed: int, *, validation: float = 0.2) -> Iterator[Split]:
    """Train on the patients of every database but DS2's, paced ones included where they are there."""
    yield _by_patients(beats, seed, _not_ds2(beats), _mitdb(beats, DS2), validation)


def _inter_patient_published(beats: BeatIndex, seed: int, *, validation: float = 0.2) -> Iterator[Split]:
    """De Chazal's division as it is, 201 and 202 on both sides: for comparison with papers only."""
    split = _by_patients(beats, seed, _mitdb(beats, DS1), _mitdb(beats, DS2), validation)
    yield replace(split, shared=frozenset({patient_of("mitdb", "202")}))


def _adapted(sides: Callable[[BeatIndex], tuple[Mask, Mask]]) -> Callable[..., Iterator[Split]]:
    """Make a protocol: train on one side, tune on the other's first `until` seconds, test on its rest."""

    def make(
        beats: BeatIndex,
        seed: int,
        *,
        validation: float = 0.2,
        until: float = 300.0,
        tune_validation: float = 0.2,
        window: Window,
    ) -> Iterator[Split]:
        base = _by_patients(beats, seed, *sides(beats), validation)
        yield _adapt(base, until, tune_validation, window)

    return make


def _sides_of_24(beats: BeatIndex) -> tuple[Mask, Mask]:
    """Mitdb's 100-series and its 200-series, the division of Kiranyaz 2016 (doi:10.1109/TBME.2015.2468589).

    They take 245 beats of the 100-series; here all its beats may train. Paced records are left out, which
    leaves 20 and 24 records.
    """
    first, second = (
        _mitdb(beats, [r for r in CATALOGUE["mitdb"].records if r[0] == digit and r not in PACED])
        for digit in "12"
    )
    return first, second


def _chronological(
    beats: BeatIndex,
    seed: int,
    *,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    window: Window,
) -> Iterator[Split]:
    """Divide each patient's time: the first part trains, the middle validates, the last tests.

    The records of a patient who has several (mitdb 201 and 202) follow one another in the order of their
    names, and the fractions are of that whole time; a record lasts until its last beat.
    """
    if abs(sum(fractions) - 1) > 1e-9 or min(fractions) < 0 or not (fractions[0] and fractions[2]):
        raise SplitError(f"chronological: fractions {fractions} are not three parts that sum to 1")
    labelled = _labelled(beats)
    limits: dict[RecordKey, tuple[float, float]] = {}
    for patient, durations in durations_by_patient(beats, labelled).items():
        databases = {database for database, _ in durations}
        if len(databases) > 1 or (len(durations) > 1 and databases & _COPIES):
            listing = ", ".join("/".join(key) for key in durations)
            raise SplitError(
                f"chronological: patient {patient} has several copies of the same time ({listing}); keep one"
            )
        limits |= timeline(durations, fractions)
    train, validate, test = divide_time(beats, labelled, limits, window)
    yield _split(beats, train, validate, test, window=window, boundaries=limits, shared=None)


def _cross_database(
    beats: BeatIndex,
    seed: int,
    *,
    train: str | Sequence[str],
    test: str | Sequence[str],
    validation: float = 0.2,
    paced: bool = False,
    drop_shared: bool = False,
) -> Iterator[Split]:
    """Train and validate (by patients) on databases, test on others; mitdb's paced records only if asked.

    Databases may hold the same patient (nstdb's 118e00 is mitdb's 118): an error, unless `drop_shared` leaves
    the patient out of training.
    """
    allowed = _any(beats) if paced else ~_mitdb(beats, PACED)
    trained = allowed & np.isin(beats.database, [train] if isinstance(train, str) else list(train))
    tested = allowed & np.isin(beats.database, [test] if isinstance(test, str) else list(test))
    if drop_shared:
        trained &= ~np.isin(beats.patient, np.unique(beats.patient[tested]))
    yield _by_patients(beats, seed, trained, tested, validation)


PROTOCOLS: dict[str, str] = {
    "beat-split": "what the papers report; the same patient is on both sides, so nothing of a new patient",
    "inter-patient": "a new patient",
    "inter-patient-open": "a new patient, of a model trained on other databases too",
    "inter-patient-published": "a new patient, but for 201 and 202, who are one; to compare with papers",
    "patient-adapted": "a new patient with five labelled minutes",
    "patient-adapted-open": "a new patient with five labelled minutes; trained on other databases too",
    "patient-adapted-24": "patient-adapted on the split of Kiranyaz 2016; to compare with its line of papers",
    "chronological": "a patient's own future",
    "cross-database": "another hospital and device",
    "k-fold": "the papers' k-fold by segments; the same patient is on both sides",
    "grouped-k-fold": "k-fold by patients",
    "leave-patients-out": "what choices are made by; tests nothing",
}
"""Names of the protocols, and what each tells."""

_MAKERS: dict[str, Callable[..., Iterator[Split]]] = {
    "beat-split": _beat_split,
    "inter-patient": _inter_patient,
    "inter-patient-open": _inter_patient_open,
    "inter-patient-published": _inter_patient_published,
    "patient-adapted": _adapted(lambda beats: (_ds1(beats), _mitdb(beats, DS2))),
    "patient-adapted-open": _adapted(lambda beats: (_not_ds2(beats), _mitdb(beats, DS2))),
    "patient-adapted-24": _adapted(_sides_of_24),
    "chronological": _chronological,
    "cross-database": _cross_database,
    "k-fold": _k_fold,
    "grouped-k-fold": _grouped_k_fold,
    "leave-patients-out": _leave_patients_out,
}

# nstdb's records of one patient are one recording under different noise, not one after the other.
_COPIES = {"nstdb"}


def _check_identities(beats: BeatIndex) -> None:
    """Refuse beats of no database, or whose patients are not the catalogue's: a leak would pass unseen."""
    for database in np.unique(beats.database).tolist():
        if not database:
            raise SplitError(
                f"{np.unique(beats.record[beats.database == ''])[0]}: its beats tell no database, so that"
                " nobody knows whose other recordings there are; give database='mitdb', or a name of your own"
                " (`beat_index`, `annotated_beats`)"
            )
        if database not in CATALOGUE:
            continue
        here = beats.database == database
        records, first = np.unique(beats.record[here], return_index=True)
        for record, patient in zip(records.tolist(), beats.patient[here][first].tolist(), strict=True):
            known = patient_of(database, record)
            by_folder = known == f"{database}/{record}" and patient.startswith(f"{database}/")
            if patient != known and not by_folder:
                raise SplitError(
                    f"{database} {record} is given to patient {patient!r}, but belongs to {known!r}: "
                    "take patients from `find_database(...).patient(record)`"
                    " (`dataclasses.replace(record, patient=...)`)"
                )


def _options(make: Callable[..., Any]) -> str:
    return ", ".join(list(signature(make).parameters)[2:]) or "none"


def _labelled(beats: BeatIndex) -> Rows:
    return _rows(_any(beats) & (beats.label >= 0))


def _any(beats: BeatIndex) -> Mask:
    return np.ones(len(beats), dtype=np.bool_)


def _rows(mask: Mask) -> Rows:
    return np.flatnonzero(mask)


def _mitdb(beats: BeatIndex, records: Sequence[str]) -> Mask:
    here: Mask = (beats.database == "mitdb") & np.isin(beats.record, list(records)) & (beats.label >= 0)
    return here


def _ds1(beats: BeatIndex) -> Mask:
    """DS1 without the patients of DS2, whether or not these beats hold DS2."""
    tested = {patient_of("mitdb", record) for record in DS2}
    return _mitdb(beats, [record for record in DS1 if patient_of("mitdb", record) not in tested])


def _not_ds2(beats: BeatIndex) -> Mask:
    """Labelled beats of every patient of any database who is not in DS2."""
    tested = [patient_of("mitdb", record) for record in DS2]
    others: Mask = (beats.label >= 0) & ~np.isin(beats.patient, tested)
    return others


def _split(beats: BeatIndex, train: Rows, validate: Rows, test: Rows, **more: Any) -> Split:
    return Split("", beats, train, validate, test, **more)


def _by_patients(beats: BeatIndex, seed: int, train: Mask, test: Mask, validation: float) -> Split:
    rows = _rows(train & (beats.label >= 0))
    tested = _rows(test & (beats.label >= 0))
    for side, found in (("train", rows), ("test", tested)):
        if not len(found):
            raise SplitError(f"no beats to {side} on; there are {_listing(beats)}")
    if not validation:
        return _split(beats, rows, NO_ROWS, tested)
    out = np.isin(beats.patient[rows], choose.choose_patients(beats, rows, validation, seed))
    return _split(beats, rows[~out], rows[out], tested)


def _rotate(
    beats: BeatIndex, folds: list[Rows], validation: bool, shared: frozenset[str] | None
) -> Iterator[Split]:
    """Each fold tests once; with `validation`, the next one validates."""
    for number, test in enumerate(folds):
        following = (number + 1) % len(folds)
        validate = folds[following] if validation else NO_ROWS
        train = [fold for i, fold in enumerate(folds) if i != number and not (validation and i == following)]
        yield _split(beats, choose.joined(train), validate, test, fold=number, shared=shared)


def _adapt(base: Split, until: float, tune_validation: float, window: Window) -> Split:
    """Move the first seconds of each test record to the tuning sides, without what crosses."""
    limits = dict.fromkeys(base.records("test"), (until * (1 - tune_validation), until))
    tune, tune_validate, test = divide_time(base.beats, base.test, limits, window)
    return replace(base, tune=tune, tune_validate=tune_validate, test=test, window=window, boundaries=limits)


def _listing(beats: BeatIndex) -> str:
    names = np.unique(beats.database).tolist()
    return ", ".join(f"{sum(beats.database == name):,} of {name}" for name in names) or "none"
