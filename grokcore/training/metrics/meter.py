"""One run in numbers, read from what training holds anyway: nothing is computed until somebody asks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from grokcore.spec import ExperimentSpec
from grokcore.telemetry.samples import Samples
from grokcore.training.metrics.judged import judged

if TYPE_CHECKING:
    from grokcore.training.loop import Trainer
    from grokcore.training.recorder import Recorder

RETRY_VARIABLE = "KFP_RETRY_INDEX"
"""Set by Kubeflow Pipelines: the number of attempts before this one."""
LIMIT_VARIABLE = "GROKCORE_ATTEMPT_LIMIT"
"""Attempts that will be made; set by the pipelines."""


class RunMeter:
    """Reads a run while another thread trains it. No number on a GPU is asked for: an evaluation has fetched it."""

    def __init__(self, spec: ExperimentSpec, trainer: Trainer, recorder: Recorder, *, resumes: int) -> None:
        """
        Args:
            resumes: how often training has gone on from a checkpoint, this time included.
        """
        self._spec, self._trainer, self._recorder, self._resumes = spec, trainer, recorder, resumes
        self._judged: tuple[int, Samples] = (-1, {})

    def samples(self) -> Samples:
        """All of it, as it is now."""
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
        }
        if limit:
            samples["grokking_attempt_limit",] = limit
        return samples

    def _evaluations(self) -> Samples:
        """Judged once for each new line."""
        lines = list(self._recorder.lines)
        step = lines[-1]["step"] if lines else -1
        if step != self._judged[0] or not lines:
            self._judged = step, judged(lines, self._trainer.held_out, self._spec)
        return self._judged[1]

    def _training(self) -> Samples:
        times, tally, training = self._trainer.times, self._recorder.tally, self._spec.training
        return {
            ("grokking_step",): self._trainer.state.step,
            ("grokking_max_steps",): training.max_steps,
            ("grokking_train_steps_total",): times.steps,
            ("grokking_train_examples_total",): times.steps * training.batch_size,
            ("grokking_step_duration_seconds",): times.durations.read(),
            ("grokking_last_step_timestamp_seconds",): times.last,
            ("grokking_optimizer_steps_skipped_total",): tally.steps_skipped,
            ("grokking_nonfinite_total",): tally.nonfinite,
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
    """What somebody else's variable says; where it is no number, telemetry is no reason to stop."""
    text = os.environ.get(variable, "")
    return int(text) if text.isascii() and text.isdigit() else default
