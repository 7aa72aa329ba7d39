"""A training's figures as a table for people."""

import math
from typing import Any

from ecgtune.training.run import TrainedModel


def format_metrics(trained: TrainedModel, protocol: str) -> str:
    """Say which epoch was best, and tabulate the test side where it was scored."""
    best = trained.metrics["validate"]
    lines = [
        f"best epoch {trained.metrics['best_epoch']}, macro-F1 on the validation side {best['macro_f1']:.3f}"
    ]
    if "temperature" in trained.metrics:
        lines.append(f"temperature {trained.metrics['temperature']:.3f}: the model divides its logits by it")
    if "before" in trained.metrics:
        lines.append(f"{protocol}, test side before tuning, annotated positions, pooled:")
        lines.append(format_figures(trained.metrics["before"]["pooled"]))
    if "test" in trained.metrics:
        lines.append(f"{protocol}, test side, annotated positions, pooled:")
        lines.append(format_figures(trained.metrics["test"]["pooled"]))
    return "\n".join(lines)


def format_figures(pooled: dict[str, Any]) -> str:
    """Tabulate pooled figures: per class Se, +P and F1 in percent, then the overall ones."""
    lines = [f"{'':4s}{'beats':>8s}{'Se':>8s}{'+P':>8s}{'F1':>8s}"]
    for row in pooled["classes"]:
        cells = "".join(
            f"{'-' if math.isnan(row[key]) else format(100 * row[key], '.2f'):>8s}"
            for key in ("sensitivity", "predictivity", "f1")
        )
        lines.append(f"{row['name']:4s}{row['beats']:8d}{cells}")
    names = ("accuracy", "balanced_accuracy", "macro_f1", "kappa", "j", "jk")
    lines.append("  ".join(f"{name} {pooled[name]:.3f}" for name in names))
    return "\n".join(lines)
