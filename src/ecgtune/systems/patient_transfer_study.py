"""patient-transfer as one command: all parts, their result file, tables and figures."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecgtune.beats import Beats
from ecgtune.databases import CATALOGUE, DS1, DS2, PACED
from ecgtune.errors import DataError
from ecgtune.evaluation.metrics import balanced_accuracy
from ecgtune.evaluation.results import FILE, Result, save_result
from ecgtune.files import make_folder, write_whole
from ecgtune.labels import CLASSES
from ecgtune.systems.config import load_config
from ecgtune.systems.patient_transfer import (
    NAME,
    TOGETHER,
    PaperRun,
    load_windows,
    paper_run,
    paper_split,
    pretrain,
)
from ecgtune.systems.patient_transfer_figures import draw_figures
from ecgtune.systems.patient_transfer_further import adapted, images, scarcity
from ecgtune.systems.patient_transfer_result import Study, result_of
from ecgtune.systems.work import Clock, command_of, make_work
from ecgtune.training.stacked import use_bfloat16
from ecgtune.training.stacks import Tell, Trainer

PARTS = ("paper", "scarcity", "adapted", "images")
"""Parts of the study, in the order in which they run; the others need the first."""


def reproduce(
    out: Path,
    *,
    quick: bool = False,
    records: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    parts: Sequence[str] | None = None,
    config: Path | None = None,
    jobs: int = 2,
    again: bool = False,
    bfloat16: bool | None = None,
    tell: Tell = lambda _: None,
) -> Result:
    """Run the study, or what an earlier call left of it, and write its result and figures.

    Parameters
    ----------
    out
        Gets ``result.json``, ``patients.csv``, ``choices.json``, ``figures/`` and, for resuming, ``work/``.
    quick
        A few records, windows and epochs: shows that all works; the figures mean nothing.
    records
        Some of the 29 records.
    seeds
        Of the splits, instead of the five.
    parts
        Some of `PARTS`; the paper's experiment always runs.
    config
        A TOML in place of ``patient_transfer.toml``.
    jobs
        Processes, each with one thread.
    again
        Forget what is finished.
    bfloat16
        See `ecgtune.training.stacked.train_stack`; by default where the processor has it.
    tell
        Called with lines of progress.

    Raises
    ------
    DataError
        Where a record is not one of the study's, or not at hand; where a part is not known.
    SplitError
        Where a patient has one class only.
    """
    how = load_config(NAME, config)
    if quick:
        how = quick_config(how)
    chosen = list(records or how["records"])
    if unknown := [name for name in chosen if name not in how["paper"]["settings"]]:
        raise DataError(
            f"{NAME}: record {unknown[0]} is not in the study; choose of {' '.join(how['paper']['settings'])}"
        )
    wanted = list(parts or PARTS)
    if strange := [part for part in wanted if part not in PARTS]:
        raise DataError(f"{NAME}: no part {strange[0]!r}; there are {', '.join(PARTS)}")
    configured = how["seeds"]["quick" if quick else "full"]
    splits_of = list(seeds if seeds is not None else configured)

    work = make_work(out, again=again)
    trainer = Trainer(work, jobs, use_bfloat16() if bfloat16 is None else bfloat16, tell)
    clock = Clock(work)

    beats = load_windows(how, chosen)
    if quick:
        beats = _thinned(beats, how["quick"]["windows"])
    tell(f"{len(beats):,} windows of {len(chosen)} records")
    splits = {seed: paper_split(how, beats, seed) for seed in _with_stack_mates(splits_of, configured)}
    with clock.part("pre-training"):
        pretrained = pretrain(how, beats, splits, trainer)
    first = splits_of[0]
    runs: dict[int, PaperRun] = {}
    for seed in splits_of:
        with clock.part(f"paper, seed {seed}"):
            runs[seed] = paper_run(how, beats, splits[seed], pretrained[seed], trainer, further=seed == first)
    study = Study(how, beats, runs, quick=quick, bfloat16=trainer.bfloat16)
    if "scarcity" in wanted:
        with clock.part("scarcity"):
            few = scarcity(how, beats, splits[first], pretrained[first], trainer)
        study = replace(study, scarcity=few)
    if "adapted" in wanted:
        done = {}
        for protocol, (names, classes) in _protocols(chosen, quick).items():
            with clock.part(protocol):
                done[protocol] = adapted(how, protocol, names, trainer, classes=classes)
        study = replace(study, adapted=done)
    if "images" in wanted:
        with clock.part("images"):
            drawn = images(how, beats, splits[first], trainer)
        study = replace(study, images=drawn)

    asked = {"patients": records, "seeds": seeds, "parts": parts, "config": config}
    command = command_of(NAME, quick=quick, options=asked, jobs=jobs, out=out)
    result = result_of(study, NAME + "-quick" * quick, command, clock.total)
    save_result(result, out / FILE)
    write_whole(out / "patients.csv", _patients_csv(study))
    write_whole(out / "histories.json", json.dumps(_histories(study), indent=1) + "\n")
    draw_figures(study, make_folder(out / "figures"))
    return result


def quick_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Put a few records, windows and epochs in place of the study's."""
    how = deepcopy(dict(config))
    quick = how["quick"]
    how["records"] = quick["records"]
    for section in ("pretraining", "grid", "adapted"):
        how[section]["epochs"] = quick["epochs"]
    how["grid"]["screen_epochs"] = 1
    how["scarcity"] |= {
        "fractions": quick["fractions"],
        "folds": quick["folds"],
        "epochs": [1, quick["epochs"]],
    }
    how["image"] |= {"pretraining_epochs": 1, "epochs": 1}
    return how


def _with_stack_mates(seeds: Sequence[int], configured: Sequence[int]) -> list[int]:
    """Add the seeds whose pre-training shares a stack: some of the seeds then give what all of them give."""
    stacks = [configured[at : at + TOGETHER] for at in range(0, len(configured), TOGETHER)]
    return sorted({*seeds, *(mate for stack in stacks if set(stack) & set(seeds) for mate in stack)})


def _protocols(chosen: Sequence[str], quick: bool) -> dict[str, tuple[list[str], tuple[str, ...]]]:
    """Records and classes of the protocols that divide time."""
    binary = ("normal", "abnormal")
    if quick:
        every = [record for record in chosen if record not in PACED]
        return {"chronological": (list(chosen), binary), "patient-adapted": (every, binary)}
    every = [record for record in CATALOGUE["mitdb"].records if record not in PACED]
    return {
        "chronological": (list(chosen), binary),
        "patient-adapted": ([*DS1, *DS2], binary),
        "patient-adapted-24": (every, CLASSES),
    }


def _thinned(beats: Beats, windows: int) -> Beats:
    """Keep the first windows of each class of each record."""
    kept = np.zeros(len(beats), dtype=np.bool_)
    for key in beats.records():
        own = beats.of(*key)
        for label in np.unique(beats.label[own]):
            kept[own[beats.label[own] == label][:windows]] = True
    return beats.select(kept)


def _patients_csv(study: Study) -> str:
    """What was chosen for whom, and how it did: one row a network."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    settings = ("lr", "batch", "weighted", "frozen")
    figures = ("epochs", "best epoch", "validation loss", "validation balanced accuracy")
    rows.writerow(["seed", "record", "network", *settings, *figures, "test balanced accuracy", "test matrix"])
    for seed, run in study.runs.items():
        for record, patient in run.patients.items():
            for network, choice in vars(patient).items():
                if choice is None:
                    continue
                trained = choice.trained
                rows.writerow(
                    [
                        *(seed, record, network.replace("_", "-")),
                        *(getattr(choice.settings, name) for name in settings),
                        *(len(trained.history), trained.best + 1),
                        *(f"{trained.kept.loss:.6f}", f"{trained.kept.balanced_accuracy:.6f}"),
                        f"{float(balanced_accuracy(choice.test)):.6f}",
                        " ".join(map(str, choice.test.ravel().tolist())),
                    ]
                )
    return text.getvalue()


def _histories(study: Study) -> dict[str, Any]:
    """Curves that the paper shows: pre-training, and patient 203's networks."""
    seed, run = next(iter(study.runs.items()))
    curves = {f"pre-training, seed {seed}": run.pretrained}
    if "203" in run.patients:
        shown = run.patients["203"]
        curves |= {"203, individual": shown.individual.trained, "203, fine-tuned": shown.reused.trained}
    return {name: [asdict(epoch) for epoch in trained.history] for name, trained in curves.items()}
