"""Long runs, each as far as its time goes: journal, evaluation and report after every call, continued by the next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ci.gpuchecks.setting import PausedError, Setting
from grokcore.data import generate_dataset
from grokcore.errors import StoppedError
from grokcore.evaluation import evaluate_model
from grokcore.leaderboard.track import seeds_of
from grokcore.reporting import build_report
from grokcore.runs.journal import JOURNAL, read_journal
from grokcore.runs.manifest import read_manifest
from grokcore.spec import ExperimentSpec, load_spec, resolve
from grokcore.training import train_seeds
from grokcore.training.seeds import directory_of

RUNS = "runs"
"""Folder of the runs, below the results; each part has a folder of seeds."""
CLOSING_SECONDS = 20.0
"""Of a budget, kept for the last evaluation, the last checkpoint and the report."""
CLOSING_SHARE = 0.3

RECIPE, RECIPE_TRACK = "comparison-fast", "comparison-delay"
THESIS = "thesis-fast"
RECIPE_FIELDS = (
    *("optimizer", "learning_rate", "betas", "weight_decay", "batch_size"),
    *("schedule", "schedule_steps", "schedule_floor", "warmup_steps", "max_steps"),
)
"""What the thesis' task takes from the recipe's training; the model stays the thesis'."""


def train_recipe(setting: Setting) -> None:
    """Train the seeds that a record is judged on, so that they can become one."""
    recipe = resolve(load_spec("smoke" if setting.rehearse else RECIPE, _place(setting)))
    _train(setting, "recipe", recipe, seeds_of(recipe)[:2] if setting.rehearse else seeds_of(recipe))


def train_thesis_by_recipe(setting: Setting) -> None:
    spec = thesis_by_recipe(*_place(setting))
    if setting.rehearse:
        toy = load_spec("smoke", [*_place(setting), "training.precision=fp32"])
        training = spec.training.model_copy(update={"max_steps": 20, "batch_size": 64, "precision": "fp32"})
        spec = toy.model_copy(update={"name": spec.name, "training": training, "evaluation": toy.evaluation})
    _train(setting, "thesis-recipe", spec, [0])


def train_thesis(setting: Setting) -> None:
    _train(setting, "thesis", load_spec("smoke" if setting.rehearse else THESIS, _place(setting)), [0])


def thesis_by_recipe(*overrides: str) -> ExperimentSpec:
    """Return the task and the model of the thesis with the training of the recipe, evaluated more often."""
    training = load_spec(RECIPE).training
    taken = {name: getattr(training, name) for name in RECIPE_FIELDS}
    spec = load_spec(THESIS, ["evaluation.interval=50", *overrides])
    changed: ExperimentSpec = spec.model_copy(
        update={"name": "thesis-recipe", "training": spec.training.model_copy(update=taken)}
    )
    return changed


def _place(setting: Setting) -> list[str]:
    return [f"training.device={setting.device}"]


def _train(setting: Setting, name: str, spec: ExperimentSpec, seeds: Sequence[int]) -> None:
    """Train seeds until their spec's end or that of the budget, then evaluate them and write their report.

    The budget becomes `training.max_seconds`, which is no part of a run's identity: so a run ends regularly every time,
    and a later call with more seconds continues it.

    Raises:
        PausedError: there is more to train.
    """
    folder = setting.out / RUNS / name
    data = setting.work / f"data-{spec.dataset_id}"
    generate_dataset(spec.task, data)
    closing = min(CLOSING_SECONDS, CLOSING_SHARE * setting.seconds)
    seconds = elapsed_seconds(folder) + max(1.0, setting.seconds_left - closing)
    training = spec.training.model_copy(update={"max_seconds": round(seconds, 1)})
    spec = spec.model_copy(update={"training": training})
    specs = [spec.model_copy(update={"seed": seed}) for seed in seeds]
    begun = _steps(folder)
    try:
        train_seeds(specs, data, folder, strategy="sequence" if setting.rehearse else None, notify=print)
    except StoppedError as error:
        raise PausedError(str(error)) from None
    finally:
        for seed in seeds:
            _describe(setting, folder / directory_of(seed), begun.get(directory_of(seed), 0))
    places = [folder / directory_of(seed) for seed in seeds]
    for place in places:
        evaluate_model(place, data=data)
    build_report(places, setting.out / "reports" / f"{name}.html")
    if any(read_manifest(place, str(place)).exit_reason == "budget_seconds" for place in places):
        raise PausedError("its time is over; the next call continues it")


def _describe(setting: Setting, run: Path, begun: int) -> None:
    """Add the end of a journal to the result: how far the run is, and what it has reached."""
    lines = read_journal(run / JOURNAL) if (run / JOURNAL).exists() else []
    if lines:
        last = lines[-1]
        accuracies = {name: split["accuracy"] for name, split in last["splits"].items()}
        setting.add(
            run=str(run.relative_to(setting.out)),
            began_at_step=begun,
            step=last["step"],
            elapsed_seconds=last["clock"]["elapsed_seconds"],
            steps_per_second=last["clock"]["steps_per_second"],
            train=last["train"]["accuracy"],
            splits=accuracies,
            phases=last["phases"],
        )


def elapsed_seconds(folder: Path) -> float:
    """Return the seconds that the runs in a folder have trained, by the longest of them; 0 before the first."""
    return max((line["clock"]["elapsed_seconds"] for line in _last_lines(folder).values()), default=0.0)


def _steps(folder: Path) -> dict[str, int]:
    return {name: line["step"] for name, line in _last_lines(folder).items()}


def _last_lines(folder: Path) -> dict[str, Any]:
    journals = {path.parent.name: read_journal(path) for path in folder.glob(f"*/{JOURNAL}")}
    return {name: lines[-1] for name, lines in journals.items() if lines}
