"""Whether and how this process exposes what it trains.

What this process exposes: one run, or the seeds of one experiment as if they were one.

How a process that trains for another one tells it what to expose.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grokcore.errors import GrokcoreError
from grokcore.spec import ExperimentSpec
from grokcore.storage import Store
from grokcore.telemetry.endpoint import Endpoint, MetricsOptions
from grokcore.telemetry.exposition import FINAL, exposition
from grokcore.telemetry.samples import Samples, combine
from grokcore.telemetry.sinks import FAILURES
from grokcore.training.signals import StopRequest


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


_boards: list[Board] = []
"""The one that is in use, if there is one; a block of `exposing` or `relaying` inside another shares its board."""


def board() -> Board | None:
    """Where runs of this process are shown; None where nobody wants to see them."""
    return _boards[0] if _boards else None


@contextmanager
def using(board: Board) -> Iterator[None]:
    """Have the runs of this process shown on `board`."""
    _boards.insert(0, board)
    try:
        yield
    finally:
        _boards.remove(board)


@contextmanager
def exposing(notify: Callable[[str], None], stop: StopRequest) -> Iterator[None]:
    """Serve what is trained inside the block, if the environment wants it served and no block around does it already.

    At the end of a block that ends well, the endpoint stays until its last values have been scraped, as long as the
    options allow, or until `stop` is requested.

    Args:
        notify: told where the endpoint is, or why there is none; training goes on without.

    Raises:
        InputError: what the environment says of the endpoint is nothing of its kind.
    """
    options = MetricsOptions.from_environment() if board() is None else None
    if options is None:
        yield
        return
    shown = Board()
    endpoint = _listen(options, shown, notify)
    try:
        with using(shown):
            yield
        if endpoint is not None:
            endpoint.linger(lambda: stop.requested)
    finally:
        if endpoint is not None:
            endpoint.close()


def _listen(options: MetricsOptions, shown: Board, notify: Callable[[str], None]) -> Endpoint | None:
    try:
        endpoint = Endpoint(options, shown.read)
    except OSError as error:
        reason = f"nobody can listen at {options.address}:{options.port} ({error.strerror or error})"
    except ModuleNotFoundError:
        reason = "prometheus-client is not installed: pip install 'grokcore[metrics]'"
    else:
        notify(f"metrics at {endpoint.url}")
        return endpoint
    FAILURES.warn("prometheus", f"training goes on without metrics: {reason}", notify)
    return None


@contextmanager
def showing(spec: ExperimentSpec, run: str, read: Callable[[], Samples]) -> Iterator[None]:
    """Show a run while it is trained in the block, and from then on as it was at the block's end."""
    shown = board()
    if shown is None:
        yield
        return
    shown.begin(spec)
    shown.show(spec, run, read)
    try:
        yield
    finally:
        last = read()
        shown.show(spec, run, lambda: last)


def write_final(store: Store, samples: Samples, notify: Callable[[str], None]) -> None:
    """Leave a run's last values in its directory, where they are shown at all."""
    shown = board()
    if shown is None:
        return
    try:
        store.write(FINAL, exposition(shown.with_failures(samples)))
    except (GrokcoreError, ModuleNotFoundError) as error:
        FAILURES.warn("prometheus", f"{FINAL} could not be written: {error}", notify)


RELAY_SECONDS = 1.0
"""Between two messages: a scraper sees nothing older, and little that is new is lost with a process that is killed."""


@contextmanager
def relaying(tell: Callable[[Samples], None]) -> Iterator[None]:
    """Hand on what the run in the block has to show, now and then from a thread, and once more at its end."""
    if MetricsOptions.from_environment() is None:
        yield
        return
    board, over = Board(), threading.Event()

    def work() -> None:
        while not over.wait(RELAY_SECONDS):
            tell(board.read())

    thread = threading.Thread(target=work, name="relay", daemon=True)
    thread.start()
    try:
        with using(board):
            yield
    finally:
        over.set()
        thread.join()
        tell(board.read())
