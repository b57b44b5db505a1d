"""A run as a piece of work: what goes into it, what can come out, and who is told."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grokcore.errors import GrokcoreError, error_of_the_machine
from grokcore.runs.resume import Resume, TrainResult
from grokcore.spec import ExperimentSpec

Line = dict[str, Any]
"""One line of a run's journal."""

Outcome = TrainResult | GrokcoreError | None
"""What became of a job: its result, why there is none, or None where it was not begun."""


@dataclass(frozen=True)
class Job:
    """What `train_model` is called with for one run; `spec` is resolved, `data`, `run` are URIs.

    Attributes:
        evaluate: whether `evaluate_model` follows, as a part of the work.
    """

    spec: ExperimentSpec
    data: str
    run: str
    resume: Resume
    evaluate: bool = False

    @property
    def seed(self) -> int:
        return self.spec.seed


@dataclass(frozen=True)
class Listener:
    """Who is told what happens to a job, as it happens; `notify` takes what belongs to no single one.

    `on_begin` comes once a job is in hand, `on_evaluation` with each new line of its journal.
    """

    on_begin: Callable[[Job], None]
    on_evaluation: Callable[[Job, Line], None]
    on_remark: Callable[[Job, str], None]
    on_end: Callable[[Job, TrainResult | GrokcoreError], None]
    notify: Callable[[str], None]


def attempt(
    job: Job, *, on_evaluation: Callable[[Line], None], notify: Callable[[str], None]
) -> TrainResult | GrokcoreError:
    """Do one job in this process; what goes wrong with it is returned, so that others go on.

    The traceback of a bug goes to stderr.
    """
    from grokcore.training.train import train_model

    try:
        result = train_model(job.spec, job.data, job.run, resume=job.resume, on_evaluation=on_evaluation, notify=notify)
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
