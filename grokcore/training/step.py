"""One optimizer step, on a GPU as one CUDA graph: a small model's kernels take longer to launch than to run."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import torch
from torch import Tensor

from grokcore.models.precision import autocast
from grokcore.models.roles import layouts
from grokcore.spec import TrainingSpec
from grokcore.spec.training import Role
from grokcore.training.batches import Examples
from grokcore.training.losses import loss_of
from grokcore.training.optimizers.groups import LearningRates
from grokcore.training.projections import projection_of
from grokcore.training.state import TrainingState
from grokcore.training.update import Update, gradients_of


class Step:
    """An optimizer step on tensors that stay where they are. Nothing in here waits for the device.

    Whatever differs from step to step, row numbers and learning rate, is copied into place first, and a random number
    of loops is drawn. After that no size, no address and no branch depends on a value on the device, so that on CUDA
    the same code can be recorded once for each number of loops and replayed from then on.

    Attributes:
        graphs: runs it.
    """

    def __init__(
        self,
        state: TrainingState,
        examples: Examples,
        training: TrainingSpec,
        *,
        device: torch.device,
        notify: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._state, self._examples, self._training, self._device = state, examples, training, device
        self._parameters = [parameter for parameter in state.model.parameters() if parameter.requires_grad]
        self._loss = loss_of(training)
        self._rows = torch.zeros(training.batch_size, dtype=torch.int64, device=device)
        self._learning_rates = LearningRates(state.optimizer, device)
        stored = layouts(state.model)
        trained = [name for name, weight in state.model.named_parameters() if weight.requires_grad]
        projection = projection_of(training, [stored[name] for name in trained])
        self._update = Update(
            training,
            state.optimizer,
            None if projection is None else partial(projection, self._parameters),
            gradient_norm=state.gradient_norm,
            steps_skipped=state.steps_skipped,
            scaler=state.scaler,
        )
        self.graphs = StepGraphs(self._work, training, device, notify)

    def __call__(self, rows: Tensor, learning_rate: float, frozen: Collection[Role] = ()) -> None:
        """Train on the examples of (batch_size,) int64 `rows`; weights of `frozen` roles stay as they are."""
        self._rows.copy_(rows)
        self._learning_rates.set(learning_rate, frozen)
        self.graphs(self._state.model.prepare(self._state.step))
        self._state.step += 1

    def _work(self) -> None:
        try:
            for rows in self._rows.chunk(self._training.gradient_accumulation):
                self._backward(rows)
            self._update(gradients_of(self._parameters))
        finally:  # a recording that failed must leave nothing for the step that replaces it to add to
            for parameter in self._parameters:
                parameter.grad = None

    def _backward(self, rows: Tensor) -> None:
        """Add the gradient of one part of the batch."""
        training, scaler = self._training, self._state.scaler
        batch = self._examples[rows]
        with autocast(training.precision, self._device):
            logits_bpv = self._state.model(batch.inputs, batch.positions, batch.prefixes)
        loss = self._loss(logits_bpv.flatten(0, 1), batch.targets.flatten())
        if training.gradient_accumulation > 1:
            loss = loss / training.gradient_accumulation
        (loss if scaler is None else loss * scaler.scale).backward()


class StepGraphs:
    """Calls `work`, on CUDA as one recorded graph for each kind of step.

    Args:
        notify: called with a line for each kind of step that cannot be recorded.

    Attributes:
        status: for the manifest: `on`, `off`, or `failed: REASON` once a kind of step could not be recorded. None on a
            CPU, which has no such graphs.
    """

    def __init__(
        self, work: Callable[[], None], training: TrainingSpec, device: torch.device, notify: Callable[[str], None]
    ) -> None:
        self._work, self._notify = work, notify
        self._replays: dict[int, Replay] = {}
        self.status: str | None = None
        if device.type == "cuda":
            self.status = "on" if training.cuda_graph else "off"

    def __call__(self, kind: int) -> None:
        if self.status in (None, "off"):
            self._work()
            return
        if kind not in self._replays:
            self._replays[kind] = Replay(self._work, self._failed)
        self._replays[kind]()

    def _failed(self, reason: str) -> None:
        self.status = f"failed: {reason}"
        self._notify(f"training.cuda_graph: this step cannot be a CUDA graph ({reason}); training goes on without")


WARM_UPS = 3
"""Calls before the recording, in which libraries allocate their workspaces; torch's notes on CUDA graphs ask for 3."""


class Replay:
    """Calls `work` a few times as it is, then records it as a CUDA graph and replays that from then on.

    The calls before the recording count like any other and recording computes nothing, so nothing has to be undone:
    the n-th call does the n-th piece of work, whether as itself or as a replay.

    Args:
        work: reads and writes tensors that stay where they are, and never waits for the device.
        failed: called with the reason if `work` cannot be recorded; it is then called directly from there on.
    """

    def __init__(self, work: Callable[[], None], failed: Callable[[str], None]) -> None:
        self._work, self._failed = work, failed
        self._side = torch.cuda.Stream()
        self._warm_ups = 0
        self._call: Callable[[], None] = self._warm_up

    def __call__(self) -> None:
        self._call()

    def _warm_up(self) -> None:
        current = torch.cuda.current_stream()
        self._side.wait_stream(current)
        with torch.cuda.stream(self._side):
            self._work()
        current.wait_stream(self._side)
        self._warm_ups += 1
        if self._warm_ups == WARM_UPS:
            self._call = self._record

    def _record(self) -> None:
        graph = torch.cuda.CUDAGraph()
        try:
            # The outer context leads back from the stream of a recording that failed, which the inner one does not.
            with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph):
                self._work()
        except RuntimeError as error:
            self._failed(str(error.__context__ or error).partition("\n")[0])
            self._call = self._work
        else:
            self._call = graph.replay
        self._call()
