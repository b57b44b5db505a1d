"""What it costs to train on with denormal numbers, once gradients of some weights have died away."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from ci.benchmarks.library import Library, library
from ci.benchmarks.rounds import paired_ratio
from grokcore.data import generate_dataset
from grokcore.spec import load_spec

DEAD = -100.0
"""A bias so low that a hidden unit is 0 for every example, and its gradients, too."""


def measure_denormals(
    preset: str, overrides: Sequence[str] = (), *, steps: int, rounds: int = 9, burst: int = 10
) -> dict[str, Any]:
    """Seconds of a step where half of the hidden units are dead: denormal numbers kept, and taken for 0 as in training.

    The gradients' mean of a dead weight falls by beta_1 a step, below 1e-38 within some 900 steps at .9. Without
    flushing it stays at a few multiples of 1.4e-45, since .9 times that is rounded to the same number again.

    Args:
        steps: trained before measuring.
        rounds: turns of the two.
        burst: steps of a turn.

    Returns:
        `seconds_per_step` of each turn and the `denormal` numbers of optimizer state, both by `kept` and `flushed`, and
        the `ratio` of the times.
    """
    spec = load_spec(preset, ["training.device=cpu", "training.threads=1", *overrides])
    times: dict[str, list[float]] = {"kept": [], "flushed": []}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data = Path(folder) / "data"
        generate_dataset(spec.task, data)
        trainings = {name: stack.enter_context(library(spec, data, torch.device("cpu"))) for name in times}
        for name, training in trainings.items():
            _let_units_die(training)
            _steps(training, steps, flushed=name == "flushed")
        denormal = {name: _denormal_numbers(training) for name, training in trainings.items()}
        for _ in range(rounds):
            for name, training in trainings.items():
                times[name].append(_steps(training, burst, flushed=name == "flushed"))
    return {
        "preset": preset,
        "steps": steps,
        "denormal": denormal,
        "seconds_per_step": times,
        "ratio": paired_ratio(times["kept"], times["flushed"]),
    }


def _let_units_die(training: Library) -> None:
    """Switch off half of the hidden units after 20 steps, which leave their optimizer state something to forget."""
    _steps(training, 20, flushed=True)
    with torch.no_grad():
        for name, parameter in training.trainer.model.named_parameters():
            if name.endswith("channel_mixer.input.bias"):
                parameter[: parameter.numel() // 2] = DEAD


def _steps(training: Library, count: int, *, flushed: bool) -> float:
    """Return seconds per step."""
    torch.set_flush_denormal(flushed)
    begin = time.perf_counter()
    for _ in range(count):
        training.step()
    return (time.perf_counter() - begin) / count


def _denormal_numbers(training: Library) -> int:
    """Count those of the optimizer's state, by their bits, since arithmetic would take them for 0."""
    state = [
        tensor.detach().view(torch.int32) & 0x7FFFFFFF
        for of_parameter in training.trainer.state.optimizer.state.values()
        for tensor in of_parameter.values()
        if torch.is_tensor(tensor) and tensor.dtype == torch.float32
    ]
    return sum(int(((bits > 0) & (bits < 0x00800000)).sum()) for bits in state)
