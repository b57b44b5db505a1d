"""The forest plot of the levers, as an SVG that a README shows on a light or dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from ci.findings.judging import Lever

WIDTH, ROW, TOP, LEFT, RIGHT = 760, 20, 46, 290, 600
"""In pixels: of the picture, of a row, of the heading, and from where to where the axis goes."""
TICKS = (0.25, 0.5, 1.0, 2.0, 4.0)
STYLE = """
    text { font: 12.5px system-ui, sans-serif; fill: #24292f; } .muted { fill: #57606a; } .end { text-anchor: end; }
    .middle { text-anchor: middle; } .paper { fill: #ffffff; } .grid { stroke: #d0d7de; } .one { stroke: #57606a; }
    .later { stroke: #bc4c00; fill: #bc4c00; } .sooner { stroke: #0969da; fill: #0969da; }
    .open { stroke: #8c959f; fill: #8c959f; } .span { stroke-width: 2; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; } .muted { fill: #9aa4ae; } .paper { fill: #161b22; } .grid { stroke: #30363d; }
      .one { stroke: #9aa4ae; } .later { stroke: #f0883e; fill: #f0883e; } .sooner { stroke: #58a6ff; fill: #58a6ff; }
      .open { stroke: #6e7681; fill: #6e7681; }
    }
"""


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
    bottom = TOP + ROW * len(rows)
    size = f'width="{WIDTH}" height="{bottom + 40}"'
    middle = (LEFT + RIGHT) / 2
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 40}" {size} role="img">',
        "<title>How many times as late a change makes grokking, the strongest change of each study</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" {size} rx="6"/>',
        _text(14, 24, "one change to the laboratory", "muted"),
        _text(middle, 24, "\N{LEFTWARDS ARROW} sooner    times as late    later \N{RIGHTWARDS ARROW}", "muted middle"),
        _text(WIDTH - 14, 24, "seeds that hold it", "muted end"),
        *(_tick(ratio, bottom) for ratio in TICKS),
        *(_row(lever, TOP + ROW * (place + 0.5)) for place, lever in enumerate(rows)),
        _text(middle, bottom + 32, "bars: 95 % intervals; an arrow goes on", "muted middle"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" xml:space="preserve">{escape(words)}</text>'


def _tick(ratio: float, bottom: float) -> str:
    line = f'<path class="{"one" if ratio == 1 else "grid"}" d="M{_x(ratio):.1f} {TOP - 8}V{bottom}"/>'
    return line + _text(_x(ratio), bottom + 15, f"{ratio:g}", "muted middle")


def _x(ratio: float) -> float:
    share = math.log(ratio / TICKS[0]) / math.log(TICKS[-1] / TICKS[0])
    return LEFT + (RIGHT - LEFT) * min(max(share, -0.02), 1.02)


def _row(lever: Lever, y: float) -> str:
    ends = _text(14, y + 4, lever.change) + _text(WIDTH - 14, y + 4, f"{lever.sustained} of {lever.runs}", "end")
    if lever.ratio is None:
        return ends + _text(_x(1), y + 4, f"not held: {lever.accuracy:.2f} at the end", "muted middle")
    kind = "open"
    if lever.upper is not None and lever.upper < 1:
        kind = "sooner"
    elif lever.lower is not None and lever.lower > 1:
        kind = "later"
    low = _x(lever.lower) if lever.lower else LEFT
    high = _x(lever.upper) if lever.upper else RIGHT
    drawn = [f'<path class="span {kind}" d="M{low:.1f} {y:.1f}H{high:.1f}"/>']
    if not lever.lower or lever.lower < TICKS[0]:
        drawn.append(f'<path class="{kind}" d="M{LEFT - 5} {y:.1f}l7 -4v8z"/>')
    if not lever.upper or lever.upper > TICKS[-1]:
        drawn.append(f'<path class="{kind}" d="M{RIGHT + 5} {y:.1f}l-7 -4v8z"/>')
    drawn.append(f'<circle class="{kind}" cx="{_x(lever.ratio):.1f}" cy="{y:.1f}" r="4"/>')
    return ends + "".join(drawn)
