"""A process that trains runs: `python -m grokcore.training.seeds.worker CORES` reads jobs and sends their progress.

Its standard input ends when the process that started it does: training then stops as at a signal.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

from grokcore.errors import EXIT_OK, EXIT_STOPPED, StoppedError
from grokcore.runs.resume import encode_outcome
from grokcore.telemetry.prometheus import encode as encode_samples
from grokcore.training.metrics_server import forward_metrics
from grokcore.training.seeds.jobs import Job, decode_job, encode, run_job
from grokcore.training.seeds.pool import pin

_SENDING = threading.Lock()
"""Held while a thread writes a message, so that messages do not mix."""


def main(cores: str) -> int:
    pin(frozenset(map(int, cores.split(","))))  # before torch counts the cores
    output = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not mix with the messages
    jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _leave)
        import grokcore.training.train  # noqa: F401 - torch is loaded while the first job is on its way

        while (job := jobs.get()) is not None:
            with forward_metrics(lambda samples: _send(output, {"metrics": encode_samples(samples)})):
                outcome = run_job(
                    job,
                    on_evaluation=lambda line: _send(output, {"line": line}),
                    notify=lambda line: _send(output, {"note": line}),
                )
            _send(output, {"end": encode_outcome(outcome)})
    except StoppedError:
        return EXIT_STOPPED
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # nothing is left to stop
    return EXIT_OK


def _leave(number: int, frame: FrameType | None) -> None:
    """Handle a signal outside of training, where `train_model` does not: stop at once."""
    raise StoppedError("stopped outside of its steps; the same command goes on from there")


def _listen(jobs: queue.SimpleQueue[Job | None]) -> None:
    """Queue the jobs that arrive; if they end without a final null, the process that sends them has gone."""
    with open(0, "rb", buffering=0, closefd=False) as pipe:  # a buffer's lock would stand in the way of leaving
        for line in iter(pipe.readline, b""):
            message: Any = json.loads(line)
            if message is None:
                jobs.put(None)
                return
            jobs.put(decode_job(message))
    jobs.put(None)
    os.kill(os.getpid(), signal.SIGTERM)


def _send(output: int, message: Any) -> None:
    """Write whole lines only; a closed pipe must not stop a run from saving."""
    line = memoryview(encode(message))
    with _SENDING, suppress(OSError):
        while line:
            line = line[os.write(output, line) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
