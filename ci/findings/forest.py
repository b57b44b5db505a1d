"""The forest plot of the levers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ci.findings.svg import WIDTH, dot, drawing, line, text

if TYPE_CHECKING:
    from ci.findings.judging import Lever

ROW, TOP, LEFT, RIGHT = 20, 46, 345, 625
"""In pixels: height of a row and of the heading, and from where to where the axis goes."""
SECTION = re.compile(r"\b(task|model|training)\.")
TICKS = (0.25, 0.5, 1.0, 2.0, 4.0)


def strongest(levers: Sequence[Lever]) -> list[Lever]:
    """Choose one lever of each study: that which most runs never hold, else the one furthest from no effect.

    The first of `levers` is what the others are compared with, and is not among them.
    """
    best: dict[str, Lever] = {}
    for lever in levers[1:]:
        if lever.study not in best or _strength(lever) > _strength(best[lever.study]):
            best[lever.study] = lever
    return sorted(best.values(), key=lambda lever: (lever.ratio is None, lever.ratio or 0.0, lever.change))


def _strength(lever: Lever) -> tuple[bool, float]:
    if lever.ratio is None:
        return True, -lever.accuracy
    return False, abs(math.log(lever.ratio))


def forest(levers: Sequence[Lever]) -> str:
    """Draw the strongest lever of each study: times as late as the laboratory, with its 95 % interval."""
    rows = strongest(levers)
    bottom, middle = TOP + ROW * len(rows), (LEFT + RIGHT) / 2
    parts = [
        text(14, 24, "one change to the laboratory", "muted"),
        text(middle, 24, "\N{LEFTWARDS ARROW} sooner    times as late    later \N{RIGHTWARDS ARROW}", "muted middle"),
        text(WIDTH - 14, 24, "seeds that hold it", "muted end"),
        *(_tick(ratio, bottom) for ratio in TICKS),
        *(_row(lever, TOP + ROW * (place + 0.5)) for place, lever in enumerate(rows)),
        text(middle, bottom + 32, "bars: 95 % intervals; an arrow goes on", "muted middle"),
    ]
    return drawing("How many times as late a change makes grokking, the strongest of each study", bottom + 40, parts)


def _tick(ratio: float, bottom: float) -> str:
    mark = line(f"M{_x(ratio):.1f} {TOP - 8}V{bottom}", "one" if ratio == 1 else "grid")
    return mark + text(_x(ratio), bottom + 15, f"{ratio:g}", "muted middle")


def _x(ratio: float) -> float:
    share = math.log(ratio / TICKS[0]) / math.log(TICKS[-1] / TICKS[0])
    return LEFT + (RIGHT - LEFT) * min(max(share, -0.02), 1.02)


def _row(lever: Lever, y: float) -> str:
    ends = text(14, y + 4, SECTION.sub("", lever.change)) + text(
        WIDTH - 14, y + 4, f"{lever.sustained} of {lever.runs}", "end"
    )
    if lever.ratio is None:
        words = text(_x(1), y + 4, f"not held: {lever.accuracy:.2f} at the end", "muted middle")
        return f'{ends}<rect class="paper" x="{_x(1) - 85:.1f}" y="{y - 9:.1f}" width="170" height="18"/>{words}'
    kind = "gray"
    if lever.upper is not None and lever.upper < 1:
        kind = "blue"
    elif lever.lower is not None and lever.lower > 1:
        kind = "orange"
    low = _x(lever.lower) if lever.lower else LEFT
    high = _x(lever.upper) if lever.upper else RIGHT
    drawn = [line(f"M{low:.1f} {y:.1f}H{high:.1f}", f"span {kind}")]
    if not lever.lower or lever.lower < TICKS[0]:
        drawn.append(line(f"M{LEFT - 5} {y:.1f}l7 -4v8z", kind))
    if not lever.upper or lever.upper > TICKS[-1]:
        drawn.append(line(f"M{RIGHT + 5} {y:.1f}l-7 -4v8z", kind))
    return ends + "".join(drawn) + dot(_x(lever.ratio), y, kind)
