"""A process that trains runs: `python -m grokcore.training.seeds.worker CORES` reads jobs and says how they go.

Its standard input belongs to the process that started it, and ends with it: training then stops as at a signal.
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
from grokcore.telemetry.samples import encode as encode_samples
from grokcore.training.metrics_server import relaying
from grokcore.training.seeds.jobs import Job, attempt, decode_job, encode
from grokcore.training.seeds.pool import pin

_SPEAKING = threading.Lock()
"""Of several threads, one says its line before the next."""


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
            with relaying(lambda samples: _say(output, {"metrics": encode_samples(samples)})):
                outcome = attempt(
                    job,
                    on_evaluation=lambda line: _say(output, {"line": line}),
                    notify=lambda line: _say(output, {"note": line}),
                )
            _say(output, {"end": encode_outcome(outcome)})
    except StoppedError:
        return EXIT_STOPPED
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # nothing is left that could be stopped
    return EXIT_OK


def _leave(number: int, frame: FrameType | None) -> None:
    """Outside of training, where `train_model` listens for itself, a signal ends what is going on."""
    raise StoppedError("stopped outside of its steps; the same command goes on from there")


def _listen(jobs: queue.SimpleQueue[Job | None]) -> None:
    """Queue the jobs that come; where they end without a last word, the process that gives them has gone."""
    with open(0, "rb", buffering=0, closefd=False) as pipe:  # a buffer's lock would stand in the way of leaving
        for line in iter(pipe.readline, b""):
            message: Any = json.loads(line)
            if message is None:
                jobs.put(None)
                return
            jobs.put(decode_job(message))
    jobs.put(None)
    os.kill(os.getpid(), signal.SIGTERM)


def _say(output: int, message: Any) -> None:
    """Whole lines only; nobody may be there to hear them, which must not stop a run from saving."""
    line = memoryview(encode(message))
    with _SPEAKING, suppress(OSError):
        while line:
            line = line[os.write(output, line) :]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
