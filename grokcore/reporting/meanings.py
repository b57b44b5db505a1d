"""How the words of a report are meant, with the numbers that its runs were judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from grokcore.reporting.formatting import threshold
from grokcore.runs.evaluation import Verdict
from grokcore.spec.training import STABLE_THRESHOLD

OUTCOMES: dict[Verdict, str] = {
    "grokked": "grokked it",
    "generalised": "generalised along with training",
    "collapsed": "reached it and lost it again",
    "censored": "did not hold the threshold within their budget",
}
"""What became of runs, by verdict."""


def meanings(thresholds: Iterable[float], settings: Sequence[Mapping[str, object]]) -> list[str]:
    """How the words of a report are meant.

    Args:
        thresholds: that its runs were judged by.
        settings: fields of the specs' `evaluation`; what they agree in is told as a number.
    """
    lines = []
    chosen = sorted(set(thresholds))
    reached = " or ".join(threshold(value) for value in chosen)
    lines.append(f"Threshold: an accuracy of {reached} counts as reached{'' if len(chosen) == 1 else ' (by run)'}.")
    sustain, window = _agreed(settings, "sustain"), _agreed(settings, "window")
    lasting = f"every evaluation from step t to {window} t" if window else "every evaluation of the steps that follow"
    least = f", at least {sustain} in a row," if sustain else ""
    lines.append(
        f"Sustained at step t: {lasting}{least} reaches the threshold. Verdicts and marks use this definition."
    )
    floors = {_floor(setting) for setting in settings}
    floor = floors.pop() if len(floors) == 1 else None
    below = "far below it" if floor is None else f"below {threshold(floor)}"
    lines.append(
        "First crossing: the first evaluation at the threshold. Stable: the first at the threshold from which on none "
        f"lies {below}, to the end of the run; it may come before sustained, which asks for the whole threshold."
    )
    delay = _agreed(settings, "delay")
    late = f"by a factor of {delay} or more " if delay else ""
    lines.append(
        f"Grokked: sustained {late}later than on the training set (T_split / T_train); generalised: sustained, but not "
        "delayed. A run that ended first is censored: not reached so far, which is not never."
    )
    lines.append("Majority baseline: the accuracy of always giving a split's most common answer.")
    return lines


def _floor(setting: Mapping[str, object]) -> float | None:
    """The accuracy that a stable run never falls below, as a spec's `evaluation` has it."""
    given, limit = setting.get("stable_threshold"), setting.get("threshold")
    if isinstance(given, int | float):
        return float(given)
    return min(STABLE_THRESHOLD, float(limit)) if isinstance(limit, int | float) else None


def _agreed(settings: Sequence[Mapping[str, object]], key: str) -> str:
    """A setting's value where all runs have the same, else nothing."""
    values = {repr(setting.get(key)) for setting in settings}
    value = settings[0].get(key)
    return f"{value:g}" if len(values) == 1 and isinstance(value, int | float) else ""
