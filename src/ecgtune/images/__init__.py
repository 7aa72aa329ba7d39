"""Images of windows of signal: Gramian angular fields, Markov transition fields, recurrence plots."""

from ecgtune.images.series import (
    gramian_angular_field,
    markov_transition_field,
    recurrence_plot,
    three_channels,
)

__all__ = ["gramian_angular_field", "markov_transition_field", "recurrence_plot", "three_channels"]
