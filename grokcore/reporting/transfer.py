"""The panel of a second training: what each start gains on chains of new facts, and how many of them must be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from grokcore.evaluation.transfer import Gain, Shift, gain_of, learns_new_facts, shift_between, steps_to_learn
from grokcore.reporting.formatting import NARROW, NOTHING, count, percent
from grokcore.reporting.palette import Style, told_apart
from grokcore.reporting.table import Cell, Row, Section, Table
from grokcore.runs.groups import Group
from grokcore.spec import ExperimentSpec

WIDTH, HEIGHT = 240, 140
"""Of the drawing area of a shot curve, in units of the SVG."""


@dataclass(frozen=True)
class Start:
    """A group as a start: second trainings from it, with a share of the new facts that training composes.

    Attributes:
        reference: the first start of the same data; None for itself.
    """

    name: str
    share: float
    group: Group
    reference: Group | None


@dataclass(frozen=True)
class Bar:
    """Accuracy before and after, in percent of the axis; `low` and `high` are the lowest and highest seed."""

    title: str
    style: Style
    before: float
    left: float
    low: float
    high: float
    text: str


@dataclass(frozen=True)
class Panel:
    """One held-out split: a bar per start where training composes no new fact."""

    split: str
    bars: list[Bar]


@dataclass(frozen=True)
class ShotLine:
    """A start in a shot curve: points of its medians, and a segment from lowest to highest seed at each."""

    title: str
    style: Style
    points: str
    spreads: list[tuple[float, float, float]]


@dataclass(frozen=True)
class ShotChart:
    """Accuracy after the second training on a split, against the share of new facts that training composes."""

    split: str
    lines: list[ShotLine]
    ticks: list[tuple[float, str]]
    levels: list[tuple[float, str]]


@dataclass(frozen=True)
class Transfer:
    """The section of a page; `shots` is empty where all starts have one share."""

    panels: list[Panel]
    shots: list[ShotChart]
    table: Table
    keys: list[tuple[str, Style]]


def transfer_of(groups: Sequence[Group]) -> Transfer | None:
    """Return the section of groups that learn new facts, or None without any."""
    starts = _starts([group for group in groups if learns_new_facts(group.runs[0])])
    if not starts:
        return None
    splits = list(starts[0].group.runs[0].evaluation.held_out)
    styles = {name: told_apart(place, 2.5) for place, name in enumerate(dict.fromkeys(one.name for one in starts))}
    shares = sorted({one.share for one in starts})
    least = [one for one in starts if one.share == shares[0]]
    return Transfer(
        panels=[Panel(split, [_bar(one, split, styles[one.name]) for one in least]) for split in splits],
        shots=[_shots(starts, split, shares, styles) for split in splits] if len(shares) > 1 else [],
        table=_table(starts, splits, shares),
        keys=list(styles.items()),
    )


def _starts(groups: Sequence[Group]) -> list[Start]:
    first: dict[str, Group] = {}
    found = []
    for group in groups:
        reference = first.setdefault(group.spec.dataset_id, group)
        share = group.spec.task.new_facts.share_in_inferred  # type: ignore[attr-defined]
        found.append(Start(_name(group.spec), share, group, None if reference is group else reference))
    return found


def _name(spec: ExperimentSpec) -> str:
    """Name a start by the source and its step, or by the steps from drawn weights."""
    start = spec.model.start_from
    if start is None:
        return f"drawn weights, {count(spec.training.max_steps)} steps"
    source = (start.group or start.sha256 or "source")[:24].split(" ")[0]
    kept = ", embeddings kept" if spec.task.new_facts.reserved_entities and not start.redraw_reserved else ""  # type: ignore[attr-defined]
    return f"{source}, {'end' if start.step is None else start.step}{kept}"


def _bar(start: Start, split: str, style: Style) -> Bar:
    gain = gain_of(start.group.runs, split)
    return Bar(
        start.name,
        style,
        _place(median(gain.before)),
        _place(median(gain.after)),
        _place(min(gain.after)),
        _place(max(gain.after)),
        "; ".join([_gained(gain), *_against(start, gain, split)]),
    )


def _place(accuracy: float) -> float:
    return round(100 * accuracy, 2)


def _gained(gain: Gain) -> str:
    return f"{_signed(median(gain.gained))} over step 0"


def _against(start: Start, gain: Gain, split: str) -> Iterator[str]:
    if start.reference is None:
        return
    shift = shift_between(gain.after, gain_of(start.reference.runs, split).after)
    yield f"{_signed(shift.estimate)} against {_name(start.reference.spec)}{_limits(shift)}"


def _limits(shift: Shift) -> str:
    if shift.lower is None or shift.upper is None:
        return ""
    return f" (95{NARROW}%: {_signed(shift.lower)} to {_signed(shift.upper)})"


def _signed(difference: float) -> str:
    return f"{'+' if difference >= 0 else '-'}{percent(abs(difference))}"


def _shots(starts: Sequence[Start], split: str, shares: Sequence[float], styles: dict[str, Style]) -> ShotChart:
    across = {share: round(WIDTH * (place + 0.5) / len(shares), 1) for place, share in enumerate(shares)}
    lines = []
    for name, style in styles.items():
        after = {one.share: gain_of(one.group.runs, split).after for one in starts if one.name == name}
        points = " ".join(
            f"{across[share]:g},{height_of(median(after[share])):g}" for share in shares if share in after
        )
        spreads = [(across[share], height_of(max(found)), height_of(min(found))) for share, found in after.items()]
        lines.append(ShotLine(name, style, points, spreads))
    levels = [(height_of(level), percent(level)) for level in (0, 0.5, 1)]
    return ShotChart(split, lines, [(across[share], percent(share)) for share in shares], levels)


def height_of(accuracy: float) -> float:
    """Return the place of an accuracy in a shot curve, from above."""
    return round(HEIGHT * (1.02 - accuracy) / 1.04, 1)


def _table(starts: Sequence[Start], splits: Sequence[str], shares: Sequence[float]) -> Table:
    sections = []
    for share in shares:
        rows = [
            Row(
                one.name, [_learnt(one.group), *(_cell(one, split) for split in splits)], f"{len(one.group.runs)} seeds"
            )
            for one in starts
            if one.share == share
        ]
        sections.append(Section(f"{percent(share)} of the new facts composed in training", rows))
    columns = [f"Steps to {percent(0.99)} of the new facts", *splits]
    return Table("Accuracy after the second training: median, lowest and highest seed", columns, sections)


def _learnt(group: Group) -> Cell:
    steps = [step for run in group.runs if (step := steps_to_learn(run)) is not None]
    if not steps:
        return Cell(NOTHING, muted=True)
    reached = f"{len(steps)} of {len(group.runs)}"
    return Cell(count(round(median(steps))), f"{count(min(steps))} to {count(max(steps))}\n{reached}")


def _cell(start: Start, split: str) -> Cell:
    gain = gain_of(start.group.runs, split)
    spread = f"{percent(min(gain.after))} to {percent(max(gain.after))}"
    least = f"lowest on the way {percent(min(gain.lowest))}"
    return Cell(percent(median(gain.after)), "\n".join([spread, _gained(gain), *_against(start, gain, split), least]))
