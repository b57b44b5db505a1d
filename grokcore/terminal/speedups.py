"""Print how much sooner the points of a sweep grok than its baseline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from grokcore.evaluation.speedups import ranked
from grokcore.terminal.output import print_line
from grokcore.terminal.tables import print_columns

if TYPE_CHECKING:
    from grokcore.evaluation.speedups import Arm, OnSplit, Speedup, SpeedupReport
    from grokcore.evaluation.units import TimeUnit


def print_speedups(report: SpeedupReport) -> None:
    """Print a table per held-out split: methods by rank, the controls of each indented below it."""
    for split in report.splits:
        print_line(f"{split}: times as fast as {report.baseline} (limits of 95 %), from the step that sustains it")
        head = ("point", "steps", "first crossing", "FLOPs", "CPU seconds", "sustained", "collapsed", "trials")
        print_columns([head, *_rows(report, split)])


def _rows(report: SpeedupReport, split: str) -> Iterator[tuple[str, ...]]:
    baseline = next(arm for arm in report.arms if arm.name == report.baseline)
    yield _row(baseline, baseline.name, split)
    for method, controls in ranked(report):
        for arm in (method, *controls):
            if split in arm.splits:
                yield _row(arm, arm.name if arm is method else f"  control {arm.name}", split)
    for arm in report.arms:
        if arm.place == "held_out" and split in arm.splits:
            yield _row(arm, f"{arm.name} (held-out data decided: not compared)", split)


def _row(arm: Arm, name: str, split: str) -> tuple[str, ...]:
    found = arm.splits[split]
    compared = arm.place in ("method", "control")
    return (
        name,
        _cell(found, "steps", compared),
        _speedup(found.first_crossing) if compared else "",
        _cell(found, "flops", compared),
        _cell(found, "cpu_seconds", compared),
        f"{found.sustained}/{found.seeds}",
        str(found.collapsed),
        str(arm.search.trials) if arm.search else "none",
    )


def _cell(found: OnSplit, unit: TimeUnit, compared: bool) -> str:
    """A speedup, or the median time of an arm that is compared with nothing."""
    if compared:
        return _speedup(found.speedups.get(unit))
    cost = found.median.get(unit)
    if cost is None:
        return ""
    return f"{cost:,.0f}" if unit == "steps" else f"{cost:.3g}"


def _speedup(speedup: Speedup | None) -> str:
    """2.1 (1.4 to 3.2); a limit that is not known is left open."""
    if speedup is None:
        return ""
    ratio, low, high = (
        "" if value is None else f"{value:.2g}" for value in (speedup.ratio, speedup.lower, speedup.upper)
    )
    limits = f"{low} to {high}" if low and high else f"over {low}" if low else f"below {high}" if high else "no limits"
    return f"{ratio or '?'} ({limits})"
