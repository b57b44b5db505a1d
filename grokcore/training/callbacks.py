"""Functions of a user that look at a run after each evaluation, and may end its training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Literal

import torch

from grokcore.data import Dataset
from grokcore.errors import InputError
from grokcore.models import SequenceModel
from grokcore.runs.journal import JournalLine
from grokcore.runs.manifest import ExitReason
from grokcore.spec import ExperimentSpec
from grokcore.training.loop import has_ended, new_phases
from grokcore.training.recorder import Recorder
from grokcore.training.trainer import Trainer


class TrainingContext:
    """A run right after an evaluation, as a callback sees it.

    Attributes:
        step: optimizer steps so far.
        line: the new line of the journal: accuracies, losses, phases, learning rate, norms, clock. A copy.
        spec: the experiment, resolved.
        dataset: what it is trained on, with the examples of every split.
        run_uri: the run's place.
    """

    def __init__(self, trainer: Trainer, line: JournalLine, run_uri: str) -> None:
        self._trainer = trainer
        self._model: SequenceModel | None = None
        self._reason: str | None = None
        self.step: int = line["step"]
        self.line: dict[str, Any] = deepcopy(dict(line))
        self.spec: ExperimentSpec = trainer.spec
        self.dataset: Dataset = trainer.dataset
        self.run_uri = run_uri

    @property
    def model(self) -> SequenceModel:
        """The model at this step, on the device of the training: a copy in evaluation mode, made when first asked for.

        It may be kept, changed and differentiated: training goes on with weights of its own.

        Raises:
            InputError: the engine is deepspeed, whose weights lie apart in several processes.
        """
        if self._model is None:
            if self.spec.training.engine == "deepspeed":
                raise InputError("a callback can read the model with training.engine=native, not with deepspeed")
            self._model = deepcopy(self._trainer.model).eval()
            for parameter in self._model.parameters():
                parameter.grad = None
        return self._model

    def stop(self, reason: str) -> None:
        """End training here; the manifest keeps the reason, a line for people.

        Raises:
            InputError: there is no reason.
        """
        if not isinstance(reason, str) or not reason.strip():
            raise InputError('stop needs a reason in words for the manifest: context.stop("memorized long ago")')
        self._reason = self._reason or " ".join(reason.split())

    @property
    def stop_reason(self) -> str | None:
        """Why a callback has asked for the end; None if none has."""
        return self._reason


Callback = Callable[[TrainingContext], object]
"""Called after each evaluation; what it returns is ignored.

One that has a method `end` gets told by it why training ended: an `exit_reason`, or `failed`.
"""


class Watcher:
    """Shows each evaluation of a run to those who asked for it.

    Attributes:
        stop_reason: why a callback has ended training; None if none has.
    """

    def __init__(
        self,
        trainer: Trainer,
        recorder: Recorder,
        run_uri: str,
        on_evaluation: Callable[[dict[str, Any]], object] | None,
        callbacks: Sequence[Callback],
    ) -> None:
        self._trainer, self._recorder, self._run_uri = trainer, recorder, run_uri
        self._on_evaluation, self._callbacks = on_evaluation, callbacks
        self.stop_reason: str | None = None

    def resume(self) -> ExitReason | None:
        """Show the callbacks the evaluation that a run goes on from, so that one that ended it ends it again.

        Returns:
            `callback` if one of them ends training before the next step.
        """
        lines, step = self._recorder.lines, self._trainer.state.step
        if not lines or lines[-1]["step"] != step or has_ended(self._trainer, lines):
            return None
        return self._call(lines[-1])

    def evaluated(self, line: dict[str, Any]) -> ExitReason | None:
        """Show a new line of the journal to everyone; `callback` if training is to end with it."""
        if self._on_evaluation is not None:
            self._on_evaluation(line)
        return self._call(line)

    def end(self, reason: ExitReason | Literal["failed"]) -> None:
        """Tell those callbacks that ask for it why training ended."""
        for callback in self._callbacks:
            ended = getattr(callback, "end", None)
            if callable(ended):
                ended(reason)

    def _call(self, line: JournalLine) -> ExitReason | None:
        if not self._callbacks:
            return None
        begin = time.monotonic()
        context = TrainingContext(self._trainer, line, self._run_uri)
        device = self._trainer.device
        try:
            # What a callback draws must not change the dropout of the next step.
            with torch.random.fork_rng([device] if device.type == "cuda" else []):
                for callback in self._callbacks:
                    callback(context)
        except Exception:
            self._save()
            raise
        self._trainer.clock.exclude(time.monotonic() - begin)
        self.stop_reason = context.stop_reason
        return None if self.stop_reason is None else "callback"

    def _save(self) -> None:
        """Save the state, so that a mistake in a callback costs no step: the same call goes on from here."""
        lines = self._recorder.lines
        milestones = new_phases(lines[-2]["phases"] if len(lines) > 1 else {}, lines[-1]["phases"])
        self._recorder.finish(self._trainer.checkpoint(self._recorder.journal), milestones)
