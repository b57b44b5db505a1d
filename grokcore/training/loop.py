"""The training loop.

The evaluations whose checkpoints are worth keeping.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor
from torch.utils import deterministic

from grokcore.data import Dataset
from grokcore.data.supervision import supervise
from grokcore.errors import StoppedError
from grokcore.evaluation import Probes, next_evaluation
from grokcore.evaluation.incremental import PhaseJudge
from grokcore.evaluation.threads import cpu_threads
from grokcore.models import SequenceModel
from grokcore.models.precision import autocast
from grokcore.runs import finite
from grokcore.runs.journal import JournalLine
from grokcore.runs.manifest import ExitReason
from grokcore.spec import EvaluationSpec, ExperimentSpec
from grokcore.spec.experiment import derived_seed
from grokcore.spec.schedule import learning_rate_at, phase_drops
from grokcore.training.batches import EpochSampler, Examples
from grokcore.training.checkpoints.checkpoint import Checkpoint
from grokcore.training.counters import StepTimes
from grokcore.training.distributed.group import ALONE, Group, Order
from grokcore.training.engines.engine import ENGINES
from grokcore.training.precision import MIN_SCALE
from grokcore.training.recorder import Recorder
from grokcore.training.signals import StopRequest
from grokcore.training.step import StepGraphs


def new_phases(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """The phases that a line confirms and the line before did not: `memorized`, SPLIT.onset or SPLIT.sustained."""
    found = ["memorized"] if now["memorized"] is not None and before.get("memorized") is None else []
    for split, phases in now.items():
        if split != "memorized":
            known = before.get(split, {})
            found += [
                f"{split}.{name}"
                for name in ("onset", "sustained")
                if phases[name] is not None and known.get(name) is None
            ]
    return found


MAX_RESTARTS = 3
"""How often training walks back from a divergence before it ends."""


class Trainer:
    """Trains one model, on one device or, with DeepSpeed, as the leader or another member of a group of processes.

    Attributes:
        times: of the steps; whoever takes a step in place of `run` tells it.
        graphs: what runs the steps as CUDA graphs; None for an engine that does not.
    """

    def __init__(
        self,
        spec: ExperimentSpec,
        dataset: Dataset,
        model: SequenceModel,
        *,
        device: torch.device,
        flops_per_step: float,
        notify: Callable[[str], None] = lambda line: None,
        group: Group = ALONE,
    ) -> None:
        """
        Args:
            model: on any device, the same on all processes of the group.
            device: this process's.
            group: the processes that train together; all of them have to make their trainers at once.
        """
        training = spec.training
        self.spec, self.training, self.device, self._notify = spec, training, device, notify
        self.flops_per_step = flops_per_step
        self.held_out = [name for name, split in dataset.info.splits.items() if split.role == "held_out"]
        self._judge = PhaseJudge(self.held_out, spec)

        train = dataset.train()
        self.rows = len(train)
        self.examples = Examples.for_model(
            model,
            supervise(train, dataset.info.eos, training.loss_on),
            dataset.info.prefixes,
            batch_size=training.batch_size // (training.gradient_accumulation * group.world_size),
            device=device,
        )
        self.sampler = self._sampler(restarts=0)
        self.probes = Probes(dataset, loss_on=training.loss_on, device=device, batch_size=spec.evaluation.batch_size)
        self.model = model.to(device).train()
        self.parameters: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.state, self.step = ENGINES[training.engine](
            spec, model, self.examples, device=device, group=group, notify=notify
        )
        self.graphs: StepGraphs | None = getattr(self.step, "graphs", None)
        self._drops: tuple[int, ...] = ()
        self._clock = self._mark = time.monotonic()
        self._mark_step = 0
        self.times = StepTimes(asynchronous=device.type == "cuda")

    def run(self, recorder: Recorder, stop: StopRequest, on_evaluation: Callable[[JournalLine], None]) -> ExitReason:
        """Train until a budget is used up, the split of `stop_on_grok` is sustained, training diverges, or `stop`.

        Args:
            recorder: what the run is written with.
            stop: looked at before every step, and between the batches of an evaluation.
            on_evaluation: called with every new line.
        """
        turns = self.turns(recorder, stop, on_evaluation)
        while True:
            try:
                next(turns)
            except StopIteration as end:
                reason: ExitReason = end.value
                return reason
            begin = time.perf_counter()
            self._step()
            self.times.took(time.perf_counter() - begin)

    def turns(
        self, recorder: Recorder, stop: StopRequest, on_evaluation: Callable[[JournalLine], None]
    ) -> Generator[None, None, ExitReason]:
        """All that `run` does but the optimiser steps: it yields where the next is due, and returns why training ends.

        So that somebody else can take the step, for several runs at once.
        """
        training, state, rules, lines = self.training, self.state, self.spec.evaluation, recorder.lines
        restarts = state.restarts
        # Walking back needs somewhere to go from the first step on.
        saved = state.step if recorder.checkpoint is not None or training.on_nonfinite != "walk_back" else -1
        self._clock = self._mark = time.monotonic()
        self._mark_step = state.step
        evaluated, due = _evaluations(lines, rules)
        self._drops = phase_drops(lines, training)
        while True:
            recorder.check()
            reason = self._finished(lines)
            milestones: list[str] = []
            if state.step >= due or (reason is not None and reason != "diverged" and evaluated < state.step):
                line = self._evaluate(recorder, stop)
                if line is not None:
                    milestones = new_phases(lines[-1]["phases"] if lines else {}, line["phases"])
                    recorder.append(line)
                    on_evaluation(line)
                    evaluated, due = _evaluations(lines, rules)
                    self._drops = self._judge.drops(line)
                    reason = self._finished(lines)
                else:  # abandoned: whoever resumes makes it
                    reason = "stopped"
            if self._may_walk_back(reason, restarts):
                restarts += 1
                saved = self._walk_back(recorder, restarts)
                evaluated, due = _evaluations(lines, rules)
                self._drops = phase_drops(lines, training)
                continue
            if stop.requested and reason is None:
                reason = "stopped"
            if reason is not None:
                recorder.finish(self._checkpoint(recorder), milestones, hurry=reason == "stopped")
                return reason
            interval = training.checkpoint_interval
            if milestones or saved < 0 or (interval and state.step % interval == 0 and state.step > saved):
                self._save(recorder, milestones)
                saved = state.step
            yield

    def _step(self) -> None:
        """One optimiser step. Nothing in here waits for the device."""
        step = self.state.step
        self.step(self.sampler(step), learning_rate_at(step, self.training, self._drops))

    def _walk_back(self, recorder: Recorder, restarts: int) -> int:
        """Go on from the last good checkpoint with another order of the data.

        Nothing has to be written down for it: the steps from that checkpoint on are the same for whoever resumes
        there, and lead back here.

        Returns:
            The step of the checkpoint.
        """
        at = self.state.step
        self.restore(recorder.walk_back(before=at), restarts=restarts)
        self._clock = self._mark = time.monotonic()
        self._mark_step = self.state.step
        self._notify(
            f"training diverged before step {at}: going on from step {self.state.step} with another order of the data "
            f"(restart {restarts} of {MAX_RESTARTS})"
        )
        return self.state.step

    def restore(self, checkpoint: Checkpoint, *, restarts: int | None = None) -> None:
        """Go on from a checkpoint, together; with `restarts`, in the order that belongs to that number."""
        group = self.state.group
        group.order(Order.RESTORE)
        if group.world_size > 1:
            group.tell({"step": checkpoint.step, "values": checkpoint.values, "restarts": restarts})
            group.share(checkpoint.tensors)
        self.take_over(checkpoint, restarts)

    def take_over(self, checkpoint: Checkpoint, restarts: int | None) -> None:
        """This process's part of `restore`."""
        self.state.restore(checkpoint)
        if restarts is not None:
            self.state.restarts = restarts
        self.sampler = self._sampler(self.state.restarts)

    def _sampler(self, restarts: int) -> EpochSampler:
        seed = self.spec.order_seed
        if restarts:
            seed = derived_seed(seed, f"restart {restarts}")
        return EpochSampler(len(self.examples), self.training.batch_size, seed, self.device)

    def has_ended(self, lines: list[JournalLine]) -> bool:
        """Whether nothing is left to train after these lines."""
        reason = self._finished(lines)
        return reason is not None and not self._may_walk_back(reason, self.state.restarts)

    def _may_walk_back(self, reason: ExitReason | None, restarts: int) -> bool:
        walks_back = self.training.on_nonfinite == "walk_back"
        return reason == "diverged" and walks_back and restarts < MAX_RESTARTS

    def _finished(self, lines: list[JournalLine]) -> ExitReason | None:
        training, step = self.training, self.state.step
        if lines and _diverged(lines[-1]):
            return "diverged"
        if training.stop_on_grok and lines:
            sustained = lines[-1]["phases"][training.stop_on_grok.split]["sustained"]
            if sustained is not None and step >= training.stop_on_grok.tail * sustained:
                return "grokked"
        if step >= training.max_steps:
            return "budget_steps"
        if training.max_seconds is not None and self._elapsed() >= training.max_seconds:
            return "budget_seconds"
        return None

    def _evaluate(self, recorder: Recorder, stop: StopRequest) -> JournalLine | None:
        """A line for the journal, or None where a stop was requested before it was complete. Waits for the device."""
        state, training = self.state, self.training
        gradient_norm = state.gradient_norm.item()  # waits until all steps so far are done
        begin = time.monotonic()
        steps, seconds = state.step - self._mark_step, begin - self._mark
        self.times.waited(steps, seconds)
        try:
            train, splits = self.probes.measure(
                self.state.whole.computing, lambda: autocast(training.precision, self.device), check_stop=stop.check
            )
        except StoppedError:
            return None
        examples = state.step * training.batch_size
        line: dict[str, Any] = {
            "step": state.step,
            "examples": examples,
            "epoch": examples / self.rows,
            "flops": state.step * self.flops_per_step,
            "train": train,
            "splits": splits,
            "learning_rate": math.nan,  # its place in the line; below, since it may depend on the phases
            "gradient_norm": finite(gradient_norm),
            "weight_norm": finite(state.whole.weight_norm()),
            "loss_scale": None if state.scaler is None else state.scaler.scale.item(),
            "steps_skipped": int(state.steps_skipped.item()),
            "restarts": state.restarts,
        }
        line["phases"] = self._judge.judge(recorder.lines, line)
        line["learning_rate"] = finite(learning_rate_at(state.step, training, self._judge.drops(line)))
        now = time.monotonic()
        line["clock"] = {
            "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "elapsed_seconds": round(self._elapsed(), 3),
            "steps_per_second": round(steps / seconds, 3) if steps and seconds > 0 else None,
            "evaluation_seconds": round(now - begin, 3),
            "checkpoints": recorder.costs(),
        }
        self._mark, self._mark_step = now, state.step
        return line

    def _elapsed(self) -> float:
        """Seconds of training so far, earlier attempts included."""
        return self.state.elapsed_seconds + time.monotonic() - self._clock

    def _save(self, recorder: Recorder, milestones: Sequence[str]) -> None:
        begin = time.monotonic()
        recorder.save(self._checkpoint(recorder), milestones)
        self._mark += time.monotonic() - begin  # the rate reported is that of training alone

    def _checkpoint(self, recorder: Recorder) -> Checkpoint:
        now = time.monotonic()
        self.state.elapsed_seconds += now - self._clock
        self._clock = now
        return self.state.checkpoint(recorder.journal)


def _diverged(line: JournalLine) -> bool:
    """Whether loss or weights are no numbers any more, or no loss scale is left at which gradients do not overflow."""
    scale = line["loss_scale"]
    return line["train"]["loss"] is None or line["weight_norm"] is None or (scale is not None and scale <= MIN_SCALE)


def _evaluations(lines: Sequence[JournalLine], rules: EvaluationSpec) -> tuple[int, int]:
    """The step of the last evaluation, -1 before the first, and that of the next."""
    evaluated = lines[-1]["step"] if lines else -1
    return evaluated, next_evaluation(evaluated, rules) if lines else 0


@contextmanager
def reproducible(seed: int, device: torch.device, threads: int | None) -> Iterator[None]:
    """Dropout from `seed`, `threads` as in `cpu_threads`, deterministic kernels on a GPU; the caller's settings come
    back afterwards.
    """
    devices = [torch.cuda.current_device()] if device.type == "cuda" else []
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = deterministic  # its setting is a property of the module, which mypy does not know
    filled_before = memory.fill_uninitialized_memory
    with cpu_threads(threads, device), torch.random.fork_rng(devices):
        torch.manual_seed(seed % 2**63)
        torch.use_deterministic_algorithms(device.type == "cuda", warn_only=True)
        memory.fill_uninitialized_memory = False  # a debugging aid: one more kernel for every new tensor
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=before[1])
            memory.fill_uninitialized_memory = filled_before
