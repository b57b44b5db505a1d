"""Run directories as grokcore writes them, with curves made of sigmoids instead of training."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

COMPARISON = {
    "id_atomic": ("train", 0.21, 900),
    "ood_atomic": ("train", 0.22, 100),
    "train_inferred": ("train", 0.402, 3000),
    "test_inferred_iid": ("held_out", 0.401, 3000),
    "test_inferred_ood": ("held_out", 0.4236, 1880),
    "test_inferred_mixed": ("diagnostic", 0.398, 3000),
}
MODULAR = {"train": ("train", 0.0112, 3000), "test": ("held_out", 0.0109, 3000)}
MIDPOINTS = {"test_inferred_iid": 340, "test_inferred_mixed": 620, "test_inferred_ood": 1000, "test": 900}


@dataclass(frozen=True)
class Recipe:
    """One synthetic run; a held-out split without a midpoint below `steps` stays censored."""

    name: str = "demo"
    splits: Sequence[tuple[str, tuple[str, float, int]]] = tuple(COMPARISON.items())
    steps: int = 4000
    train_midpoint: float = 120
    midpoints: tuple[tuple[str, float], ...] = tuple(MIDPOINTS.items())
    growth: float = 1.1
    interval: int = 100
    seed: int = 0
    architecture: str = "gpt2"
    diverged_at: int | None = None
    collapse_at: int | None = None
    evaluate_every_step: bool = False
    single_evaluation: bool = False
    description: str = "Two layers learn to compare."
    threshold: float = 0.99

    @property
    def run_id(self) -> str:
        return f"{abs(hash_of((self.name, self.seed, self.architecture))):016x}"[:16]


def hash_of(value: object) -> int:
    import hashlib

    return int.from_bytes(hashlib.sha256(repr(value).encode()).digest()[:8], "little")


def modular(**changes: Any) -> Recipe:
    return Recipe(**{"name": "modular", "splits": tuple(MODULAR.items()), "description": "a + b mod 97", **changes})


def write_run(directory: Path, recipe: Recipe) -> Path:
    """A finished and evaluated run directory."""
    directory.mkdir(parents=True)
    lines = _journal(recipe)
    (directory / "metrics.jsonl").write_text("".join(json.dumps(line, allow_nan=False) + "\n" for line in lines))
    spec = {
        "name": recipe.name,
        "description": recipe.description,
        "seed": recipe.seed,
        "evaluation": {"sustain": 3, "window": 1.1, "stable_threshold": 0.95, "delay": 2.0},
    }
    (directory / "spec.yaml").write_text(yaml.safe_dump(spec))
    (directory / "manifest.json").write_text(json.dumps(_manifest(recipe, lines)))
    (directory / "evaluation.json").write_text(json.dumps(_evaluation(recipe, lines)))
    return directory


def _steps(recipe: Recipe) -> list[int]:
    if recipe.single_evaluation:
        return [0]
    steps, step = {0, recipe.steps}, 1.0
    while step < recipe.steps:
        steps.add(int(step))
        step = max(step + 1, step * recipe.growth)
    steps.update(range(recipe.interval, recipe.steps, recipe.interval))
    end = recipe.diverged_at or recipe.steps
    return sorted(step for step in steps if step <= end)


def _accuracy(recipe: Recipe, split: str, baseline: float, step: int, role: str) -> float:
    midpoint = recipe.train_midpoint if role == "train" else dict(recipe.midpoints).get(split, math.inf)
    rise = 0.0 if step == 0 or math.isinf(midpoint) else 1 / (1 + (midpoint / step) ** 6)
    wobble = 0.006 * math.sin(hash_of((split, recipe.name, recipe.seed)) % 7 + math.log1p(step) * 5) * (1 - rise)
    value = baseline + (1 - baseline) * rise + wobble
    if role == "held_out" and recipe.collapse_at and step >= recipe.collapse_at:
        value = 0.6
    return round(min(1.0, max(0.0, value)), 5)


def _journal(recipe: Recipe) -> list[dict[str, Any]]:
    lines = []
    for step in _steps(recipe):
        lost = recipe.diverged_at is not None and step >= recipe.diverged_at
        splits = {}
        for name, (role, baseline, _) in recipe.splits:
            accuracy = _accuracy(recipe, name, baseline, step, role)
            loss = max(1e-5, -math.log(min(0.99999, accuracy)) * 1.2 + 1e-4)
            splits[name] = {"accuracy": 0.0 if lost else accuracy, "loss": None if lost else loss}
        train = [splits[name] for name, (role, _, _) in recipe.splits if role == "train"]
        lines.append(
            {
                "step": step,
                "examples": step * 512,
                "epoch": round(step * 512 / 12240, 4),
                "flops": step * 2.31e9,
                "train": train[-1],
                "splits": splits,
                "learning_rate": 1e-3 * min(1, step / 200) * (0.5 + 0.5 * math.cos(math.pi * step / recipe.steps)),
                "gradient_norm": None if lost else 1.5 / (1 + step / 40) + 0.01,
                "weight_norm": 38 + 6 * math.log1p(step / 50),
                "loss_scale": None,
                "steps_skipped": 0,
                "phases": {"memorized": None},
                "clock": {
                    "time": "2026-11-21T09:00:00Z",
                    "elapsed_seconds": step / 30,
                    "steps_per_second": 30.0,
                    "evaluation_seconds": 0.2,
                },
            }
        )
    return lines


def _manifest(recipe: Recipe, lines: list[dict[str, Any]]) -> dict[str, Any]:
    dataset = f"{hash_of(recipe.splits):016x}"
    return {
        "format": 1,
        "run_id": recipe.run_id,
        "name": recipe.name,
        "dataset": {"id": dataset, "uri": f"datasets/{dataset}"},
        "versions": {"grokcore": "0.1.0", "python": "3.11.7", "torch": "2.13.0", "transformers": "5.23.0"},
        "hardware": {"device": "cpu", "processor": "x86_64", "cores": 2, "threads": 1, "gpu": None},
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": True},
        "choices": {
            "architecture": recipe.architecture,
            "implementation": "transformers",
            "attention": "eager",
            "layers": 2,
            "width": 128,
            "heads": 4,
            "init": "published",
            "tie_embeddings": True,
            "decay_groups": "explicit",
            "loss_on": "answer",
            "match": "layers",
            "dropout": 0.0,
            "precision": "bf16",
            "engine": "native",
            "optimizer": "adamw",
            "betas": [0.9, 0.98],
            "learning_rate": 0.001,
            "weight_decay": 0.3,
            "batch_size": 512,
            "seed": recipe.seed,
        },
        "model": {
            "parameters": 431_872,
            "parameters_without_embeddings": 396_544,
            "flops_per_step": 2.31e9,
            "vocabulary_size": 276,
            "sequence_length": 5,
        },
        "seeds": {"data": 0, "init": 4_611_686_018_427_387_901, "order": 99},
        "exit_reason": "diverged" if recipe.diverged_at else "budget_steps",
        "started": "2026-11-21T09:00:00Z",
        "finished": "2026-11-21T09:02:13Z",
    }


def _evaluation(recipe: Recipe, lines: list[dict[str, Any]]) -> dict[str, Any]:
    last = lines[-1]
    memorized = _times(recipe, lines, [line["train"]["accuracy"] for line in lines])
    held_out = {}
    for name, (role, baseline, _) in recipe.splits:
        if role == "held_out":
            curve = [line["splits"][name]["accuracy"] for line in lines]
            held_out[name] = _held_out(recipe, lines, curve, baseline, memorized)
    return {
        "format": 1,
        "run_id": recipe.run_id,
        "evaluation_id": "ab12cd34ef56ab78",
        "step": last["step"],
        "threshold": recipe.threshold,
        "censored_at": last["step"],
        "train": last["train"],
        "splits": {
            name: {**last["splits"][name], "role": role, "examples": examples, "majority_baseline": baseline}
            for name, (role, baseline, examples) in recipe.splits
        },
        "memorized": memorized,
        "held_out": held_out,
        "diverged": recipe.diverged_at is not None,
        "exit_reason": "diverged" if recipe.diverged_at else "budget_steps",
    }


def _held_out(recipe: Recipe, lines: list[Any], curve: list[float], baseline: float, memorized: Any) -> dict[str, Any]:
    times = _times(recipe, lines, curve)
    ratio = None
    if times["sustained"] and memorized["sustained"]:
        ratio = times["sustained"]["steps"] / memorized["sustained"]["steps"]
    collapsed = recipe.collapse_at if times["sustained"] and recipe.collapse_at else None
    verdict = "censored" if times["sustained"] is None else "grokked" if (ratio or 0) >= 2 else "generalised"
    rises = [line["step"] for line, value in zip(lines, curve, strict=True) if value > baseline + 0.15]
    return {
        "verdict": "collapsed" if collapsed else verdict,
        "ratio": ratio,
        "onset": rises[0] if rises and memorized["sustained"] else None,
        "collapsed": collapsed,
        **times,
    }


def _times(recipe: Recipe, lines: list[dict[str, Any]], curve: list[float]) -> dict[str, Any]:
    reached = [place for place, value in enumerate(curve) if value >= recipe.threshold]
    if not reached:
        return {"first_crossing": None, "sustained": None, "stable": None}
    place = reached[0]
    held = [index for index in reached if all(value >= recipe.threshold for value in curve[index : index + 3])]
    time = {
        "steps": lines[place]["step"],
        "after": lines[place - 1]["step"] if place else 0,
        "epochs": lines[place]["epoch"],
        "examples": lines[place]["examples"],
        "flops": lines[place]["flops"],
        "seconds": lines[place]["clock"]["elapsed_seconds"],
    }
    stable = time if curve[-1] >= 0.95 else None
    return {"first_crossing": time, "sustained": time if len(curve) - place >= 3 and held else None, "stable": stable}
