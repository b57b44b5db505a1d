"""Trainings with DeepSpeed that many tests look at: made by one group of two processes, and by one process alone."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import grokcore
from grokcore.runs import read_journal
from grokcore.spec import load_spec
from grokcore.training.distributed.launch import launch
from grokcore.training.signals import StopRequest

MEMBERS = Path(__file__).parent / "members.py"

BASE = ["training.max_steps=20", "training.device=cpu", "evaluation.interval=10", "training.checkpoint_interval=10"]
DEEPSPEED = [*BASE, "training.engine=deepspeed"]

TRAININGS: dict[str, list[str]] = {
    "fp32": [],
    "fp32, ZeRO 1": ["training.zero_stage=1"],
    "fp32, ZeRO 2": ["training.zero_stage=2"],
    "accumulated, ZeRO 2": ["training.gradient_accumulation=2", "training.zero_stage=2"],
    "unclipped": ["training.gradient_clip=null"],
    "bf16": ["training.precision=bf16"],
    "bf16, ZeRO 2": ["training.precision=bf16", "training.zero_stage=2"],
    "sgd": ["training.optimizer=sgd"],
    "adam, ZeRO 1": ["training.optimizer=adam", "training.zero_stage=1"],
    "muon": ["training.optimizer=muon"],
    "muon, bf16": ["training.optimizer=muon", "training.precision=bf16"],
    "orthograd and row norm": [
        "training.gradient_filter=orthograd",
        "training.projection=row_norm",
        "training.projection_bound=.2",
    ],
    "grokfast with lion, ZeRO 2": [
        "training.gradient_filter=grokfast",
        "training.optimizer=lion",
        "training.learning_rate=3e-4",
        "training.zero_stage=2",
    ],
    "normalize, rates by role": [
        "training.gradient_filter=normalize",
        "training.learning_rate_of={embedding: .1, matrix: 2}",
    ],
    "frozen": [
        "training.freeze_on=[{roles: [embedding, matrix], phase: memorized}]",
        "evaluation.threshold=.01",
        "evaluation.sustain=1",
    ],
    "answer and eos, smoothed": ["training.loss_on=answer_and_eos", "training.label_smoothing=.1"],
    "stablemax": ["training.loss=stablemax", "training.label_smoothing=.1"],
    "cross-entropy in fp64 at a temperature, bf16, ZeRO 2": [
        "training.loss=cross_entropy_fp64",
        "training.loss_temperature=2",
        "training.precision=bf16",
        "training.zero_stage=2",
    ],
    "schedule and projection": [
        "training.schedule=cosine",
        "training.schedule_steps=20",
        "training.projection=norm_ball",
        "training.projection_bound=9",
    ],
    "transformers mamba": ["model.architecture=mamba", "model.implementation=transformers"],
    "random loops": ["model.recurrence={kind: random, least: 1, most: 3, evaluation: 2}"],
    "shared MLP, memory, deltanet": [
        "model.architecture=deltanet",
        "model.layers=2",
        "model.sharing.kind=mlp",
        "model.memory.kind=slots",
    ],
    "fast rwkv, bf16": ["model.architecture=rwkv", "model.layers=2", "training.precision=bf16"],
}
"""By name: what is changed. The same for both engines and any number of processes."""

SHORT = ("fp32", "fp32, ZeRO 2", "unclipped", "bf16, ZeRO 2")
"""Those that are trained by default; the others are extended."""


class Group(NamedTuple):
    """What processes that trained together have left."""

    out: Path
    outcomes: list[dict[str, Any]]

    def lines(self, name: str) -> list[dict[str, Any]]:
        return read_journal(self.out / name / "metrics.jsonl")


def train_together(out: Path, trainings: Mapping[str, Mapping[str, Any]], processes: int, **plan: Any) -> Group:
    assert start_together(out, trainings, processes, **plan) == (0, [])
    return Group(out, [outcomes_of(out, rank) for rank in range(processes)])


def start_together(
    out: Path, trainings: Mapping[str, Mapping[str, Any]], processes: int, **plan: Any
) -> tuple[int, list[str]]:
    """Return the exit code of the group, and what was told of processes that were killed."""
    out.mkdir(parents=True, exist_ok=True)
    request = out / "plan.json"
    request.write_text(json.dumps({"out": str(out), "trainings": trainings, **plan}))
    told: list[str] = []
    code = launch([sys.executable, str(MEMBERS), str(request)], processes, stop=StopRequest(), notify=told.append)
    return code, told


def outcomes_of(out: Path, rank: int) -> dict[str, Any]:
    outcomes: dict[str, Any] = json.loads((out / f"outcomes-{rank}.json").read_text())
    return outcomes


@pytest.fixture(scope="session", autouse=True)
def _deepspeed() -> None:
    if importlib.util.find_spec("deepspeed") is None:
        pytest.skip("no DeepSpeed here: pip install 'grokcore[deepspeed]'")


@pytest.fixture(scope="session")
def native(tmp_path_factory: pytest.TempPathFactory, smoke_data: Path) -> Callable[[str], list[dict[str, Any]]]:
    """The journal of a training by the native engine; each is made once."""
    out = tmp_path_factory.mktemp("native")

    def lines(name: str) -> list[dict[str, Any]]:
        spec = load_spec("smoke", [*BASE, *(text for text in TRAININGS[name] if "zero_stage" not in text)])
        if not (out / spec.run_id).exists():
            grokcore.train_model(spec, smoke_data, out / spec.run_id)
        return read_journal(out / spec.run_id / "metrics.jsonl")

    return lines


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory, smoke_data: Path) -> Group:
    """The trainings of SHORT by two processes."""
    return train_named(tmp_path_factory.mktemp("two"), SHORT, smoke_data)


@pytest.fixture(scope="session")
def two_extended(tmp_path_factory: pytest.TempPathFactory, smoke_data: Path) -> Group:
    """The other trainings by two processes."""
    return train_named(tmp_path_factory.mktemp("two"), [name for name in TRAININGS if name not in SHORT], smoke_data)


def train_named(out: Path, names: Iterable[str], data: Path) -> Group:
    plan = {name: {"data": str(data), "overrides": [*DEEPSPEED, *TRAININGS[name]]} for name in names}
    return train_together(out, plan, 2)
