"""``ecgtune explain-report``: whether a model's explanations can be trusted."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from ecgtune.errors import DataError
from ecgtune.evaluation.results import FILE, Result, save_result
from ecgtune.explain.beats_of import (
    Drawn,
    Index,
    deal,
    held_out,
    index_records,
    most_classes,
    read_drawn,
    records_of,
)
from ecgtune.explain.load import beat_subject_of
from ecgtune.explain.report_faith import measure_faith
from ecgtune.explain.report_figures import draw_page
from ecgtune.explain.report_page import render_page
from ecgtune.explain.report_plan import FULL, QUICK, Clock, Plan
from ecgtune.explain.report_result import Measured, result_of
from ecgtune.explain.report_sanity import measure_sanity
from ecgtune.explain.report_verdicts import verdicts_of
from ecgtune.explain.study import command_of, result_name
from ecgtune.explain.subject import BeatSubject
from ecgtune.files import make_folder, write_whole
from ecgtune.training.tables import RecordKey

FIGURES, PAGE = "report.png", "report.html"

LEARNED_RECORDS = 8
"""Records that the network with permuted labels learns beats of."""


def write_report(
    model: str | Path,
    out: Path,
    *,
    data: str = "mitdb",
    records: Sequence[str] | None = None,
    quick: bool = False,
    seed: int = 0,
    plan: Plan | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Explain beats of each class by every method and test what comes of it.

    The beats are drawn from recordings of patients that the model was not trained on, by its card, unless
    records are named or there are no others; the report says in words which it was.

    Parameters
    ----------
    model
        A model of beats; see `ecgtune.explain.load.beat_subject_of`.
    out
        Folder: ``result.json`` (see `ecgtune.evaluation.results`), ``report.html``, ``report.png``.
    data
        Database with reference annotations.
    records
        Names of its records to take the beats from.
    quick
        Few beats of few records, in under a minute: shows that all works.
    seed
        Of every draw.
    plan
        How much is measured, in place of ``quick``.
    tell
        Called with each line of progress.

    Returns
    -------
    Result
        Tables and notes; the first note is the verdict.

    Raises
    ------
    ModelError
        Where there is no such model, it has no gradients, or it labels images.
    DataError
        Where the database or a record is not there.
    OutputError
        Where the folder cannot be written.
    """
    options = {"data": data * (data != "mitdb"), "records": records, "quick": quick, "seed": seed}
    return report_on(
        beat_subject_of(model),
        out,
        command=command_of("explain-report", str(model), options, out),
        data=data,
        records=records,
        plan=plan or (QUICK if quick else FULL),
        seed=seed,
        tell=tell,
    )


def report_on(
    subject: BeatSubject,
    out: Path,
    *,
    command: str,
    data: str,
    records: Sequence[str] | None,
    plan: Plan,
    seed: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Result:
    """Report on a subject; see `write_report`.

    Parameters
    ----------
    subject
        The model.
    command
        That measures the same again, for the result.
    out, data, records, plan, seed, tell
        See `write_report`.
    """
    make_folder(out)
    clock = Clock(tell)
    with clock.part("reading"):
        index = index_records(records_of(data, records))
        unseen = held_out(index, subject.trained_on)
        keys = tuple(index.keys) if records is not None else unseen or tuple(index.keys)
        if plan.records is not None:
            keys = most_classes(index, keys, plan.records, seed)
        drawn = read_drawn(
            subject, index, deal({key: index.label[key] for key in keys}, plan.per_class, seed)
        )
        learned, taught = learned_beats(subject, data, drawn, plan, seed)
        examples = drawn.examples(subject)
    tell(f"{len(examples)} beats of {len(drawn.readings)} records")
    faith = measure_faith(subject, examples, plan, seed=seed, clock=clock)
    sanity = measure_sanity(subject, drawn.thin(plan.few, seed), learned, plan, seed=seed, clock=clock)
    verdicts = verdicts_of(faith, sanity)
    measured = Measured(
        subject=subject,
        faith=faith,
        sanity=sanity,
        verdicts=verdicts,
        plan=plan,
        keys=sorted({*drawn.keys, *learned.keys}),
        provenance=[_whose(subject, drawn), taught],
        parts=clock.parts,
    )
    with clock.part("figures"):
        picture = draw_page(measured)
    result = result_of(measured, result_name(out, "explain", subject.name), command, seed)
    write_whole(out / FIGURES, picture)
    write_whole(out / PAGE, render_page(result, picture))
    save_result(result, out / FILE)
    return result


def learned_beats(subject: BeatSubject, data: str, drawn: Drawn, plan: Plan, seed: int) -> tuple[Drawn, str]:
    """Draw beats for the network with permuted labels, of the model's own training where it is at hand.

    Parameters
    ----------
    subject
        The model.
    data
        Database of the beats that are explained.
    drawn
        Those beats: they are learned where there are no others.
    plan, seed
        How many; of the draw.

    Returns
    -------
    tuple
        The beats, and a sentence that says which they are.
    """
    patients = sorted(subject.trained_on)
    homes = Counter(patient.partition("/")[0] for patient in patients)
    home = data if data in homes or not homes else homes.most_common(1)[0][0]
    try:
        every = index_records(records_of(home))
    except DataError:
        every = Index((), {}, {}, {})
    own = tuple(key for key in every.keys if every.patient[key] in subject.trained_on)
    if not own:
        return (
            drawn.thin(plan.learned, seed + 1),
            "permuted labels: learned on beats of the records that are explained, since none of the model's "
            "training is at hand",
        )
    chosen = most_classes(every, own, plan.records or LEARNED_RECORDS, seed)
    labels = {key: every.label[key] for key in chosen}
    return (
        read_drawn(subject, every, deal(labels, plan.learned, seed + 1)),
        f"permuted labels: learned on beats of the model's training, records {_names(chosen)}",
    )


def _whose(subject: BeatSubject, drawn: Drawn) -> str:
    """Say whose beats are explained and whether the model was trained on them."""
    patients = sorted({reading.patient for reading in drawn.readings})
    seen = [patient for patient in patients if patient in subject.trained_on]
    where = f"beats of {len(drawn.readings)} records, patients {', '.join(patients)}"
    if not subject.trained_on:
        return f"{where}; the model does not say what it was trained on, so it may have learned these beats"
    if not seen:
        return f"{where}; the model was trained on none of them"
    which = "all of them" if len(seen) == len(patients) else ", ".join(seen)
    return f"{where}; the model WAS TRAINED on {which}: this says less of how it explains new patients"


def _names(keys: Sequence[RecordKey]) -> str:
    return ", ".join("/".join(key) for key in keys)
