"""The command line: parse, call, print; nothing else. Commands import what they need when they run."""

from ecgtune.cli import groups, leaderboard, recordings, systems, training
from ecgtune.cli.shared import app, main

__all__ = ["app", "groups", "leaderboard", "main", "recordings", "systems", "training"]
