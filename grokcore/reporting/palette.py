"""The colors and dashes of all charts, told apart with every form of color vision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
"""The palette of Okabe and Ito, without its yellow (faint on white)."""

INK, FAINT, GRID = "#1b1b1b", "#6b6b6b", "#e4e4e4"

CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
DASHES = ("solid", "dashed", "dotted", "dotdash", "14 4")
DASH_LENGTHS = {"solid": "none", "dashed": "6 3", "dotted": "2 3", "dotdash": "2 3 6 3", "14 4": "14 4"}
"""The same dashes for SVG."""


@dataclass(frozen=True)
class Style:
    color: str
    dash: str
    width: float
    opacity: float = 1.0

    @property
    def faint(self) -> Style:
        """For one of many lines whose median has this style."""
        return replace(self, dash="solid", width=1.0, opacity=0.5)


def told_apart(number: int, width: float) -> Style:
    """The style of the curve `number`: a color each, and another dash where the colors are used up."""
    return Style(CYCLE[number % len(CYCLE)], DASHES[number // len(CYCLE) % len(DASHES)], width)


_COLORS_OF_ROLE = {
    "held_out": (BLUE, VERMILLION, GREEN, PURPLE),
    "train": (SKY, ORANGE, GREEN, PURPLE),
    "diagnostic": (PURPLE, GREEN, ORANGE, SKY),
}
_DASH_OF_ROLE = {"held_out": "solid", "train": "dashed", "diagnostic": "dotdash"}


def split_styles(roles: Sequence[str]) -> list[Style]:
    """Return the styles of one run's splits, the training set first: a color per split, a dash per role."""
    used: dict[str, int] = {}
    styles = [Style(BLACK, "solid", 2)]
    for role in roles[1:]:
        colors, dash = _COLORS_OF_ROLE[role], _DASH_OF_ROLE[role]
        number = used[role] = used.get(role, -1) + 1
        if number >= len(colors):
            dash = DASHES[(number // len(colors) + DASHES.index(dash)) % len(DASHES)]
        styles.append(Style(colors[number % len(colors)], dash, 2.5 if role == "held_out" else 1.5))
    return styles


def in_order(length: int) -> Sequence[str]:
    """Colors from dark violet over blue to green for `length` things that have an order: viridis up to .7 of it."""
    ends = [(0x44, 0x01, 0x54), (0x3B, 0x52, 0x8B), (0x21, 0x91, 0x8C), (0x44, 0xBF, 0x70)]
    return [_between(ends, place / max(1, length - 1)) for place in range(length)]


def diverging(share: float) -> str:
    """Return white at 0, blue toward 1 and vermillion toward -1."""
    end = BLUE if share >= 0 else VERMILLION
    rgb = (int(end[place : place + 2], 16) for place in (1, 3, 5))
    return "#{:02x}{:02x}{:02x}".format(*(round(255 + (part - 255) * abs(share)) for part in rgb))


def _between(ends: Sequence[tuple[int, int, int]], share: float) -> str:
    left = min(int(share * (len(ends) - 1)), len(ends) - 2)
    part = share * (len(ends) - 1) - left
    mixed = (round(a + (b - a) * part) for a, b in zip(ends[left], ends[left + 1], strict=True))
    return "#{:02x}{:02x}{:02x}".format(*mixed)
