"""The data of a composition to which a second training adds new facts (`grokcore.tasks.new_facts` draws them)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grokcore.spec import CompositionTask, NewFacts
from grokcore.tasks.base import Role, Rows, Split, TaskData, majority_baseline
from grokcore.tasks.new_facts import KINDS, Triples, draw_new_paths
from grokcore.tasks.random import Indices, Stream
from grokcore.tasks.transfer import check_powered, order_of

_MORE = {
    "old": "raise test_ratio={task.test_ratio:g}",
    "new_old": "raise new_facts.facts={new.facts} or out_degree={task.out_degree}",
    "old_new": "raise new_facts.facts={new.facts} or out_degree={task.out_degree}",
    "new_new": "raise new_facts.chained={new.chained_facts} or new_facts.facts={new.facts}",
}
"""What to change where a held-out split is too small."""


def with_new_facts(task: CompositionTask, new: NewFacts, old: Triples, known: Triples, data: TaskData) -> TaskData:
    """Add the reserved entities to the vocabulary, and the new facts and their paths to the rows.

    Args:
        old: all old facts.
        known: the in-domain ones, with which new facts are composed.
        data: vocabulary, rows and splits without new facts.

    Raises:
        InputError: a held-out split has too few rows.
    """
    entities, specials = task.entities, data.vocabulary
    vocabulary = (*specials, *(f"<e_{entities + number}>" for number in range(new.reserved_entities)))
    if not new.facts:
        return replace(data, vocabulary=vocabulary)

    def entity(number: Indices) -> Indices:
        return np.where(number < entities, number, number - entities + len(specials))

    drawn = draw_new_paths(task.seed, new, old, known, entities, task.relations)

    def rows(path: Indices) -> Rows:
        head, first, second, tail = path.T
        return Rows.of_columns([entity(head), first + entities, second + entities], entity(tail))

    facts = Rows.of_columns([entity(drawn.facts.head), drawn.facts.relation + entities], entity(drawn.facts.tail))
    added = {"atomic_new": facts}
    if len(drawn.trained):
        added["new_inferred"] = rows(drawn.trained)
    train = {**data.train, **added}
    probes, splits = dict(data.probes), dict(data.splits)
    probes["old"], splits["old"] = probes.pop("test_inferred_iid"), splits.pop("test_inferred_iid")
    splits["test_inferred_ood"] = replace(splits["test_inferred_ood"], role="diagnostic")
    for split, full in {**added, **{kind: rows(drawn.held_out[kind]) for kind in KINDS}}.items():
        probes[split] = full[Stream(task.seed, "composition", "probes", split).sample(len(full), task.probe_size)]
        answers = np.bincount(full.answers)[np.newaxis] if len(full) else np.ones((1, 1), np.int64)
        role: Role = "held_out" if split in KINDS else "train"
        splits[split] = Split(role, len(full), majority_baseline(answers), 1 / (entities + new.reserved_entities))
    check_powered(
        task.held_out_splits, splits, {split: text.format(task=task, new=new) for split, text in _MORE.items()}
    )
    names = order_of(train, task.held_out_splits, splits)
    return TaskData(
        *(vocabulary, data.eos, (), train),
        {name: probes[name] for name in names},
        {name: splits[name] for name in names},
    )
