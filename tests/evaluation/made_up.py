"""Evaluations of runs that never were."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from grokcore.data.info import DatasetInfo, SplitInfo
from grokcore.evaluation import EVALUATION, Evaluation, next_evaluation, phases_of
from grokcore.evaluation.judging import assemble
from grokcore.runs import JOURNAL, MANIFEST, Manifest
from grokcore.runs.journal import encode
from grokcore.runs.record import RunRecord
from grokcore.spec import EvaluationSpec, ExperimentSpec, resolve
from grokcore.spec.base import identity_of
from grokcore.tasks import Role


def evaluation(sustained: int | None, accuracy: float) -> Evaluation:
    """Of a run of 900 steps that memorized when it grokked `test`, at step `sustained`, or did neither."""
    time = {"steps": sustained, "after": 0, "epochs": 0, "examples": 0, "flops": 0, "seconds": 0}
    reached = dict.fromkeys(("first_crossing", "sustained", "stable"), time if sustained else None)
    result = {"role": "held_out", "accuracy": accuracy, "loss": 0.1, "examples": 9, "majority_baseline": 0.1}
    verdict = {"verdict": "grokked" if sustained else "censored", "ratio": None, "onset": None, "collapsed": None}
    return Evaluation.model_validate(
        {
            "run_id": "0",
            "evaluation_id": "0",
            "step": 900,
            "threshold": 0.99,
            "censored_at": 900,
            "train": {"accuracy": 1.0, "loss": 0.0},
            "splits": {"test": result},
            "memorized": reached,
            "held_out": {"test": {**reached, **verdict}},
            "diverged": False,
            "exit_reason": "budget_steps",
        }
    )


@dataclass(frozen=True)
class Rise:
    """A curve that leaves `low` and reaches `high` at the step `at`, as a straight line over log(step).

    `at` None: it stays at `low`. Of accuracies that count from .99 on, that of `high` = 1 is reached close to `at`.
    """

    at: float | None
    low: float = 0.45
    high: float = 1.0
    width: float = 2.0

    def __call__(self, step: int) -> float:
        if self.at is None or step <= self.at / self.width:
            return self.low
        if step >= self.at:
            return self.high
        return self.low + (self.high - self.low) * math.log(step * self.width / self.at) / math.log(self.width)


Curve = Callable[[int], float | None]


@lru_cache
def evaluated_steps(rules: EvaluationSpec, last: int) -> list[int]:
    """The steps that a run is evaluated at, up to its budget."""
    steps = [0]
    while steps[-1] < last:
        steps.append(min(next_evaluation(steps[-1], rules), last))
    return steps


def record(
    spec: ExperimentSpec,
    train: Curve,
    held_out: Mapping[str, Curve],
    *,
    atomic: Curve | None = None,
    uri: str | None = None,
    exit_reason: str = "budget_steps",
    parameters: int = 100_000,
    flops: float = 1e9,
    seconds: float = 0.02,
    source: Mapping[str, Any] | None = None,
) -> RunRecord:
    """An evaluated run of `spec` with these curves; splits that are not named stay at chance.

    Args:
        train: accuracy of the pooled training set, and of each training split but `atomic`.
        held_out: by split.
        atomic: of the training splits of atomic facts; by default that of `train`.
        flops, seconds: of one step; its CPU takes half the seconds.
        source: what the weights that it starts from have cost.
    """
    spec = resolve(spec)
    info = _info(spec)
    curves: dict[str, Curve] = {}
    for name, split in info.splits.items():
        if split.role == "train":
            curves[name] = atomic if atomic is not None and "atomic" in name else train
        else:
            curves[name] = held_out.get(name, Rise(None))
    lines: list[dict[str, Any]] = []
    for step in evaluated_steps(spec.evaluation, spec.training.max_steps):
        splits = {name: {"accuracy": curve(step), "loss": 0.1} for name, curve in curves.items()}
        lines.append(
            {
                "step": step,
                "examples": step * spec.training.batch_size,
                "epoch": step / 24,
                "flops": step * flops,
                "train": {"accuracy": train(step), "loss": 0.1},
                "splits": splits,
                "learning_rate": spec.training.learning_rate,
                "gradient_norm": 1.0,
                "weight_norm": 20.0,
                "loss_scale": None,
                "steps_skipped": 0,
                "phases": {"memorized": None},
                "clock": {
                    "time": "2026-11-21T09:00:00Z",
                    "elapsed_seconds": step * seconds,
                    "cpu_seconds": step * seconds / 2,
                    "steps_per_second": 1 / seconds,
                },
            }
        )
    lines[-1]["phases"] = phases_of(lines, info.with_role("held_out"), spec)  # those before are not told
    last = lines[-1]
    result = assemble(spec, info.splits, lines, last["train"], last["splits"], exit_reason)
    return RunRecord(
        uri or f"/made-up/{spec.run_id}", spec, _manifest(spec, exit_reason, parameters, flops, source), lines, result
    )


def _info(spec: ExperimentSpec) -> DatasetInfo:
    """What the data set of a task would say about itself."""
    roles: dict[str, Role] = dict.fromkeys(_TRAIN.get(spec.task.kind, ("train_inferred",)), "train")
    if getattr(spec.task, "new_facts", None) is not None:
        roles["atomic_new"] = "train"
    roles |= dict.fromkeys(spec.task.held_out_splits, "held_out")
    split = {"rows": 1000, "probes": 1000, "majority_baseline": 0.4}
    return DatasetInfo(
        id=spec.dataset_id,
        generator_version=1,
        task=spec.task.model_dump(mode="json"),
        vocabulary_size=100,
        sequence_length=5,
        eos=1,
        prefixes=(),
        splits={name: SplitInfo.model_validate({"role": role, **split}) for name, role in roles.items()},
        files={},
    )


_TRAIN = {"comparison": ("id_atomic", "ood_atomic", "train_inferred"), "modular": ("train",)}


def _manifest(
    spec: ExperimentSpec, exit_reason: str, parameters: int, flops: float, source: Mapping[str, Any] | None
) -> Manifest:
    return Manifest.model_validate(
        {
            "run_id": spec.run_id,
            "name": spec.name,
            "dataset": {"id": spec.dataset_id, "uri": f"/made-up/datasets/{spec.dataset_id}"},
            "versions": {"grokcore": "0.1.0", "python": "3.11.7", "torch": "2.13.0"},
            "hardware": {"device": "cpu", "processor": "x86_64", "cores": 2, "threads": 1, "gpu": None},
            "git": None,
            "choices": {
                **identity_of(spec.model),
                **identity_of(spec.training),
                "seed": spec.seed,
                **{f"task.{name}": value for name, value in identity_of(spec.task).items()},
            },
            "model": {
                "parameters": parameters,
                "parameters_without_embeddings": parameters // 2,
                "flops_per_step": flops,
                "vocabulary_size": 100,
                "sequence_length": 5,
            },
            "source": source,
            "seeds": {"data": spec.task.seed, "init": spec.init_seed, "order": spec.order_seed},
            "exit_reason": exit_reason,
            "started": "2026-11-21T09:00:00Z",
            "finished": "2026-11-21T09:02:13Z",
        }
    )


def write(run: RunRecord, directory: Path) -> Path:
    """The run's files in a directory, as a training and an evaluation leave them."""
    directory.mkdir(parents=True)
    (directory / "spec.yaml").write_text(yaml.safe_dump(run.spec.model_dump(mode="json"), sort_keys=False))
    (directory / MANIFEST).write_text(run.manifest.model_dump_json())
    (directory / JOURNAL).write_bytes(b"".join(encode(line) for line in run.journal))
    (directory / EVALUATION).write_text(run.evaluation.model_dump_json())
    return directory
