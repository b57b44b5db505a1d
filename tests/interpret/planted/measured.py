"""What analyses find in a model, as rows and as sites."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from grokcore.interpret import lens, tracing
from grokcore.interpret.number import Number
from grokcore.interpret.result import table_of
from grokcore.interpret.subject import Subject


def rows_of(subject: Subject, steps: tuple[int, ...] = (1, 2, 3)) -> list[dict[str, Any]]:
    """The rows of lens and tracing, as if the model were the same at several steps."""
    numbers = [("lens", one) for one in lens.measure(subject)] + [("tracing", one) for one in tracing.measure(subject)]
    return table_of((step, name, one) for step in steps for name, one in numbers).to_pylist()


def where(numbers: Iterable[Number], least: float = 0.5) -> set[tuple[int | None, str]]:
    """The sites of a map with a value above a half."""
    return {(one.layer, one.position) for one in numbers if one.layer is not None and one.value > least}
