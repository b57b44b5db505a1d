"""How the words of a report are meant, with the numbers that its runs were judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from grokcore.evaluation.result import Verdict
from grokcore.reporting.formatting import threshold

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
    floor = _agreed(settings, "stable_threshold")
    below = f"below {threshold(float(floor))}" if floor else "far below it"
    lines.append(f"First crossing: the first evaluation at the threshold. Stable: never again {below}.")
    delay = _agreed(settings, "delay")
    late = f"by a factor of {delay} or more " if delay else ""
    lines.append(
        f"Grokked: sustained {late}later than on the training set (T_split / T_train); generalised: sustained, but not "
        "delayed. A run that ended first is censored: not reached so far, which is not never."
    )
    lines.append("Majority baseline: the accuracy of always giving a split's most common answer.")
    return lines


def _agreed(settings: Sequence[Mapping[str, object]], key: str) -> str:
    """A setting's value where all runs have the same, else nothing."""
    values = {repr(setting.get(key)) for setting in settings}
    value = settings[0].get(key)
    return f"{value:g}" if len(values) == 1 and isinstance(value, int | float) else ""
