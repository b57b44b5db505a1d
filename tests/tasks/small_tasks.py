"""One small task of every kind, for what holds for all of them; of a kind that is not listed, the default."""

from __future__ import annotations

from typing import Any

from grokcore.spec import (
    ComparisonTask,
    ComplexReasoningTask,
    CompositionTask,
    InContextModularTask,
    InContextTask,
    ModularTask,
    PermutationsTask,
    TaskSpec,
)
from grokcore.spec.tasks import CLASSES
from grokcore.tasks import Rows, TaskData

ALL = 10**9
"""A probe size that no split reaches: the probes are then the full splits."""

_LISTED: dict[str, TaskSpec] = {
    "comparison": ComparisonTask(entities=30, attributes=2, values=4, phi=5, probe_size=40),
    "modular": ModularTask(modulus=11, probe_size=40),
    "composition": CompositionTask(
        entities=20, relations=8, out_degree=6, phi=3, ood_ratio=0.2, test_ratio=0.1, probe_size=40
    ),
    "complex_reasoning": ComplexReasoningTask(
        entities=60, attributes=2, values=6, id_ratio=0.7, train_ratio=0.06, probe_size=40
    ),
    "in_context": InContextTask(
        entities=12, values=5, context=3, long_context=5, id_ratio=0.7, train_size=300, probe_size=40
    ),
    "in_context_modular": InContextModularTask(
        modulus=5, context=4, functions=16, input_ratio=0.6, train_size=300, probe_size=40
    ),
    "permutations": PermutationsTask(degree=4, probe_size=40),
}


SMALL: dict[str, Any] = {
    kind: _LISTED[kind] if kind in _LISTED else member(probe_size=40) for kind, member in CLASSES.items()
}


def texts(data: TaskData, rows: Rows) -> list[tuple[tuple[str, ...], str]]:
    """Every row as its question's tokens and its answer, as text."""
    names = data.vocabulary
    return [
        (tuple(names[token] for token in tokens[:length]), names[answer])
        for tokens, length, answer in zip(
            rows.tokens.tolist(), rows.lengths.tolist(), rows.answers.tolist(), strict=True
        )
    ]


def with_all_probes(task: Any) -> Any:
    return task.model_copy(update={"probe_size": ALL})
