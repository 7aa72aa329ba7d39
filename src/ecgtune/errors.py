"""Errors that name the record, the lead or sample, and the remedy, in one line."""


class EcgtuneError(Exception):
    """Base of every error that ecgtune raises on purpose; its text is one line for the user."""


class RecordError(EcgtuneError):
    """A recording or its annotations cannot be read or used."""


class DataError(EcgtuneError):
    """A database is missing, incomplete or damaged."""


class SplitError(EcgtuneError):
    """A split leaks a patient or cannot be made from these beats."""


class ModelError(EcgtuneError):
    """A model folder is missing, incomplete, damaged or of a newer format."""


class OutputError(EcgtuneError):
    """An output cannot be written."""


class EvaluationError(EcgtuneError):
    """Two sets of annotations cannot be compared."""


class ResultError(EcgtuneError):
    """A stored result is missing or damaged, or a table in a document cannot be made from it."""


class MissingExtraError(EcgtuneError):
    """An optional dependency is not installed; the text gives the ``pip install`` line."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs {package}: pip install "ecgtune[{extra}]"')
