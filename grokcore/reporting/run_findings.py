"""The outcome of one run in sentences, and its size in a few facts."""

from __future__ import annotations

from grokcore.reporting.findings import Statement
from grokcore.reporting.formatting import count, duration, flops, percent, significant, threshold, times
from grokcore.reporting.phase_markers import is_delayed
from grokcore.runs.evaluation import HeldOut, Time, Times
from grokcore.runs.record import RunRecord

_ENDINGS = {
    "budget_steps": "step budget",
    "budget_seconds": "time budget",
    "grokked": "grokking",
    "callback": "a callback",
}


def run_findings(run: RunRecord) -> list[Statement]:
    """Tell what became of the training set, of each held-out split and of the run; censored splits included."""
    found = [_memorized(run)]
    found += [_held_out(run, split, held_out) for split, held_out in run.evaluation.held_out.items()]
    if run.evaluation.diverged:
        step = count(run.evaluation.step)
        found.append(Statement("diverged", "", f"The run diverged: by step {step} its loss was not finite."))
    return found


def run_facts(run: RunRecord) -> list[tuple[str, str]]:
    """Return the size of a run at a glance."""
    last = run.journal[-1]
    reason = run.manifest.exit_reason
    return [
        ("Architecture", run.spec.model.architecture),
        ("Task", run.spec.task.kind),
        ("Parameters", count(run.manifest.model.parameters)),
        ("Steps", count(last["step"])),
        ("Epochs", significant(last["epoch"])),
        ("Compute", flops(last["flops"])),
        ("Training time", duration(last["clock"]["elapsed_seconds"])),
        ("Ended by", "not ended yet" if reason is None else _ENDINGS.get(reason, reason)),
    ]


def verdict_text(run: RunRecord, held_out: HeldOut) -> str:
    """Write a held-out split's outcome in a few words."""
    late = f", {times(held_out.ratio)} as late" if held_out.ratio is not None else ""
    if held_out.sustained is None:
        limit = threshold(run.evaluation.threshold)
        return f"{_not_held(held_out)} {limit} within {count(run.evaluation.censored_at)} steps"
    word = "grokked" if is_delayed(run, held_out) else "generalized"
    end = f"; collapsed at step {count(held_out.collapsed)}" if held_out.verdict == "collapsed" else ""
    return f"{word} at step {count(held_out.sustained.steps)}{late}{end}"


def _memorized(run: RunRecord) -> Statement:
    evaluation = run.evaluation
    limit = threshold(evaluation.threshold)
    last = f"its last accuracy is {percent(evaluation.train.accuracy)}"
    if (time := evaluation.memorized.sustained) is not None:
        return Statement("memorized", "", f"The training set held {limit} from {_at(time)}; {last}.")
    missed = f"{_not_held(evaluation.memorized)} {limit} within {count(evaluation.censored_at)} steps"
    return Statement("not memorized", "", f"The training set {missed}; {last}.")


def _held_out(run: RunRecord, split: str, held_out: HeldOut) -> Statement:
    limit = threshold(run.evaluation.threshold)
    result = run.evaluation.splits[split]
    end = (
        f"; the last accuracy is {percent(result.accuracy)}, where always giving the most common answer scores "
        f"{percent(result.majority_baseline)}"
    )
    train, time = run.evaluation.memorized.sustained, held_out.sustained
    if time is None:
        crossed = held_out.first_crossing
        once = f" (it touched it first at step {count(crossed.steps)})" if crossed else ""
        missed = f"{_not_held(held_out)} {limit} within {count(run.evaluation.censored_at)} steps"
        return Statement("censored", split, f"{missed}{once}{end}.")
    against = f" (training set: step {count(train.steps)})" if train else " (the training set did not hold it)"
    late = f", {_late(held_out.ratio)}{against}" if held_out.ratio is not None else against
    if held_out.verdict == "collapsed":
        fell = f"held {limit} from {_at(time)}{late}, but had collapsed by step {count(held_out.collapsed)}{end}."
        return Statement("collapsed", split, fell)
    note = "" if held_out.verdict == "grokked" else ": along with training, so this is not grokking"
    return Statement(held_out.verdict, split, f"held {limit} from {_at(time)}{late}{note}{end}.")


def _not_held(reached: Times) -> str:
    return "crossed, but did not hold" if reached.first_crossing else "did not reach"


def _late(ratio: float) -> str:
    """Write a ratio of times to the training set's."""
    if ratio < 1:
        return f"after {significant(ratio, 2)} of the training set's steps"
    return f"{significant(ratio, 2 if ratio < 100 else 3)} times as late as training"


def _at(time: Time) -> str:
    return f"step {count(time.steps)} on (not yet at {count(time.after)})"
