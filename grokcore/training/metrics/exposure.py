"""Whether and how this process exposes what it trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grokcore.errors import GrokcoreError
from grokcore.spec import ExperimentSpec
from grokcore.storage import Store
from grokcore.telemetry.endpoint import Endpoint, MetricsOptions
from grokcore.telemetry.exposition import FINAL, exposition
from grokcore.telemetry.samples import Samples
from grokcore.telemetry.sinks import FAILURES
from grokcore.training.metrics.board import Board
from grokcore.training.signals import StopRequest

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
