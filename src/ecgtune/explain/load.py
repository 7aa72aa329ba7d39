"""Subjects from model folders."""

from pathlib import Path

from ecgtune.errors import ModelError
from ecgtune.explain.subject import Subject
from ecgtune.explain.subject_sequence import SequenceSubject
from ecgtune.model import WEIGHTS, load_model


def subject_of(model: str | Path = "default") -> Subject:
    """Open a model for explanation: one that ships with ecgtune, or a model folder.

    Raises
    ------
    ModelError
        Where there is no such model, it is damaged, or it has no weights beside its ONNX.
    """
    from ecgtune.training.export import load_network

    loaded = load_model(model)
    if not (loaded.folder / WEIGHTS).is_file():
        raise ModelError(
            f"{loaded.folder}: {WEIGHTS} is missing, and ONNX alone has no gradients; give a folder with both"
        )
    return SequenceSubject(
        loaded.name, load_network(loaded.folder).eval(), loaded.preprocessing, loaded.trained_on
    )
