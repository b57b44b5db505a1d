"""Overhead of each accelerator in an optimizer step: against plain AdamW, in turns, in one process."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ci.benchmarks.cases import Case
from grokcore.acceleration.catalog import METHODS
from grokcore.data import generate_dataset
from grokcore.data.info import DatasetInfo
from grokcore.spec import ExperimentSpec

AGAIN = "AdamW again"
"""A second AdamW, measured as a method is: what it differs from the first by is noise."""

VARIANTS: Mapping[str, tuple[str, ...]] = {
    AGAIN: (),
    **{
        method.name: method.fields
        for method in METHODS
        if any(field.startswith("training.") for field in method.fields)
    },
    "momentum": ("training.optimizer=muon", "training.muon_iterations=0"),
}
"""Overrides by name: the methods that do something in every step, and the control of Muon."""

TARGETS: Mapping[str, float] = {
    "loss_temperature": 1,
    "stablemax": 3,
    "row_norm": 5,
    "grokfast": 10,
    "orthograd": 12,
    "muon": 25,
}
"""Percent of a step of the demo's GPT-2 that a method may add."""
TARGET_MODEL = "demo"


@dataclass(frozen=True)
class Turns:
    """How often and how long each method takes its turn.

    Attributes:
        rounds: turns of each method, each between two of AdamW.
        burst_seconds: about how long a turn takes; at least one step.
    """

    rounds: int = 15
    burst_seconds: float = 0.25


def compare_accelerators(
    case: Case, *, device: str, threads: int, turns: Turns, variants: Sequence[str] = tuple(VARIANTS)
) -> dict[str, Any]:
    """Measure what each of `variants` adds to a step of AdamW.

    In every round each method trains for as many steps as AdamW right before and right after it, and its overhead is
    the ratio to their mean. On a CPU the time is that of the process, over all threads: other programs on the machine
    do not count in it.
    """
    settings = (f"training.device={device}", f"training.threads={threads}", "training.precision=fp32")
    specs = {name: case.spec(*settings, *VARIANTS[name]) for name in variants}
    plain = case.spec(*settings)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        info = generate_dataset(plain.task, Path(folder))
        step_of = _preparer(stack, Path(folder), device)
        baseline = step_of(plain)
        methods = {name: step_of(spec) for name, spec in specs.items()}
        clock = _clock(device)
        steps = _steps(baseline, clock, turns)
        for step in methods.values():
            _seconds(step, clock, max(3, steps // 4))
        ratios: dict[str, list[float]] = {name: [] for name in methods}
        seconds: dict[str, list[float]] = {name: [] for name in methods}
        of_adamw: list[float] = []
        for _ in range(turns.rounds):
            before = _seconds(baseline, clock, steps)
            of_adamw.append(before)
            for name, step in methods.items():
                mine, after = _seconds(step, clock, steps), _seconds(baseline, clock, steps)
                seconds[name].append(mine)
                ratios[name].append(2 * mine / (before + after))
                before = after
    return {
        "model": case.model,
        "architecture": case.architecture,
        "unit": "CPU milliseconds" if device == "cpu" else "milliseconds",
        "steps_of_a_turn": steps,
        "rounds": turns.rounds,
        "milliseconds_of_adamw": 1000 * statistics.median(of_adamw),
        "rows": [_row(name, case.model, specs[name], info, seconds[name], ratios[name]) for name in methods],
    }


def _preparer(stack: ExitStack, data: Path, device: str) -> Callable[[ExperimentSpec], Callable[[], None]]:
    import torch

    from ci.benchmarks.library import library

    return lambda spec: stack.enter_context(library(spec, data, torch.device(device))).step


def _clock(device: str) -> Callable[[], float]:
    """Return a clock that has waited for the device."""
    if device == "cpu":
        return time.process_time
    import torch

    def now() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()

    return now


def _steps(step: Callable[[], None], clock: Callable[[], float], turns: Turns) -> int:
    """Return the number of steps that a turn of AdamW has, after some steps that do not count."""
    _seconds(step, clock, 10)
    return max(1, round(turns.burst_seconds / _seconds(step, clock, 10)))


def _seconds(step: Callable[[], None], clock: Callable[[], float], steps: int) -> float:
    """Return the seconds of one of `steps` steps."""
    begin = clock()
    for _ in range(steps):
        step()
    return (clock() - begin) / steps


def _row(
    name: str, model: str, spec: ExperimentSpec, info: DatasetInfo, seconds: Sequence[float], ratios: Sequence[float]
) -> dict[str, Any]:
    flops = _flops(spec, info)
    overhead = 100 * (statistics.median(ratios) - 1)
    quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
    target = TARGETS.get(name) if model == TARGET_MODEL else None
    return {
        "variant": name,
        "fields": list(VARIANTS[name]),
        "milliseconds_per_step": 1000 * statistics.median(seconds),
        "overhead_percent": overhead,
        "overhead_percent_quartiles": [100 * (quartile - 1) for quartile in (quartiles[0], quartiles[-1])],
        "flops_percent": 100 * flops.of_method / flops.of_model,
        "target_percent": target,
        "reached": None if target is None else overhead <= target,
    }


def _flops(spec: ExperimentSpec, info: DatasetInfo) -> Any:
    from grokcore.data.supervision import longest_row
    from grokcore.models import build_model
    from grokcore.training.costs import step_flops_of

    sizes = {"vocabulary_size": info.vocabulary_size, "sequence_length": longest_row(info.sequence_length)}
    return step_flops_of(spec, info, build_model(spec.model, **sizes, seed=0, eos=info.eos))
