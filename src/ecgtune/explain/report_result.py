"""A report as the result store keeps it: tables, provenance, and notes whose first line is the verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ecgtune.evaluation.provenance import code_version, data_used, machine_class, now
from ecgtune.evaluation.results import Result
from ecgtune.explain.report_faith import Faith
from ecgtune.explain.report_plan import FULL, Plan, Took
from ecgtune.explain.report_sanity import Sanity
from ecgtune.explain.report_tables import lay_out
from ecgtune.explain.report_verdicts import Verdict, headline, reasons
from ecgtune.explain.sensitivity import RADIUS
from ecgtune.explain.subject import BeatSubject
from ecgtune.training.tables import RecordKey

INTERVALS = "95 % bootstrap over records, of the mean over records of each record's mean"


@dataclass(frozen=True)
class Measured:
    """All that a report is made of.

    Parameters
    ----------
    subject
        The model.
    faith, sanity
        What was measured.
    verdicts
        What follows.
    plan
        How much was measured.
    keys
        Records of the beats, and those of the beats that the network with permuted labels learned.
    provenance
        Sentences: whose beats these are, and whether the model was trained on them.
    parts
        How long each took.
    """

    subject: BeatSubject = field(repr=False)
    faith: Faith = field(repr=False)
    sanity: Sanity = field(repr=False)
    verdicts: Sequence[Verdict]
    plan: Plan
    keys: Sequence[RecordKey]
    provenance: Sequence[str]
    parts: dict[str, Took]


def result_of(measured: Measured, name: str, command: str, seed: int) -> Result:
    """Put everything into a result.

    Parameters
    ----------
    measured
        What was measured.
    name
        Of the result.
    command
        That measures it again, without paths of a machine.
    seed
        Of every draw.
    """
    subject = measured.subject
    laid = lay_out(subject.classes, measured.faith, measured.sanity, measured.verdicts, measured.parts)
    return Result(
        name=name,
        title=f"Are explanations of {subject.name} faithful, sane and robust?",
        created=now().date(),
        command=command,
        protocol="explanations of labels; nothing is chosen by them",
        figures=laid.rows,
        code=code_version(),
        machine=machine_class(),
        wall_s=round(sum(took.wall for took in measured.parts.values()), 1),
        intervals=INTERVALS,
        tables=laid.tables,
        data=data_used(measured.keys),
        seeds=(seed,),
        parameters=sum(weight.numel() for weight in subject.network.parameters()),
        notes=tuple(notes_of(measured)),
    )


def notes_of(measured: Measured) -> list[str]:
    """Say what failed and why, whose beats these are, and how everything was measured."""
    sanity, plan, subject = measured.sanity, measured.plan, measured.subject
    known = sanity.memorised
    notes = [headline(subject.name, measured.verdicts), *reasons(measured.verdicts)]
    notes += [*_nothing(measured.faith), *measured.provenance]
    notes += [
        "what is explained is the label that the model gives, also where the annotation has another; beats "
        "are grouped by their annotation",
        "filling: what takes the place of samples that are taken away, and what a method's baseline is: "
        "zero, the recording's typical beat, or noise of the signal's own strength",
        "order of attribution: the largest contribution first; random: mean of "
        f"{plan.orders} order{'s' * (plan.orders > 1)} for each beat; edges: in order of the slope of the "
        "smoothed signal",
        "infidelity: share of what happens to the logit that the contributions do not foretell (0 best, 1 "
        "worthless), contributions scaled for each beat as suits them best",
        f"sensitivity: largest change under {plan.noises} noise{'s' * (plan.noises > 1)} of up to "
        f"{100 * RADIUS:g} % of the beat's height, as a share of the attribution",
        "a P, QRS or T window is where the wave is expected by the RR intervals, not where it was found",
        f"sensitivity and sanity checks: {len(sanity.examples)} of the beats, Integrated Gradients with "
        f"{plan.few_steps} steps",
        "random weights: values of each tensor dealt anew with random signs, from the last of "
        f"{len(sanity.stages)} layers down to the first, and batch norms measured again; mean of "
        f"{plan.dealings} such network{'s' * (plan.dealings > 1)}, whose draw the intervals do not cover",
        f"permuted labels: the same architecture, trained from random weights on {known.beats} beats, up to "
        f"{plan.learned} of each class, for {known.epochs} epochs without dropout; it then knew "
        f"{100 * known.accuracy:.0f} % of their permuted labels",
    ]
    if plan != FULL:
        notes.append("a short run, which shows that all works: verdicts need the full one")
    if "grad-cam" not in measured.faith.methods:
        notes.append("grad-cam: not measured, since the network has no convolution")
    if subject.rhythm_features:
        notes.append(
            "RR features, typical beat and neighbours stay as they are while samples are taken away: a label "
            "may rest on them, and its probability then stays"
        )
    return notes


def _nothing(faith: Faith) -> list[str]:
    """Say where a method attributes nothing at all."""
    said = []
    for method in faith.methods:
        empty = np.all(faith.values[faith.fillings[0], method] == 0, axis=(1, 2))
        if empty.any():
            said.append(f"{method} shows nothing at all for {empty.sum()} of {len(empty)} beats")
    return said
