"""Complex reasoning: `<attr> <q> <e1> <mask> <e2> </q> <a>`; values of out-of-domain entities are never stated."""

from __future__ import annotations

import numpy as np

from grokcore.data import Dataset, Rows, read_facts
from grokcore.data.info import FACTS_FILE
from grokcore.interpret.cases.attributes import AttributeQuestions, labels_by_name
from grokcore.interpret.cases.base import Case
from grokcore.interpret.cases.facts import Allowed, Facts, RowSet, Training
from grokcore.spec import ComplexReasoningTask
from grokcore.tasks.attribute_facts import AttributeFacts, Tokens, draw_facts, split_facts

ROLES = ("attr", "q", "e1", "mask", "e2", "/q", "a")
ATOMIC = ("q", "e", "attr", "mask", "/q", "a")
FOLLOWING = ("test_inferred_ood", "test_inferred_ood_stated")
"""Splits of pairs that follow by chaining."""


def cases(task: ComplexReasoningTask, dataset: Dataset, examples: int, seed: int) -> list[Case]:
    """Return the cases of all splits; the values are those that the task drew, since not all are stated."""
    labels = labels_by_name(dataset.vocabulary)
    questions = AttributeQuestions(_facts(task, dataset), labels, ROLES, ATOMIC)
    training, probes = Training(dataset.train_splits()), dataset.probes()
    following = [probes[split] for split in FOLLOWING if split in probes]
    return [
        questions.case(
            split,
            rows,
            _among(following) if split in FOLLOWING else training.alike(split, int(rows.lengths[0])),
            examples,
            seed,
        )
        for split, rows in probes.items()
    ]


def _among(parts: list[Rows]) -> Allowed:
    """Return the rule that a counterfactual is one of these questions: no other is known to have an answer."""
    return RowSet(np.concatenate([part.tokens for part in parts])).contains


def _facts(task: ComplexReasoningTask, dataset: Dataset) -> Facts:
    """Return all facts, of which training states those of domain 0."""
    if task.facts is None:
        drawn = draw_facts(
            task.seed,
            task.kind,
            entities=task.entities,
            attributes=task.attributes,
            values=task.values,
            in_domain=task.in_domain_entities,
        )
        return _as_tokens(
            drawn, Tokens.numbered(entities=task.entities, attributes=task.attributes, values=task.values)
        )
    table = read_facts(dataset.path / FACTS_FILE, "attributes")
    return _as_tokens(split_facts(task.seed, task.kind, table, task.id_ratio), Tokens.named(table))


def _as_tokens(facts: AttributeFacts, tokens: Tokens) -> Facts:
    attribute, entity = np.nonzero(facts.id | facts.ood)
    values, domain = facts.values[attribute, entity], facts.ood[attribute, entity].astype(np.int64)
    return Facts(entity, tokens.attribute(attribute), tokens.value(values), domain)
