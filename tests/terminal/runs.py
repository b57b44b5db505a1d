"""Runs made of lines alone, as a directory that can be watched."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from grokcore.data.info import SplitInfo
from grokcore.runs import JOURNAL, Manifest
from grokcore.runs.journal import encode
from grokcore.runs.manifest import DatasetReference, ModelFacts
from grokcore.runs.record import RunRecord
from grokcore.spec import ExperimentSpec, load_spec, resolve
from grokcore.storage import FileStore, open_store
from grokcore.terminal.facts import RunFacts

OOD = "test_inferred_ood"
SPLITS = {OOD: SplitInfo(role="held_out", rows=1000, probes=1000, majority_baseline=0.3)}


def spec(*overrides: str) -> ExperimentSpec:
    return resolve(load_spec("smoke", ["training.max_steps=4000", "training.precision=fp32", *overrides]))


def head(*overrides: str, **changes: Any) -> RunRecord:
    of = spec(*overrides)
    manifest = Manifest(
        run_id=of.run_id,
        name=of.name,
        dataset=DatasetReference(id=of.dataset_id, uri="nowhere"),
        versions={},
        hardware={},
        git=None,
        choices={"seed": of.seed, "architecture": of.model.architecture},
        model=ModelFacts(
            parameters=1, parameters_without_embeddings=1, flops_per_step=1, vocabulary_size=1, sequence_length=1
        ),
        seeds={},
        started="2026-01-01T00:00:00Z",
        **changes,
    )
    return RunRecord("nowhere", of, manifest)


def line(
    step: int,
    train: float | None = 1.0,
    ood: float | None = 0.5,
    *,
    memorized: int | None = None,
    onset: int | None = None,
    sustained: int | None = None,
    collapsed: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    clock = {"elapsed_seconds": step / 10, "steps_per_second": 10.0, "time": f"2026-01-01T{step // 60 % 24:02d}:00:00Z"}
    return {
        "step": step,
        "examples": 8 * step,
        "epoch": 0.1,
        "flops": 1.0,
        "train": {"accuracy": train, "loss": 0.25},
        "splits": {OOD: {"accuracy": ood, "loss": 0.5}, "id_atomic": {"accuracy": 0.75, "loss": 0.5}},
        "learning_rate": 0.001,
        "gradient_norm": 0.125,
        "weight_norm": 31.5,
        "loss_scale": None,
        "steps_skipped": 0,
        "restarts": 0,
        "phases": {"memorized": memorized, OOD: {"onset": onset, "sustained": sustained, "collapsed": collapsed}},
        **more,
        "clock": {**clock, **more.get("clock", {})},
    }


def grokking(last: int = 4000) -> list[dict[str, Any]]:
    """A run that memorizes at step 200, rises from 800 and is sustained from 2000."""
    lines = []
    for step in (0, 1, 2, 4, 8, 16, 32, 64, 128, 200, 250, 300, 400, 500, 650, *range(800, 4001, 100)):
        if step <= last:
            ood = 1.0 if step >= 2000 else 0.8 if step >= 800 else 0.4 if step >= 16 else 0.0
            lines.append(
                line(
                    step,
                    1.0 if step >= 200 else step / 200,
                    ood,
                    memorized=200 if step >= 250 else None,
                    onset=800 if step >= 900 else None,
                    sustained=2000 if step >= 2200 else None,
                )
            )
    return lines


def facts(lines: Sequence[dict[str, Any]], ended: str | None = None, *overrides: str, **changes: Any) -> RunFacts:
    return RunFacts(head(*overrides, **changes), lines, ended, SPLITS)


def write(
    place: Path, lines: Sequence[dict[str, Any]], *overrides: str, exit_reason: Any = None, **changes: Any
) -> FileStore:
    """A run's directory, with what a view reads of it."""
    of = head(*overrides, exit_reason=exit_reason, **changes)
    run = open_store(place)
    assert isinstance(run, FileStore)
    run.write("spec.yaml", json.dumps(of.spec.model_dump(mode="json")).encode())
    of.manifest.write(run)
    run.write(JOURNAL, b"".join(map(encode, lines)))
    return run
