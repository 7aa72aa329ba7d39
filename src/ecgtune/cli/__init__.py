"""The command line: parse, call, print; nothing else. Commands import what they need when they run."""

from ecgtune.cli import groups, recordings, systems, training
from ecgtune.cli.shared import app, main

__all__ = ["app", "groups", "main", "recordings", "systems", "training"]
