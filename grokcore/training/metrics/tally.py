"""What is counted over the evaluations of one process, those that are thrown away when a run walks back included."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Line = Mapping[str, Any]


@dataclass
class Tally:
    """
    Attributes:
        nonfinite: losses and weight norms that were no numbers.
        steps_skipped: optimiser steps that were not applied.
    """

    nonfinite: int = 0
    steps_skipped: int = 0

    def add(self, line: Line, before: Line | None) -> None:
        """Count an evaluation; `before` is the one that it follows."""
        losses = [measure["loss"] for measure in (line["train"], *line["splits"].values())]
        self.nonfinite += sum(value is None for value in (*losses, line["weight_norm"]))
        skipped = before["steps_skipped"] if before is not None else 0
        self.steps_skipped += max(0, line["steps_skipped"] - skipped)
