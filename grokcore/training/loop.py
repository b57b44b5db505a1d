"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import deterministic

from grokcore.data import Dataset
from grokcore.data.supervision import supervise
from grokcore.evaluation import Probes, next_evaluation, phases_of
from grokcore.models import SequenceModel, decay_groups
from grokcore.spec import ExperimentSpec
from grokcore.telemetry import Journal, finite
from grokcore.telemetry.manifest import ExitReason
from grokcore.training.checkpoints import save_checkpoint
from grokcore.training.examples import Examples
from grokcore.training.optimizers import OPTIMIZERS
from grokcore.training.precision import autocast, loss_scaler
from grokcore.training.sampler import EpochSampler
from grokcore.training.schedule import learning_rate_at
from grokcore.training.signals import StopRequest
from grokcore.training.state import TrainingState
from grokcore.training.step import Step

Line = dict[str, Any]


class Trainer:
    """Trains one model on one device, and keeps its journal and its checkpoints."""

    def __init__(
        self,
        spec: ExperimentSpec,
        dataset: Dataset,
        model: SequenceModel,
        *,
        device: torch.device,
        flops_per_step: float,
        checkpoints: Path,
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        training = spec.training
        self.spec, self.training, self.device, self.checkpoints = spec, training, device, checkpoints
        self.flops_per_step = flops_per_step
        self.held_out = [name for name, split in dataset.info.splits.items() if split.role == "held_out"]

        train = dataset.train()
        self.rows = len(train)
        self.examples = Examples.for_model(
            model,
            supervise(train, dataset.info.eos, training.loss_on),
            dataset.info.prefixes,
            batch_size=training.batch_size // training.gradient_accumulation,
            device=device,
        )
        self.sampler = EpochSampler(len(self.examples), training.batch_size, spec.order_seed, device)
        self.probes = Probes(dataset, loss_on=training.loss_on, device=device, batch_size=spec.evaluation.batch_size)
        self.model = model.to(device).train()
        self.parameters: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
        decayed, exempt = decay_groups(model, training.decay_groups)
        self.state = TrainingState(
            spec.run_id,
            model,
            OPTIMIZERS[training.optimizer](
                [
                    {"params": [parameter for _, parameter in decayed], "weight_decay": training.weight_decay},
                    {"params": [parameter for _, parameter in exempt], "weight_decay": 0.0},
                ],
                training,
            ),
            loss_scaler(training.precision, device),
            gradient_norm=torch.tensor(math.nan, device=device),
            steps_skipped=torch.tensor(0, device=device),
        )
        self.step = Step(self.state, self.examples, training, device=device, notify=notify)

    def run(
        self, lines: list[Line], journal: Journal, stop: StopRequest, on_evaluation: Callable[[Line], None]
    ) -> ExitReason:
        """Train until a budget is used up, the split of `stop_on_grok` has grokked, training diverges, or `stop`.

        Args:
            lines: the journal so far; grows by each evaluation.
            journal: where evaluations are appended.
            stop: looked at before every step.
            on_evaluation: called with every new line.
        """
        turns = self.turns(lines, journal, stop, on_evaluation)
        while True:
            try:
                next(turns)
            except StopIteration as end:
                reason: ExitReason = end.value
                return reason
            self._step()

    def turns(
        self, lines: list[Line], journal: Journal, stop: StopRequest, on_evaluation: Callable[[Line], None]
    ) -> Generator[None, None, ExitReason]:
        """All that `run` does but the optimiser steps: it yields where the next is due, and returns why training ends.

        So that somebody else can take the step, for several runs at once.
        """
        training, state, rules = self.training, self.state, self.spec.evaluation
        evaluated = lines[-1]["step"] if lines else -1
        due = 0 if evaluated < 0 else next_evaluation(evaluated, rules)
        saved = state.step
        self._clock = self._mark = time.monotonic()
        self._mark_step = state.step
        while True:
            reason = self._finished(lines)
            if state.step >= due or (reason is not None and reason != "diverged" and evaluated < state.step):
                lines.append(self._evaluate(lines))
                journal.append(lines[-1])
                on_evaluation(lines[-1])
                evaluated, due = state.step, next_evaluation(state.step, rules)
                reason = self._finished(lines)
            if stop.requested and reason is None:
                reason = "stopped"
            interval = training.checkpoint_interval
            if reason is not None or (interval and state.step % interval == 0 and state.step > saved):
                self._save()
                saved = state.step
            if reason is not None:
                return reason
            yield

    def _step(self) -> None:
        """One optimiser step. Nothing in here waits for the device."""
        step = self.state.step
        self.step(self.sampler(step), learning_rate_at(step, self.training))

    def _finished(self, lines: list[Line]) -> ExitReason | None:
        training, step = self.training, self.state.step
        if lines and (lines[-1]["train"]["loss"] is None or lines[-1]["weight_norm"] is None):
            return "diverged"
        if training.stop_on_grok and lines:
            grokked = lines[-1]["phases"][training.stop_on_grok.split]["grokked"]
            if grokked is not None and step >= training.stop_on_grok.tail * grokked:
                return "grokked"
        if step >= training.max_steps:
            return "budget_steps"
        if training.max_seconds is not None and self._elapsed() >= training.max_seconds:
            return "budget_seconds"
        return None

    def _evaluate(self, lines: list[Line]) -> Line:
        """A line for the journal. Waits for the device."""
        state, training = self.state, self.training
        gradient_norm = state.gradient_norm.item()  # waits until all steps so far are done
        begin = time.monotonic()
        steps, seconds = state.step - self._mark_step, begin - self._mark
        train, splits = self.probes.measure(self.model, lambda: autocast(training.precision, self.device))
        norms = torch._foreach_norm(self.parameters)
        examples = state.step * training.batch_size
        line: Line = {
            "step": state.step,
            "examples": examples,
            "epoch": examples / self.rows,
            "flops": state.step * self.flops_per_step,
            "train": train,
            "splits": splits,
            "learning_rate": learning_rate_at(state.step, training),
            "gradient_norm": finite(gradient_norm),
            "weight_norm": finite(_norm(norms)),
            "loss_scale": None if state.scaler is None else state.scaler.scale.item(),
            "steps_skipped": int(state.steps_skipped.item()),
        }
        line["phases"] = phases_of([*lines, line], self.held_out, self.spec.evaluation)
        now = time.monotonic()
        line["clock"] = {
            "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "elapsed_seconds": round(self._elapsed(), 3),
            "steps_per_second": round(steps / seconds, 3) if steps and seconds > 0 else None,
            "evaluation_seconds": round(now - begin, 3),
        }
        self._mark, self._mark_step = now, state.step
        return line

    def _elapsed(self) -> float:
        """Seconds of training so far, earlier attempts included."""
        return self.state.elapsed_seconds + time.monotonic() - self._clock

    def _save(self) -> None:
        now = time.monotonic()
        self.state.elapsed_seconds += now - self._clock
        self._clock = now
        save_checkpoint(self.checkpoints, self.state.checkpoint(), keep=self.training.checkpoint_keep)
        self._mark += time.monotonic() - now  # the rate reported is that of training alone


def _norm(norms: tuple[Tensor, ...]) -> float:
    return float(torch.linalg.vector_norm(torch.stack(norms).double()).item())


@contextmanager
def reproducible(seed: int, device: torch.device, threads: int | None) -> Iterator[None]:
    """Dropout from `seed`, `threads`, deterministic kernels on a GPU; the caller's settings come back afterwards."""
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = deterministic  # its setting is a property of the module, which mypy does not know
    filled_before = memory.fill_uninitialized_memory
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads or threads_before)
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed % 2**63)
        torch.use_deterministic_algorithms(device.type == "cuda", warn_only=True)
        memory.fill_uninitialized_memory = False  # a debugging aid: one more kernel for every new tensor
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            memory.fill_uninitialized_memory = filled_before
            torch.set_num_threads(threads_before)
