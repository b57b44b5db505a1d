"""What the drawings of the findings consist of: SVG that is readable on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape

WIDTH = 760
"""Of every drawing, in pixels."""
STYLE = """
    text { font: 12.5px system-ui, sans-serif; fill: #24292f; } .muted { fill: #57606a; } .end { text-anchor: end; }
    .middle { text-anchor: middle; } .paper { fill: #ffffff; } .grid { stroke: #d0d7de; } .one { stroke: #57606a; }
    .blue { stroke: #0969da; fill: #0969da; } .orange { stroke: #bc4c00; fill: #bc4c00; }
    .gray { stroke: #8c959f; fill: #8c959f; } .black { stroke: #24292f; fill: #24292f; }
    .span { stroke-width: 2; } .curve { fill: none; stroke-width: 1.5; } .dashed { stroke-dasharray: 4 4; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; } .muted { fill: #9aa4ae; } .paper { fill: #161b22; } .grid { stroke: #30363d; }
      .one { stroke: #9aa4ae; } .blue { stroke: #58a6ff; fill: #58a6ff; } .orange { stroke: #f0883e; fill: #f0883e; }
      .gray { stroke: #6e7681; fill: #6e7681; } .black { stroke: #e6edf3; fill: #e6edf3; } .curve { fill: none; }
    }
"""


def drawing(title: str, height: float, parts: Iterable[str]) -> str:
    """Return an SVG document of `WIDTH` by `height` pixels."""
    size = f'width="{WIDTH}" height="{height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" {size} role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f'<rect class="paper" {size} rx="6"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """Return a line of text, by the place of its base line."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" xml:space="preserve">{escape(words)}</text>'


def line(d: str, kind: str) -> str:
    """Return a path."""
    return f'<path class="{kind}" d="{d}"/>'


def dot(x: float, y: float, kind: str, radius: float = 4) -> str:
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'
