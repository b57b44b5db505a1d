"""The analyses: what each measures, and where it is implemented. No torch: names are listed without it."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from grokcore.interpret.number import Number


@dataclass(frozen=True)
class AnalysisEntry:
    """One analysis.

    Attributes:
        module: where its `measure(subject)` is, which yields `Number`s.
        measures: what, in a line.
        default: whether it runs unless others are named.
        tasks: the kinds of task that it is defined for; empty for all.
    """

    module: str
    measures: str
    default: bool = True
    tasks: tuple[str, ...] = ()

    @property
    def measure(self) -> Callable[[Any], Iterable[Number]]:
        """Return the function (Subject) -> its numbers."""
        measure: Callable[[Any], Iterable[Number]] = importlib.import_module(self.module).measure
        return measure


ANALYSES: dict[str, AnalysisEntry] = {
    "lens": AnalysisEntry("grokcore.interpret.lens", "logit lens: rank of what is to be known, by layer and position"),
    "tracing": AnalysisEntry(
        "grokcore.interpret.tracing", "causal tracing: how far streams of a counterfactual carry its answer along"
    ),
    "ablation": AnalysisEntry(
        "grokcore.interpret.ablation",
        "what accuracy loses when a head or a mixer is replaced by its mean",
        default=False,
    ),
    "mixing": AnalysisEntry(
        "grokcore.interpret.mixing", "which positions every position reads: value-zeroing, input-zeroing"
    ),
    "attention": AnalysisEntry(
        "grokcore.interpret.attention", "attention weights, of recurrences unrolled, as shares of every row"
    ),
    "activations": AnalysisEntry(
        "grokcore.interpret.activations", "norms and ranks of streams, linear probes, cosines to centroids of targets"
    ),
    "shots": AnalysisEntry(
        "grokcore.interpret.shots",
        "few-shot curve: accuracy of the k-th answer of a row",
        tasks=("in_context_modular",),
    ),
    "norms": AnalysisEntry("grokcore.interpret.progress.norms", "weight norms by role, ranks of matrices"),
    "saturation": AnalysisEntry("grokcore.interpret.progress.saturation", "scale of logits, margins, softmax collapse"),
    "fourier": AnalysisEntry(
        "grokcore.interpret.progress.fourier",
        "restricted and excluded loss over key frequencies",
        tasks=("modular",),
    ),
    "local_complexity": AnalysisEntry(
        "grokcore.interpret.progress.local_complexity",
        "sign changes of hidden units near training rows",
        default=False,
    ),
    "llc": AnalysisEntry(
        "grokcore.interpret.progress.learning_coefficient", "local learning coefficient, by SGLD", default=False
    ),
}
"""Every analysis, in the order of reports."""


def default_analyses() -> tuple[str, ...]:
    return tuple(name for name, entry in ANALYSES.items() if entry.default)
