"""One process of a training: `python -m grokcore.training.distributed.member JOB OUTCOME`.

JOB is a file with a job; process 0 prints remarks, and writes its result or error to the file OUTCOME.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NoReturn

from grokcore.errors import EXIT_OK, GrokcoreError
from grokcore.runs.resume import TrainResult, encode_outcome
from grokcore.spec.ranks import rank_of_environment
from grokcore.training.seeds.jobs import decode_job, encode
from grokcore.training.signals import leave_group, stop_on_signal


def main(request: str, place: str) -> NoReturn:
    with stop_on_signal(with_parent=True):  # from here on, since the libraries take seconds to load
        leave_group(_train(request, place))


def _train(request: str, place: str) -> int:
    job = decode_job(json.loads(Path(request).read_bytes()))
    from grokcore.training.train import train_model

    outcome: TrainResult | GrokcoreError
    try:
        outcome = train_model(
            job.spec, job.data, job.run, resume=job.resume, stop_with_parent=True, notify=lambda line: _print(line)
        )
    except GrokcoreError as error:
        outcome = error
    if rank_of_environment().rank == 0:
        Path(place).write_bytes(encode(encode_outcome(outcome)))
    return outcome.exit_code if isinstance(outcome, GrokcoreError) else EXIT_OK


def _print(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
