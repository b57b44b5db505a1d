"""What a sweep's index.json tells of its runs: which hyperparameters were searched for, and under which budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from grokcore.errors import AbsentError, InputError
from grokcore.runs.groups import Group
from grokcore.spec import validate
from grokcore.storage import Store

INDEX = "index.json"


class _Part(BaseModel):
    """A part of the file, of which only what the page shows is read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Run(_Part):
    run_id: str


class _Trial(_Part):
    flops: float
    places: tuple[str, ...]


class _Tuned(_Part):
    values: dict[str, Any]
    split: str
    trials: tuple[_Trial, ...]


class _Point(_Part):
    runs: tuple[_Run, ...]
    tuned: _Tuned | None = None


class _Tuning(_Part):
    steps: int


class SweepFacts(_Part):
    """The content of index.json."""

    name: str
    description: str = ""
    tuning: _Tuning | None = None
    points: tuple[_Point, ...]


@dataclass(frozen=True)
class Tuned:
    """What was searched for, for one group.

    Attributes:
        values: the fields searched, and what was found.
        steps: optimiser steps of each trial.
        flops: of all trials; what was tried twice has been computed once.
        split: that the trials were judged by.
    """

    values: Mapping[str, Any]
    trials: int
    steps: int
    flops: float
    split: str


def read_sweep_facts(store: Store) -> SweepFacts | None:
    """The index in a sweep's directory; None where there is none.

    Raises:
        InputError: it is damaged.
    """
    try:
        document = store.read_json(INDEX)
    except AbsentError:
        return None
    try:
        facts: SweepFacts = validate(SweepFacts, document)
    except InputError as error:
        raise InputError(f"{store.uri_of(INDEX)} is damaged or of another version: {error}") from None
    return facts


def in_order_of(facts: SweepFacts | None, groups: Sequence[Group]) -> list[Group]:
    """Groups in the order of the sweep, whose first point is the one to compare with; those of no point behind."""
    points = () if facts is None else facts.points
    places = {run.run_id: place for place, point in enumerate(points) for run in point.runs}
    return sorted(groups, key=lambda group: min(places.get(run.manifest.run_id, len(points)) for run in group.runs))


def tuned_by_run(facts: SweepFacts | None) -> dict[str, Tuned | None]:
    """What was tuned, by run id: None where nothing was, no entry for runs that the index does not name."""
    found: dict[str, Tuned | None] = {}
    if facts is not None:
        for point in facts.points:
            found |= dict.fromkeys((run.run_id for run in point.runs), _tuned(point.tuned, facts.tuning))
    return found


def _tuned(point: _Tuned | None, tuning: _Tuning | None) -> Tuned | None:
    if point is None or tuning is None:
        return None
    return Tuned(
        values=point.values,
        trials=len(point.trials),
        steps=tuning.steps,
        flops=sum({trial.places: trial.flops for trial in point.trials}.values()),
        split=point.split,
    )
