"""What a PromQL expression names: enough of its grammar to find series and labels."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SERIES = re.compile(
    r"\b((?:[a-z_]+:)?(?:grokking|kube|kueue|container|DCGM)_[A-Za-z0-9_]+(?::[a-z0-9_]+)?)\b(?:\{([^}]*)\})?"
)
_MATCHER = re.compile(r"([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


def series(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The name of each series, recorded ones too, and the labels by which it is selected."""
    for name, matchers in _SERIES.findall(expression):
        yield name, set(_MATCHER.findall(matchers))


def grouping_labels(expression: str) -> set[str]:
    """The labels by which an expression groups or joins."""
    listed = ",".join(_LABELS.findall(expression))
    return {label.strip() for label in listed.split(",") if label.strip()}


_COMPARISON = re.compile(r"(?<![=<>!{\w])(>=|<=|==|>|<)(?![=~])")
_NUMBER = re.compile(r"(?<![\w.:])(\d+(?:\.\d+)?)(?![\w.:\]])")
_OPPOSITE = {">": "<=", "<": ">=", ">=": "<", "<=": ">", "==": "!="}


def mutants(expression: str) -> Iterator[tuple[str, str]]:
    """What was changed, and the expression, for each way to break it: a comparison turned round, a number doubled."""
    for found in _COMPARISON.finditer(expression):
        broken = expression[: found.start()] + _OPPOSITE[found[1]] + expression[found.end() :]
        yield f"comparison-{found[1]}-at-{found.start()}", broken
    for found in _NUMBER.finditer(expression):
        number = float(found[1]) * 2 or 1.0
        yield (
            f"number-{found[1]}-at-{found.start()}",
            f"{expression[: found.start()]}{number:g}{expression[found.end() :]}",
        )
