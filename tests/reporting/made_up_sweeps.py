"""A sweep of methods that never was, with a baseline, controls, and what was searched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec, resolve
from grokcore.sweeps.index import INDEX, PointEntry, RunEntry, SweepIndex, Trial, TunedPoint
from grokcore.sweeps.spec import TuningSpec
from tests.evaluation.made_up import Curve, Rise, record
from tests.reporting.made_up_groups import BRIEF, IID, OOD, write_all

SEEDS = 8
BASELINE = "method=adamw"
CONTROLS = {"method=muon": ("method=momentum",), "method=grokfast": ("method=fast-rate",)}
TUNING = {
    "search": {"training.learning_rate": {"kind": "log_uniform", "low": 1e-4, "high": 1e-2}},
    "trials": 16,
    "steps": 1500,
    "measure": "time",
    "split": OOD,
    "seeds": [100, 101],
}


def lost(at: float, until: int) -> Curve:
    """A curve that reaches 1 at a step, and falls back some time later."""
    rise = Rise(at)
    return lambda step: rise(step) if step < until else 0.5


def arm(
    *overrides: str, ood: Sequence[float | None], flops: float = 1e9, seconds: float = 0.02, until: int | None = None
) -> list[RunRecord]:
    """A run per seed that reaches OOD at the given step, or never; `until`: the first one loses it again."""
    runs = []
    for seed, at in enumerate(ood):
        spec = resolve(load_spec("demo", [*BRIEF, "evaluation.interval=50", f"seed={seed}", *overrides]))
        curve = lost(at, until) if until and at and not seed else Rise(at)
        runs.append(record(spec, Rise(100), {IID: Rise(250), OOD: curve}, flops=flops, seconds=seconds))
    return runs


def methods() -> dict[str, list[RunRecord]]:
    """Runs by the point's name.

    Muon takes 0.4 times the steps at 1.5 times the time and twice the FLOPs of each; its control as long as AdamW.
    Grokfast never gets there but for two seeds, one of which loses it; its control is a little faster than AdamW.
    One method freezes embeddings when a held-out split begins to generalize.
    """
    times = [900 + 60 * seed for seed in range(SEEDS)]
    held_out = f"training.freeze_on=[{{phase: onset, split: {IID}, roles: [embedding]}}]"
    muon = "training.optimizer=muon"
    return {
        BASELINE: arm(ood=times),
        "method=grokfast": arm(
            "training.gradient_filter=grokfast", ood=[1500, *[None] * 6, 1600], flops=1.01e9, until=1950
        ),
        "method=fast-rate": arm("training.learning_rate=0.009", ood=[0.8 * step + 20 for step in times]),
        "method=muon": arm(muon, ood=[0.4 * step + 30 * (seed % 3) for seed, step in enumerate(times)],
                           flops=2e9, seconds=0.03),
        "method=momentum": arm(muon, "training.muon_iterations=0", ood=[step + 10 for step in times], flops=1.01e9),
        "method=freeze": arm(held_out, ood=[0.3 * step for step in times]),
    }  # fmt: skip


def index_of(points: Mapping[str, Sequence[RunRecord]], **changes: Any) -> SweepIndex:
    """The index of a sweep of these points, each tuned alike."""
    return SweepIndex(
        name="accelerators-made-up",
        description="Methods beside their controls.",
        claims=(),
        tuning=TuningSpec.model_validate(TUNING),
        points=tuple(_point(name, runs) for name, runs in points.items()),
        **{"baseline": BASELINE, "controls": CONTROLS, **changes},
    )


def _point(name: str, runs: Sequence[RunRecord]) -> PointEntry:
    values: dict[str, Any] = {"training.learning_rate": runs[0].spec.training.learning_rate}
    trials = tuple(
        Trial(values=values, objective=0.5, flops=1e12, places=(f"tuning/runs/{name}/{number}",))
        for number in range(16)
    )
    entries = tuple(
        RunEntry(seed=run.spec.seed, run_id=run.spec.run_id, place=f"runs/{run.spec.run_id}/local", state="done")
        for run in runs
    )
    tuned = TunedPoint(values=values, objective=0.5, split=OOD, trials=trials)
    return PointEntry(name=name, settings={}, dataset_id=runs[0].spec.dataset_id, runs=entries, tuned=tuned)


def write_sweep(store: Path, points: Mapping[str, Sequence[RunRecord]], **changes: Any) -> Path:
    """Write runs and index of a sweep; return the sweep's directory."""
    write_all([run for runs in points.values() for run in runs], store)
    directory = store / "sweeps" / "accelerators-made-up"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / INDEX).write_text(index_of(points, **changes).model_dump_json())
    return directory
