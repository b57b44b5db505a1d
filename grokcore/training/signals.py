"""SIGINT and SIGTERM as a wish to stop after the step in hand; a second one is not waited for."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from grokcore.errors import EXIT_STOPPED


class StopRequest:
    """Whether somebody has asked this process to stop."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            os._exit(EXIT_STOPPED)
        self.requested = True


@contextmanager
def stop_on_signal() -> Iterator[StopRequest]:
    """Catch both signals inside the block; outside the main thread, where Python allows no handler, catch nothing."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    previous = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
