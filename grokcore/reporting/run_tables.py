"""The tables of single runs: accuracy per split, times to grok on every axis, and the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grokcore.reporting.formatting import (
    NOTHING,
    count,
    duration,
    flops,
    moment,
    percent,
    significant,
    times,
)
from grokcore.reporting.study import POOLED, Split
from grokcore.reporting.table import DEFINITIONS, Cell, Row, Section, Table, known, settings_section
from grokcore.runs.evaluation import TRAINING_SET, HeldOut, Time, Times
from grokcore.runs.fields import fields_of
from grokcore.runs.record import RunRecord

_ROLES = {"train": "training", "held_out": "held out", "diagnostic": "diagnostic"}


def split_table(run: RunRecord, splits: Sequence[Split]) -> Table:
    """Return accuracy, baseline, loss and size of each split at the last evaluation."""
    rows = [Row(split.title, _split_cells(run, split), _ROLES[split.role]) for split in splits]
    columns = ["Accuracy", "Majority baseline", "Loss", "Examples"]
    return Table(f"Final accuracy per split, at step {count(run.evaluation.step)}", columns, [Section("", rows)])


def _split_cells(run: RunRecord, split: Split) -> list[Cell]:
    evaluation = run.evaluation
    if split.name != POOLED:
        result = evaluation.splits[split.name]
        baseline, examples = percent(result.majority_baseline), count(result.examples)
        return [Cell(percent(result.accuracy)), Cell(baseline), Cell(significant(result.loss)), Cell(examples)]
    training = [one for one in evaluation.splits.values() if one.role == "train"]
    only = training[0] if len(training) == 1 else None
    return [
        Cell(percent(evaluation.train.accuracy)),
        known(percent(only.majority_baseline if only else None)),
        Cell(significant(evaluation.train.loss)),
        known(count(only.examples if only else None)),
    ]


def times_table(run: RunRecord) -> Table:
    """Return when the training set and each held-out split reached the threshold, by three definitions."""
    judged: Mapping[str, Times] = {TRAINING_SET: run.evaluation.memorized, **run.evaluation.held_out}
    return Table(
        "Times to reach the threshold; the crossing lies in the interval (after, step]",
        ["Step", "Interval", "Epochs", "Examples", "Compute", "Training time", "CPU time"],
        [_times_section(run, title, found) for title, found in judged.items()],
    )


def _times_section(run: RunRecord, title: str, found: Times) -> Section:
    rows = [Row(text, _time_cells(run, getattr(found, name))) for name, text in DEFINITIONS]
    note = ""
    if isinstance(found, HeldOut):
        ratio = "" if found.ratio is None else f" · T_split / T_train = {times(found.ratio)}"
        note = f"{found.verdict}{ratio}"
    return Section(title, rows, note)


def _time_cells(run: RunRecord, time: Time | None) -> list[Cell]:
    if time is None:
        return [Cell(f"not within {count(run.evaluation.censored_at)}", muted=True), *[known(NOTHING)] * 6]
    return [
        Cell(count(time.steps)),
        Cell(f"({count(time.after)}, {count(time.steps)}]"),
        Cell(significant(time.epochs)),
        Cell(count(time.examples)),
        Cell(flops(time.flops)),
        Cell(duration(time.seconds)),
        known(NOTHING if time.cpu_seconds is None else duration(time.cpu_seconds)),
    ]


def manifest_table(runs: Sequence[RunRecord], names: Sequence[str]) -> Table:
    """Return every recorded choice that could confound a comparison, a column per run; rows that differ come first."""
    parts: dict[str, list[Mapping[str, Any]]] = {
        "Spec": [fields_of(run.spec) for run in runs],
        "Seeds": [run.manifest.seeds for run in runs],
        "Model": [run.manifest.model.model_dump(exclude_none=True) for run in runs],
        "Execution": [run.manifest.execution for run in runs],
        "Hardware": [run.manifest.hardware for run in runs],
        "Versions": [run.manifest.versions for run in runs],
    }
    compute = ("flops_per_step", "flops_of_model", "flops_of_method")
    sections = [settings_section(title, columns, compute=compute) for title, columns in parts.items()]
    sections.append(settings_section("Identity", [_identity(run) for run in runs], compare=False))
    return Table(
        "All that could confound a comparison",
        list(names) if len(runs) > 1 else ["Value"],
        [section for section in sections if section.rows],
        numeric=False,
    )


def _identity(run: RunRecord) -> dict[str, Any]:
    manifest = run.manifest
    git = manifest.git or {}
    commit = str(git.get("commit") or NOTHING)
    return {
        "name": manifest.name,
        "run": manifest.run_id,
        "evaluation": run.evaluation.evaluation_id,
        "dataset": manifest.dataset.id,
        "dataset at": manifest.dataset.uri,
        "source": f"{commit[:12]}{' with uncommitted changes' if git.get('dirty') else ''}",
        "started": moment(manifest.started),
        "finished": moment(manifest.finished),
        "ended by": manifest.exit_reason or NOTHING,
    }
