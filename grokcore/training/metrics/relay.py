"""How a process that trains for another one tells it what to expose."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from grokcore.telemetry.endpoint import MetricsOptions
from grokcore.telemetry.samples import Samples
from grokcore.training.metrics.board import Board
from grokcore.training.metrics.exposure import using

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
