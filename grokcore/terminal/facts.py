"""The facts about a run that views show, derived from its spec, manifest and journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal, NamedTuple

from grokcore.data.info import SplitInfo, read_info
from grokcore.errors import GrokcoreError
from grokcore.evaluation.behavior import peak_and_dip, unlikely_to_grok
from grokcore.evaluation.phases import Curve, accuracy_of, evidence, steps_of
from grokcore.runs.journal import JournalLine
from grokcore.runs.pace import seconds_left, steps_per_second
from grokcore.runs.record import RunRecord
from grokcore.storage import open_store

Phase = Literal["learning", "memorized", "waiting", "rising", "generalized", "grokked", "collapsed"]


def dataset_splits(run: RunRecord) -> Mapping[str, SplitInfo]:
    """Read the splits of a run's dataset; empty where it is out of reach."""
    with suppress(GrokcoreError):
        return read_info(open_store(run.manifest.dataset.uri)).splits
    return {}


class Remark(NamedTuple):
    """A behavior of a split, in words; of the whole run where the split is empty."""

    split: str
    kind: Literal["peak", "unlikely", "collapsed", "diverged"]
    text: str


@dataclass(frozen=True)
class SplitFacts:
    """One split at the last evaluation: the training set, or a held-out split.

    Attributes:
        began: the step at which its phase began; None where it has begun none.
        ratio: T_split / T_train, both sustained.
        waited: how many times the training set's time has gone by, while the split is not sustained.
        marks: the steps at which its phases began, with what they are called.
    """

    name: str
    accuracy: float | None
    loss: float | None
    curve: Curve
    phase: Phase
    began: int | None = None
    ratio: float | None = None
    waited: float | None = None
    marks: tuple[tuple[int, Phase], ...] = ()


@dataclass(frozen=True)
class RunFacts:
    """A run at its last evaluation; `lines`, the journal, holds at least one.

    Attributes:
        ended: why training has ended; None while it has not.
        dataset: the splits of its dataset; empty where it is out of reach.
    """

    run: RunRecord
    lines: Sequence[JournalLine]
    ended: str | None = None
    dataset: Mapping[str, SplitInfo] = field(default_factory=dict)

    @property
    def last(self) -> JournalLine:
        return self.lines[-1]

    @property
    def step(self) -> int:
        return int(self.last["step"])

    @property
    def max_steps(self) -> int:
        return max(self.run.spec.training.max_steps, self.step)

    @cached_property
    def steps(self) -> list[int]:
        return steps_of(self.lines)

    @property
    def memorized(self) -> int | None:
        found: int | None = self.last["phases"]["memorized"]
        return found

    @cached_property
    def rate(self) -> float | None:
        """Steps per second."""
        return steps_per_second(self.lines)

    @property
    def seconds_left(self) -> float | None:
        """Until the budget is used up, at the present rate; None where that is not known or all is over."""
        return None if self.ended is not None else seconds_left(self.lines, self.run.spec.training)

    @property
    def last_checkpoint(self) -> float | None:
        """The time of the last complete checkpoint in the journal, in seconds since the epoch."""
        kept = (_checkpoints(line).get("last") for line in reversed(self.lines))
        return next((time for time in kept if time is not None), None)

    @property
    def checkpoint_failures(self) -> int:
        """Saves that failed in the attempt that trains now."""
        return int(_checkpoints(self.last).get("failures", 0))

    @property
    def evaluated(self) -> float | None:
        """The time of the last evaluation, in seconds since the epoch."""
        with suppress(ValueError, OverflowError):
            return datetime.fromisoformat(self.last["clock"].get("time") or "").timestamp()
        return None

    @cached_property
    def splits(self) -> list[SplitFacts]:
        """The training set, then the held-out splits."""
        return [self._train(), *(self._held_out(name) for name in self.last["phases"] if name != "memorized")]

    def _train(self) -> SplitFacts:
        measured, at = self.last["train"], self.memorized
        return SplitFacts(
            "train",
            measured["accuracy"],
            measured.get("loss"),
            accuracy_of(self.lines, "train"),
            "learning" if at is None else "memorized",
            at,
            marks=() if at is None else ((at, "memorized"),),
        )

    def _held_out(self, name: str) -> SplitFacts:
        measured, begun, memorized = self.last["splits"][name], self.last["phases"][name], self.memorized
        sustained, ratio = begun["sustained"], None
        if sustained is not None and memorized:
            ratio = sustained / memorized
        late = ratio is not None and ratio >= self.run.spec.evaluation.delay
        reached: Phase = "grokked" if late else "generalized"
        marks = [(begun["onset"], "rising"), (sustained, reached), (begun["collapsed"], "collapsed")]
        known: list[tuple[int, Phase]] = [(step, phase) for step, phase in marks if step is not None]
        phase: Phase = "learning" if memorized is None else "waiting"
        began = None
        if known:  # in the order in which they overrule each other
            began, phase = known[-1]
        return SplitFacts(
            name,
            measured["accuracy"],
            measured.get("loss"),
            accuracy_of(self.lines, name),
            phase,
            began,
            ratio,
            self.step / memorized if memorized and sustained is None else None,
            tuple(sorted(known)),
        )

    @cached_property
    def remarks(self) -> list[Remark]:
        """Return conspicuous behavior of the curves, by the rules of `evaluation.behavior`."""
        found = []
        rules, memorized = self.run.spec.evaluation, self.memorized
        seen = evidence(self.lines, self.run.spec.training).lines
        steps = steps_of(seen)
        at = steps.index(memorized) if memorized in steps else None
        for split in self.splits[1:]:
            curve, known = accuracy_of(seen, split.name), self.dataset.get(split.name)
            peak = peak_and_dip(
                curve,
                steps,
                at,
                baseline=known.majority_baseline if known else 1.0,  # nothing is a peak above what is not known
                threshold=rules.threshold,
                examples=known.probes if known else None,
                sustain=rules.sustain,
            )
            if peak is not None:
                back = "" if peak.back is None else f", back at step {steps[peak.back]:,}"
                text = f"early peak of {peak.height:.2f} at step {steps[peak.peak]:,}, then {peak.depth:.2f} lower"
                found.append(Remark(split.name, "peak", f"{split.name}: {text}{back}"))
            waiting = split.phase in ("waiting", "rising")
            if waiting and unlikely_to_grok(curve, steps, at, threshold=rules.threshold):
                found.append(Remark(split.name, "unlikely", f"{split.name}: gives no sign that it will grok"))
            if split.phase == "collapsed":
                text = f"{split.name}: had been learned, and was lost at step {split.began:,}"
                found.append(Remark(split.name, "collapsed", text))
        if self.ended == "diverged":
            text = f"diverged at step {self.step:,}: a loss or a weight is not a finite number"
            found.append(Remark("", "diverged", text))
        return found


def _checkpoints(line: JournalLine) -> Mapping[str, Any]:
    """Return the checkpoint record of a line; empty in journals of older versions."""
    return line["clock"].get("checkpoints") or {}
