"""Train several seeds in one process with their weights stacked, by one optimizer step for all of them.

A small model leaves most of a GPU idle: its kernels end before the next are launched. Stacked, every kernel works
for all seeds at once. Everything else stays as it is for a single run: each seed has a trainer of its own, whose
weights and optimizer state are slices of the stack, and which evaluates, saves and ends as if it were alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor, nn

from grokcore.errors import GrokcoreError
from grokcore.models import SharedPrefixes
from grokcore.models.precision import autocast
from grokcore.models.roles import layouts
from grokcore.runs.journal import JournalLine
from grokcore.runs.resume import TrainResult
from grokcore.spec import resolve_device
from grokcore.spec.schedule import learning_rate_at
from grokcore.telemetry.trainjob import several_runs
from grokcore.training.attempt import Attempt, begin
from grokcore.training.loop import reproducible, training_steps
from grokcore.training.losses import loss_of
from grokcore.training.optimizers import OPTIMIZERS
from grokcore.training.optimizers.groups import LearningRates
from grokcore.training.projections import Projection, projection_of
from grokcore.training.seeds.jobs import Job, Listener, Outcome, evaluate
from grokcore.training.signals import StopRequest, stop_on_signal
from grokcore.training.step import StepGraphs
from grokcore.training.trainer import Trainer
from grokcore.training.update import Update, gradients_of, norm_of_each_seed


def train_stacked(jobs: Sequence[Job], listener: Listener) -> list[Outcome]:
    """Train all seeds at once; seeds that resume at different steps form groups, trained one after another."""
    spec = jobs[0].spec
    device = torch.device(resolve_device(spec.training.device))
    outcomes: list[Outcome] = [None] * len(jobs)
    with ExitStack() as runs:
        runs.enter_context(several_runs())
        stop = runs.enter_context(stop_on_signal())
        runs.enter_context(reproducible(spec.order_seed, device, spec.training.threads))
        groups: dict[int, dict[int, Attempt]] = {}
        for number, job in enumerate(jobs):
            listener.on_begin(job)
            try:
                attempt = runs.enter_context(
                    begin(
                        *(job.spec, job.data, job.run, device),
                        resume=job.resume,
                        stop=stop,
                        notify=partial(listener.on_remark, job),
                        track=job.track,
                    )
                )
            except GrokcoreError as error:
                outcomes[number] = error
                listener.on_end(job, error)
            else:
                groups.setdefault(attempt.trainer.state.step, {})[number] = attempt
        for _, group in sorted(groups.items()):
            for number, outcome in _train_group(group, jobs, stop, listener).items():
                outcomes[number] = outcome
    return outcomes


def _train_group(
    attempts: dict[int, Attempt], jobs: Sequence[Job], stop: StopRequest, listener: Listener
) -> dict[int, Outcome]:
    outcomes: dict[int, Outcome] = {}
    steps = {
        number: training_steps(attempt.trainer, attempt.recorder, stop, partial(_show, listener, jobs[number]))
        for number, attempt in attempts.items()
    }
    for attempt in attempts.values() if len(attempts) > 1 else ():  # other rounding, and equal shares of CPU seconds
        attempt.manifest.set_execution("stacked_seeds", str(len(attempts)))
    take_step = StackedStep([attempt.trainer for attempt in attempts.values()], listener.notify)
    while steps:
        for number in list(steps):
            try:
                next(steps[number])
                continue
            except StopIteration as end:
                outcome = _ended(attempts[number], jobs[number], end)
            except GrokcoreError as error:
                outcome = error
            del steps[number]
            outcomes[number] = outcome
            listener.on_end(jobs[number], outcome)
        if steps and not stop.requested:  # a signal between two steps ends all seeds at the same step
            begin, begin_cpu = time.perf_counter(), time.process_time()
            take_step()
            seconds, cpu = time.perf_counter() - begin, (time.process_time() - begin_cpu) / len(attempts)
            for number in steps:
                attempts[number].trainer.count_step(seconds, cpu)
    return outcomes


def _show(listener: Listener, job: Job, line: JournalLine) -> None:
    """Show a line, whatever the listener returns: the loop takes that for a reason to end."""
    listener.on_evaluation(job, line)


def _ended(attempt: Attempt, job: Job, end: StopIteration) -> TrainResult | GrokcoreError:
    try:
        result = attempt.end(end.value)
        if job.evaluate:
            evaluate(job)
        return result
    except GrokcoreError as error:
        return error


class StackedStep:
    """One optimizer step of K trainers at the same step, on weights (K, ...) of which each trainer's are a slice."""

    def __init__(self, trainers: Sequence[Trainer], notify: Callable[[str], None]) -> None:
        first = trainers[0]
        self._trainers, self._training, self._device = trainers, first.training, first.device
        self._model, self._examples = first.model, first.examples
        names = [name for name, _ in first.model.named_parameters()]
        columns = list(zip(*(trainer.parameters for trainer in trainers), strict=True))
        self._weights = {
            name: nn.Parameter(torch.stack([weight.detach() for weight in column]))
            for name, column in zip(names, columns, strict=True)
        }
        stacked_of = dict(zip(map(id, first.parameters), self._weights.values(), strict=True))
        groups = [
            {**group, "params": [stacked_of[id(weight)] for weight in group["params"]]}
            for group in first.state.optimizer.param_groups
        ]
        self._optimizer = OPTIMIZERS[self._training.optimizer](groups, self._training, stacked=True)
        self._gradient_norms = torch.stack([trainer.state.gradient_norm for trainer in trainers])
        for number, trainer in enumerate(trainers):
            self._replace_by_slices(trainer, number)
        self._loss = loss_of(self._training)
        self._rows = torch.zeros(len(trainers), self._training.batch_size, dtype=torch.int64, device=self._device)
        self._learning_rates = LearningRates(self._optimizer, self._device)
        stored = layouts(first.model)
        projection = projection_of(self._training, [stored[name] for name in names])
        self._update = Update(
            self._training,
            self._optimizer,
            None if projection is None else partial(self._project, projection),
            gradient_norm=self._gradient_norms,
            steps_skipped=first.state.steps_skipped,  # stays 0: what skips steps is not stacked
            norm_of=norm_of_each_seed,
        )
        self._graphs = StepGraphs(self._work, self._training, self._device, notify)
        for trainer in trainers:
            trainer.graphs = self._graphs

    def _replace_by_slices(self, trainer: Trainer, number: int) -> None:
        """Replace a trainer's weights and optimizer state by slices of the stack, with unchanged values."""
        state = trainer.state.optimizer.state
        for weight, stacked in zip(trainer.parameters, self._weights.values(), strict=True):
            for name, value in state[weight].items():
                mine = self._optimizer.state[stacked][name]
                slot = mine[number] if mine.ndim else mine  # the count of steps is one for all
                slot.copy_(value)
                value.data = slot
            weight.data = stacked.detach()[number]
        trainer.state.gradient_norm.data = self._gradient_norms[number]

    def __call__(self) -> None:
        step = self._trainers[0].state.step
        for number, trainer in enumerate(self._trainers):
            self._rows[number].copy_(trainer.sampler(step))
        self._learning_rates.set(learning_rate_at(step, self._training))
        self._graphs(self._model.prepare(step))  # the same for every seed
        for trainer in self._trainers:
            trainer.state.step = step + 1

    def _work(self) -> None:
        weights = list(self._weights.values())
        try:
            for rows in self._rows.chunk(self._training.gradient_accumulation, dim=1):
                self._losses(rows).sum().backward()
            self._update(gradients_of(weights))
        finally:
            for weight in weights:
                weight.grad = None

    def _project(self, projection: Projection, skipped: Tensor | None) -> None:
        for trainer in self._trainers:
            projection(trainer.parameters, skipped)

    def _losses(self, rows: Tensor) -> Tensor:
        """Return each seed's loss (K,) on one part of the batch, rows (K, B), divided by the number of parts."""
        batch = self._examples[rows.flatten()]
        inputs, positions, targets = (
            column.unflatten(0, rows.shape) for column in (batch.inputs, batch.positions, batch.targets)
        )
        table, of = (None, rows) if batch.prefixes is None else batch.prefixes
        of = of.view(rows.shape)

        def loss(weights: dict[str, Tensor], inputs: Tensor, positions: Tensor, targets: Tensor, of: Tensor) -> Tensor:
            prefixes = None if table is None else SharedPrefixes(table, of)
            logits_bpv = torch.func.functional_call(self._model, weights, (inputs, positions, prefixes))
            return self._loss(logits_bpv.flatten(0, 1), targets.flatten())

        weights: dict[str, Tensor] = dict(self._weights)
        with autocast(self._training.precision, self._device):
            losses: Tensor = torch.vmap(loss)(weights, inputs, positions, targets, of)
        return losses / self._training.gradient_accumulation
