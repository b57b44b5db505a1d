"""Metrics of one run, computed when they are read, from values that training holds anyway."""

from __future__ import annotations

import os
from collections.abc import Sequence

from grokcore.evaluation.behavior import unlikely_to_grok
from grokcore.evaluation.phases import Evidence, Lines, accuracy_of, crossings, evidence, steps_of
from grokcore.runs.evaluation import verdict_of
from grokcore.runs.journal import JournalLine
from grokcore.spec import EvaluationSpec, ExperimentSpec
from grokcore.telemetry.prometheus import Samples
from grokcore.training.recorder import Recorder
from grokcore.training.trainer import Trainer


def phase_metrics(lines: Lines, held_out: Sequence[str], spec: ExperimentSpec) -> Samples:
    """Return the samples of the last evaluation, and of the phases that all of them show."""
    measured = _measured(lines[-1], held_out) if lines else {}
    return {**measured, **_phases(lines, held_out, spec)}


def _measured(line: JournalLine, held_out: Sequence[str]) -> Samples:
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
        for phase in ("onset", "sustained", "collapsed"):
            samples["grokking_phase", split, phase] = float(begun.get(phase) is not None)
        verdict = verdict_of(begun.get("sustained"), memorized, begun.get("collapsed"), delay=rules.delay)
        samples["grokking_grokked", split] = float(verdict == "grokked")
        samples["grokking_onset_step", split] = begun.get("onset")
        for definition, index in crossings(seen, split, rules).items():
            samples["grokking_sustained_step", split, definition] = None if index is None else steps[index]
    return samples


def _unlikely(lines: Lines, seen: Evidence, held_out: Sequence[str], rules: EvaluationSpec) -> bool:
    """Tell whether there are held-out splits that are not sustained, and all of them are unlikely to grok."""
    if not lines:
        return False
    steps, memorized = steps_of(seen.lines), crossings(seen, "train", rules)["sustained"]
    waiting = [split for split in held_out if lines[-1]["phases"][split]["sustained"] is None]
    return bool(waiting) and all(
        unlikely_to_grok(accuracy_of(seen.lines, split), steps, memorized, threshold=rules.threshold)
        for split in waiting
    )


RETRY_VARIABLE = "KFP_RETRY_INDEX"
"""Set by Kubeflow Pipelines to the number of attempts before this one."""
LIMIT_VARIABLE = "GROKCORE_ATTEMPT_LIMIT"
"""Set by the pipelines to the number of attempts that will be made."""


class RunMetrics:
    """Reads a run while another thread trains it. GPU values come from the last evaluation, which has fetched them.

    Attributes:
        ended: set once training has ended by itself, not by a signal.
    """

    def __init__(self, trainer: Trainer, recorder: Recorder, *, resumes: int) -> None:
        """
        Args:
            resumes: how often training has resumed from a checkpoint, this time included.
        """
        self._spec, self._trainer, self._recorder, self._resumes = trainer.spec, trainer, recorder, resumes
        self._last: tuple[int, Samples] = (-1, {})
        self.ended = False

    def samples(self) -> Samples:
        """Return all samples of the run as it is now."""
        return {**self._identity(), **self._evaluations(), **self._training(), **self._checkpoints()}

    def _identity(self) -> Samples:
        spec = self._spec
        attempt = _number(RETRY_VARIABLE, 0) + 1
        limit = _number(LIMIT_VARIABLE, 0)
        labels = (spec.run_id, spec.name, spec.model.architecture, spec.task.kind, str(spec.seed), str(attempt))
        samples: Samples = {
            ("grokking_run_info", *labels): 1.0,
            ("grokking_attempt",): attempt,
            ("grokking_resumes_total",): self._resumes,
            ("grokking_ended",): float(self.ended),
        }
        if limit:
            samples["grokking_attempt_limit",] = limit
        return samples

    def _evaluations(self) -> Samples:
        """Return the samples of the evaluations, computed once for each new line."""
        lines = list(self._recorder.lines)
        step = lines[-1]["step"] if lines else -1
        if step != self._last[0] or not lines:
            self._last = step, phase_metrics(lines, self._trainer.held_out, self._spec)
        return self._last[1]

    def _training(self) -> Samples:
        times, counts, training = self._trainer.times, self._recorder.counts, self._spec.training
        return {
            ("grokking_step",): self._trainer.state.step,
            ("grokking_max_steps",): training.max_steps,
            ("grokking_train_steps_total",): times.steps,
            ("grokking_train_examples_total",): times.steps * training.batch_size,
            ("grokking_step_duration_seconds",): times.durations.read(),
            ("grokking_last_step_timestamp_seconds",): times.last,
            ("grokking_optimizer_steps_skipped_total",): counts.steps_skipped,
            ("grokking_nonfinite_total",): counts.nonfinite,
        }

    def _checkpoints(self) -> Samples:
        saver = self._recorder.saver
        facts = saver.statistics
        samples: Samples = {
            ("grokking_checkpoint_duration_seconds",): saver.durations.read(),
            ("grokking_checkpoint_failures_total",): facts.failures,
        }
        if facts.bytes is not None:
            samples["grokking_checkpoint_bytes",] = facts.bytes
        if facts.last is not None:
            samples["grokking_last_checkpoint_timestamp_seconds",] = facts.last
        return samples


def _number(variable: str, default: int) -> int:
    """Return a variable as a number, and `default` if it is not one: telemetry must not stop training."""
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdigit() else default
