"""Explanations of labels: which samples of a beat, and which RR features, a class's logit comes from."""

from ecgtune.explain.attribution import Attribution, explain
from ecgtune.explain.baselines import BASELINES
from ecgtune.explain.load import beat_subject_of, subject_of
from ecgtune.explain.methods import METHODS
from ecgtune.explain.regions import REGIONS, region_masks, region_shares, regions
from ecgtune.explain.subject import BeatSubject, Examples, Reading, Subject, concatenate, logits_of

__all__ = [
    "BASELINES",
    "METHODS",
    "REGIONS",
    "Attribution",
    "BeatSubject",
    "Examples",
    "Reading",
    "Subject",
    "beat_subject_of",
    "concatenate",
    "explain",
    "logits_of",
    "region_masks",
    "region_shares",
    "regions",
    "subject_of",
]
