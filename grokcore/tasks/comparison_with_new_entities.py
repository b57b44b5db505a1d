"""The data of a comparison to which a second training adds entities: what is a grokked start worth for them?

Every new entity has a value for every attribute. Pairs of a new entity and a known one that is in-domain for the
attribute are new_old, pairs of two new ones new_new, in both orders. A coin lays each pair aside for a test or for
training, whatever `share_in_inferred` is, so that a curve over this share is measured on the same rows:

    atomic_new          the values of the new entities                                          train
    new_inferred        pairs laid aside for training whose new entities are all among the      train
                        share `share_in_inferred`; a larger share only adds rows
    new_old, new_new    pairs laid aside for a test                                             held out
    old                 test_inferred_iid of the first training: what is forgotten              held out

All old rows stay as they were. A new entity is a token at the end of the vocabulary; a first training with `stated`
false has it there too, in no row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.spec import ComparisonTask, NewEntities
from grokcore.tasks.attribute_facts import LABELS, AttributeFacts, Tokens, inferred_baseline
from grokcore.tasks.base import MAX_ROWS, Role, Rows, Split, TaskData
from grokcore.tasks.random import Indices, Stream, pairs_between, pairs_within
from grokcore.tasks.transfer import check_powered, order_of

KINDS = ("new_old", "new_new")
_MORE = {
    "old": "raise test_ratio={task.test_ratio:g} or entities",
    "new_old": "raise new_facts.reserved_entities={new.reserved_entities} or entities",
    "new_new": "raise new_facts.reserved_entities={new.reserved_entities}",
}
"""What to change where a held-out split is too small."""


def with_new_entities(
    task: ComparisonTask, new: NewEntities, old: AttributeFacts, tokens: Tokens, data: TaskData
) -> TaskData:
    """Add the new entities to the vocabulary, and their values and comparisons to the rows.

    Args:
        old: the known entities and their values.
        data: vocabulary, rows and splits without new entities.

    Raises:
        InputError: a held-out split has too few rows, or the new rows are too many.
    """
    specials = len(data.vocabulary)
    vocabulary = (*data.vocabulary, *(f"<e_{task.entities + number}>" for number in range(new.reserved_entities)))
    if not new.stated:
        return replace(data, vocabulary=vocabulary)
    if (most := task.attributes * new.reserved_entities * (task.entities + new.reserved_entities)) > MAX_ROWS:
        raise InputError(f"new_facts.reserved_entities={new.reserved_entities} gives up to {most} rows: lower it")
    everyone = _everyone(task, new, old)
    codes = _laid_aside(task, new, everyone)

    def entity(number: Indices) -> Indices:
        return np.where(number < task.entities, number, number - task.entities + specials)

    def inferred(kind: str) -> Rows:
        attribute, first, second = everyone.decoded(codes[kind])
        q, mask = tokens.special("<q>"), tokens.special("<mask>")
        answers = tokens.label(attribute, everyone.compare(attribute, first, second))
        return Rows.of_columns([tokens.attribute(attribute), q, entity(first), mask, entity(second)], answers)

    facts = np.zeros(everyone.values.shape, bool)
    facts[:, task.entities :] = True
    attribute, number = np.nonzero(facts)
    atomic = Rows.of_columns([entity(number), tokens.attribute(attribute)], tokens.value(everyone.values[facts]))
    compared = {kind: inferred(kind) for kind in ("new_inferred", *KINDS) if len(codes[kind])}

    probes, splits = dict(data.probes), dict(data.splits)
    probes["old"], splits["old"] = probes.pop("test_inferred_iid"), splits.pop("test_inferred_iid")
    splits["test_inferred_ood"] = replace(splits["test_inferred_ood"], role="diagnostic")
    splits["atomic_new"] = Split("train", len(atomic), everyone.majority_baseline(facts), everyone.chance(facts))
    for split, rows in compared.items():
        role: Role = "held_out" if split in KINDS else "train"
        splits[split] = Split(role, len(rows), inferred_baseline(tokens, rows), 1 / LABELS)
    for split, rows in {"atomic_new": atomic, **compared}.items():
        probes[split] = rows[Stream(task.seed, "comparison", "probes", split).sample(len(rows), task.probe_size)]
    check_powered(
        task.held_out_splits, splits, {split: text.format(task=task, new=new) for split, text in _MORE.items()}
    )
    train = {**data.train, "atomic_new": atomic}
    train |= {split: rows for split, rows in compared.items() if split not in KINDS}
    names = order_of(train, task.held_out_splits, splits)
    return TaskData(
        *(vocabulary, data.eos, data.prefixes, train),
        {name: probes[name] for name in names},
        {name: splits[name] for name in names},
    )


def _everyone(task: ComparisonTask, new: NewEntities, old: AttributeFacts) -> AttributeFacts:
    """Known entities, then new ones, which are in no domain."""
    shape = (task.attributes, new.reserved_entities)
    drawn = Stream(task.seed, "new entities", "values").integers(task.values, shape[0] * shape[1]).reshape(shape)
    none = np.zeros(shape, bool)
    return AttributeFacts(
        np.hstack([old.values, drawn]), np.hstack([old.id, none]), np.hstack([old.ood, none]), old.admitted
    )


def _laid_aside(task: ComparisonTask, new: NewEntities, everyone: AttributeFacts) -> dict[str, Indices]:
    """Return the comparisons of each kind that are tested, and those that training has, as codes."""
    shown = np.arange(everyone.entities) < task.entities
    taught = round(new.share_in_inferred * new.reserved_entities)
    shown[task.entities + Stream(task.seed, "new entities", "shown").sample(new.reserved_entities, taught)] = True
    found: dict[str, list[Indices]] = {"new_inferred": [], **{kind: [] for kind in KINDS}}
    for kind, attribute, first, second, test in _pairs(task, everyone):
        codes = everyone.both_orders(attribute, first, second).reshape(-1, 2)
        found[kind].append(codes[test].ravel())
        found["new_inferred"].append(codes[~test & shown[first] & shown[second]].ravel())
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _pairs(
    task: ComparisonTask, everyone: AttributeFacts
) -> Iterator[tuple[str, int, Indices, Indices, npt.NDArray[np.bool_]]]:
    """Yield kind, attribute, first and second entities, and whether each pair is tested, in chunks."""
    added = np.arange(task.entities, everyone.entities)
    for attribute in range(everyone.attributes):
        known = np.flatnonzero(everyone.id[attribute])
        for kind, chunks in (("new_old", pairs_between(added, known)), ("new_new", pairs_within(added))):
            coins = Stream(task.seed, "new entities", "held out", kind, attribute)
            for first, second in chunks:
                yield kind, attribute, first, second, coins.bernoulli(0.5, len(first))
