"""One run in a window.

demo · gpt2 on comparison · seed 0                              training
step 1,834/3,500 ━━━━━━━━━━━━━────────────  52%   96.1 steps/s   0:17 left

train         1.000  ▁▁▁▂▂▃▅▆▇██████████████  memorized at 600
iid           0.998  ▁▁▁▂▃▅▇████████████████  generalized at 400, 0.7 x train
ood           0.412  ▁▁▁▁▁▁▂▂▃▃▃▂▂▃▄         rising from 900, > 3.1 x train
                     1      10      100   1k
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from grokcore.terminal.curves import Axis, draw, sample
from grokcore.terminal.facts import Phase, RunFacts, SplitFacts
from grokcore.terminal.status import accuracy_text, duration, rate_text, short_name
from grokcore.terminal.text import Part, Row, Style, clip, clip_row, columns, flow, row_columns

_SIDE_BY_SIDE = 64
"""Columns from which numbers, curve and phase of a split stand in one line."""
_WIDEST_CURVE = 100
_TALLEST_CURVE = 4
_SILENT_SECONDS = 60.0

STYLES: dict[Phase, Style] = {
    "learning": "plain",
    "memorized": "cyan",
    "waiting": "plain",
    "rising": "yellow",
    "generalized": "green",
    "grokked": "green",
    "collapsed": "red",
}


def run_rows(facts: RunFacts, width: int, height: int, *, now: float, unicode: bool = True) -> list[Row]:
    """A run in at most `height` lines of `width` columns: what matters least is left out first.

    Args:
        now: seconds since the epoch.
    """
    head = [*_title(facts, width, now, unicode), *_progress(facts, width, unicode)]
    tail = [*_warnings(facts, width), *_details(facts, width, now), *_others(facts, width)]
    splits = facts.splits
    air = 2 if height >= 16 else 0
    room = height - len(head) - len(tail) - air - 1
    tall = max(1, min(_TALLEST_CURVE, room // len(splits) - 1))  # a line for the gap, or for the numbers above
    curves = _curves(facts, width, tall, unicode)
    blank: list[Row] = [()] if air else []
    return [clip_row(row, width) for row in [*head, *blank, *curves, *blank, *tail][:height]]


def _title(facts: RunFacts, width: int, now: float, unicode: bool) -> list[Row]:
    manifest, spec = facts.run.manifest, facts.run.spec
    between = " · " if unicode else " - "
    what = between.join((f"{spec.model.architecture} on {spec.task.kind}", f"seed {spec.seed}"))
    state = _state(facts, now)
    name = clip(manifest.name, max(8, width - len(state.text) - 3), ellipsis="…" if unicode else "~")
    left = [Part(name, "bold"), Part(between + what)]
    if row_columns(left) + 2 + len(state.text) > width:
        left = left[:1]
    gap = max(1, width - row_columns(left) - len(state.text))
    rows: list[Row] = [(*left, Part(" " * gap), state)]
    if len(left) == 1:
        rows.append((Part(what),))
    return rows


def _state(facts: RunFacts, now: float) -> Part:
    if facts.ended is not None:
        styles: dict[str, Style] = {"diverged": "red", "stopped": "yellow"}
        return Part(f"ended: {facts.ended}", styles.get(facts.ended, "green"))
    silent = 0.0 if facts.evaluated is None else now - facts.evaluated
    if silent > max(_SILENT_SECONDS, 3 * _usual_pause(facts)):
        return Part(f"silent for {duration(silent)}", "yellow")
    return Part("training", "bold")


def _usual_pause(facts: RunFacts) -> float:
    """Seconds until the next evaluation at the present rate, as the last ones were apart."""
    if len(facts.steps) < 2 or not facts.rate:
        return 600.0
    return (facts.steps[-1] - facts.steps[-2]) * facts.run.spec.evaluation.growth / facts.rate


def _progress(facts: RunFacts, width: int, unicode: bool) -> list[Row]:
    done = facts.step / facts.max_steps
    parts = [[Part(f"{facts.step:,}/{facts.max_steps:,}", "bold")]]
    if facts.ended is None and facts.rate:
        parts.append([Part(rate_text(facts.rate))])
    if facts.seconds_left is not None:
        parts.append([Part(f"{duration(facts.seconds_left)} left")])
    spent = facts.last["clock"]["elapsed_seconds"]
    parts.append([Part(f"{duration(spent)} spent", "dim")])
    bar_width = max(10, min(40, width - sum(row_columns(part) + 3 for part in parts) - 10))
    full = round(done * bar_width)
    bar = [
        Part(("━" if unicode else "#") * full, "green" if facts.ended else "cyan"),
        Part(("─" if unicode else "-") * (bar_width - full), "dim"),
        Part(f" {int(100 * done)}%"),
    ]
    return list(flow([[Part("step "), *parts[0]], bar, *parts[1:]], width))


def _curves(facts: RunFacts, width: int, tall: int, unicode: bool) -> list[Row]:
    splits = facts.splits
    names = [clip(short_name(split.name), 18, ellipsis="…" if unicode else "~") for split in splits]
    label = max(columns(name) for name in names)
    of_train = " x train" if width >= _SIDE_BY_SIDE else "x"
    notes = [_notes(split, of_train) for split in splits]
    end = facts.step if facts.ended is not None else facts.max_steps
    if width < _SIDE_BY_SIDE:
        axis = Axis.up_to(end, min(_WIDEST_CURVE, width))
        stacked: list[Row] = []
        for split, name, note in zip(splits, names, notes, strict=True):
            stacked.append((*_numbers(split, name, label), Part("  "), Part(", ".join(note), STYLES[split.phase])))
            stacked += _curve(facts, split, axis, tall, unicode)
        return [*stacked, (Part(axis.labels(), "dim"),)]
    tail = max(_notes_width(note, tall) for note in notes)
    left = label + 2 + 5 + 2
    axis = Axis.up_to(end, max(10, min(_WIDEST_CURVE, width - left - 2 - tail)))
    rows: list[Row] = []
    for split, name, note in zip(splits, names, notes, strict=True):
        lines = [", ".join(note)] if tall == 1 else list(note)
        for number, curve in enumerate(_curve(facts, split, axis, tall, unicode)):
            numbers = _numbers(split, name, label) if number == 0 else (Part(" " * (left - 2)),)
            text = lines[number] if number < len(lines) else ""
            rows.append((*numbers, Part("  "), *curve, Part("  "), Part(text, STYLES[split.phase])))
        rows += [()] if tall > 1 and split is not splits[-1] else []
    return [*rows, (Part(" " * left), Part(axis.labels(), "dim"), Part("  step", "dim"))]


def _numbers(split: SplitFacts, name: str, label: int) -> Row:
    return Part(name + " " * (label - columns(name))), Part("  "), Part(accuracy_text(split.accuracy).rjust(5), "bold")


def _notes(split: SplitFacts, of_train: str) -> list[str]:
    """Return notes on a split, the most important first."""
    if split.phase in ("learning", "waiting"):
        notes = []
    elif split.phase == "rising":
        notes = [f"rising from {split.began:,}"]
    else:
        notes = [f"{split.phase} at {split.began:,}"]
    if split.ratio is not None:
        notes.append(f"{split.ratio:.1f}{of_train}")
    elif split.waited is not None:
        notes.append(f"> {split.waited:.1f}{of_train}")
    return notes


def _notes_width(notes: Sequence[str], tall: int) -> int:
    return columns(", ".join(notes)) if tall == 1 else max(map(columns, notes), default=0)


def _curve(facts: RunFacts, split: SplitFacts, axis: Axis, tall: int, unicode: bool) -> list[Row]:
    cells = sample(split.curve, facts.steps, axis)
    threshold = facts.run.spec.evaluation.threshold
    styles = styles_of(split, axis)
    return [colored(line, styles) for line in draw(cells, height=tall, threshold=threshold, unicode=unicode)]


def styles_of(split: SplitFacts, axis: Axis) -> list[Style]:
    """For each column of an axis that of the phase which has begun by then."""
    styles: list[Style] = ["plain"] * axis.cells
    for step, phase in split.marks:
        for cell in range(axis.cell(step), axis.cells):
            styles[cell] = STYLES[phase]
    return styles


def colored(line: str, styles: Sequence[Style]) -> Row:
    """A line of characters in as few parts as their styles allow."""
    parts: list[Part] = []
    for character, style in zip(line, styles, strict=True):
        if parts and parts[-1].style == style:
            parts[-1] = Part(parts[-1].text + character, style)
        else:
            parts.append(Part(character, style))
    return tuple(parts)


def _warnings(facts: RunFacts, width: int) -> list[Row]:
    wrapped = (textwrap.wrap(f"! {remark.text}", width, subsequent_indent="  ") for remark in facts.remarks)
    return [(Part(text, "yellow"),) for lines in wrapped for text in lines]


def _details(facts: RunFacts, width: int, now: float) -> list[Row]:
    last = facts.last
    losses = {short_name(split.name): split.loss for split in facts.splits}
    parts = [[Part(f"{name} loss {'nan' if loss is None else f'{loss:.2g}'}")] for name, loss in losses.items()]
    if last.get("learning_rate") is not None:
        parts.append([Part(f"learning rate {last['learning_rate']:.3g}")])
    for name in ("weight_norm", "gradient_norm"):
        value = last.get(name, "")
        if value != "":
            parts.append([Part(f"{name.replace('_', ' ')} {'nan' if value is None else f'{value:.3g}'}")])
    if last.get("loss_scale") is not None:
        parts.append([Part(f"loss scale {last['loss_scale']:g}")])
    if last.get("steps_skipped"):
        parts.append([Part(f"{last['steps_skipped']:,} steps skipped", "yellow")])
    if last.get("restarts"):
        parts.append([Part(f"walked back {_times(last['restarts'])}", "yellow")])
    parts.append(_checkpoints(facts, now))
    if facts.run.manifest.resumes:
        parts.append([Part(f"resumed {_times(facts.run.manifest.resumes)}")])
    return list(flow(parts, width))


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _checkpoints(facts: RunFacts, now: float) -> list[Part]:
    last = facts.last_checkpoint
    if last is None:
        parts = [Part("no checkpoint yet", "plain" if facts.ended is None else "dim")]
    elif facts.ended is not None:
        parts = []
    else:
        parts = [Part(f"checkpoint {duration(max(0.0, now - last))} ago")]
    if facts.checkpoint_failures:
        parts.append(Part(f"{', ' if parts else ''}{facts.checkpoint_failures} saves failed", "red"))
    return parts


def _others(facts: RunFacts, width: int) -> list[Row]:
    """Splits that are only observed."""
    shown = {"train", *facts.last["phases"]}
    others = {name: split for name, split in facts.last["splits"].items() if name not in shown}
    return [
        tuple(Part(part.text, "dim") for part in row)
        for row in flow(
            [[Part(f"{short_name(name)} {accuracy_text(s['accuracy'])}")] for name, s in others.items()], width
        )
    ]
