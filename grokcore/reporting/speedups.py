"""The panel of a sweep with a baseline: how much sooner each method groks, its controls beneath it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from grokcore.evaluation.speedups import (
    Arm,
    ArmRuns,
    OnSplit,
    Speedup,
    SpeedupReport,
    ranked,
    short_names,
    speedup_report,
)
from grokcore.evaluation.units import TimeUnit
from grokcore.reporting.fairness import SweepFacts, searches
from grokcore.reporting.formatting import NARROW, NOTHING, count, duration, flops, significant, times
from grokcore.reporting.table import Cell, Row, Section, Table
from grokcore.reporting.timeline import Tick
from grokcore.runs.groups import Group

COLUMNS: Mapping[TimeUnit, str] = {
    "steps": "Steps",
    "examples": "Examples",
    "flops": "Compute",
    "cpu_seconds": "CPU time",
    "seconds": "Training time",
}
"""Of the units, in the order of the page."""

_DRAWN: tuple[TimeUnit, ...] = ("steps", "cpu_seconds")
_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_ROOM = 1.25
"""Factor of the axis beyond what it shows."""


@dataclass(frozen=True)
class Mark:
    """A speedup on the axis, in percent of it; `low` and `high` are its limits, at the axis' ends where it has none."""

    unit: TimeUnit
    left: float | None
    low: float
    high: float


@dataclass(frozen=True)
class ForestRow:
    title: str
    is_control: bool
    marks: list[Mark]
    text: str


@dataclass(frozen=True)
class Panel:
    """One held-out split: a row per method and control on a log axis of speedups, and the same in numbers."""

    split: str
    rows: list[ForestRow]
    ticks: list[Tick]
    table: Table


@dataclass(frozen=True)
class _Line:
    """An arm as a line of the panel."""

    arm: Arm
    title: str
    is_control: bool
    found: OnSplit


def report_of(facts: SweepFacts | None, groups: Sequence[Group]) -> SpeedupReport | None:
    """Hold the points of a sweep against its baseline; None for a sweep without one, or without runs of it."""
    if facts is None or facts.baseline is None:
        return None
    runs = {run.manifest.run_id: run for group in groups for run in group.runs}
    found = searches(facts)
    arms = [
        ArmRuns(
            point.name,
            [runs[run.run_id] for run in point.runs if run.run_id in runs],
            facts.controls.get(point.name),
            found.get(point.name),
        )
        for point in facts.points
    ]
    return speedup_report(facts.name, facts.baseline, arms)


def panels(report: SpeedupReport | None) -> list[Panel]:
    """Return a panel per held-out split, the last, which the comparison is about, first."""
    return [] if report is None else [_panel(report, split) for split in reversed(report.splits)]


def names_of(report: SpeedupReport) -> dict[str, str]:
    """Names of arms as the panel shows them."""
    return short_names(arm.name for arm in report.arms)[1]


def _panel(report: SpeedupReport, split: str) -> Panel:
    lines = list(_lines(report, split))
    low, high = _axis([speedup for line in lines for speedup in _drawn(line.found).values()])

    def share(ratio: float) -> float:
        place = math.log(ratio / low) / math.log(high / low)
        return round(100 * min(max(place, 0.0), 1.0), 3)

    rows = [
        ForestRow(
            line.title,
            line.is_control,
            [
                Mark(
                    unit,
                    None if one.ratio is None else share(one.ratio),
                    share(one.lower) if one.lower else 0.0,
                    share(one.upper) if one.upper else 100.0,
                )
                for unit, one in _drawn(line.found).items()
            ],
            _words(line.found),
        )
        for line in lines
    ]
    ticks = [Tick(share(tick), f"{tick:g}{NARROW}×") for tick in _TICKS if low <= tick <= high]  # noqa: RUF001
    return Panel(split, rows, ticks, _table(report, split, lines))


def _lines(report: SpeedupReport, split: str) -> Iterator[_Line]:
    """Yield methods by rank, the controls of each after it."""
    names = names_of(report)
    for method, controls in ranked(report):
        for arm in (method, *controls):
            if split in arm.splits:
                yield _Line(arm, names[arm.name], arm is not method, arm.splits[split])


def _drawn(found: OnSplit) -> dict[TimeUnit, Speedup]:
    return {unit: found.speedups[unit] for unit in _DRAWN if unit in found.speedups}


def _axis(speedups: Sequence[Speedup]) -> tuple[float, float]:
    """Return ends of a log axis that show 1 and every estimate, and limits as far as they are of use."""
    shown = [value for one in speedups for value in (one.ratio, one.lower, one.upper) if value]
    inside = [min(max(value, 0.1), 50.0) for value in (*shown, 0.8, 1.25)]
    return min(inside) / _ROOM, max(inside) * _ROOM


def _words(found: OnSplit) -> str:
    """Tell a line in words: 2.1 x in steps (1.4 to 3.2), 1.8 x in CPU time, 8 of 8 seeds."""
    parts = [
        f"{speedup_text(one)} in {COLUMNS[unit].lower() if unit == 'steps' else COLUMNS[unit]}"
        for unit, one in _drawn(found).items()
    ]
    return ", ".join([*parts, f"{found.sustained} of {found.seeds} seeds"])


def speedup_text(speedup: Speedup | None) -> str:
    """2.1 x, or its limits where there is no estimate, since one side never got there or all times are equal."""
    if speedup is None:
        return NOTHING
    if speedup.ratio is not None:
        return times(speedup.ratio)
    if speedup.lower is not None and speedup.upper is not None:
        return limits_text(speedup)
    if speedup.lower is not None:
        return f"over {times(speedup.lower)}"
    return f"below {times(speedup.upper)}" if speedup.upper is not None else "unknown"


def limits_text(speedup: Speedup | None) -> str:
    """1.4 to 3.2; 1.4 or more; nothing where there are no limits."""
    if speedup is None or (speedup.lower is None and speedup.upper is None):
        return ""
    low, high = (None if limit is None else significant(limit, 2) for limit in (speedup.lower, speedup.upper))
    if low and high:
        return f"{low} to {high}"
    return f"{low} or more" if low else f"{high} or less"


def _table(report: SpeedupReport, split: str, lines: Sequence[_Line]) -> Table:
    baseline = next(arm for arm in report.arms if arm.name == report.baseline)
    apart = [arm for arm in report.arms if arm.place == "held_out" and split in arm.splits]
    units = _units([line.found for line in lines])
    names = names_of(report)
    sections = [
        Section("Baseline", [Row(names[baseline.name], _own_cells(baseline, baseline.splits[split], units))]),
        Section(
            "Times as fast as the baseline",
            [
                Row(line.title, _cells(line.arm, line.found, units), note="control" if line.is_control else "")
                for line in lines
            ],
        ),
    ]
    if apart:
        rows = [Row(names[arm.name], _own_cells(arm, arm.splits[split], units)) for arm in apart]
        sections.append(Section("Decided on held-out data: not compared", rows))
    columns = [COLUMNS[unit] for unit in units]
    columns.insert(1, "First crossing, steps")
    columns += ["Seeds", "Seed by seed", "Search"]
    return Table(f"{split}: sustained times against {names[report.baseline]}", columns, sections)


def _units(found: Sequence[OnSplit]) -> list[TimeUnit]:
    """The units to show: examples only where they tell something else than steps."""
    alike = all(one.speedups.get("examples") == one.speedups.get("steps") for one in found)
    return [unit for unit in COLUMNS if not (unit == "examples" and alike)]


def _cells(arm: Arm, found: OnSplit, units: Sequence[TimeUnit]) -> list[Cell]:
    cells = [_speedup_cell(found.speedups.get(unit), _amount(found, unit)) for unit in units]
    cells.insert(1, _speedup_cell(found.first_crossing))
    pairs = ((found.sooner, "sooner"), (found.later, "later"), (found.undecided, "open"))
    return [
        *cells,
        _seeds_cell(found),
        Cell(", ".join(f"{number} {word}" for number, word in pairs if number) or NOTHING),
        _search_cell(arm),
    ]


def _own_cells(arm: Arm, found: OnSplit, units: Sequence[TimeUnit]) -> list[Cell]:
    """Cells of an arm that is compared with nothing: its medians."""
    cells = [Cell(_amount(found, unit) or "not by half its seeds", muted=not found.median) for unit in units]
    cells.insert(1, Cell(NOTHING, muted=True))
    return [*cells, _seeds_cell(found), Cell(NOTHING, muted=True), _search_cell(arm)]


def _speedup_cell(speedup: Speedup | None, amount: str = "") -> Cell:
    if speedup is None:
        return Cell(NOTHING, amount, muted=True)
    limits = "" if speedup.ratio is None and speedup.lower and speedup.upper else limits_text(speedup)
    note = "\n".join(part for part in (f"95{NARROW}%: {limits}" if limits else "", amount) if part)
    return Cell(speedup_text(speedup), note, muted=speedup.ratio is None)


def _amount(found: OnSplit, unit: TimeUnit) -> str:
    """The median time in a unit: 1,052; 31 TFLOP; 59 s."""
    cost = found.median.get(unit)
    if cost is None:
        return ""
    match unit:
        case "steps" | "examples":
            return count(cost)
        case "flops":
            return flops(cost)
        case _:
            return duration(cost)


def _seeds_cell(found: OnSplit) -> Cell:
    lost = f"{found.collapsed} collapsed" if found.collapsed else "none collapsed" if found.sustained else ""
    return Cell(f"{found.sustained} of {found.seeds}", lost, muted=not found.sustained)


def _search_cell(arm: Arm) -> Cell:
    search = arm.search
    if search is None:
        return Cell("none", muted=True)
    return Cell(f"{search.trials} trials", flops(search.flops))


def budget_text(report: SpeedupReport) -> str:
    """Tell the budget of the search, where all arms had the same; each has its row for trials and compute."""
    budgets = {
        f"{search.trials} trials of up to {count(search.steps)} steps, by {search.measure} of {search.split} on seeds "
        f"{', '.join(map(str, search.seeds))}, which no run shown here has"
        if (search := arm.search)
        else "none"
        for arm in report.arms
    }
    return budgets.pop() if len(budgets) == 1 else "not the same for all: see the tables"
