"""How long training waits for its checkpoints."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from ci.benchmarks.cases import Case
from grokcore.data import generate_dataset
from grokcore.runs.checkpoints import TENSORS
from grokcore.runs.journal import JOURNAL, read_journal
from grokcore.training import train_model


def measure_waiting(
    case: Case, *, device: str, threads: int, saves: int = 4, interval: int | None = None
) -> dict[str, Any]:
    """Train for some checkpoints on the local disk; return the share of the time that training waited for them.

    Training waits for a copy of its state in memory, and for nothing else: writing goes on in the background. The
    checkpoint at the end of a run, which is waited for, does not count.

    Args:
        saves: checkpoints before the end.
        interval: steps between two; by default the preset's.
    """
    spec = case.spec(f"training.device={device}", f"training.threads={threads}")
    interval = interval or spec.training.checkpoint_interval or spec.training.max_steps // (saves + 1)
    steps = interval * (saves + 1)
    budget = {"checkpoint_interval": interval, "max_steps": steps}
    spec = spec.model_copy(
        update={
            "training": spec.training.model_copy(update=budget),
            "evaluation": spec.evaluation.model_copy(update={"interval": steps, "growth": 1e6}),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        generate_dataset(spec.task, Path(folder) / "data")
        train_model(spec, Path(folder) / "data", Path(folder) / "run")
        last = read_journal(Path(folder) / "run" / JOURNAL)[-1]
        size = max(path.stat().st_size for path in Path(folder).rglob(TENSORS))
    clock, saved = last["clock"], last["clock"]["checkpoints"]
    return {
        "model": case.model,
        "precision": spec.training.precision,
        "interval": interval,
        "saved": saved["begun"],  # as training ends the last ones may still be in writing
        "bytes": size,
        "seconds": clock["elapsed_seconds"],
        "waited_seconds": saved["waited_seconds"],
        "waited_percent": 100 * saved["waited_seconds"] / clock["elapsed_seconds"],
    }
