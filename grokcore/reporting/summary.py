"""What happened, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from grokcore.reporting.formatting import count, duration, flops, listed, percent, significant, threshold, times
from grokcore.reporting.meanings import OUTCOMES, meanings
from grokcore.reporting.read import HeldOut, RunView, Time, Times


@dataclass(frozen=True)
class Finding:
    """One fact about a run: a word for the badge, the split it is about (empty: the run), and the sentence."""

    badge: str
    split: str
    sentence: str


def findings(run: RunView) -> list[Finding]:
    """What became of the training set, of each held-out split and of the run; censored splits included."""
    facts = [_memorised(run)]
    facts += [_held_out(run, split, held_out) for split, held_out in run.evaluation.held_out.items()]
    if run.evaluation.diverged:
        facts.append(
            Finding("diverged", "", f"The run diverged: by step {count(run.evaluation.step)} its loss was not finite.")
        )
    last = run.journal[-1].step
    if last > run.evaluation.step:
        facts.append(
            Finding(
                "outdated",
                "",
                f"The evaluation ends at step {count(run.evaluation.step)}, but the run went on to {count(last)}: "
                "grokcore evaluate brings it up to date.",
            )
        )
    return facts


def facts(run: RunView) -> list[tuple[str, str]]:
    """The size of one run at a glance: what is unknown is left out."""
    manifest, last = run.manifest, run.journal[-1]
    parameters = manifest.model.get("parameters")
    seconds = last.clock.get("elapsed_seconds")
    known = {
        "Architecture": manifest.choices.get("architecture"),
        "Parameters": count(parameters) if isinstance(parameters, int) else None,
        "Steps": count(last.step),
        "Epochs": None if last.epoch is None else significant(last.epoch),
        "Compute": None if last.flops is None else flops(last.flops),
        "Training time": duration(seconds) if isinstance(seconds, int | float) else None,
        "Ended by": _ending(manifest.exit_reason or run.evaluation.exit_reason),
    }
    return [(name, str(value)) for name, value in known.items() if value is not None]


def outcomes(runs: Sequence[RunView]) -> list[tuple[str, str]]:
    """Over several runs: each held-out split, and how many runs grokked it, or did not."""
    splits = dict.fromkeys(split for run in runs for split in run.evaluation.held_out)
    lines = []
    for split in splits:
        held_out = [run.evaluation.held_out[split] for run in runs if split in run.evaluation.held_out]
        verdicts = Counter(result.verdict for result in held_out)
        parts = [f"{verdicts[verdict]} {text}" for verdict, text in OUTCOMES.items() if verdicts[verdict]]
        lines.append((split, f"of {_runs(len(held_out))}, {listed(parts)}."))
    return lines


def verdict_words(run: RunView, held_out: HeldOut) -> str:
    """A held-out split's outcome in a few words."""
    limit = threshold(run.evaluation.threshold)
    late = f", {times(held_out.ratio)} as late" if held_out.ratio is not None else ""
    match held_out.verdict, held_out.sustained:
        case "grokked", Time() as time:
            return f"grokked at step {count(time.steps)}{late}"
        case "generalised", Time() as time:
            return f"generalised at step {count(time.steps)}{late}"
        case "collapsed", Time() as time:
            reached = "grokked" if run.delayed(held_out) else "generalised"
            return f"{reached} at step {count(time.steps)}{late}; collapsed at step {count(held_out.collapsed)}"
        case _:
            return f"{_not_held(held_out)} {limit} within {count(run.limit)} steps"


def definitions(runs: Sequence[RunView]) -> list[str]:
    """How the words of this report are meant, with the numbers that these runs were judged by."""
    return meanings([run.evaluation.threshold for run in runs], [run.evaluation_settings for run in runs])


def _memorised(run: RunView) -> Finding:
    evaluation = run.evaluation
    limit = threshold(evaluation.threshold)
    last = f"its last accuracy is {percent(evaluation.train.accuracy)}"
    if (time := evaluation.memorized.sustained) is not None:
        return Finding("memorised", "", f"The training set held {limit} from {_at(time)}; {last}.")
    return Finding(
        "not memorised", "", f"The training set {_not_held(evaluation.memorized)} {limit} within {count(run.limit)} "
        f"steps; {last}."
    )  # fmt: skip


def _held_out(run: RunView, split: str, held_out: HeldOut) -> Finding:
    limit = threshold(run.evaluation.threshold)
    result = run.evaluation.splits.get(split)
    end = f"; the last accuracy is {percent(result.accuracy)}" if result else ""
    if result and result.majority_baseline is not None:
        end += f", where always giving the most common answer scores {percent(result.majority_baseline)}"
    train = run.evaluation.memorized.sustained
    time = held_out.sustained
    if time is None:
        crossed = held_out.first_crossing
        once = f" (it touched it first at step {count(crossed.steps)})" if crossed else ""
        return Finding(
            "censored", split, f"{_not_held(held_out)} {limit} within {count(run.limit)} steps{once}{end}."
        )  # fmt: skip
    against = f" (training set: step {count(train.steps)})" if train else " (the training set did not hold it)"
    late = f", {_late(held_out.ratio)}{against}" if held_out.ratio is not None else against
    if held_out.verdict == "collapsed":
        fell = f"held {limit} from {_at(time)}{late}, but had collapsed by step {count(held_out.collapsed)}{end}."
        return Finding("collapsed", split, fell)
    moral = "" if held_out.verdict == "grokked" else ": along with training, so this is no grokking"
    return Finding(held_out.verdict, split, f"held {limit} from {_at(time)}{late}{moral}{end}.")


def _not_held(reached: Times) -> str:
    return "crossed, but did not hold" if reached.first_crossing else "did not reach"


def _late(ratio: float) -> str:
    """A ratio of times to the training set's."""
    if ratio < 1:
        return f"after {significant(ratio, 2)} of the training set's steps"
    return f"{significant(ratio, 2 if ratio < 100 else 3)} times as late as training"


def _at(time: Time) -> str:
    since = f" (not yet at {count(time.after)})" if time.after is not None else ""
    return f"step {count(time.steps)} on{since}"


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def _ending(exit_reason: str | None) -> str | None:
    """Why a run ended, in the words of a heading: `budget_steps` is the step budget."""
    return None if exit_reason is None else _ENDINGS.get(exit_reason, exit_reason)


_ENDINGS = {"budget_steps": "step budget", "budget_seconds": "time budget", "grokked": "grokking"}
