"""An evaluation as JSON and CSV."""

import csv
import io
import json
import math
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from ecgtune.evaluation.ec57 import EVENTS, BeatComparison, BeatRates, Rate, RunComparison, RunSummary
from ecgtune.evaluation.ec57.summary import run_categories, run_rates
from ecgtune.evaluation.headline import headline
from ecgtune.evaluation.metrics import figures
from ecgtune.labels import CLASSES

if TYPE_CHECKING:
    from ecgtune.evaluation.evaluate import Evaluation, Group, RecordResult

_RATES = tuple(field.name for field in fields(BeatRates))
_RUNS = ("couplets", "short_runs", "long_runs")
_CELLS = [(row, column) for row in range(7) for column in range(7) if min(row, column) < 5]


def encode_json(evaluation: "Evaluation") -> str:
    """Encode as one JSON object.

    ``settings``; ``tested`` (the headline: records that the model was not trained on) and ``training``, each
    with EC57's gross and average figures, runs, and the labels' figures with intervals; ``records``, one
    object each; ``failures``. Proportions are 0 to 1, average figures too; undefined ones are null.
    """
    content = {
        "settings": asdict(evaluation.settings),
        "tested": _group(evaluation.tested),
        "training": _group(evaluation.training),
        "records": [_record(result) for result in evaluation.results],
        "failures": [asdict(failure) for failure in evaluation.failures],
    }
    return json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def encode_csv(evaluation: "Evaluation") -> str:
    """Encode as CSV, a line a record.

    Counts are named by reference and test (``Nv``: reference N, test V; ``No``: missed; ``Ov``: extra),
    figures as in `ecgtune.evaluation.ec57.BeatRates`; runs by kind (``V``, ``S``), category and count.
    Undefined figures are empty.
    """
    counts = [f"{EVENTS[row]}{EVENTS[column].lower()}" for row, column in _CELLS]
    kinds = [f"{kind}_{name}" for kind in "VS" for name in _RUNS]
    runs = [f"{name}_{count}" for name in kinds for count in ("found", "missed", "true", "false")]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(
        ["record", "trained_on", "classes", *counts, *_RATES, "rms_rr_error_ms", "shutdown_s", *runs]
    )
    for result in evaluation.results:
        beats = result.beats
        numbers = [getattr(beats.rates, name).value for name in _RATES]
        numbers += [beats.rms_rr_error, beats.shutdown]
        tallies = [
            count
            for comparison in (result.ventricular, result.supraventricular)
            for category in run_categories(comparison)
            for count in (category.found, category.missed, category.true, category.false)
        ]
        writer.writerow(
            [
                result.record,
                str(result.trained_on).lower(),
                beats.classes,
                *(int(beats.counts[cell]) for cell in _CELLS),
                *("" if math.isnan(number) else f"{number:.6g}" for number in numbers),
                *tallies,
            ]
        )
    return buffer.getvalue()


def _group(group: "Group") -> dict[str, Any] | None:
    if not group.results:
        return None
    beats = group.beats
    confusion = beats.counts[:5, :5]
    return {
        "records": [result.record for result in group.results],
        "beats": {
            "counts": beats.counts.tolist(),
            "order": EVENTS,
            "gross": {name: _rate(getattr(beats.gross, name)) for name in _RATES},
            "average": {name: value / 100 for name, value in beats.average.items()},
            "average_rms_rr_error_ms": beats.average_rms_rr_error,
        },
        "runs": {
            "ventricular": _runs(group.ventricular),
            "supraventricular": _runs(group.supraventricular),
        },
        "labels": {
            "confusion": confusion.tolist(),
            "order": CLASSES,
            "figures": figures(confusion).to_dict(),
            "intervals": {name: asdict(interval) for name, interval in headline(group.confusions).items()},
        },
    }


def _record(result: "RecordResult") -> dict[str, Any]:
    return {
        "record": result.record,
        "trained_on": result.trained_on,
        "beats": _beats(result.beats),
        "runs": {
            "ventricular": _run_counts(result.ventricular),
            "supraventricular": _run_counts(result.supraventricular),
        },
    }


def _beats(beats: BeatComparison) -> dict[str, Any]:
    return {
        "counts": beats.counts.tolist(),
        **{name: _rate(getattr(beats.rates, name)) for name in _RATES},
        "rms_rr_error_ms": beats.rms_rr_error,
        "shutdown_s": beats.shutdown,
    }


def _runs(summary: RunSummary) -> dict[str, Any]:
    names = [f"{name}_{figure}" for name in _RUNS for figure in ("sensitivity", "predictivity")]
    rates = zip(names, run_rates(summary.gross), strict=True)
    average = zip(names, summary.average, strict=True)
    return {
        "counts": _run_counts(summary.gross),
        "gross": {name: _rate(rate) for name, rate in rates},
        "average": {name: value / 100 for name, value in average},
    }


def _run_counts(comparison: RunComparison) -> dict[str, Any]:
    categories = zip(_RUNS, run_categories(comparison), strict=True)
    return {
        **{name: asdict(counts) for name, counts in categories},
        "by_reference": comparison.by_reference.tolist(),
        "by_test": comparison.by_test.tolist(),
    }


def _rate(rate: Rate) -> dict[str, Any]:
    return {"value": rate.value, "numerator": rate.numerator, "denominator": rate.denominator}


def _plain(value: Any) -> Any:
    """Replace NaN by null, which JSON has."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
