"""Jobs: runs to train, their outcomes, and the messages that a worker process exchanges about them.

Messages are JSON lines. To the worker: a job, or null after the last one. From it: {"line": a line of the journal},
{"note": a remark}, {"metrics": samples of its metrics}, and at the end of a job {"end": a result or an error}.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from grokcore.errors import GrokcoreError, error_of_the_machine
from grokcore.runs.journal import JournalLine
from grokcore.runs.resume import Resume, TrainResult
from grokcore.spec import ExperimentSpec, validate
from grokcore.telemetry.trainjob import several_runs

Outcome = TrainResult | GrokcoreError | None
"""The result of a job, the error that it ended with, or None if it was not started."""


@dataclass(frozen=True)
class Job:
    """The arguments of `train_model` for one run; `spec` is resolved, `data` and `run` are URIs.

    Attributes:
        evaluate: whether `evaluate_model` follows, as a part of the job.
        track: names of trackers.
    """

    spec: ExperimentSpec
    data: str
    run: str
    resume: Resume
    evaluate: bool = False
    track: Sequence[str] | None = None

    @property
    def seed(self) -> int:
        return self.spec.seed


@dataclass(frozen=True)
class Listener:
    """Callbacks for the progress of jobs; `notify` takes remarks that do not belong to a single one.

    `on_begin` is called when a job starts, `on_evaluation` with each new line of its journal.
    """

    on_begin: Callable[[Job], None]
    on_evaluation: Callable[[Job, JournalLine], None]
    on_remark: Callable[[Job, str], None]
    on_end: Callable[[Job, TrainResult | GrokcoreError], None]
    notify: Callable[[str], None]


def run_job(
    job: Job, *, on_evaluation: Callable[[JournalLine], None], notify: Callable[[str], None]
) -> TrainResult | GrokcoreError:
    """Do one job in this process; return its error instead of raising it, so that other jobs go on.

    The traceback of a bug goes to stderr.
    """
    from grokcore.training.train import train_model

    try:
        with several_runs():
            result = train_model(
                *(job.spec, job.data, job.run),
                resume=job.resume,
                track=job.track,
                on_evaluation=on_evaluation,
                notify=notify,
            )
        if job.evaluate:
            evaluate(job)
        return result
    except GrokcoreError as error:
        return error
    except Exception as error:
        if (cause := error_of_the_machine(error)) is not None:
            return cause
        traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return GrokcoreError(f"a bug in grokcore, whose traceback stands above: {text}")


def evaluate(job: Job) -> None:
    """Evaluate a job's run.

    Raises:
        GrokcoreError: as `evaluate_model` does.
    """
    from grokcore.evaluation.evaluate import evaluate_model

    evaluate_model(job.run, data=job.data)


def encode(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def encode_job(job: Job) -> bytes:
    return encode({**asdict(job), "spec": job.spec.model_dump(mode="json")})


def decode_job(message: dict[str, Any]) -> Job:
    return Job(**{**message, "spec": validate(ExperimentSpec, message["spec"])})
