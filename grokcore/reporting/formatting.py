"""Numbers, times and verdicts as people read them, and the definitions of the words on a page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from grokcore.runs.evaluation import Verdict
from grokcore.spec.training import STABLE_THRESHOLD

NOTHING = "–"  # noqa: RUF001 - the dash of an empty cell
NARROW = "\u202f"
"""A narrow space that does not break: between a number and its unit."""


def count(number: float | None) -> str:
    """1234567 as 1,234,567."""
    return NOTHING if number is None else f"{number:,.0f}"


def significant(number: float | None, digits: int = 3) -> str:
    """Three significant digits: 1,230; 6.27; 0.00123; 4.5e-7; 1.2e+09 becomes 1.2e9."""
    if number is None or not math.isfinite(number):
        return NOTHING
    if number == 0:
        return "0"
    number = float(f"{number:.{digits - 1}e}")
    exponent = math.floor(math.log10(abs(number)))
    if -4 <= exponent < 6:
        return f"{number:,.{max(0, digits - 1 - exponent)}f}" if exponent < digits else f"{number:,.0f}"
    mantissa = f"{number / 10**exponent:.{digits - 1}f}".rstrip("0").rstrip(".")
    return f"{mantissa}e{exponent}"


def percent(share: float | None) -> str:
    """0.98765 as 98.8 %; a share just below 1 never reads as 100 %, one just above 0 never as 0 %."""
    if share is None or not math.isfinite(share):
        return NOTHING
    for decimals in (1, 2, 3, 4):
        text = f"{100 * share:.{decimals}f}"
        if float(text) not in (0, 100) or share in (0, 1):
            break
    whole = text.rstrip("0").rstrip(".") if float(text) in (0, 100) else text
    return f"{whole}{NARROW}%"


def threshold(share: float) -> str:
    """A threshold as it was chosen: 0.99 as 99 %, 0.975 as 97.5 %."""
    return f"{100 * share:.6g}{NARROW}%"


def flops(number: float | None) -> str:
    """1.2e15 as 1.20 PFLOP."""
    if number is None or not math.isfinite(number):
        return NOTHING
    number = float(f"{number:.2e}")
    for scale, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= scale:
            return f"{significant(number / scale)}{NARROW}{prefix}FLOP"
    return f"{significant(number)}{NARROW}FLOP"


def duration(seconds: float | None) -> str:
    """72 as 1 min 12 s, in at most two units."""
    if seconds is None or not math.isfinite(seconds):
        return NOTHING
    if seconds < 59.5:
        return f"{significant(seconds, 2) if seconds < 10 else round(seconds)}{NARROW}s"
    whole = round(seconds)
    for large, large_unit, small, small_unit in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= large:
            rest = whole % large // small
            return f"{whole // large}{NARROW}{large_unit}" + (f" {rest}{NARROW}{small_unit}" if rest else "")
    return f"{whole}{NARROW}s"


def times(ratio: float | None) -> str:
    """6.4 as 6.4 ×."""
    return NOTHING if ratio is None else f"{significant(ratio, 2 if ratio < 100 else 3)}{NARROW}×"  # noqa: RUF001


def moment(text: str | None) -> str:
    """An ISO 8601 moment as 2026-11-21 09:00 UTC; anything else as it stands."""
    if text is None:
        return NOTHING
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return text
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if when.tzinfo else f"{when:%Y-%m-%d %H:%M}"


def setting(value: Any, key: str = "") -> str:
    """A value of a manifest, exact: a reader may want to type it into a spec."""
    match value:
        case None | [] | "":
            return "none"
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value) if "seed" in key or abs(value) < 10_000 else f"{value:,}"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e6 else f"{value!r}"
        case str():
            return value
        case list() if all(isinstance(item, str | int | float) and not isinstance(item, bool) for item in value):
            return ", ".join(setting(item, key) for item in value)
        case _:
            return json.dumps(value, sort_keys=True)


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


OUTCOMES: dict[Verdict, str] = {
    "grokked": "grokked it",
    "generalized": "generalized along with training",
    "collapsed": "reached it and lost it again",
    "censored": "did not hold the threshold within their budget",
}
"""Verdicts as parts of a sentence."""


def phase_definitions(thresholds: Iterable[float], settings: Sequence[Mapping[str, object]]) -> list[str]:
    """Define the words of a page.

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
        f"Grokked: sustained {late}later than on the training set (T_split / T_train); generalized: sustained, but not "
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
