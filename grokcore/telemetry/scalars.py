"""A run in a few numbers: what fits Kubeflow's Metrics artifacts, one value per key."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def run_scalars(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Accuracies and phases of one line of the journal, usually the last.

    A phase that was not reached has no key, and neither has a value that is no number: Kubeflow fails a finished task
    over a NaN. `nonfinite` counts the accuracies and losses that were left out.
    """
    accuracies = {name: values.get("accuracy") for name, values in evaluation.get("splits", {}).items()}
    losses = {name: values.get("loss") for name, values in evaluation.get("splits", {}).items()}
    train = evaluation.get("train", {})
    measured = {
        "train_accuracy": train.get("accuracy"),
        "train_loss": train.get("loss"),
        **{f"{name}_accuracy": value for name, value in accuracies.items()},
        **{f"{name}_loss": value for name, value in losses.items()},
    }
    phases = evaluation.get("phases", {})
    steps = {"step": evaluation.get("step"), "memorized_step": phases.get("memorized")}
    for split, reached in phases.items():
        if isinstance(reached, Mapping):
            steps.update({f"{split}_{phase}_step": step for phase, step in reached.items()})
    return {
        **finite_only(steps),
        **finite_only(measured),
        "nonfinite": sum(not _is_number(value) for value in measured.values()),
    }


def evaluation_scalars(evaluation: Mapping[str, Any]) -> dict[str, float]:
    """Accuracies, majority baselines and times to grok, in steps, of an `evaluation.json`."""
    measured: dict[str, Any] = {"train_accuracy": evaluation["train"].get("accuracy")}
    for split, values in evaluation["splits"].items():
        measured[f"{split}_accuracy"] = values.get("accuracy")
        measured[f"{split}_majority_baseline"] = values.get("majority_baseline")
    times: dict[str, Any] = {"step": evaluation.get("step")}
    judged = {"memorized": evaluation.get("memorized"), **evaluation.get("held_out", {})}
    for split, facts in judged.items():
        for definition in ("first_crossing", "sustained", "stable"):
            time = (facts or {}).get(definition)
            times[f"{split}_{definition}_steps"] = time["steps"] if time else None
        times[f"{split}_ratio"] = (facts or {}).get("ratio")
    return {
        **finite_only(measured),
        **finite_only(times),
        "nonfinite": sum(not _is_number(value) for value in measured.values()),
    }


def finite_only(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in values.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
