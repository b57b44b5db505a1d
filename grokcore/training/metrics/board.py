"""What this process exposes: one run, or the seeds of one experiment as if they were one."""

from __future__ import annotations

import threading
from collections.abc import Callable

from grokcore.spec import ExperimentSpec
from grokcore.telemetry.samples import Samples, combine
from grokcore.telemetry.sinks import FAILURES


class Board:
    """The runs of the experiment in hand: those that differ from the one begun last in nothing but their seed.

    So a sweep shows the point whose run was begun last, and no series per run. A run that has ended stays until
    another experiment begins.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._experiment: ExperimentSpec | None = None
        self._runs: dict[str, Callable[[], Samples]] = {}
        self._lost_before = FAILURES.read()

    def begin(self, spec: ExperimentSpec) -> None:
        """A run of this spec is in hand now; runs of another experiment are shown no longer."""
        experiment = spec.model_copy(update={"seed": 0})
        with self._lock:
            if experiment != self._experiment:
                self._experiment = experiment
                self._runs = {}

    def show(self, spec: ExperimentSpec, run: str, read: Callable[[], Samples]) -> None:
        """Show what `read` returns as the run `run`, in place of what was shown of it, if its experiment is in hand."""
        with self._lock:
            if spec.model_copy(update={"seed": 0}) == self._experiment:
                self._runs[run] = read

    def read(self) -> Samples:
        """What there is to see; nothing before the first run."""
        with self._lock:
            readers = list(self._runs.values())
        return self.with_failures(combine([read() for read in readers]))

    def with_failures(self, samples: Samples) -> Samples:
        """Samples, and what the sinks of this process have lost since it began to expose."""
        samples = dict(samples)
        for sink, lost in FAILURES.read().items():
            key = ("grokking_sink_failures_total", sink)
            told = samples.get(key)  # by processes of their own, which count their own
            samples[key] = lost - self._lost_before[sink] + (told if isinstance(told, int | float) else 0)
        return samples
