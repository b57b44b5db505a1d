"""Repetitions of an experiment: the draw of the data, and the seeds of initialisation and order."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grokcore.spec import ExperimentSpec

if TYPE_CHECKING:
    from grokcore.evaluation.records import RunRecord


@dataclass(frozen=True, order=True)
class Replicate:
    """What makes one repetition: repetitions of two experiments with equal ones form a pair.

    Attributes:
        data: `task.seed`, of the draw of the data.
        init: seed of the initial weights.
        order: seed of the data order and of dropout.
    """

    data: int
    init: int
    order: int


def replicate_of(spec: ExperimentSpec) -> Replicate:
    return Replicate(spec.task.seed, spec.init_seed, spec.order_seed)


def by_draw(runs: Iterable[RunRecord]) -> dict[int, list[RunRecord]]:
    """Runs by the draw of the data (`task.seed`) that they share; draws ascending, runs in their order."""
    draws: dict[int, list[RunRecord]] = {}
    for run in runs:
        draws.setdefault(run.spec.task.seed, []).append(run)
    return dict(sorted(draws.items()))


def are_independent(runs: Iterable[RunRecord]) -> bool:
    """Whether no two runs share a seed, or no two a draw of the data: then they count as so many trials.

    Where every seed was trained on every draw, runs are alike in two ways, and no interval here covers.
    """
    made = [replicate_of(run.spec) for run in runs]
    seeds = {(one.init, one.order) for one in made}
    return len(seeds) == len(made) or len({one.data for one in made}) == len(made)


def seed_text(run: RunRecord, draws: Sized) -> str:
    """What people call a run of a group: `seed 3`, and `seed 3 of draw 1` where the group has several draws."""
    return f"seed {run.spec.seed}" + (f" of draw {run.spec.task.seed}" if len(draws) > 1 else "")
