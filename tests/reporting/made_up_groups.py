"""Groups of runs that never were, for comparisons to be drawn of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec, resolve
from tests.evaluation.made_up import Rise, record, write

BRIEF = ("training.precision=fp32", "training.max_steps=2000", "evaluation.interval=500", "evaluation.growth=1.25")
IID, OOD = "test_inferred_iid", "test_inferred_ood"


def run_of(
    *overrides: str,
    train: float = 200,
    iid: float | None = 500,
    ood: float | None = 1200,
    exit_reason: str = "budget_steps",
) -> RunRecord:
    """A run of `demo` that reaches each split at about the given step, or never."""
    spec = resolve(load_spec("demo", [*BRIEF, *overrides]))
    return record(spec, Rise(train), {IID: Rise(iid), OOD: Rise(ood)}, exit_reason=exit_reason)


def architectures() -> list[RunRecord]:
    """GPT-2 groks, LLaMA later and not every seed of it, Mamba never, and one seed of that diverges."""
    gpt2 = [run_of(f"seed={seed}", ood=1000 + 100 * seed) for seed in range(3)]
    times = enumerate((1500, 1600, None))
    llama = [run_of("model.architecture=llama", f"seed={seed}", ood=ood) for seed, ood in times]
    reasons = enumerate(("budget_steps", "diverged"))
    mamba = [
        run_of("model.architecture=mamba", f"seed={seed}", iid=None, ood=None, exit_reason=reason)
        for seed, reason in reasons
    ]
    return [*gpt2, *llama, *mamba]


def grid(values: Sequence[int], decays: Sequence[float], seeds: int = 2) -> list[RunRecord]:
    """More values grok later, more weight decay sooner."""
    return [
        run_of(
            f"task.values={count}", f"training.weight_decay={decay}", f"seed={seed}",
            ood=(400 + 20 * count + 50 * seed) * (1.3 - decay),
        )
        for count in values
        for decay in decays
        for seed in range(seeds)
    ]  # fmt: skip


def write_all(runs: Sequence[RunRecord], place: Path) -> Path:
    """The runs in a store, laid out as sweeps lay them out."""
    for run in runs:
        write(run, place / "runs" / run.spec.run_id / "local")
    return place
