"""Markdown of retrainings and champions, for Kubeflow's UI and the summary of a CI job."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from grokcore.champions.challenger import Challenger, Summary
from grokcore.champions.gate import Failures, Gain
from grokcore.champions.history import ChampionVersion, Decision


def decision_markdown(decision: Decision) -> str:
    """Format a decision with its reason and numbers; ends with a newline."""
    return "\n".join(_lines(decision)) + "\n"


def _lines(decision: Decision) -> Iterator[str]:
    yield f"## Champion {code(decision.champion)}: {decision.verdict}"
    yield ""
    yield _text(decision.sentence)
    yield ""
    yield _text(_standing(decision))
    if decision.time is not None and decision.accuracy is not None:
        yield ""
        interval = f"{decision.rules.confidence:.0%} interval"
        yield f"| | candidate | champion | gain | {interval} | counts from | loss allowed |"
        yield "| --- | --- | --- | --- | --- | --- | --- |"
        yield _row(f"median steps, none beyond {decision.horizon:,}", decision.time, "{:,.0f}", "{:+.1%}")
        yield _row("median final accuracy", decision.accuracy, "{:.4f}", "{:+.4f}")
    if decision.failing is not None:
        yield ""
        yield _text(_failing(decision, decision.failing))
    yield ""
    yield f"| seed | {code(decision.candidate.split)} held from step | final accuracy | run |"
    yield "| --- | --- | --- | --- |"
    yield from _seeds(decision.candidate, decision.runs)
    yield ""
    yield f"Record: {code(decision.uri)}, of {decision.decided}."


def _standing(decision: Decision) -> str:
    """Say whether the decision has been carried out."""
    if decision.promoted is not None:
        return f"The candidate is version {decision.promoted} of the champion."
    if decision.verdict == "promote":
        return "The promotion has not been carried out."
    if decision.against is None:
        return "There is no champion yet."
    return f"Version {decision.against} stays the champion."


def _failing(decision: Decision, failing: Failures) -> str:
    """Say how many seeds fail, and how many more than the champion's might."""
    ours = len(decision.candidate.seeds)
    theirs = 0 if decision.champion_summary is None else decision.champion_summary.seeds
    return (
        f"Failing seeds: {failing.candidate} of {ours}, and {failing.champion} of the champion's {theirs}; "
        f"{decision.rules.confidence:.0%} limits of the excess {failing.lower:+.0%} to {failing.upper:+.0%}; "
        f"{failing.margin:.0%} allowed."
    )


def _row(what: str, gain: Gain, value: str, change: str) -> str:
    cells = (
        what,
        value.format(gain.candidate),
        value.format(gain.champion),
        change.format(gain.gain),
        f"{change.format(gain.lower)} to {change.format(gain.upper)}",
        change.format(gain.minimum),
        change.format(gain.margin).lstrip("+"),
    )
    return f"| {' | '.join(cells)} |"


def _seeds(challenger: Challenger, runs: Sequence[str]) -> Iterator[str]:
    for seed, run in zip(challenger.seeds, runs, strict=True):
        held = f"{seed.steps:,}" if seed.reached else f"not by {seed.steps:,}"
        accuracy = "not finite" if seed.accuracy is None or not seed.finite else f"{seed.accuracy:.4f}"
        yield f"| {seed.seed} | {held} | {accuracy} | {code(run)} |"


def summary_text(summary: Summary) -> str:
    """Summarize a challenger: `5 of 5 seeds hold 0.99 on test_inferred_ood, median from step 3,000, ...`."""
    median = "later than they ran" if summary.median_steps is None else f"from step {summary.median_steps:,}"
    accuracy = "not finite" if summary.mean_accuracy is None else f"{summary.mean_accuracy:.4f}"
    return (
        f"{summary.reached} of {summary.seeds} seeds hold {summary.threshold:g} on {summary.split}, "
        f"median {median}, mean final accuracy {accuracy}"
    )


def origin_text(entry: ChampionVersion) -> str:
    """Say whether a version was promoted or restored."""
    if entry.restores is not None:
        return f"rollback to version {entry.restores}"
    return "first champion" if entry.previous is None else f"promoted over version {entry.previous}"


def code(text: str) -> str:
    """Quote text as inline code that is safe in a table."""
    return f"`{text.replace('`', chr(39)).replace('|', '/')}`"


def _text(text: str) -> str:
    """Escape Markdown and HTML in a sentence."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("_", "\\_").replace("*", "\\*")
