"""Comparison: `<attr> <q> <e1> <mask> <e2>`, whose answer needs the value of both entities."""

from __future__ import annotations

from grokcore.data import Dataset
from grokcore.interpret.cases.attributes import AttributeQuestions, labels_by_name
from grokcore.interpret.cases.base import Case
from grokcore.interpret.cases.facts import Facts, Training
from grokcore.spec import ComparisonTask
from grokcore.tasks.comparison_with_prompts import without_prompts

ROLES = ("attr", "q", "e1", "mask", "e2")
ATOMIC = ("e", "attr")


def cases(task: ComparisonTask, dataset: Dataset, examples: int, seed: int) -> list[Case]:
    """Return the cases of all splits, comparisons and atomic facts, without their prompts.

    Splits that ask for new entities are left out: what is known of these stands in the prompt alone.
    """
    train, probes = dataset.train_splits(), dataset.probes()
    if task.prompts is not None:
        train = {split: without_prompts(split, rows) for split, rows in train.items() if "told" not in split}
        probes = {split: without_prompts(split, rows) for split, rows in probes.items() if "told" not in split}
    training = Training(train)
    questions = AttributeQuestions(Facts.read_back(train), labels_by_name(dataset.vocabulary), ROLES, ATOMIC)
    return [
        questions.case(split, rows, training.alike(split, int(rows.lengths[0])), examples, seed)
        for split, rows in probes.items()
    ]
