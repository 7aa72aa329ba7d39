"""From run folders to what ships: ``python -m ecgtune.training.ship runs/default runs/strict``.

A run's model goes to ``pretrained/NAME``, its result to the result store, and every stored result of the
model into its card.
"""

import argparse
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from ecgtune.errors import ModelError
from ecgtune.evaluation.results import FILE, FOLDER, Result, load_result, load_results, save_result
from ecgtune.files import make_folder, write_whole
from ecgtune.model import CARD, load_model, pretrained_folder, read_card
from ecgtune.training.measured import earlier_scorings
from ecgtune.training.on_rhythms import PROTOCOL

LARGEST = 3_000_000
"""Bytes of a model folder that may ship."""


def ship(run: Path, results: Path = FOLDER) -> Path:
    """Copy a training's model to the models that ship, and its result, with the log so far, to the others.

    Parameters
    ----------
    run
        Run folder of `ecgtune.training.run.train`.
    results
        Folder of the stored results.

    Returns
    -------
    Path
        The model folder.

    Raises
    ------
    ModelError
        Where the training has not scored its test side, its result is of another model, or the folder is
        larger than `LARGEST`.
    """
    model = load_model(run / "model")
    if not (run / FILE).is_file():
        raise ModelError(f"{run}: has no {FILE}; finish the training, without --no-test")
    result = load_result(run / FILE)
    if model.hash not in {entry.model_hash for entry in result.scorings}:
        raise ModelError(f"{run / FILE}: is of another model; train again into an empty folder")
    size = sum(path.stat().st_size for path in model.folder.iterdir())
    if size > LARGEST:
        raise ModelError(f"{model.folder}: holds {size:,} bytes; at most {LARGEST:,} may ship")
    folder = pretrained_folder() / str(model.card["name"])
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(model.folder, part)
    if folder.exists():
        shutil.rmtree(folder)
    part.rename(folder)
    path = make_folder(results) / f"{result.name}.json"
    # The log of what was scored on this test side goes on, whatever run folder it was scored from.
    log = sorted({*earlier_scorings(path), *result.scorings}, key=lambda entry: entry.when)
    save_result(replace(result, scorings=tuple(log)), path)
    return folder


def put_figures(folder: Path, results: Path = FOLDER) -> list[str]:
    """Put the figures of every stored result of a model into its card, and return the results' names.

    A result is a model's where its log of scorings has the model's hash, or where it is of the model's
    configuration under a protocol that trains networks of its own (`OF_CONFIGURATION`).

    Parameters
    ----------
    folder
        Model folder; the card alone is written.
    results
        Folder of the stored results.
    """
    card = read_card(folder)
    own = {name: result for name, result in load_results(results).items() if _is_of(result, card)}
    card["metrics"] = {name: _figures(result) for name, result in own.items()}
    write_whole(folder / CARD, json.dumps(card, indent=1) + "\n")
    return list(own)


OF_CONFIGURATION = (
    "leave-patients-out",
    "patient-adapted",
    "patient-adapted-open",
    "patient-adapted-24",
)
"""Protocols that train the same configuration on other sides."""


def _is_of(result: Result, card: dict[str, Any]) -> bool:
    if result.protocol in OF_CONFIGURATION:
        return result.name == f"{card['name']}-{result.protocol}"
    if result.protocol == PROTOCOL:
        # It has no side that tests, and so no log.
        return result.title.startswith(f"{card['name']} {card['version']} ")
    return card["onnx_sha256"] in {entry.model_hash for entry in result.scorings} and result.name.startswith(
        f"{card['name']}-"
    )


def _figures(result: Result) -> dict[str, Any]:
    """Value, and both ends of its interval where it has one, to four digits."""
    return {
        "title": result.title,
        "intervals": result.intervals,
        "figures": {
            row: {
                name: _number(figure.value)
                if figure.low is None
                else [_number(end) for end in (figure.value, figure.low, figure.high)]
                for name, figure in named.items()
            }
            for row, named in result.figures.items()
        },
    }


def _number(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}") if isinstance(value, float) else value


def main() -> None:
    """Ship the models of run folders, and bring the cards of all that ship up to date."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="run folders; none: the cards alone")
    arguments = parser.parse_args()
    for run in arguments.runs:
        print(f"{run}: its model ships as {ship(run).name}")
    for path in sorted(pretrained_folder().glob(f"*/{CARD}")):
        print(f"{path.parent.name}: {', '.join(put_figures(path.parent)) or 'no results'}")


if __name__ == "__main__":
    main()
