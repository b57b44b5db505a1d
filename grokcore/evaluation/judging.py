"""Make an evaluation from a run's journal: phases, times and verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from grokcore.evaluation.phases import DEFINITIONS, Evidence, Lines, crossings, evidence, phases_of
from grokcore.evaluation.remarks import callback_remarks, rate_remarks, remarks_before
from grokcore.runs.evaluation import Evaluation, HeldOut, Pooled, SplitResult, Time, Times, verdict_of
from grokcore.spec import ExperimentSpec, TrainingSpec
from grokcore.spec.schedule import phase_drops, share_of_peak
from grokcore.tasks import Role


class Judgeable(Protocol):
    """A split as its dataset describes it; `probes` are the examples that accuracy is measured on."""

    @property
    def role(self) -> Role: ...
    @property
    def probes(self) -> int: ...
    @property
    def majority_baseline(self) -> float: ...


def assemble(
    spec: ExperimentSpec,
    splits: Mapping[str, Judgeable],
    lines: Lines,
    pooled: Mapping[str, Any],
    measured: Mapping[str, Mapping[str, Any]],
    exit_reason: str | None,
) -> Evaluation:
    """Judge a run by its journal and its final measurement."""
    held_out = [name for name, split in splits.items() if split.role == "held_out"]
    last, seen = lines[-1], evidence(lines, spec.training)
    memorized = times_in(seen, "train", spec)
    phases = phases_of(lines, held_out, spec)
    evaluation = Evaluation(
        run_id=spec.run_id,
        evaluation_id=spec.evaluation_id,
        step=last["step"],
        threshold=spec.evaluation.threshold,
        censored_at=seen.steps[-1],
        train=Pooled(**pooled),
        splits={
            name: SplitResult(
                role=split.role,
                examples=split.probes,
                majority_baseline=split.majority_baseline,
                accuracy=measured[name]["accuracy"],
                loss=measured[name]["loss"],
            )
            for name, split in splits.items()
        },
        memorized=memorized,
        held_out={name: _held_out(seen, name, spec, memorized, phases[name]) for name in held_out},
        diverged=exit_reason == "diverged",
        exit_reason=exit_reason,
        schedule=spec.training.schedule,
        remarks=remarks_before(spec, splits),
    )
    if exit_reason == "callback":
        censored = [split for split, one in evaluation.held_out.items() if one.sustained is None]
        evaluation.remarks += callback_remarks(censored, last["step"], spec.training.max_steps)
    evaluation.remarks += rate_remarks([evaluation])
    return evaluation


def _held_out(
    seen: Evidence, split: str, spec: ExperimentSpec, memorized: Times, phases: Mapping[str, int | None]
) -> HeldOut:
    times = times_in(seen, split, spec)
    ratio = None
    if times.sustained and memorized.sustained and memorized.sustained.steps > 0:
        ratio = times.sustained.steps / memorized.sustained.steps
    return HeldOut(
        **dict(times),
        verdict=verdict_of(
            times.sustained.steps if times.sustained else None,
            memorized.sustained.steps if memorized.sustained else None,
            phases["collapsed"],
            delay=spec.evaluation.delay,
        ),
        ratio=ratio,
        onset=phases["onset"],
        collapsed=phases["collapsed"],
    )


def times_in(seen: Evidence, split: str, spec: ExperimentSpec) -> Times:
    """When a split (`train`: the training set) was reached, by each definition."""
    indices = crossings(seen, split, spec.evaluation)
    return Times(**{definition: _time(seen.lines, indices[definition], spec.training) for definition in DEFINITIONS})


def _time(lines: Lines, index: int | None, training: TrainingSpec) -> Time | None:
    if index is None:
        return None
    line = lines[index]
    drops = phase_drops(lines[: index + 1], training)
    return Time(
        steps=line["step"],
        after=lines[index - 1]["step"] if index else 0,
        epochs=line["epoch"],
        examples=line["examples"],
        flops=line["flops"],
        seconds=line["clock"]["elapsed_seconds"],
        cpu_seconds=line["clock"].get("cpu_seconds"),
        learning_rate_share=share_of_peak(line["step"], training, drops),
    )
