"""Whether training on the answer alone and on the answer and the closing token give the same curves."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ci.benchmarks.cases import LOSSES
from grokcore.data import generate_dataset
from grokcore.evaluation import evaluate_model
from grokcore.evaluation.phases import accuracy_of, steps_of
from grokcore.runs import JOURNAL, read_journal
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.training.seeds import train_seeds

Curves = Mapping[str, Sequence[Sequence[float]]]
"""By loss, one curve for each seed, all with the same steps."""


def compare_losses(
    preset: str, seeds: int, overrides: Sequence[str], folder: Path, say: Callable[[str], None]
) -> dict[str, Any]:
    """Train the same seeds with both losses, and compare accuracy on every split.

    Seeds are paired: seed 3 begins with the same weights and sees the same order of examples under both losses. An
    example counts as correct when every supervised token is, so the closing token can only lower the accuracy.

    Args:
        folder: where the dataset and the runs go; must be empty.
        say: called with a line for each loss.
    """
    specs = {loss: _specs(preset, loss, seeds, overrides) for loss in LOSSES}
    generate_dataset(specs["answer"][0].task, folder / "data")
    runs = {}
    for loss in LOSSES:
        say(f"{preset}: {seeds} seeds with the loss on {loss}, {specs[loss][0].training.max_steps:,} steps each")
        results = train_seeds(specs[loss], folder / "data", folder / loss)
        runs[loss] = [Path(result.run_uri) for result in results]
    journals = {loss: [read_journal(run / JOURNAL) for run in places] for loss, places in runs.items()}
    first = journals["answer"][0]
    splits = {}
    for split in ("train", *specs["answer"][0].task.held_out_splits):
        curves = {
            loss: [[value or 0.0 for value in accuracy_of(lines, split)] for lines in of_seeds]
            for loss, of_seeds in journals.items()
        }
        splits[split] = {
            **largest_difference(curves, steps_of(first)),
            "mean_accuracy": {loss: _mean_curve(of_seeds) for loss, of_seeds in curves.items()},
        }
    target = specs["answer"][0].task.held_out_splits[-1]
    times = {loss: [_time_to_grok(run, target) for run in places] for loss, places in runs.items()}
    return {
        "preset": preset,
        "overrides": list(overrides),
        "seeds": seeds,
        "steps": steps_of(first),
        "splits": splits,
        "time_to_grok": {"split": target, "steps": times, **compare_times(times)},
    }


def largest_difference(curves: Curves, steps: Sequence[int]) -> dict[str, Any]:
    """Largest distance between the curves of the two losses over all evaluations.

    Returns:
        `means`: between the two means over seeds; `seeds`: the most that two seeds of one loss lie apart there;
        `beyond_seeds`: the most that the mean of one loss, at any evaluation, leaves the band that the other loss'
        seeds span (0 where it never does), and `at_step`, where.
    """
    one, other = (list(zip(*curves[loss], strict=True)) for loss in LOSSES)
    apart = [abs(statistics.fmean(a) - statistics.fmean(b)) for a, b in zip(one, other, strict=True)]
    beyond = [
        max(_outside(statistics.fmean(a), b), _outside(statistics.fmean(b), a)) for a, b in zip(one, other, strict=True)
    ]
    worst, worst_beyond = apart.index(max(apart)), beyond.index(max(beyond))
    return {
        "means": {"accuracy": apart[worst], "at_step": steps[worst]},
        "seeds": {"accuracy": max(max(values[worst]) - min(values[worst]) for values in (one, other))},
        "beyond_seeds": {"accuracy": beyond[worst_beyond], "at_step": steps[worst_beyond]},
    }


def compare_times(times: Mapping[str, Sequence[int | None]]) -> dict[str, Any]:
    """Paired times to grok, seed by seed.

    Returns:
        `ratio`: the geometric mean of (answer_and_eos / answer) over seeds that grokked under both; `p_value`: of the
        exact two-sided sign-flip test of the logarithms, the share of all ways to swap the two losses within seeds
        that give a mean at least as far from 0.
    """
    answer, both = (times[loss] for loss in LOSSES)
    logs = [math.log(b / a) for a, b in zip(answer, both, strict=True) if a and b]
    if not logs:
        return {"pairs": 0, "ratio": None, "p_value": None}
    observed = abs(math.fsum(logs))
    flipped = [
        abs(math.fsum(sign * value for sign, value in zip(signs, logs, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(logs))
    ]
    as_extreme = sum(total >= observed * (1 - 1e-9) for total in flipped)
    return {
        "pairs": len(logs),
        "ratio": math.exp(math.fsum(logs) / len(logs)),
        "p_value": as_extreme / len(flipped),
    }


def _specs(preset: str, loss: str, seeds: int, overrides: Sequence[str]) -> list[ExperimentSpec]:
    settings = (f"training.loss_on={loss}", "training.stop_on_grok=null", "training.device=cpu")
    return [load_spec(preset, (*settings, *overrides, f"seed={seed}")) for seed in range(seeds)]


def _time_to_grok(run: Path, split: str) -> int | None:
    sustained = evaluate_model(run).held_out[split].sustained
    return sustained.steps if sustained else None


def _mean_curve(of_seeds: Sequence[Sequence[float]]) -> list[float]:
    return [round(statistics.fmean(values), 6) for values in zip(*of_seeds, strict=True)]


def _outside(value: float, band: Sequence[float]) -> float:
    return max(0.0, value - max(band), min(band) - value)
