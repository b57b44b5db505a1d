"""A training on all devices of this machine, from a process that takes no part in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from grokcore.errors import GrokcoreError, InputError, StoppedError, TransientError
from grokcore.runs.resume import Resume, TrainResult
from grokcore.spec import ExperimentSpec, check_hardware, resolve
from grokcore.storage import open_store, temporary_directory
from grokcore.training.processes.launch import launch, processes_here, python
from grokcore.training.seeds.jobs import Job
from grokcore.training.seeds.messages import decode_outcome, encode_job
from grokcore.training.signals import stop_on_signal


def train_on_all_devices(
    spec: ExperimentSpec,
    data: str | Path,
    out: str | Path,
    *,
    resume: Resume = "auto",
    stop_with_parent: bool = False,
    notify: Callable[[str], None] = lambda line: None,
    processes: int | None = None,
) -> TrainResult:
    """`train_model` on every GPU of this machine where the spec's engine is DeepSpeed, in a process for each.

    Where one process does, it trains in this one.

    Args:
        spec, data, out, resume, stop_with_parent, notify: as in `train_model`; several processes print for themselves
            what `notify` would be told of the training.
        processes: how many; None for one per GPU.

    Raises:
        GrokcoreError: as in `train_model`; of a process that was killed, TransientError.
    """
    spec = resolve(spec, devices=processes)
    count = processes_here(spec) if processes is None else processes
    if count == 1:
        from grokcore.training.train import train_model

        return train_model(spec, data, out, resume=resume, stop_with_parent=stop_with_parent, notify=notify)
    check_hardware(spec, processes=count)
    job = Job(spec, open_store(data).uri, open_store(out).uri, resume)
    remarks: list[str] = []
    with stop_on_signal(with_parent=stop_with_parent) as stop, temporary_directory() as folder:
        request, outcome = folder / "job.json", folder / "outcome.json"
        request.write_bytes(encode_job(job))
        code = launch(
            python("-m", "grokcore.training.processes.member", str(request), str(outcome)),
            count,
            stop=stop,
            notify=remarks.append,
        )
        if outcome.is_file():
            result = decode_outcome(json.loads(outcome.read_bytes()))
            if isinstance(result, TrainResult) and code == 0:
                return result
            if isinstance(result, GrokcoreError) and result.exit_code == code:
                raise result
    reason = remarks[0] if remarks else "a process of this training failed; its traceback stands above"
    raise error_of(code)(reason)


def error_of(code: int) -> type[GrokcoreError]:
    """The class of error that has an exit code."""
    kinds: tuple[type[GrokcoreError], ...] = (InputError, TransientError, StoppedError)
    return next((kind for kind in kinds if kind.exit_code == code), GrokcoreError)
