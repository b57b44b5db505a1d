"""Comparison of two entities by an attribute (Wang et al., arXiv 2405.15071, section 4).

Each entity e has a value v(e, attr) for each attribute, drawn uniformly. An atomic fact states one value, an inferred
fact compares two. Rows of a data set with v(e_17, attr_3) = 4 and v(e_5, attr_3) = 9:

    question                               answer
    <e_17> <attr_3>                        <4>         </a>     atomic
    <e_5> <attr_3>                         <9>         </a>     atomic
    <attr_3> <q> <e_17> <mask> <e_5>       <attr_3_0>  </a>     inferred: smaller
    <attr_3> <q> <e_5> <mask> <e_17>       <attr_3_2>  </a>     inferred: greater (<attr_3_1>: equal)

Per attribute, a random share of the entities is out-of-domain (OOD), the others in-domain (ID):

    id_atomic, ood_atomic   all atomic facts                                    train
    train_inferred          ID-ID pairs, row by row down-sampled to phi         train
    test_inferred_iid       ID-ID pairs, held out with probability test_ratio   held out
    test_inferred_ood       OOD-OOD pairs                                       held out
    test_inferred_mixed     ID-OOD pairs, in no split of the original           diagnostic

A pair is unordered and never of an entity with itself; both its orders go to the same split. In training, an entity
that is OOD for an attribute is never compared by it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.spec import ComparisonTask
from grokcore.tasks.base import EOS, Role, Rows, Split, TaskData, majority_baseline
from grokcore.tasks.random import BottomK, Indices, Stream

ROLES: dict[str, Role] = {
    "id_atomic": "train",
    "ood_atomic": "train",
    "train_inferred": "train",
    "test_inferred_iid": "held_out",
    "test_inferred_ood": "held_out",
    "test_inferred_mixed": "diagnostic",
}
LABELS = 3
"""Smaller, equal, greater: each attribute has its own three."""
MAX_ROWS = 50_000_000
MAX_PAIRS = 10_000_000_000


@dataclass(frozen=True)
class Tokens:
    """The ids of the vocabulary: entities, attributes, values, specials, three labels per attribute."""

    entities: int
    attributes: int
    values: int

    SPECIALS = ("<mask>", "<sep>", "<a>", EOS, "<q>", "</q>")

    def vocabulary(self) -> tuple[str, ...]:
        return (
            *(f"<e_{entity}>" for entity in range(self.entities)),
            *(f"<attr_{attribute}>" for attribute in range(self.attributes)),
            *(f"<{value}>" for value in range(self.values)),
            *self.SPECIALS,
            *(f"<attr_{attribute}_{label}>" for attribute in range(self.attributes) for label in range(LABELS)),
        )

    def attribute(self, attribute: Indices) -> Indices:
        return attribute + self.entities

    def value(self, value: Indices) -> Indices:
        return value + self.entities + self.attributes

    def special(self, token: str) -> int:
        return self.entities + self.attributes + self.values + self.SPECIALS.index(token)

    def label(self, attribute: Indices, label: Indices) -> Indices:
        first = self.entities + self.attributes + self.values + len(self.SPECIALS)
        return first + attribute * LABELS + label


@dataclass(frozen=True)
class Facts:
    """The atomic facts.

    Attributes:
        values: (attributes, entities) int64.
        ood: (attributes, entities) bool, whether the entity is out-of-domain for the attribute.
    """

    values: Indices
    ood: npt.NDArray[np.bool_]

    def compare(self, attribute: Indices | int, first: Indices, second: Indices) -> Indices:
        """0 where the first entity's value is smaller, 1 where they are equal, 2 where it is greater."""
        difference: Indices = self.values[attribute, first] - self.values[attribute, second]
        return np.sign(difference) + 1


def build(task: ComparisonTask) -> TaskData:
    """The facts and splits of `task`; with the same seed, raising `phi` or `probe_size` only adds rows.

    Raises:
        InputError: a split came out empty, fewer pairs were drawn for training than `phi` asks for, or the data are
            too many.
    """
    _check_size(task)
    facts = _draw_facts(task)
    tokens = Tokens(task.entities, task.attributes, task.values)
    inferred, counts = _draw_inferred(task, facts)

    train = {
        "id_atomic": _atomic_rows(tokens, facts, ~facts.ood),
        "ood_atomic": _atomic_rows(tokens, facts, facts.ood),
        "train_inferred": _inferred_rows(tokens, facts, inferred["train_inferred"].rows()),
    }
    probes = {
        split: rows[Stream(task.seed, "comparison", "probes", split).sample(len(rows), task.probe_size)]
        for split, rows in train.items()
    }
    splits = {
        "id_atomic": Split("train", len(train["id_atomic"]), _atomic_baseline(facts, ~facts.ood)),
        "ood_atomic": Split("train", len(train["ood_atomic"]), _atomic_baseline(facts, facts.ood)),
        "train_inferred": Split(
            "train", len(train["train_inferred"]), _inferred_baseline(tokens, train["train_inferred"])
        ),
    }
    for split in inferred.keys() - train.keys():
        probes[split] = _inferred_rows(tokens, facts, inferred[split].rows())
        splits[split] = Split(ROLES[split], inferred[split].offered, majority_baseline(counts[split]))
    return TaskData(
        vocabulary=tokens.vocabulary(),
        eos=tokens.special(EOS),
        prefixes=tuple((task.entities + attribute, tokens.special("<q>")) for attribute in range(task.attributes)),
        train=train,
        probes={split: probes[split] for split in ROLES},
        splits={split: splits[split] for split in ROLES},
    )


def _check_size(task: ComparisonTask) -> None:
    pairs = task.attributes * math.comb(task.entities, 2)
    if pairs > MAX_PAIRS:
        raise InputError(
            f"entities={task.entities} and attributes={task.attributes} give {pairs:.2g} pairs, more than the "
            f"{MAX_PAIRS:.0e} that can be drawn: lower entities or attributes"
        )
    if min(task.probe_size, 2 * pairs) > MAX_ROWS:
        raise InputError(f"probe_size={task.probe_size} is more than the {MAX_ROWS} that fit in memory: lower it")
    rows = task.attributes * task.entities + round(task.phi * task.id_atomic_facts)
    if rows > MAX_ROWS:
        raise InputError(
            f"phi={task.phi:g} with entities={task.entities} and attributes={task.attributes} gives {rows} training "
            f"rows, more than the {MAX_ROWS} that fit in memory: lower phi, entities or attributes"
        )


def _draw_facts(task: ComparisonTask) -> Facts:
    values = np.empty((task.attributes, task.entities), np.int64)
    ood = np.zeros((task.attributes, task.entities), bool)
    for attribute in range(task.attributes):
        values[attribute] = Stream(task.seed, "comparison", "values", attribute).integers(task.values, task.entities)
        drawn = Stream(task.seed, "comparison", "ood", attribute)
        ood[attribute, drawn.sample(task.entities, task.entities - task.in_domain_entities)] = True
    return Facts(values, ood)


def _draw_inferred(task: ComparisonTask, facts: Facts) -> tuple[dict[str, BottomK], dict[str, Indices]]:
    """One pass over all pairs of all attributes.

    Returns:
        A sample of each split of inferred facts, its rows coded as (attribute * entities + first) * entities + second:
        the training rows, and the probes of the other splits. And, for the other splits, how often each label is right
        per attribute, (attributes, 3).
    """
    wanted = round(task.phi * task.id_atomic_facts)
    samples = {
        split: BottomK(wanted if role == "train" else task.probe_size)
        for split, role in ROLES.items()
        if "inferred" in split
    }
    keys = {split: Stream(task.seed, "comparison", "keys", split) for split in samples}
    counts = {split: np.zeros((task.attributes, LABELS), np.int64) for split in samples}
    for attribute in range(task.attributes):
        for split, first, second in _split_pairs(task, attribute, facts.ood[attribute]):
            equal = np.count_nonzero(facts.compare(attribute, first, second) == 1)
            unequal = len(first) - equal
            counts[split][attribute] += (unequal, 2 * equal, unequal)  # over both orders
            base = attribute * task.entities
            both_orders = np.empty((len(first), 2), np.int64)
            both_orders[:, 0] = (base + first) * task.entities + second
            both_orders[:, 1] = (base + second) * task.entities + first
            samples[split].offer(keys[split].words(2 * len(first)), both_orders.ravel())

    available = samples["train_inferred"].offered
    if wanted > available:
        most = math.floor(100 * available / task.id_atomic_facts) / 100
        raise InputError(
            f"phi={task.phi:g} asks for {wanted} inferred facts, but this draw left {available} for training: "
            f"lower phi to at most {most:g}, lower test_ratio or raise entities"
        )
    for split, sample in samples.items():
        if not sample.offered:
            raise InputError(f"this draw left {split} empty: raise test_ratio={task.test_ratio:g} or entities")
    return samples, counts


def _split_pairs(
    task: ComparisonTask, attribute: int, ood: npt.NDArray[np.bool_]
) -> Iterator[tuple[str, Indices, Indices]]:
    """All unordered pairs by one attribute, in chunks: a split, the first entities, the second entities."""
    in_domain, out_of_domain = np.flatnonzero(~ood), np.flatnonzero(ood)
    coins = Stream(task.seed, "comparison", "held out", attribute)
    for first, second in pairs_within(in_domain):
        held_out = coins.bernoulli(task.test_ratio, len(first))
        yield "test_inferred_iid", first[held_out], second[held_out]
        yield "train_inferred", first[~held_out], second[~held_out]
    for first, second in pairs_within(out_of_domain):
        yield "test_inferred_ood", first, second
    for first, second in pairs_between(in_domain, out_of_domain):
        yield "test_inferred_mixed", first, second


def pairs_within(members: Indices, chunk: int = 2**20) -> Iterator[tuple[Indices, Indices]]:
    """Every unordered pair of two different members once, the earlier member first, about `chunk` pairs at a time."""
    count = len(members)
    step = max(1, chunk // count)
    for start in range(0, count - 1, step):
        firsts = np.arange(start, min(start + step, count - 1))
        partners = count - 1 - firsts
        first = np.repeat(firsts, partners)
        place_in_run = np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
        yield members[first], members[first + 1 + place_in_run]


def pairs_between(left: Indices, right: Indices, chunk: int = 2**20) -> Iterator[tuple[Indices, Indices]]:
    """Every pair of a member of `left` with a member of `right`, about `chunk` pairs at a time."""
    step = max(1, chunk // len(right))
    for start in range(0, len(left), step):
        block = left[start : start + step]
        yield np.repeat(block, len(right)), np.tile(right, len(block))


def _atomic_rows(tokens: Tokens, facts: Facts, chosen: npt.NDArray[np.bool_]) -> Rows:
    attribute, entity = np.nonzero(chosen)
    return Rows.of_columns([entity, tokens.attribute(attribute)], tokens.value(facts.values[chosen]))


def _inferred_rows(tokens: Tokens, facts: Facts, codes: Indices) -> Rows:
    rest, second = np.divmod(codes, tokens.entities)
    attribute, first = np.divmod(rest, tokens.entities)
    answers = tokens.label(attribute, facts.compare(attribute, first, second))
    return Rows.of_columns(
        [tokens.attribute(attribute), tokens.special("<q>"), first, tokens.special("<mask>"), second], answers
    )


def _atomic_baseline(facts: Facts, chosen: npt.NDArray[np.bool_]) -> float:
    """Best constant guess per attribute: the value that most of its chosen entities have."""
    hits = sum(int(np.bincount(values[mask]).max()) for values, mask in zip(facts.values, chosen, strict=True))
    return hits / int(np.count_nonzero(chosen))


def _inferred_baseline(tokens: Tokens, rows: Rows) -> float:
    """Best constant guess per attribute: the label that is right most often."""
    labels = rows.answers - tokens.label(np.array(0), np.array(0))
    counts = np.bincount(labels, minlength=tokens.attributes * LABELS)
    return majority_baseline(counts.reshape(tokens.attributes, LABELS))
