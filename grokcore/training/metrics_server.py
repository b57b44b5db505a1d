"""Serve the metrics of what this process trains: one run, or the seeds of one experiment combined.

A process that trains for another one forwards its samples, and the other serves them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grokcore.errors import GrokcoreError
from grokcore.spec import ExperimentSpec
from grokcore.storage import Store
from grokcore.telemetry.endpoint import Endpoint, MetricsOptions
from grokcore.telemetry.prometheus import FINAL, Samples, combine, exposition
from grokcore.telemetry.sinks import FAILURES
from grokcore.training.signals import StopRequest


class LiveMetrics:
    """Metrics of the runs of the current experiment: those that differ from the last one started only in their seed.

    So a sweep shows the point whose run was started last, and has no series per run. A run that has ended stays until
    another experiment starts.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._experiment: ExperimentSpec | None = None
        self._runs: dict[str, Callable[[], Samples]] = {}
        self._lost_before = FAILURES.read()

    def begin(self, spec: ExperimentSpec) -> None:
        """Start a run of this spec, and drop the runs of any other experiment."""
        experiment = spec.model_copy(update={"seed": 0})
        with self._lock:
            if experiment != self._experiment:
                self._experiment = experiment
                self._runs = {}

    def show(self, spec: ExperimentSpec, run: str, read: Callable[[], Samples]) -> None:
        """Read the run `run` by `read` from now on, if it belongs to the current experiment."""
        with self._lock:
            if spec.model_copy(update={"seed": 0}) == self._experiment:
                self._runs[run] = read

    def read(self) -> Samples:
        """Return the samples of all runs combined; none before the first run."""
        with self._lock:
            readers = list(self._runs.values())
        return self.with_failures(combine([read() for read in readers]))

    def with_failures(self, samples: Samples) -> Samples:
        """Add to samples what the sinks of this process have lost since it began to serve."""
        samples = dict(samples)
        for sink, lost in FAILURES.read().items():
            key = ("grokking_sink_failures_total", sink)
            elsewhere = samples.get(key)  # counted by the processes that train the runs
            samples[key] = lost - self._lost_before[sink] + (elsewhere if isinstance(elsewhere, int | float) else 0)
        return samples


_in_use: list[LiveMetrics] = []
"""The metrics that are served or forwarded, if any; nested blocks reuse them."""


def live_metrics() -> LiveMetrics | None:
    """Return the metrics of this process's runs; None if they are neither served nor forwarded."""
    return _in_use[0] if _in_use else None


@contextmanager
def _using(metrics: LiveMetrics) -> Iterator[None]:
    _in_use.insert(0, metrics)
    try:
        yield
    finally:
        _in_use.remove(metrics)


@contextmanager
def serve_metrics(notify: Callable[[str], None], stop: StopRequest) -> Iterator[None]:
    """Serve metrics while the block runs if GROKCORE_METRICS_PORT is set; nested calls reuse the server.

    After a block without an error, the endpoint stays until its last values have been scraped, at most as long as the
    options allow, or until `stop` is requested.

    Args:
        notify: told where the endpoint is, or why there is none; training goes on without.

    Raises:
        InputError: the environment's options for the endpoint are invalid.
    """
    options = MetricsOptions.from_environment() if live_metrics() is None else None
    if options is None:
        yield
        return
    metrics = LiveMetrics()
    endpoint = _listen(options, metrics, notify)
    try:
        with _using(metrics):
            yield
        if endpoint is not None:
            endpoint.linger(lambda: stop.requested)
    finally:
        if endpoint is not None:
            endpoint.close()


def _listen(options: MetricsOptions, metrics: LiveMetrics, notify: Callable[[str], None]) -> Endpoint | None:
    try:
        endpoint = Endpoint(options, metrics.read)
    except OSError as error:
        reason = f"cannot listen at {options.address}:{options.port} ({error.strerror or error})"
    except ModuleNotFoundError:
        reason = "prometheus-client is not installed: pip install 'grokcore[metrics]'"
    else:
        notify(f"metrics at {endpoint.url}")
        return endpoint
    FAILURES.warn("prometheus", f"training goes on without metrics: {reason}", notify)
    return None


@contextmanager
def show_run(spec: ExperimentSpec, run: str, read: Callable[[], Samples]) -> Iterator[None]:
    """Include a run in the live metrics while it is trained in the block, and its last values from then on."""
    metrics = live_metrics()
    if metrics is None:
        yield
        return
    metrics.begin(spec)
    metrics.show(spec, run, read)
    try:
        yield
    finally:
        last = read()
        metrics.show(spec, run, lambda: last)


def write_final_metrics(store: Store, samples: Samples, notify: Callable[[str], None]) -> None:
    """Write a run's last values to its directory, if metrics are served or forwarded."""
    metrics = live_metrics()
    if metrics is None:
        return
    try:
        store.write(FINAL, exposition(metrics.with_failures(samples)))
    except (GrokcoreError, ModuleNotFoundError) as error:
        FAILURES.warn("prometheus", f"{FINAL} could not be written: {error}", notify)


FORWARD_SECONDS = 1.0
"""Seconds between two messages: as old as scraped values can be, and as much as is lost with a killed process."""


@contextmanager
def forward_metrics(send: Callable[[Samples], None]) -> Iterator[None]:
    """Send the samples of the run in the block, once every FORWARD_SECONDS from a thread, and once at its end."""
    if MetricsOptions.from_environment() is None:
        yield
        return
    metrics, over = LiveMetrics(), threading.Event()

    def work() -> None:
        while not over.wait(FORWARD_SECONDS):
            send(metrics.read())

    thread = threading.Thread(target=work, name="forward-metrics", daemon=True)
    thread.start()
    try:
        with _using(metrics):
            yield
    finally:
        over.set()
        thread.join()
        send(metrics.read())
