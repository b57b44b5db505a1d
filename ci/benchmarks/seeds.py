"""Several seeds at once against the best that a single run reaches."""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ci.benchmarks.cases import Case
from ci.benchmarks.rounds import Effort, paired_ratio, warm_up
from ci.benchmarks.variants import VARIANTS
from ci.benchmarks.worker import Job, Worker
from grokcore.data import generate_dataset
from grokcore.spec import ExperimentSpec
from grokcore.training.seeds import train_seeds
from grokcore.training.seeds.train import Strategy

VARIANT = "fast-shared"
_TRAINING_ALONE = ("evaluation.interval=1000000", "evaluation.growth=1000000", "training.checkpoint_interval=null")
"""Evaluations at the steps 0, 1 and the last, and one checkpoint, whatever the number of steps."""


def compare_seeds(
    case: Case,
    seeds: int,
    *,
    device: str,
    threads: int,
    effort: Effort,
    repeats: int = 3,
    strategy: Strategy | None = None,
) -> dict[str, Any]:
    """Optimiser steps per second of `grokcore train --seeds`, all seeds together, and of single runs.

    In every repeat the seeds train twice, for few and for more steps: the difference is time of training alone, without
    start-up and evaluations. Single runs with one thread and with `threads` take turns with them, and the faster of
    the two is what counts.

    Args:
        strategy: how the seeds train together; by default as `grokcore train --seeds` chooses.
    """
    settings = (f"training.device={device}", *VARIANTS[VARIANT].overrides)
    spec = case.spec(*settings, *_TRAINING_ALONE)
    single_threads = [threads] if device == "cuda" else sorted({1, threads})
    together: list[float] = []
    alone: dict[str, list[float]] = {f"{count} threads": [] for count in single_threads}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data = Path(folder) / "data"
        generate_dataset(spec.task, data)
        singles = {
            f"{count} threads": stack.enter_context(
                Worker(Job(VARIANT, case.spec(*settings, f"training.threads={count}"), data))
            )
            for count in single_threads
        }
        for worker in singles.values():
            worker.wait_until_ready()
        step = min(warm_up(worker, effort)[1] for worker in singles.values())
        few, more = 10, 10 + max(20, round(2 * effort.most_seconds / step / seeds))
        for repeat in range(repeats):
            for name, worker in singles.items():
                alone[name].append(worker.train(effort.steps(step)).seconds_per_step)
            short, long = (
                _seconds(spec, seeds, steps, data, Path(folder) / f"{repeat}-{steps}", strategy)
                for steps in (few, more)
            )
            together.append((long - short) / (seeds * (more - few)))
    best = min(alone, key=lambda name: statistics.median(alone[name]))
    return {
        "model": case.model,
        "precision": spec.training.precision,
        "seeds": seeds,
        "steps_of_each": more - few,
        "steps_per_second_together": 1 / statistics.median(together),
        "steps_per_second_alone": {name: 1 / statistics.median(times) for name, times in alone.items()},
        "best_single": best,
        "ratio": paired_ratio(alone[best], together),
        "seconds_per_step": {"together": together, **alone},
    }


def _seconds(spec: ExperimentSpec, seeds: int, steps: int, data: Path, out: Path, strategy: Strategy | None) -> float:
    budget = spec.training.model_copy(update={"max_steps": steps})
    specs = [spec.model_copy(update={"seed": seed, "training": budget}) for seed in range(seeds)]
    begin = time.perf_counter()
    train_seeds(specs, data, out, strategy=strategy)
    return time.perf_counter() - begin
