"""What the evaluations of a run so far amount to, as samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grokcore.evaluation.behaviour import unlikely_to_grok
from grokcore.evaluation.curves import Evidence, Lines, accuracy_of, evidence, reached, steps_of
from grokcore.spec import EvaluationSpec, ExperimentSpec
from grokcore.telemetry.samples import Samples

Line = Mapping[str, Any]


def judged(lines: Lines, held_out: Sequence[str], spec: ExperimentSpec) -> Samples:
    """Samples of the last evaluation, and of the phases that all of them show."""
    measured = _measured(lines[-1], held_out) if lines else {}
    return {**measured, **_phases(lines, held_out, spec)}


def _measured(line: Line, held_out: Sequence[str]) -> Samples:
    samples: Samples = {
        ("grokking_weight_norm",): line["weight_norm"],
        ("grokking_gradient_norm",): line["gradient_norm"],
        ("grokking_learning_rate",): line["learning_rate"],
    }
    if line["loss_scale"] is not None:
        samples["grokking_loss_scale",] = line["loss_scale"]
    for split, measure in {"train": line["train"], **line["splits"]}.items():
        samples["grokking_accuracy_ratio", split] = measure["accuracy"]
        samples["grokking_loss", split] = measure["loss"]
    trained = line["train"]["accuracy"]
    for split in held_out:
        accuracy = line["splits"][split]["accuracy"]
        known = trained is not None and accuracy is not None
        samples["grokking_generalization_gap_ratio", split] = trained - accuracy if known else None
    return samples


def _phases(lines: Lines, held_out: Sequence[str], spec: ExperimentSpec) -> Samples:
    rules, seen = spec.evaluation, evidence(lines, spec.training)
    phases = lines[-1]["phases"] if lines else {}
    memorized = phases.get("memorized")
    samples: Samples = {
        ("grokking_memorized_step",): memorized,
        ("grokking_phase", "train", "memorized"): float(memorized is not None),
        ("grokking_unlikely_to_grok",): float(_unlikely(lines, seen, held_out, rules)),
    }
    steps = steps_of(seen.lines)
    for split in held_out:
        begun = phases.get(split, {})
        for phase in ("onset", "grokked", "collapsed"):
            samples["grokking_phase", split, phase] = float(begun.get(phase) is not None)
        samples["grokking_onset_step", split] = begun.get("onset")
        for definition, index in reached(seen, split, rules).items():
            samples["grokking_grokked_step", split, definition] = None if index is None else steps[index]
    return samples


def _unlikely(lines: Lines, seen: Evidence, held_out: Sequence[str], rules: EvaluationSpec) -> bool:
    """Whether all held-out splits that have not grokked, of which there is one, are unlikely to."""
    if not lines:
        return False
    steps, memorized = steps_of(seen.lines), reached(seen, "train", rules)["sustained"]
    waiting = [split for split in held_out if lines[-1]["phases"][split]["grokked"] is None]
    return bool(waiting) and all(
        unlikely_to_grok(accuracy_of(seen.lines, split), steps, memorized, threshold=rules.threshold)
        for split in waiting
    )
