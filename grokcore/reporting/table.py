"""Tables of a page: their cells, rows and sections; times to grok by group, final accuracy, and the list of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grokcore.evaluation.samples import samples_of
from grokcore.reporting.formatting import (
    NARROW,
    NOTHING,
    count,
    duration,
    flops,
    percent,
    setting,
    significant,
)
from grokcore.reporting.outcomes import (
    Outcome,
    Outcomes,
    ReferenceContrast,
    delay_text,
    limits_text,
    median_text,
    p_text,
    ratio_text,
    shown,
    verdicts_text,
)
from grokcore.reporting.study import POOLED, Split, Study, has_split
from grokcore.runs.evaluation import TRAINING_SET, Time
from grokcore.runs.record import RunRecord


@dataclass(frozen=True)
class Cell:
    """The text of a cell, and a note in small type below it."""

    text: str
    note: str = ""
    muted: bool = False


@dataclass(frozen=True)
class Row:
    head: str
    cells: list[Cell]
    note: str = ""
    differs: bool = False


@dataclass(frozen=True)
class Section:
    title: str
    rows: list[Row]
    note: str = ""


@dataclass(frozen=True)
class Table:
    caption: str
    columns: list[str]
    sections: list[Section]
    numeric: bool = True


def known(text: str) -> Cell:
    return Cell(text, muted=text == NOTHING)


_NARROWEST = 16
"""Characters that the narrowest column has room for."""


def note_of(parts: Iterable[str]) -> str:
    """Parts side by side; a line may end between them, and inside one only where that is too long for a line."""
    return " · ".join(part.replace(" ", "\u00a0") if len(part) <= _NARROWEST else part for part in parts)


def settings_section(
    title: str,
    columns: Sequence[Mapping[str, Any]],
    *,
    compute: Sequence[str] = (),
    compare: bool = True,
) -> Section:
    """Return a row per setting and a cell per run; rows that differ come first."""
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = []
    for key in keys:
        texts = [
            NOTHING
            if key not in column
            else flops(column[key])
            if key in compute
            else setting(column[key], f"{title} {key}".lower())
            for column in columns
        ]
        differs = compare and len(set(texts)) > 1
        rows.append(Row(key, [known(text) for text in texts], differs=differs))
    return Section(title, sorted(rows, key=lambda row: not row.differs))


DEFINITIONS = (("first_crossing", "first crossing"), ("sustained", "sustained"), ("stable", "stable"))


_AXES = ["Epochs", "Examples", "Compute", "Training time", "CPU time"]


def times_tables(study: Study, outcomes: Outcomes) -> list[Table]:
    """A table per split, a row per group: three definitions, the delay, and the sustained time on other axes."""
    return [_times_table(study, outcomes, split) for split in study.timed]


def _times_table(study: Study, outcomes: Outcomes, split: Split) -> Table:
    columns = [words.capitalize() for _, words in DEFINITIONS]
    if split.name != POOLED:
        columns.append("T_split / T_train")
    rows = []
    for number, group in enumerate(study.groups):
        found = {definition: outcomes.get(number, split, definition) for definition, _ in DEFINITIONS}
        sustained = found["sustained"]
        if sustained is None:
            continue
        cells = [_time_cell(outcome) for outcome in found.values() if outcome is not None]
        if split.name != POOLED:
            cells.append(_delay_cell(sustained))
        rows.append(Row(group.label, cells + _axes_cells(sustained.at_median), verdicts_text(sustained)))
    horizon = outcomes.horizons[split.name, "sustained"]
    caption = f"{split.title}: steps to reach it; restricted means up to step {count(horizon)}"
    return Table(caption, columns + _AXES, [Section("", rows)])


def against_table(study: Study, outcomes: Outcomes) -> Table | None:
    """Every other group held against the reference, by split; None where there is no other group."""
    sections = []
    for split in study.timed:
        rows = [
            Row(group.label, _against_cells(against, outcomes.corrected.get((number, split.name))))
            for number, group in enumerate(study.groups)
            if (against := outcomes.against.get((number, split.name))) is not None
        ]
        if rows:
            sections.append(Section(split.title, rows))
    columns = ["Times as long", "p, exact, Holm", "p, log-rank", "Seed by seed", "p, sign test"]
    return Table(f"Held against {study.groups[0].label}", columns, sections) if sections else None


def _time_cell(outcome: Outcome) -> Cell:
    limits = limits_text(outcome.limits)
    mean = significant(outcome.mean.steps)
    if outcome.mean.lower is not None and outcome.mean.upper is not None:
        mean += f" ({significant(outcome.mean.lower)} to {significant(outcome.mean.upper)})"
    parts = [
        *([f"95{NARROW}%: {limits}"] if limits else []),
        f"{outcome.reached} of {len(outcome.times)}",
        *([f"mean {mean}"] if outcome.reached else []),
    ]
    return Cell(median_text(outcome), "\n".join(parts), muted=outcome.median.censored)


def _delay_cell(outcome: Outcome) -> Cell:
    delay = outcome.delay
    text = delay_text(outcome)
    if delay is None or delay.lowest is None or delay.lowest == delay.highest:
        return known(text)
    return Cell(text, f"{significant(delay.lowest, 2)} to {significant(delay.highest, 2)} seen")


def _axes_cells(time: Time | None) -> list[Cell]:
    if time is None:
        return [known(NOTHING)] * len(_AXES)
    cpu = NOTHING if time.cpu_seconds is None else duration(time.cpu_seconds)
    texts = [significant(time.epochs), count(time.examples), flops(time.flops), duration(time.seconds), cpu]
    return [Cell(text) for text in texts]


def _against_cells(against: ReferenceContrast, corrected: float | None) -> list[Cell]:
    paired = against.paired
    if against.contrast is None:
        return [Cell("other draws of the data", muted=True), *[known(NOTHING)] * 4]
    effect = against.contrast.effect
    limits = limits_text((effect.lower, effect.upper))
    cells = [
        Cell(ratio_text(effect.ratio), f"95{NARROW}%: {limits}" if limits else "", muted=effect.ratio is None),
        Cell(p_text(corrected), f"uncorrected {p_text(effect.p)}, least possible {p_text(effect.least)}"),
        known(p_text(against.contrast.logrank)),
    ]
    if paired is None:
        return [*cells, Cell("no seeds in common", muted=True), known(NOTHING)]
    decided = [
        f"{number} {word}"
        for number, word in ((paired.second_later, "later"), (paired.first_later, "sooner"), (paired.undecided, "open"))
        if number
    ]
    ratio = limits_text((paired.ratio_low, paired.ratio_high))
    return [*cells, Cell(", ".join(decided), f"median ratio {ratio}" if ratio else ""), Cell(p_text(paired.sign))]


def outcome_table(study: Study, outcomes: Outcomes) -> Table:
    """Return the outcome of each group: how many seeds sustained each split, and the median."""
    rows = []
    for number, group in enumerate(study.groups):
        cells = []
        for split in study.timed:
            outcome = outcomes.get(number, split, "sustained")
            if outcome is None:
                cells.append(known(NOTHING))
                continue
            reached = f"{outcome.reached} of {len(outcome.times)}"
            told = [verdicts_text(outcome)] if outcome.verdicts else []
            late = delay_text(outcome)
            parts = [f"median {shown(outcome)}", *([f"{late} T_train"] if late != NOTHING else [])]
            cells.append(Cell(" · ".join(told) or f"{reached} memorized", " · ".join(parts), muted=not outcome.reached))
        rows.append(Row(group.label, cells))
    return Table(
        "Seeds that held the threshold, and from which step", [one.title for one in study.timed], [Section("", rows)]
    )


def accuracy_table(study: Study) -> Table:
    """Final accuracy: the median over the seeds of each group, and their range."""
    samples = [samples_of([run.evaluation for run in group.runs]) for group in study.groups]
    rows = []
    for group, sample in zip(study.groups, samples, strict=True):
        cells = []
        for split in (study.splits[0], *study.held_out):
            found = sample.get(TRAINING_SET if split.name == POOLED else split.name)
            spread = found.accuracy if found else None
            if spread is None:
                cells.append(known(NOTHING))
                continue
            parts = []
            if spread.lowest != spread.highest:
                parts.append(f"{percent(spread.lowest)} to {percent(spread.highest)}")
            if has_split(group, split) and split.name != POOLED:
                baseline = group.runs[0].evaluation.splits[split.name].majority_baseline
                parts.append(f"baseline {percent(baseline)}")
            cells.append(Cell(percent(spread.median), note_of(parts)))
        rows.append(Row(group.label, cells))
    columns = [split.title for split in (study.splits[0], *study.held_out)]
    return Table("Final accuracy: median over the seeds, and range", columns, [Section("", rows)])


def run_cells(run: RunRecord, splits: list[Split]) -> list[Cell]:
    """Return, for each split, the step from which a run sustained it, and its final accuracy."""
    cells = []
    for split in splits:
        held_out = run.evaluation.held_out.get(split.name)
        if held_out is None:
            cells.append(known(NOTHING))
            continue
        accuracy = percent(run.evaluation.splits[split.name].accuracy)
        note = note_of([held_out.verdict, f"final {accuracy}"])
        time = held_out.sustained
        text = count(time.steps) if time else f">{NARROW}{count(run.evaluation.censored_at)}"
        cells.append(Cell(text, note, muted=time is None))
    return cells
