"""A sweep of seconds, and what tests ask of a store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grokcore.sweeps import SweepSpec, load_sweep
from tests.support.checks import without_clock

TINY = """
name: tiny
base: smoke
overrides: [model.width=16, training.max_steps=12, evaluation.interval=6, training.threads=null]
axes:
  - {kind: grid, field: model.layers, values: [1, 2]}
seeds: 0..1
"""


@pytest.fixture
def tiny() -> SweepSpec:
    """Two points of two seeds."""
    return load_sweep(TINY)


def journals(store: Path) -> dict[str, list[dict[str, Any]]]:
    """The journal of every run below a directory without its clocks, by the run's place."""
    return {
        path.parent.relative_to(store).as_posix(): without_clock(path.parent)
        for path in sorted(store.rglob("metrics.jsonl"))
        if "checkpoints" not in path.parts
    }
