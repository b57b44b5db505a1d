"""New facts that a second training adds to those of a composition, to ask what a grokked start is worth.

Half of the known entities, and all reserved ones, are the heads of the new facts, as evenly as possible, each by
relations that it does not have in the old data. A *chained* new fact leads to such a head, any other to an entity that
is the head of old facts alone. Every path of two facts is new_old, old_new or new_new by which of its steps are new;
its old fact is in-domain. A coin lays each path aside for a test or for training, whatever `share_in_inferred` is, so
that a curve over this share is measured on the same rows:

    atomic_new                    the new facts                                                     train
    new_inferred                  paths laid aside for training whose new facts are all among the   train
                                  share `share_in_inferred`; a larger share only adds rows
    new_old, old_new, new_new     paths laid aside for a test                                       held out

All old rows stay as they were; `phi` samples the inferred ones. The old held-out paths are the split `old`, which shows
what is forgotten. A reserved entity is a token at the end of the vocabulary, and a first training with `facts` 0 has it
there too, in no row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grokcore.spec.tasks import NewFacts
from grokcore.tasks.random import Indices, Stream

KINDS = ("new_old", "old_new", "new_new")


@dataclass(frozen=True)
class Triples:
    """N facts: head, relation and tail, (N,) int64 each."""

    head: Indices
    relation: Indices
    tail: Indices

    def __getitem__(self, chosen: Indices | npt.NDArray[np.bool_]) -> Triples:
        return Triples(self.head[chosen], self.relation[chosen], self.tail[chosen])


@dataclass(frozen=True)
class NewPaths:
    """New facts and the paths over them, a path as head, first relation, second relation, tail: (N, 4) int64.

    Attributes:
        trained: paths that training composes.
        held_out: by kind, the paths laid aside for a test.
    """

    facts: Triples
    trained: Indices
    held_out: dict[str, Indices]


def draw_new_paths(seed: int, new: NewFacts, old: Triples, known: Triples, entities: int, relations: int) -> NewPaths:
    """Draw the new facts and their paths.

    Args:
        old: all old facts.
        known: the in-domain ones, with which new facts are composed.
        entities: known entities; the reserved ones are numbered from here on.
    """
    facts = _draw_facts(seed, new, old, entities, relations)
    shown = np.zeros(new.facts, bool)
    shown[Stream(seed, "new facts", "shown").sample(new.facts, round(new.share_in_inferred * new.facts))] = True
    sides = {
        "new_old": (facts, known, shown, np.ones(len(known.head), bool)),
        "old_new": (known, facts, np.ones(len(known.head), bool), shown),
        "new_new": (facts, facts, shown, shown),
    }
    trained, held_out = [], {}
    for kind, (one, other, one_shown, other_shown) in sides.items():
        first, second = joined(one.tail, other.head)
        test = Stream(seed, "new facts", "held out", kind).bernoulli(0.5, len(first))
        paths = np.column_stack([one.head[first], one.relation[first], other.relation[second], other.tail[second]])
        held_out[kind] = paths[test]
        trained.append(paths[~test & one_shown[first] & other_shown[second]])
    return NewPaths(facts, np.concatenate(trained), held_out)


def joined(tail: Indices, head: Indices) -> tuple[Indices, Indices]:
    """Every pair (i, j) with tail[i] == head[j], ordered by i, then j."""
    order = np.argsort(head, kind="stable")
    begin = np.searchsorted(head[order], tail, side="left")
    count = np.searchsorted(head[order], tail, side="right") - begin
    place = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(np.arange(len(tail)), count), order[np.repeat(begin, count) + place]


def _draw_facts(seed: int, new: NewFacts, old: Triples, entities: int, relations: int) -> Triples:
    everyone = entities + new.reserved_entities
    is_head = np.zeros(everyone, bool)
    is_head[Stream(seed, "new facts", "heads").sample(entities, entities // 2)] = True
    is_head[entities:] = True
    heads, others = np.flatnonzero(is_head), np.flatnonzero(~is_head)

    # The unused relations of each head in random order; taking the first of every head, then the second, is even.
    keys = Stream(seed, "new facts", "relations").words(everyone * relations).reshape(everyone, relations)
    used = np.zeros((everyone, relations), bool)
    used[old.head, old.relation] = True
    order = np.argsort(keys, axis=1, kind="stable")
    order = np.take_along_axis(
        order, np.argsort(np.take_along_axis(used, order, axis=1), axis=1, kind="stable"), axis=1
    )
    rounds, row = np.divmod(np.arange(relations * len(heads)), len(heads))
    shuffled = heads[np.argsort(Stream(seed, "new facts", "order").words(len(heads)), kind="stable")]
    head, relation = shuffled[row], order[shuffled[row], rounds]
    free = np.flatnonzero(~used[head, relation])[: new.facts]
    head, relation = head[free], relation[free]

    chained = np.zeros(len(head), bool)
    chained[Stream(seed, "new facts", "chained").sample(len(head), new.chained_facts)] = True
    tails = Stream(seed, "new facts", "tails")
    to_heads, to_others = tails.integers(len(heads), len(head)), tails.integers(len(others), len(head))
    return Triples(head, relation, np.where(chained, heads[to_heads], others[to_others]))
