"""Accuracy on unseen pairs at a constant learning rate, by depth, beside the thesis' curve."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ci.findings.svg import dot, drawing, line, text
from grokcore.reporting.published import CURVES
from grokcore.runs.record import RunRecord

TOP, BOTTOM, LEFT, RIGHT, HEIGHT = 34, 250, 56, 530, 300
"""In pixels: the frame, and the height of all."""
LEAST, MOST = 0.3, 40.0
"""The axis, in times to memorize."""
KINDS = ("orange", "blue")
"""Of the shallower models and the deeper ones."""


def constant_rate(runs: Sequence[RunRecord], split: str) -> str:
    """Draw the runs, and what is published of GPT-2, over steps in times to memorize.

    Raises:
        LookupError: a run never memorized its training set.
    """
    depths = sorted({run.spec.model.layers for run in runs})
    published = CURVES["gpt2"]
    parts = [
        *(_level(accuracy) for accuracy in (0.4, 0.6, 0.8, 1.0)),
        *(_time(ratio) for ratio in (1, 3, 10, 30)),
        text(LEFT - 42, TOP - 12, "accuracy on pairs of entities that were never compared in training", "muted"),
        line(f"M{_x(1):.1f} {TOP}V{BOTTOM}", "one"),
        text(_x(1) + 6, BOTTOM - 8, "training set memorized", "muted"),
        text((LEFT + RIGHT) / 2, BOTTOM + 36, "steps, in times to memorize the training set", "muted middle"),
    ]
    for depth, kind in zip(depths, KINDS, strict=True):
        same = [run for run in runs if run.spec.model.layers == depth]
        parts += [line("M" + " L".join(_points(run, split)), f"curve {kind}") for run in same]
    readings = [(step / published.memorized, accuracy) for step, accuracy in published.readings[split]]
    places = [(_x(ratio), _y(accuracy)) for ratio, accuracy in readings]
    parts.append(line("M" + " L".join(f"{x:.1f} {y:.1f}" for x, y in places), "curve dashed black"))
    parts += [dot(x, y, "black", 3) for x, y in places]
    names = [(kind, f"{depth} layers, {_seeds(runs, depth)}") for depth, kind in zip(depths, KINDS, strict=True)]
    for place, (kind, words) in enumerate([*reversed(names), ("black", "the thesis: 8 layers, 1 run")]):
        y = TOP + 16 + 22 * place
        parts += [line(f"M{RIGHT + 20} {y}h18", f"span {kind}"), text(RIGHT + 44, y + 4, words)]
    return drawing("Comparison at a constant learning rate, by depth, beside the thesis", HEIGHT, parts)


def _seeds(runs: Sequence[RunRecord], depth: int) -> str:
    return f"{sum(run.spec.model.layers == depth for run in runs)} seeds"


def _points(run: RunRecord, split: str) -> Iterator[str]:
    memorized = run.evaluation.memorized.sustained
    if memorized is None:
        raise LookupError(f"{run.uri} never memorized its training set: its steps have no unit")
    for row in run.journal:
        ratio = row["step"] / memorized.steps
        if ratio >= LEAST:
            yield f"{_x(ratio):.1f} {_y(row['splits'][split]['accuracy']):.1f}"


def _x(ratio: float) -> float:
    return LEFT + (RIGHT - LEFT) * math.log(ratio / LEAST) / math.log(MOST / LEAST)


def _y(accuracy: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * (accuracy - 0.2) / 0.8


def _level(accuracy: float) -> str:
    return line(f"M{LEFT} {_y(accuracy):.1f}H{RIGHT}", "grid") + text(
        LEFT - 8, _y(accuracy) + 4, f"{accuracy:g}", "muted end"
    )


def _time(ratio: float) -> str:
    return line(f"M{_x(ratio):.1f} {TOP}V{BOTTOM}", "grid") + text(_x(ratio), BOTTOM + 17, f"{ratio:g}", "muted middle")
