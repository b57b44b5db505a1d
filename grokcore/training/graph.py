"""Work on static tensors as one CUDA graph: a small model's kernels take longer to launch one by one than to run."""

from __future__ import annotations

from collections.abc import Callable

import torch

from grokcore.spec import TrainingSpec


class StepGraphs:
    """`work`, called with the kind of the step in hand: on CUDA one recording for each kind.

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
    the n-th call does the n-th piece of work, whoever does it.

    Args:
        work: reads and writes tensors that stay where they are, and never waits for the device.
        failed: called with the reason if `work` cannot be recorded; it then goes on as it is.
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
