"""Comparison: `<attr> <q> <e1> <mask> <e2>`, whose answer needs the value of both entities."""

from __future__ import annotations

import numpy as np

from grokcore.data import Dataset
from grokcore.interpret.cases.base import ANSWER, Case, Target, drawn
from grokcore.spec import ComparisonTask

ROLES = ("attr", "q", "e1", "mask", "e2")


def cases(task: ComparisonTask, dataset: Dataset, examples: int, seed: int) -> list[Case]:
    """Return the cases of the splits of comparisons."""
    found = []
    for split, rows in dataset.probes().items():
        if int(rows.lengths[0]) != len(ROLES):
            continue
        chosen = rows[drawn(len(rows), examples, seed, split)]
        answers = chosen.answers.astype(np.int64)
        answer = Target(ANSWER, ROLES[-1], answers, np.unique(answers))
        found.append(Case(split, ROLES, chosen.tokens.astype(np.int64), answers, (answer,), total=len(rows)))
    return found
