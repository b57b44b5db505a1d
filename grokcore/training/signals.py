"""SIGINT and SIGTERM as a request to stop after the current step; a second one ends the process at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from grokcore.errors import EXIT_STOPPED, StoppedError

PARENT_SECONDS = 1.0
"""Seconds until the end of the parent process is noticed."""

_SHELLS = ("sh", "ash", "bash", "dash", "busybox")

_BOTH = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """A request to stop this process; its instance is the signal handler."""

    def __init__(self) -> None:
        self.requested = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            os._exit(EXIT_STOPPED)
        self.requested = True

    def check(self) -> None:
        """Stop at once, before the first step, while there is nothing to save.

        Raises:
            StoppedError: a stop was requested.
        """
        if self.requested:
            raise StoppedError("stopped before its first step; the same command goes on from there")


@contextmanager
def stop_on_signal(*, with_parent: bool = False) -> Iterator[StopRequest]:
    """Catch both signals inside the block; outside the main thread, where Python allows no handler, catch nothing.

    A block inside another shares its request, so that a signal between the two is not lost.

    Args:
        with_parent: take the end of the parent process for a request to stop as well. It is polled, since the signal
            that Linux can send arrives when the thread that started this process ends, and not the process.
    """
    outer, over = signal.getsignal(signal.SIGTERM), threading.Event()
    request = outer if isinstance(outer, StopRequest) else StopRequest()
    if with_parent:
        threading.Thread(target=_watch, args=(_starter(), request, over), daemon=True).start()
    try:
        with _handling(request):
            yield request
    finally:
        over.set()


def leave_group(code: int) -> NoReturn:
    """End a process that has trained in a group with this exit code, without the interpreter's teardown.

    Threads of gloo and NCCL still run then, and sometimes one of them aborts the process during teardown (`terminate
    called without an active exception`), which a launcher takes for a failure that a retry would not fix.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, handler) for number in _BOTH}
    try:
        yield
    finally:
        for number, before in previous.items():
            signal.signal(number, before)


def _watch(starter: tuple[int, ...], request: StopRequest, over: threading.Event) -> None:
    while not over.wait(PARENT_SECONDS):
        if _starter() != starter:
            request.requested = True
            return


def _starter() -> tuple[int, ...]:
    """Return the parent process and, if that is a shell, the parent of the shell.

    Kubeflow's runners start a task by way of a shell, which outlives them and waits for the task.
    """
    parent = os.getppid()
    try:
        name, _, facts = Path(f"/proc/{parent}/stat").read_text().partition("(")[2].rpartition(")")
    except OSError:  # another system, or the parent has just gone
        return (parent,)
    return (parent, int(facts.split()[1])) if name in _SHELLS else (parent,)
