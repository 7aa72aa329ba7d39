"""Signal as images: fields and plots of windows, spectrograms of rhythm, strips as they are printed."""

from ecgtune.images.series import (
    gramian_angular_field,
    markov_transition_field,
    recurrence_plot,
    three_channels,
)
from ecgtune.images.spectrogram import (
    SpectrogramOptions,
    layered_spectrograms,
    spectrogram_power,
    spectrograms,
)
from ecgtune.images.strip import StripOptions, draw_strips

__all__ = [
    "SpectrogramOptions",
    "StripOptions",
    "draw_strips",
    "gramian_angular_field",
    "layered_spectrograms",
    "markov_transition_field",
    "recurrence_plot",
    "spectrogram_power",
    "spectrograms",
    "three_channels",
]
