"""Time to grok of a preset, from an empty directory to a model that generalizes."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grokcore.data import generate_dataset
from grokcore.spec import load_spec


def time_to_grok(preset: str, implementations: Sequence[str], overrides: Sequence[str]) -> dict[str, Any]:
    """The preset's sustained time to grok on its last held-out split, by implementation.

    Each implementation trains in a process of its own, one after the other. `seconds` is the wall clock of the
    training process at that evaluation: the evaluations before it are in it, start-up is not.
    """
    times: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for implementation in implementations:
            changed = [*overrides, f"model.implementation={implementation}"]
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                times[implementation] = pool.apply(_train, (preset, changed, Path(folder)))
    return {"preset": preset, "overrides": list(overrides), "by_implementation": times}


def _train(preset: str, overrides: list[str], folder: Path) -> dict[str, Any]:
    from grokcore.evaluation import evaluate_model
    from grokcore.training import train_model

    spec = load_spec(preset, overrides)
    run = folder / spec.run_id
    generate_dataset(spec.task, folder / "data")
    trained = train_model(spec, folder / "data", run)
    split = spec.task.held_out_splits[-1]
    sustained = evaluate_model(run).held_out[split].sustained
    return {
        "split": split,
        "threshold": spec.evaluation.threshold,
        "steps_trained": trained.step,
        "sustained": sustained.model_dump() if sustained else None,
    }
