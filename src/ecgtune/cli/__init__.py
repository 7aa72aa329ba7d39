"""The command line: parse, call, print; nothing else. Commands import what they need when they run."""

from ecgtune.cli import explain, groups, images, leaderboard, recordings, systems, training, trust
from ecgtune.cli.shared import app, main

__all__ = [
    "app",
    "explain",
    "groups",
    "images",
    "leaderboard",
    "main",
    "recordings",
    "systems",
    "training",
    "trust",
]
