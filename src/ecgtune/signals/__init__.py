"""Filters, resampling, QRS detection, noise and the ECG simulator."""

from ecgtune.signals.detect import detect_beats
from ecgtune.signals.resample import WORKING_RATE

__all__ = ["WORKING_RATE", "detect_beats"]
