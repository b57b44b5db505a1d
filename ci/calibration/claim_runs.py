"""Runs without a training: what a predicate asks of a run, and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import cast

from grokcore.claims.base import Arm, Stratum
from grokcore.runs.groups import Group
from grokcore.runs.record import RunRecord
from grokcore.spec import EvaluationSpec, TrainingSpec

OOD, ATOMIC = "test_inferred_ood", "id_atomic"
ANALYSIS, METRIC = "circuit", "path_similarity"
MEMORIZED = 20
"""Step at which every run memorizes."""

RULES = EvaluationSpec()


def run(
    seed: int,
    *,
    at: float | None,
    followed: int,
    accuracy: float = 0.5,
    curve: Callable[[int], float] | None = None,
    draw: int = 0,
    headline: float | None = None,
    first: int | None = None,
) -> RunRecord:
    """A run that reaches the threshold OOD at step `at`, or has not when it ends.

    Args:
        accuracy: on every split at its end, in a journal of one line.
        curve: accuracy of every held-out split and of atomic facts by step, for what looks at a whole journal.
        headline: the number `METRIC` of its analysis; None where it was not analyzed.
        first: steps of the first training that it starts from, if it does.
    """
    reached = at is not None and at <= followed
    held_out = _times(at if reached else None)
    lines = [_line(followed, accuracy)] if curve is None else [_line(step, curve(step)) for step in _steps(followed)]
    return cast(
        "RunRecord",
        SimpleNamespace(
            uri=f"{draw}/{seed}",
            spec=SimpleNamespace(
                seed=seed,
                init_seed=seed,
                order_seed=seed,
                task=SimpleNamespace(seed=draw),
                training=TrainingSpec(max_steps=followed),
                evaluation=RULES,
            ),
            evaluation=SimpleNamespace(
                memorized=_times(MEMORIZED),
                held_out={OOD: held_out},
                splits=dict.fromkeys((OOD, ATOMIC), SimpleNamespace(majority_baseline=0.4, examples=1000)),
                censored_at=followed,
                step=followed,
                diverged=False,
                exit_reason="budget_steps",
            ),
            manifest=SimpleNamespace(source=None if first is None else SimpleNamespace(steps=first)),
            journal=lines,
            analysis=None if headline is None else _analysis(headline),
        ),
    )


def stratum(*sides: Sequence[RunRecord], label: str = "") -> Stratum:
    """A comparison of groups, at the levels 0, 1, ... of the factor."""
    return Stratum(label, tuple(Arm(Group("", {}, tuple(runs)), {}, float(level)) for level, runs in enumerate(sides)))


def _analysis(value: float) -> SimpleNamespace:
    one = SimpleNamespace(step=0, analysis=ANALYSIS, metric=METRIC, split=OOD, case="", value=value)
    return SimpleNamespace(steps=[0], milestones={}, headlines=[one])


def _times(step: float | None) -> SimpleNamespace:
    time = None if step is None else SimpleNamespace(steps=max(1, round(step)), after=max(0, round(step) - 1))
    return SimpleNamespace(first_crossing=time, sustained=time, stable=time, collapsed=None)


def _steps(followed: int) -> list[int]:
    steps = [0]
    while steps[-1] < followed:
        steps.append(min(max(steps[-1] + 5, round(1.15 * steps[-1])), followed))
    return steps


def _line(step: int, accuracy: float) -> dict[str, object]:
    splits = {name: {"accuracy": accuracy, "loss": 0.1} for name in (OOD, ATOMIC)}
    trained = {"accuracy": 1.0 if step >= MEMORIZED else 0.5, "loss": 0.1}
    return {"step": step, "train": trained, "splits": splits, "steps_skipped": 0}
