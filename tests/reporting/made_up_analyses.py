"""Analyses of runs that never were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from grokcore.interpret.number import Number
from grokcore.interpret.result import Analysis, headlines_of, table_of, write_analysis
from grokcore.interpret.spec import AnalysisSpec
from grokcore.runs.analysis import AnalysisDocument
from grokcore.runs.record import RunRecord
from grokcore.storage import open_store
from tests.reporting.made_up_groups import IID, OOD

ROLES = ("attr", "q", "e1", "mask", "e2")
STEPS = (500, 1000, 1500, 2000)
TRAIN = "train_inferred"
LAYERS = 2


def site_value(step: int, layer: int, place: int, split: str) -> float:
    """Nothing but at layer 1, e2: there it rises with the steps, on held-out rows later."""
    if (layer, place) != (1, 4):
        return 0.0
    return min(1.0, step / (2000 if split == OOD else 1000)) - 0.02


def numbers_of(step: int, splits: Sequence[str], extra: Iterable[Number] = ()) -> Iterator[tuple[int, str, Number]]:
    """Yield what an analysis of one step finds."""
    for split in splits:
        for layer in range(LAYERS + 1):
            for place, role in enumerate(ROLES):
                value = site_value(step, layer, place, split)
                limits = {"lower": value - 0.05, "upper": value + 0.05}
                at = {"layer": layer, "position": role}
                for target in ("answer", "value of e1"):
                    mrr = {"mrr": value + 0.01, "mrr_shuffled": 0.01, "mrr_candidates": 0.3}
                    for metric, other in mrr.items():
                        yield step, "lens", Number(metric, other, 300, split, target=target, **at)
                    yield step, "lens", Number("lens_gain", value, 300, split, target=target, **at, **limits)
                for kind in ("e1", "e2"):
                    yield step, "tracing", Number("flip", value, 280, split, kind, **at, **limits)
                    yield step, "tracing", Number("recovered", value, 280, split, kind, **at, **limits)
                    yield step, "tracing", Number("specificity", 1 - value / 50, 290, split, f"same value {kind}", **at)
        best = site_value(step, 1, 4, split)
        for target in ("answer", "value of e1"):
            yield step, "lens", Number("lens_gain", best, 300, split, target=target, lower=best - 0.1, upper=best + 0.1)
            yield step, "lens", Number("mrr", best + 0.01, 300, split, target=target)
            yield step, "lens", Number("mrr_shuffled", 0.01, 300, split, target=target)
        for kind in ("e1", "e2"):
            yield step, "tracing", Number("flip", best, 140, split, kind, target="layer 1, e2")
        for block in range(LAYERS):
            for t, role in enumerate(ROLES):
                for other in ROLES[: t + 1]:
                    share = 1 / (t + 1)
                    yield step, "mixing", Number("value_zeroing", share, 300, split, "", block, role, other)
    yield step, "norms", Number("weight_norm", 20 + step / 100, 0)
    for case in ("embedding", "matrix"):
        yield step, "norms", Number("effective_rank", 40 - step / 100, 0, case=case)
        yield step, "norms", Number("effective_rank_random", 60, 0, case=case)
    for number in extra:
        yield step, "new_analysis", number


def analysis_of(
    run: RunRecord,
    *,
    steps: Sequence[int] = STEPS,
    splits: Sequence[str] = (TRAIN, IID, OOD),
    extra: Iterable[Number] = (),
) -> Analysis:
    """Return the analysis of a run of `demo` whose model learns, step by step, to look up at layer 1, e2."""
    table = table_of([row for step in steps for row in numbers_of(step, splits, list(extra))])
    document = AnalysisDocument(**_fields(run, steps, splits), headlines=headlines_of(table), table_sha256="0" * 64)
    return Analysis(document, table)


def write_beside(run: RunRecord, place: Path) -> None:
    """Write an analysis into a run's directory."""
    rows = [row for step in STEPS for row in numbers_of(step, (TRAIN, IID, OOD))]
    write_analysis(open_store(place), _fields(run, STEPS, (TRAIN, IID, OOD)), rows)


def _fields(run: RunRecord, steps: Sequence[int], splits: Sequence[str]) -> dict[str, object]:
    spec = AnalysisSpec()
    return {
        "run_id": run.manifest.run_id,
        "task": run.spec.task.kind,
        "architecture": run.spec.model.architecture,
        "layers": LAYERS,
        "analysis": spec.document(),
        "analysis_id": spec.id,
        "steps": list(steps),
        "milestones": {"memorized": 500, f"{OOD}.sustained": 1500},
        "questions": [
            {
                "split": split,
                "roles": list(ROLES),
                "examples": 300,
                "total": 500,
                "targets": ["answer", "value of e1"],
                "counterfactuals": ["e1", "e2", "same value e1", "same value e2"],
            }
            for split in splits
        ],
        "left_out": {"fourier": "it is for modular"},
    }
