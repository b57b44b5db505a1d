"""The tables of a report: final accuracy, times to grok, and everything that could confound a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from grokcore.evaluation.seeds import Sample
from grokcore.reporting.entries import entries_of, samples
from grokcore.reporting.formatting import (
    NARROW,
    NOTHING,
    count,
    duration,
    flops,
    moment,
    percent,
    significant,
    times,
)
from grokcore.reporting.read import HeldOut, RunView, Time, Times
from grokcore.reporting.series import series_of
from grokcore.reporting.table import Cell, Row, Section, Table, known, note_of, settings_section
from grokcore.runs.evaluation import TRAINING_SET

DEFINITIONS = (("first_crossing", "first crossing"), ("sustained", "sustained"), ("stable", "stable"))
ROLES = {"train": "training", "held_out": "held out", "diagnostic": "diagnostic"}


def accuracy_table(runs: Sequence[RunView]) -> Table:
    """Accuracy at the last evaluation, per split."""
    series = series_of(runs)
    roles = [(one, ROLES.get(one.role, one.role)) for one in series]
    if len(runs) == 1:
        rows = [Row(one.title, _accuracy_cells(runs[0], one.split), role) for one, role in roles]
        columns = ["Accuracy", "Majority baseline", "Loss", "Examples"]
    else:
        rows = [Row(one.title, [_accuracy_cell(run, one.split) for run in runs], role) for one, role in roles]
        columns = [run.label for run in runs]
    last = sorted({run.evaluation.step for run in runs})
    when = f"step {count(last[0])}" if len(last) == 1 else "each run's last step"
    return Table(f"Final accuracy per split, at {when}", columns, [Section("", rows)])


def _accuracy_cells(run: RunView, split: str | None) -> list[Cell]:
    if split is None:
        train = run.evaluation.train
        (name,) = run.train_splits if len(run.train_splits) == 1 else (None,)
        result = run.evaluation.splits[name] if name else None
        return [
            Cell(percent(train.accuracy)),
            known(percent(result.majority_baseline if result else None)),
            Cell(significant(train.loss)),
            known(count(result.examples if result else None)),
        ]
    result = run.evaluation.splits.get(split)
    if result is None:
        return [known(NOTHING)] * 4
    return [
        Cell(percent(result.accuracy)),
        known(percent(result.majority_baseline)),
        Cell(significant(result.loss)),
        known(count(result.examples)),
    ]


def _accuracy_cell(run: RunView, split: str | None) -> Cell:
    accuracy, baseline, loss, examples = (cell.text for cell in _accuracy_cells(run, split))
    parts = [(baseline, "baseline {}"), (loss, "loss {}"), (examples, "{} examples")]
    return Cell(accuracy, note_of(form.format(text) for text, form in parts if text != NOTHING), accuracy == NOTHING)


def times_table(runs: Sequence[RunView]) -> Table:
    """When the training set and each held-out split reached the threshold, by three definitions."""
    splits = dict.fromkeys(split for run in runs for split in run.evaluation.held_out)
    groups: list[tuple[str, list[Times | None]]] = [("training set", [run.evaluation.memorized for run in runs])]
    groups += [(split, [run.evaluation.held_out.get(split) for run in runs]) for split in splits]
    caption = "Times to reach the threshold; the crossing lies in the interval (after, step]"
    if len(runs) == 1:
        sections = [_times_of_one(runs[0], title, found[0]) for title, found in groups]
        return Table(caption, ["Step", "Interval", "Epochs", "Examples", "Compute", "Training time"], sections)
    sections = [_times_by_run(runs, title, found) for title, found in groups]
    return Table(caption, [run.label for run in runs], sections)


def _times_of_one(run: RunView, title: str, found: Times | None) -> Section:
    rows = []
    for name, words in DEFINITIONS:
        time: Time | None = getattr(found, name)
        if time is None:
            cells = [_censored(run), *[known(NOTHING)] * 5]
        else:
            cells = [
                Cell(count(time.steps)),
                known(_interval(time)),
                Cell(significant(time.epochs)),
                Cell(count(time.examples)),
                Cell(flops(time.flops)),
                Cell(duration(time.seconds)),
            ]
        rows.append(Row(words, cells))
    note = ""
    if isinstance(found, HeldOut):
        note = found.verdict if found.ratio is None else f"{found.verdict} · T_split / T_train = {times(found.ratio)}"
    return Section(title, rows, note)


def _times_by_run(runs: Sequence[RunView], title: str, found: Sequence[Times | None]) -> Section:
    rows = []
    if any(isinstance(one, HeldOut) for one in found):
        rows.append(
            Row("verdict", [Cell(one.verdict) if isinstance(one, HeldOut) else known(NOTHING) for one in found])
        )
        ratios = [one.ratio if isinstance(one, HeldOut) else None for one in found]
        rows.append(Row("T_split / T_train", [known(times(ratio)) for ratio in ratios]))
    for name, words in DEFINITIONS:
        rows.append(Row(words, [_time_cell(run, one, name) for run, one in zip(runs, found, strict=True)]))
    return Section(title, rows)


def _time_cell(run: RunView, found: Times | None, name: str) -> Cell:
    if found is None:
        return known(NOTHING)
    time: Time | None = getattr(found, name)
    if time is None:
        return _censored(run)
    parts = [
        _interval(time),
        f"{significant(time.epochs)} epochs",
        f"{count(time.examples)} examples",
        flops(time.flops),
        duration(time.seconds),
    ]
    return Cell(count(time.steps), note_of(part for part in parts if not part.startswith(NOTHING)))


def _interval(time: Time) -> str:
    return f"({count(time.after)}, {count(time.steps)}]" if time.after is not None else NOTHING


def _censored(run: RunView) -> Cell:
    return Cell(f"not within {count(run.limit)}", muted=True)


def seeds_table(runs: Sequence[RunView]) -> Table | None:
    """What the seeds of each spec came to together; None where no spec has several."""
    sections = [
        Section(entry.label, [_sample_row(split, sample) for split, sample in samples(found).items()])
        for entry in entries_of(runs)
        if len(found := [runs[place] for place in entry.runs]) > 1
    ]
    caption = "Medians over the seeds, and their range"
    return Table(caption, ["Sustained from step", "Final accuracy"], sections) if sections else None


def _sample_row(split: str | None, sample: Sample) -> Row:
    middle, spread = sample.median, sample.accuracy
    time = Cell(f">{NARROW}{count(middle.step)}" if middle.censored else count(middle.step), muted=middle.censored)
    if sample.earliest is not None and (sample.earliest, False) != (sample.latest.step, sample.latest.censored):
        # Where a run ended early, the latest time that was seen need not be the latest that there is.
        sign = f">{NARROW}" if sample.latest.censored else f"≥{NARROW}" if sample.censored else ""
        time = replace(time, note=f"{count(sample.earliest)} to {sign}{count(sample.latest.step)}")
    accuracy = known(percent(spread.median if spread else None))
    if spread and spread.lowest != spread.highest:
        accuracy = replace(accuracy, note=f"{percent(spread.lowest)} to {percent(spread.highest)}")
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in sample.verdicts.items())
    return Row(split or TRAINING_SET, [time, accuracy], verdicts)


def manifest_table(runs: Sequence[RunView]) -> Table:
    """Every choice that could confound a comparison; where runs differ, the row says so.

    Seeds of one spec share a column: what differs among them stands there one after the other.
    """
    entries = entries_of(runs)
    settings = partial(settings_section, groups=[entry.runs for entry in entries])
    sections = [
        settings("Choices", [run.manifest.choices for run in runs]),
        settings("Data", [_data(run) for run in runs]),
        settings("Seeds", [run.manifest.seeds for run in runs]),
        settings("Model", [run.manifest.model for run in runs], compute=("flops_per_step",)),
        settings("Hardware", [run.manifest.hardware for run in runs]),
        settings("Versions", [run.manifest.versions for run in runs]),
        settings("Identity", [_identity(run) for run in runs], compare=False),
    ]
    return Table(
        "All that could confound a comparison",
        [entry.label for entry in entries] if len(runs) > 1 else ["Value"],
        [section for section in sections if section.rows],
        numeric=False,
    )


def differences(runs: Sequence[RunView]) -> list[str]:
    """The choices, and the data, in which these runs differ."""
    made = [{**_data(run), **run.manifest.choices} for run in runs]
    apart = [(place,) for place in range(len(runs))]
    return [row.head for row in settings_section("", made, groups=apart).rows if row.differs]


def _data(run: RunView) -> dict[str, Any]:
    return {"dataset": run.manifest.dataset.get("id")}


def _identity(run: RunView) -> dict[str, Any]:
    manifest = run.manifest
    git = manifest.git or {}
    commit = str(git.get("commit") or NOTHING)
    return {
        "name": manifest.name,
        "run": manifest.run_id,
        "evaluation": run.evaluation.evaluation_id,
        "dataset at": manifest.dataset.get("uri"),
        "source": f"{commit[:12]}{' with uncommitted changes' if git.get('dirty') else ''}",
        "started": moment(manifest.started),
        "finished": moment(manifest.finished),
        "ended by": manifest.exit_reason or run.evaluation.exit_reason or NOTHING,
    }
