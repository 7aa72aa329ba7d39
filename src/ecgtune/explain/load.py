"""Subjects from model folders of every kind."""

from pathlib import Path
from typing import TypeGuard

from ecgtune.errors import ModelError
from ecgtune.explain.subject import BeatSubject, Subject
from ecgtune.explain.subject_sequence import SequenceSubject
from ecgtune.explain.subject_windows import WindowSubject
from ecgtune.model import WEIGHTS, kind_of, list_models, load_model
from ecgtune.training.weights_folder import model_in


def subject_of(model: str | Path = "default") -> Subject:
    """Open a model for explanation.

    Parameters
    ----------
    model
        The name of a model that ships with ecgtune, a model folder, or a run folder that holds one: of a
        sequence model, of a network of windows (`ecgtune train ft-cnn`), or of images.

    Returns
    -------
    Subject
        A `BeatSubject`, or an `ImageSubject`.

    Raises
    ------
    ModelError
        Where there is no such model, it is damaged, or it has no weights beside its ONNX.
    """
    folder = Path(model)
    if str(model) not in list_models():
        if kind_of(folder) == "beat-windows":
            return _of_windows(folder)
        if kind_of(folder) == "ecg-image":
            from ecgtune.explain.subject_images import ImageSubject
            from ecgtune.training.image_model import load_image_model

            image_model = load_image_model(folder)
            return ImageSubject(
                image_model.card["network"], image_model.network, image_model.classes, image_model.input
            )
        model = model_in(folder)
    return _of_sequences(model)


def beat_subject_of(model: str | Path = "default") -> BeatSubject:
    """Open a model that labels beats of recordings; `subject_of` takes the others, too.

    Raises
    ------
    ModelError
        As of `subject_of`, and where the model labels images.
    """
    subject = subject_of(model)
    if not labels_beats(subject):
        raise ModelError(f"{model}: this model labels images, not beats of recordings; take another model")
    return subject


def labels_beats(subject: Subject) -> TypeGuard[BeatSubject]:
    """Whether a subject labels beats of recordings; others label images."""
    return isinstance(subject, SequenceSubject | WindowSubject)


def _of_sequences(model: str | Path) -> SequenceSubject:
    from ecgtune.training.export import load_network

    loaded = load_model(model)
    if not (loaded.folder / WEIGHTS).is_file():
        raise ModelError(
            f"{loaded.folder}: {WEIGHTS} is missing, and ONNX alone has no gradients; give a folder with both"
        )
    return SequenceSubject(
        loaded.name,
        load_network(loaded.folder).eval(),
        loaded.preprocessing,
        loaded.trained_on,
        loaded.temperature,
        loaded.self_training,
    )


def _of_windows(folder: Path) -> WindowSubject:
    from ecgtune.training.window_model import load_window_model

    loaded = load_window_model(folder)
    card = loaded.card
    return WindowSubject(
        loaded.name,
        loaded.network,
        loaded.classes,
        card["windows"],
        card["leads"],
        card["fs"],
        card["before"],
        card["width"],
        loaded.trained_on,
    )
