"""Judge one run of an entry from its journal alone, by the rules that every run is judged by."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise

from grokcore.errors import InputError
from grokcore.evaluation.incremental import PhaseTracker
from grokcore.evaluation.judging import times_in
from grokcore.evaluation.phases import evidence, next_evaluation
from grokcore.leaderboard.track import Track
from grokcore.runs.evaluation import Time
from grokcore.runs.journal import JournalLine
from grokcore.spec import ExperimentSpec

CLOCK_TOLERANCE = 5.0
"""Seconds by which the clock of the machine and the run's own may disagree between two evaluations."""


def judge_run(spec: ExperimentSpec, lines: Sequence[JournalLine], track: Track, *, flops_per_step: float) -> Time:
    """Return the sustained time to the target of a run.

    Args:
        spec: the run's, with its seed.
        lines: of its journal, in order, each checked by `checked_lines`.
        flops_per_step: of the run's manifest.

    Raises:
        InputError: the journal contradicts its spec or itself, or the run has not reached the target or has lost it.
    """
    if not lines:
        raise InputError("the journal is empty")
    problem = next(_contradictions(spec, lines, flops_per_step), None)
    if problem is not None:
        raise InputError(f"the journal {problem}")
    held = times_in(evidence(lines, spec.training), track.split, spec).sustained
    if held is None or held.steps == 0:
        raise InputError(f"did not sustain {track.target} by step {lines[-1]['step']:,}")
    collapsed = lines[-1]["phases"][track.split]["collapsed"]
    if collapsed is not None:
        raise InputError(f"lost {track.target} again at step {collapsed:,}")
    return held


def _contradictions(spec: ExperimentSpec, lines: Sequence[JournalLine], flops_per_step: float) -> Iterator[str]:
    """Say where a journal is not one that training of its spec writes: a line is missing, or a value was changed."""
    if set(lines[0]["phases"]) - {"memorized"} != set(spec.task.held_out_splits):
        yield f"judges other splits than {', '.join(spec.task.held_out_splits)}"
    steps = {line["step"] for line in lines}
    missing = next((step for step in _grid(spec, lines[-1]["step"]) if step not in steps), None)
    if missing is not None:
        yield f"has no evaluation at step {missing:,}, where its spec asks for one"
    phases = PhaseTracker(spec.task.held_out_splits, spec)
    for number, line in enumerate(lines):
        step = line["step"]
        if line["examples"] != step * spec.training.batch_size:
            yield f"has {line['examples']:,} examples at step {step:,} of {spec.training.batch_size:,} each"
        if not math.isclose(line["flops"], step * flops_per_step, rel_tol=1e-9):
            yield f"has {line['flops']:.6g} FLOPs at step {step:,} of {flops_per_step:.6g} each"
        if phases.judge(lines[:number], line) != line["phases"]:
            yield f"names other phases at step {step:,} than its accuracies have"
    yield from _clock_faults(lines)


def _grid(spec: ExperimentSpec, last: int) -> Iterator[int]:
    """The steps that are evaluated up to `last`, from 0."""
    step = 0
    while step <= last:
        yield step
        step = next_evaluation(step, spec.evaluation)


def _clock_faults(lines: Sequence[JournalLine]) -> Iterator[str]:
    """Compare the seconds of training with the time of day: they may pause, but not run ahead of it."""
    for before, line in pairwise(lines):
        trained = line["clock"]["elapsed_seconds"] - before["clock"]["elapsed_seconds"]
        passed = (_time(line) - _time(before)).total_seconds()
        cpu = (before["clock"].get("cpu_seconds"), line["clock"].get("cpu_seconds"))
        if trained < 0 or passed < 0 or (cpu[0] or 0) > (cpu[1] or 0):
            yield f"goes back in time at step {line['step']:,}"
        if trained > passed + CLOCK_TOLERANCE:
            yield f"has {trained:.0f} s of training up to step {line['step']:,}, in which {passed:.0f} s passed"


def _time(line: JournalLine) -> datetime:
    found: datetime | None = None
    with suppress(KeyError, TypeError, ValueError):
        found = datetime.fromisoformat(line["clock"]["time"])
    if found is None or found.tzinfo is None:
        raise InputError(f"the journal has no time of day at step {line['step']:,}")
    return found
