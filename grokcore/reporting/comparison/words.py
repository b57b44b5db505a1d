"""Outcomes in words: medians with their limits, counts, and what a group came to in a sentence."""

from __future__ import annotations

from grokcore.reporting.comparison.outcomes import Outcome
from grokcore.reporting.formatting import NARROW, NOTHING, count, significant
from grokcore.reporting.meanings import OUTCOMES


def median_text(outcome: Outcome) -> str:
    """The median: 2,200, or > 4,000 where half the seeds take longer than was seen."""
    return f">{NARROW}{count(outcome.median.step)}" if outcome.median.censored else count(outcome.median.step)


def limits_text(limits: tuple[float | None, float | None]) -> str:
    """Limits of an interval: 1,900 to 2,600; 1,900 or more; nothing where neither is known. Below 0 nothing lies."""
    match (limits[0] or None, limits[1]):
        case None, None:
            return ""
        case low, None:
            return f"{_number(low)} or more"
        case None, high:
            return f"{_number(high)} or less"
        case low, high:
            return f"{_number(low)} to {_number(high)}"


def shown(outcome: Outcome) -> str:
    """The median with its interval, in steps."""
    limits = limits_text(outcome.limits)
    return f"{median_text(outcome)} (95{NARROW}%: {limits})" if limits else median_text(outcome)


def verdicts_text(outcome: Outcome) -> str:
    """3 grokked, 1 censored."""
    return ", ".join(f"{outcome.verdicts[verdict]} {verdict}" for verdict in OUTCOMES if outcome.verdicts[verdict])


def delay_text(outcome: Outcome) -> str:
    """T_split / T_train: 3.7 x, > 12 x."""
    delay = outcome.delay
    if delay is None or delay.median is None:
        return NOTHING
    return f"{'>' + NARROW if delay.censored else ''}{significant(delay.median, 2)}{NARROW}×"  # noqa: RUF001


def p_text(p: float | None) -> str:
    """A p value in two digits; one below a ten-thousandth says just that."""
    if p is None:
        return NOTHING
    return f"<{NARROW}0.0001" if p < 1e-4 else significant(p, 2)


def ratio_text(ratio: float | None) -> str:
    """A ratio of times: 1.4 x."""
    return NOTHING if ratio is None else f"{significant(ratio, 2)}{NARROW}×"  # noqa: RUF001


def number_text(value: float | int | str | None) -> str:
    """A number of a claim's evidence as it stands, without digits that mean nothing."""
    return value if isinstance(value, str) else NOTHING if value is None else _number(value)


def _number(value: float | None) -> str:
    return (
        NOTHING
        if value is None
        else count(value)
        if value >= 100 or float(value).is_integer()
        else significant(value, 2)
    )
