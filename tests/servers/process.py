"""Programs that a test starts, and that never outlive it."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from http.server import HTTPServer
from pathlib import Path
from typing import Self

import pytest

_PATIENCE = 120.0
"""Seconds until a program that does not get ready is an error."""


class Server:
    """Processes around one directory; both are gone after `stop`, or when the process that started them dies."""

    PROGRAMS: tuple[str, ...] = ()
    REMEDY = ""
    """What provides the programs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._processes: list[subprocess.Popen[bytes]] = []

    @classmethod
    def obstacle(cls) -> str:
        """Return why it cannot run on this machine, or an empty string."""
        missing = [program for program in cls.PROGRAMS if shutil.which(program) is None]
        return f"no {', '.join(missing)} here: {cls.REMEDY}" if missing else ""

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: a part does not start.
        """
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Run it as long as the block; skip the test where that is impossible."""
        if obstacle := self.obstacle():
            pytest.skip(obstacle)
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def start_process(self, *command: str) -> None:
        with (self.directory / f"{Path(command[0]).name}.out").open("ab") as output:
            self._processes.append(
                subprocess.Popen(
                    command,
                    stdout=output,
                    stderr=output,
                    process_group=0,  # what it starts itself ends with it
                    preexec_fn=_die_with_parent,  # one thread here
                )
            )

    def wait_until(self, condition: Callable[[], bool], patience: float = _PATIENCE) -> None:
        """Raises RuntimeError, with what the processes have said, when one ends or the condition does not come true."""
        end = time.monotonic() + patience
        while not condition():
            ended = [process.args for process in self._processes if process.poll() is not None]
            if ended or time.monotonic() > end:
                said = "\n".join(path.read_text("utf-8", "replace")[-1000:] for path in self.directory.glob("*.out"))
                raise RuntimeError(f"ended: {ended}; not ready after {patience:.0f} s at most; {said}")
            time.sleep(0.05)

    def stop(self) -> None:
        for process in reversed(self._processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # nothing of it is to be kept
        for process in self._processes:
            process.wait()
        self._processes.clear()
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def serving(server: HTTPServer) -> Iterator[None]:
    """Answer requests in another thread as long as the block runs."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def run(*command: str, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False, env=env)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")


def answers(connection: HTTPConnection) -> bool:
    try:
        connection.request("GET", "/")
        return connection.getresponse().status < 500
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _die_with_parent() -> None:
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
