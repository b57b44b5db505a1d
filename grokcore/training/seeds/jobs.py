"""The run of one seed as a piece of work: what goes into it, what can come out, and who is told."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from grokcore.errors import GrokcoreError
from grokcore.spec import ExperimentSpec
from grokcore.training.place import Resume, TrainResult

Line = dict[str, Any]
"""One line of a run's journal."""

Outcome = TrainResult | GrokcoreError | None
"""What became of a job: its result, why there is none, or None where it was not begun."""


@dataclass(frozen=True)
class Job:
    """What `train_model` is called with for one seed; `spec` is resolved, `data`, `run` are URIs."""

    spec: ExperimentSpec
    data: str
    run: str
    resume: Resume

    @property
    def seed(self) -> int:
        return self.spec.seed


@dataclass(frozen=True)
class Listener:
    """Who is told what happens to a seed, as it happens."""

    on_evaluation: Callable[[int, Line], None]
    on_end: Callable[[int, TrainResult | GrokcoreError], None]
    notify: Callable[[str], None]

    def remark(self, seed: int, line: str) -> None:
        self.notify(f"seed {seed}: {line}")


def attempt(
    job: Job, *, on_evaluation: Callable[[Line], None], notify: Callable[[str], None]
) -> TrainResult | GrokcoreError:
    """Train one seed in this process; what goes wrong with it is returned, so that other seeds go on.

    The traceback of a bug goes to stderr.
    """
    from grokcore.training.train import train_model

    try:
        return train_model(job.spec, job.data, job.run, resume=job.resume, on_evaluation=on_evaluation, notify=notify)
    except GrokcoreError as error:
        return error
    except Exception as error:
        traceback.print_exc()
        text = " ".join(f"{type(error).__name__}: {error}".split())
        return GrokcoreError(f"a bug in grokcore, whose traceback stands above: {text}")
