"""Phases of a growing journal, equal to `phases_of` of all of it, reading each line once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grokcore.evaluation.phases import Lines, is_before, reaches, was_skipped
from grokcore.runs.journal import JournalLine
from grokcore.spec import EvaluationSpec, ExperimentSpec
from grokcore.spec.schedule import last_change, phase_began


class PhaseTracker:
    """Computes the phases of a run line by line; keeps the accuracies so far, and the phases found."""

    def __init__(self, held_out: Sequence[str], spec: ExperimentSpec) -> None:
        self._held_out, self._spec = held_out, spec
        self._begin()

    def judge(self, lines: Lines, line: JournalLine) -> dict[str, Any]:
        """The phases of a journal that consists of `lines`, which have theirs, and of `line`: as `phases_of`.

        Lines that do not go on from those of the last call, as where training has walked back, are read from the first.
        """
        if len(lines) != self._count or (lines and lines[-1] is not self._last):
            self._begin()
            for known in lines:
                self._add(known)
        self._add(line)
        memorized = self._train.found
        phases: dict[str, Any] = {"memorized": self._step(memorized)}
        for split in self._splits.values():
            split.learn(memorized, self._steps)
        return phases | {name: split.phases(self._own) for name, split in self._splits.items()}

    def drops(self, line: JournalLine) -> tuple[int, ...]:
        """`phase_drops` of the journal up to `line`, the last that was judged, which has its phases by now."""
        self._note_drops(line)
        return self._known_drops()

    def _begin(self) -> None:
        rules, training = self._spec.evaluation, self._spec.training
        self._count = 0
        self._last: JournalLine | None = None
        self._steps: list[int] = []
        """Optimizer steps behind the weights of each evaluation that may confirm something; `_own` are its line's."""
        self._own: list[int] = []
        self._train = _Sustained(rules.threshold, rules)
        self._splits = {name: _Split(rules) for name in self._held_out}
        self._drops: list[int | None] = [None] * (len(training.drop_on) if training.schedule == "phase" else 0)
        self._end = last_change(training)

    def _add(self, line: JournalLine) -> None:
        before = self._last
        if before is not None:
            self._note_drops(before)
        self._count, self._last = self._count + 1, line
        if before is not None and (was_skipped(before, line) or not is_before(self._end, before["step"])):
            return
        index, step = len(self._steps), line["step"]
        self._own.append(step)
        self._steps.append(step if is_before(self._end, step) else self._end or 0)
        self._train.add(index, line["train"]["accuracy"], self._steps)
        for name, split in self._splits.items():
            split.add(index, line["splits"][name]["accuracy"], self._steps)

    def _note_drops(self, line: JournalLine) -> None:
        """Record the phases that lower the learning rate and are confirmed by this line for the first time."""
        new = False
        for number, drop in enumerate(self._spec.training.drop_on if self._drops else ()):
            if self._drops[number] is None and phase_began(line["phases"], drop) is not None:
                self._drops[number], new = line["step"], True
        if new:  # earlier lines were measured at another rate
            self._end = last_change(self._spec.training, self._known_drops())

    def _known_drops(self) -> tuple[int, ...]:
        return tuple(step for step in self._drops if step is not None)

    def _step(self, index: int | None) -> int | None:
        return None if index is None else self._own[index]


class _Sustained:
    """`phases.sustained` of a growing curve.

    Attributes:
        found: the evaluation from which the threshold is held.
    """

    def __init__(self, threshold: float, rules: EvaluationSpec) -> None:
        self._threshold, self._rules = threshold, rules
        self._start: int | None = None
        self.found: int | None = None

    def add(self, index: int, value: float | None, steps: Sequence[int]) -> None:
        if self.found is not None:
            return
        if not reaches(value, self._threshold):
            self._start = None
            return
        if self._start is None:
            self._start = index
        long = index - self._start + 1 >= self._rules.sustain
        if long and steps[index] >= self._rules.window * steps[self._start]:
            self.found = self._start


class _Collapsed:
    """`phases.collapsed` of a growing curve."""

    def __init__(self, rules: EvaluationSpec) -> None:
        self._rules = rules
        self._below = 0
        self.found: int | None = None

    def add(self, index: int, value: float | None) -> None:
        if self.found is not None:
            return
        self._below = 0 if reaches(value, self._rules.stable_floor) else self._below + 1
        if self._below == self._rules.sustain:
            self.found = index - self._rules.sustain + 1


class _Split:
    """The curve of a held-out split and the phases found so far."""

    def __init__(self, rules: EvaluationSpec) -> None:
        self._rules = rules
        self._accuracy: list[float | None] = []
        self._sustained = _Sustained(rules.threshold, rules)
        self._onset: _Sustained | None = None
        self._collapsed: _Collapsed | None = None

    def add(self, index: int, value: float | None, steps: Sequence[int]) -> None:
        self._accuracy.append(value)
        self._sustained.add(index, value, steps)
        if self._onset is not None:
            self._onset.add(index, value, steps)
        if self._collapsed is not None:
            self._collapsed.add(index, value)

    def learn(self, memorized: int | None, steps: Sequence[int]) -> None:
        """Start to look for onset and collapse once memorization and sustained accuracy are known."""
        if memorized is not None and self._onset is None:
            base = self._accuracy[memorized]
            never = base is None or base + self._rules.onset_rise > 1
            self._onset = _Sustained(2.0 if base is None or never else base + self._rules.onset_rise, self._rules)
            for index in range(memorized + 1, len(self._accuracy)):
                self._onset.add(index, self._accuracy[index], steps)
        held = self._sustained.found
        if held is not None and self._collapsed is None:
            self._collapsed = _Collapsed(self._rules)
            for index in range(held + 1, len(self._accuracy)):
                self._collapsed.add(index, self._accuracy[index])

    def phases(self, steps: Sequence[int]) -> dict[str, int | None]:
        found = {
            "onset": None if self._onset is None else self._onset.found,
            "sustained": self._sustained.found,
            "collapsed": None if self._collapsed is None else self._collapsed.found,
        }
        return {name: None if index is None else steps[index] for name, index in found.items()}
