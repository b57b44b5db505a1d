"""Progress of several seeds in the terminal: one status line for all, and a permanent line for each phase and end.

* seed 3: test_inferred_ood: sustained at step 2180, 4.0 x the time to memorize
seed 3  budget_steps after 3500 steps  train 1.000  iid 0.998  ood 0.981
3/8 seeds done  step 900-1000/3500  train 1.000 (.99-1.00)  ood 0.412 (.31-.62)  96.1 steps/s  12:10 left
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, Literal, TextIO

from grokcore.runs.journal import JournalLine
from grokcore.terminal.status import StatusLine, accuracy_text, duration, fitting, phase_events, rate_text, short_name

End = Literal["done", "failed", "stopped"]


class SeedsProgress:
    """Shows the evaluations of several seeds, in whatever order they come."""

    def __init__(self, stream: TextIO, seeds: Sequence[int], *, max_steps: int, quiet_seconds: float = 1.0) -> None:
        self._status = StatusLine(stream, quiet_seconds=quiet_seconds)
        self._seeds, self._max_steps = len(seeds), max_steps
        self._width = max(len(str(seed)) for seed in seeds)
        self._ended: Counter[End] = Counter()
        self._running: dict[int, JournalLine] = {}
        self._phases: dict[int, Mapping[str, Any]] = {}
        self._unshown = 0

    def show(self, seed: int, line: JournalLine) -> None:
        """Show one line of a seed's journal; a pipe gets one line for as many evaluations as seeds are running."""
        self._running[seed] = line
        events = [f"* seed {seed}: {event[2:]}" for event in phase_events(self._phases.get(seed, {}), line["phases"])]
        self._phases[seed] = line["phases"]
        self._unshown += 1
        due = self._unshown >= len(self._running) and self._status.rested
        if due:
            self._unshown = 0
        self._status.show(self._text(), events, due=due)

    def end(self, seed: int, end: End, how: str, line: JournalLine | None = None) -> None:
        """A seed has ended: `how` in words, and with `line` as the last of its journal."""
        self._running.pop(seed, None)
        self._ended[end] += 1
        parts = [f"seed {seed:>{self._width}}", how, *(_accuracies([line]) if line else [])]
        self._status.show(self._text(), ["  ".join(parts)], due=False)

    def tell(self, remark: str) -> None:
        """A remark that stays."""
        self._status.tell(remark)

    def close(self) -> None:
        """Leave the terminal with the last line standing."""
        self._status.close()

    def _text(self) -> Callable[[int], str]:
        return partial(seeds_line, list(self._running.values()), dict(self._ended), self._seeds, self._max_steps)


def seeds_line(running: Sequence[JournalLine], ended: Mapping[End, int], seeds: int, max_steps: int, width: int) -> str:
    """How the seeds that run stand, in `width` columns: medians, with the lowest and highest where there is room.

    Args:
        running: the last line of each.
        ended: how many seeds have ended in which way.
        seeds: number of all seeds, those that wait included.
    """
    failed = f", {ended['failed']} failed" if ended.get("failed") else ""
    head = [f"{ended.get('done', 0)}/{seeds} seeds done{failed}"]
    if not running:
        return head[0][:width]
    steps = sorted(line["step"] for line in running)
    head.append(f"step {_range(steps[0], steps[-1])}/{max_steps}")
    tail = []
    rate = sum(line["clock"].get("steps_per_second") or 0 for line in running)
    if rate:
        left = (seeds - sum(ended.values())) * max_steps - sum(steps)
        tail = [rate_text(rate), f"{duration(left / rate)} left"]
    for end in (tail, tail[-1:]):
        detailed = "  ".join([*head, *_accuracies(running, spread=True), *end])
        if len(detailed) <= width:
            return detailed
    return fitting([*head, *_accuracies(running), *tail], width)


def _accuracies(lines: Sequence[JournalLine], *, spread: bool = False) -> list[str]:
    """The median of each accuracy that a reader waits for, and its range where `spread` asks for it."""
    splits = [split for split in lines[0]["phases"] if split != "memorized"]
    named = [("train", [line["train"] for line in lines])]
    named += [(short_name(split), [line["splits"][split] for line in lines]) for split in splits]
    return [f"{name} {_median(values, spread=spread and len(lines) > 1)}" for name, values in named]


def _median(values: Sequence[Mapping[str, float | None]], *, spread: bool) -> str:
    known = sorted(value["accuracy"] for value in values if value["accuracy"] is not None)
    if not known:
        return accuracy_text(None)
    middle, lowest, highest = accuracy_text(median(known)), _hundredths(known[0]), _hundredths(known[-1])
    return f"{middle} ({lowest}-{highest})" if spread and lowest != highest else middle


def _hundredths(accuracy: float) -> str:
    """.99 for all from .99 to just below 1: what is not yet reached must not read as if it were."""
    return f"{math.floor(100 * accuracy + 1e-9) / 100:.2f}".removeprefix("0")


def _range(lowest: int, highest: int) -> str:
    return str(lowest) if lowest == highest else f"{lowest}-{highest}"
