"""A model and everything that training it takes: examples, order, engine, probes, clock."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from torch import Tensor

from grokcore.data import Dataset
from grokcore.data.supervision import supervise
from grokcore.errors import StoppedError
from grokcore.evaluation import Probes
from grokcore.evaluation.incremental import PhaseTracker
from grokcore.models import SequenceModel
from grokcore.models.precision import autocast
from grokcore.runs import finite
from grokcore.runs.journal import JournalLine
from grokcore.spec import ExperimentSpec
from grokcore.spec.experiment import derived_seed
from grokcore.spec.schedule import frozen_roles, learning_rate_at, phase_drops
from grokcore.spec.training import Role
from grokcore.training.batches import EpochSampler, Examples
from grokcore.training.checkpoints.checkpoint import Checkpoint
from grokcore.training.costs import step_flops_of
from grokcore.training.counters import StepTimes, TrainingClock
from grokcore.training.distributed.group import ALONE, Command, Group
from grokcore.training.engines.engine import ENGINES
from grokcore.training.signals import StopRequest


class Trainer:
    """Trains one model on one device, alone or, with DeepSpeed, as one process of a group.

    Attributes:
        state: all that a checkpoint holds; `engine_step` changes it.
        engine_step: takes an optimizer step, given row numbers and the learning rate.
        flops: of an optimizer step, of the plain model and of the method.
        held_out: names of the splits that measure generalization.
        times: of the steps; whoever takes a step adds its duration.
    """

    def __init__(
        self,
        spec: ExperimentSpec,
        dataset: Dataset,
        model: SequenceModel,
        *,
        device: torch.device,
        notify: Callable[[str], None] = lambda line: None,
        group: Group = ALONE,
    ) -> None:
        """
        Args:
            model: on any device, the same in all processes of the group.
            device: this process's.
            group: the processes that train together; all of them have to make their trainers at the same time.
        """
        training = spec.training
        self.spec, self.training, self.dataset, self.device, self.notify = spec, training, dataset, device, notify
        self.flops = step_flops_of(spec, dataset.info, model)
        self.held_out = dataset.info.with_role("held_out")
        train = dataset.train()
        self.examples = Examples.for_model(
            model,
            supervise(train, dataset.info.eos, training.loss_on, dataset.info.supervised),
            dataset.info.prefixes,
            batch_size=training.batch_size // (training.gradient_accumulation * group.world_size),
            device=device,
        )
        self.sampler = self._sampler(restarts=0)
        self.probes = Probes(dataset, loss_on=training.loss_on, device=device, batch_size=spec.evaluation.batch_size)
        self.model = model.to(device).train()
        self.parameters: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.state, self.engine_step = ENGINES[training.engine](
            spec, model, self.examples, device=device, group=group, notify=notify
        )
        self.graphs = self.engine_step.graphs
        self.times = StepTimes(asynchronous=device.type == "cuda")
        self.clock = TrainingClock()
        self._judge = PhaseTracker(self.held_out, spec)
        self._drops: tuple[int, ...] = ()
        self._frozen: frozenset[Role] = frozenset()

    def start(self, lines: Sequence[JournalLine]) -> None:
        """Start the clock, and take from the evaluations so far at which steps the learning rate has dropped."""
        self._start_clock()
        self._drops, self._frozen = phase_drops(lines, self.training), frozen_roles(lines, self.training)

    def take_step(self) -> None:
        """Take one optimizer step, without waiting for the device."""
        step = self.state.step
        self.engine_step(self.sampler(step), learning_rate_at(step, self.training, self._drops), self._frozen)

    def count_step(self, seconds: float, cpu_seconds: float) -> None:
        """Count a step by how long it took, and by this run's share of the CPU time of its process."""
        self.times.add_step(seconds)
        self.clock.add_cpu(cpu_seconds)

    def evaluate(
        self, lines: Sequence[JournalLine], stop: StopRequest, checkpoints: Mapping[str, Any]
    ) -> dict[str, Any] | None:
        """Measure the model on all splits; waits for the device.

        Args:
            lines: the journal so far.
            stop: ends the evaluation between two of its batches.
            checkpoints: what saving has cost so far.

        Returns:
            The next line of the journal; None if a stop was requested before it was complete.
        """
        state, training = self.state, self.training
        gradient_norm = state.gradient_norm.item()  # a sync point: all steps so far are done
        begin, begin_cpu = time.monotonic(), time.process_time()
        steps, seconds = self.clock.interval(state.step)
        self.times.add_interval(steps, seconds)
        try:
            train, splits = self.probes.measure(
                state.full.model, lambda: autocast(training.precision, self.device), check_stop=stop.check
            )
        except StoppedError:
            return None
        examples = state.step * training.batch_size
        line: dict[str, Any] = {
            "step": state.step,
            "examples": examples,
            "epoch": examples / len(self.examples),
            "flops": state.step * self.flops.total,
            "train": train,
            "splits": splits,
            "learning_rate": math.nan,  # its place in the line; set below, since it may depend on the phases
            "gradient_norm": finite(gradient_norm),
            "weight_norm": finite(state.full.weight_norm()),
            "loss_scale": None if state.scaler is None else state.scaler.scale.item(),
            "steps_skipped": int(state.steps_skipped.item()),
            "restarts": state.restarts,
        }
        line["phases"] = self._judge.judge(lines, line)
        self._drops, self._frozen = self._judge.drops(line), frozen_roles([line], training)
        line["learning_rate"] = finite(learning_rate_at(state.step, training, self._drops))
        line["clock"] = {
            "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "elapsed_seconds": round(self.clock.elapsed(), 3),
            "cpu_seconds": None if self.clock.cpu is None else round(self.clock.cpu, 3),
            "steps_per_second": round(steps / seconds, 3) if steps and seconds > 0 else None,
            "evaluation_seconds": round(time.monotonic() - begin, 3),
            "evaluation_cpu_seconds": round(time.process_time() - begin_cpu, 3),
            "checkpoints": checkpoints,
        }
        self.clock.start_interval(state.step)
        return line

    def checkpoint(self, journal: bytes) -> Checkpoint:
        """Return the state with the journal that belongs to it; later steps change these tensors."""
        self.state.elapsed_seconds, self.state.cpu_seconds = self.clock.elapsed(), self.clock.cpu
        return self.state.checkpoint(journal)

    def restore(self, checkpoint: Checkpoint, *, restarts: int | None = None) -> None:
        """Continue from a checkpoint in all processes; with `restarts`, in the data order of that restart."""
        group = self.state.group
        group.command(Command.RESTORE)
        if group.world_size > 1:
            group.broadcast({"step": checkpoint.step, "values": checkpoint.values, "restarts": restarts})
            group.broadcast_tensors(checkpoint.tensors)
        self.restore_local(checkpoint, restarts)

    def restore_local(self, checkpoint: Checkpoint, restarts: int | None) -> None:
        """Do this process's part of `restore`."""
        self.state.restore(checkpoint)
        if restarts is not None:
            self.state.restarts = restarts
        self.sampler = self._sampler(self.state.restarts)
        self._start_clock()

    def _start_clock(self) -> None:
        state = self.state
        self.clock.start(step=state.step, elapsed=state.elapsed_seconds, cpu=state.cpu_seconds)

    def _sampler(self, restarts: int) -> EpochSampler:
        seed = self.spec.order_seed
        if restarts:
            seed = derived_seed(seed, f"restart {restarts}")
        return EpochSampler(len(self.examples), self.training.batch_size, seed, self.device)
