"""Comparison of two entities by an attribute (Wang et al., arXiv 2405.15071, section 4).

Each entity e has a value v(e, attr) for each attribute, drawn uniformly. An atomic fact states one value, an inferred
fact compares two. Rows of the default dataset:

    question                               answer
    <e_10> <attr_3>                        <1>         </a>     atomic
    <e_105> <attr_3>                       <4>         </a>     atomic
    <attr_3> <q> <e_10> <mask> <e_105>     <attr_3_0>  </a>     inferred: smaller
    <attr_3> <q> <e_105> <mask> <e_10>     <attr_3_2>  </a>     inferred: greater
    <attr_0> <q> <e_0> <mask> <e_178>      <attr_0_1>  </a>     inferred: equal

Per attribute, a random share of the entities is out-of-domain (OOD), the others in-domain (ID):

    id_atomic, ood_atomic     all atomic facts                                         train
    train_inferred            ID-ID pairs, row by row down-sampled to phi              train
    test_inferred_iid         ID-ID pairs, held out with probability test_ratio        held out
    test_inferred_ood         OOD-OOD pairs                                            held out
    test_inferred_mixed       ID-OOD pairs                                             diagnostic
    test_inferred_iid_equal   the pairs of test_inferred_iid whose values are equal    diagnostic
    test_inferred_ood_equal   the pairs of test_inferred_ood whose values are equal    diagnostic
    test_inferred_flipped     the other order of rows of train_inferred, where the     diagnostic
                              down-sampling dropped it

The original has the first five only, and no mixed pairs. A model that never answers "equal" errs in one row of
`values`: too few to be seen in a held-out split as a whole. A diagnostic split that a draw leaves empty is left out.

A pair is unordered and never of an entity with itself; both its orders go to the same split. In training, an entity
that is OOD for an attribute is never compared by it.

With `new_facts`, entities are added that a second training is told the values of
(`grokcore.tasks.comparison_with_new_entities`). With `prompts`, facts stand in front of the questions
(`grokcore.tasks.comparison_with_prompts`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.spec import ComparisonTask
from grokcore.tasks.attribute_facts import LABELS, AttributeFacts, Tokens, draw_facts, inferred_baseline, split_facts
from grokcore.tasks.base import EOS, MAX_ROWS, Role, Rows, Split, TaskData, TaskDefinition, majority_baseline
from grokcore.tasks.comparison_with_new_entities import with_new_entities
from grokcore.tasks.comparison_with_prompts import with_prompts
from grokcore.tasks.facts import FactTable, unless_given
from grokcore.tasks.random import BottomK, Indices, Stream, pairs_between, pairs_within

ROLES: dict[str, Role] = {
    "id_atomic": "train",
    "ood_atomic": "train",
    "train_inferred": "train",
    "test_inferred_iid": "held_out",
    "test_inferred_ood": "held_out",
    "test_inferred_mixed": "diagnostic",
    "test_inferred_iid_equal": "diagnostic",
    "test_inferred_ood_equal": "diagnostic",
    "test_inferred_flipped": "diagnostic",
}
DRAWN = ("train_inferred", "test_inferred_iid", "test_inferred_ood", "test_inferred_mixed")
"""Splits that each pair of entities goes to one of."""
EQUAL = {split: f"{split}_equal" for split in ("test_inferred_iid", "test_inferred_ood")}
ADVICE = {
    "test_inferred_iid": "raise test_ratio={task.test_ratio:g} or {more}",
    "test_inferred_ood": "lower id_ratio={task.id_ratio:g} or {more}",
}
"""Fields to raise where a held-out split would be empty."""
MAX_PAIRS = 10_000_000_000


def build(task: ComparisonTask) -> TaskData:
    """The facts and splits of `task`; with the same seed, raising `phi` or `probe_size` only adds rows.

    (Raising `phi` moves rows from test_inferred_flipped to train_inferred.)

    Raises:
        InputError: a split came out empty, fewer pairs were drawn for training than `phi` asks for, or the data are
            too many.
    """
    _check_size(task, task.attributes * math.comb(task.entities, 2), task.attributes * task.entities)
    facts = draw_facts(
        task.seed,
        "comparison",
        entities=task.entities,
        attributes=task.attributes,
        values=task.values,
        in_domain=task.in_domain_entities,
    )
    tokens = Tokens.numbered(entities=task.entities, attributes=task.attributes, values=task.values)
    return _build(task, facts, tokens)


def build_from(task: ComparisonTask, table: FactTable) -> TaskData:
    """The splits of `task` over a user's own facts, not all of which need be known.

    Raises:
        InputError: as `build`.
    """
    _check_size(task, sum(math.comb(count, 2) for count in np.bincount(table.relation).tolist()), len(table))
    facts = split_facts(task.seed, "comparison", table, task.id_ratio)
    return _build(task, facts, Tokens.named(table))


def _build(task: ComparisonTask, facts: AttributeFacts, tokens: Tokens) -> TaskData:
    samples, counts = _draw_inferred(task, facts)
    codes = samples["train_inferred"].rows()
    train = {
        "id_atomic": _atomic_rows(tokens, facts, facts.id),
        "ood_atomic": _atomic_rows(tokens, facts, facts.ood),
        "train_inferred": _inferred_rows(tokens, facts, codes),
    }
    flipped = _inferred_rows(tokens, facts, _dropped_orders(facts, codes))
    splits = {
        "id_atomic": Split("train", len(train["id_atomic"]), facts.majority_baseline(facts.id), facts.chance(facts.id)),
        "ood_atomic": Split(
            "train", len(train["ood_atomic"]), facts.majority_baseline(facts.ood), facts.chance(facts.ood)
        ),
    }
    probes = {}
    for split, rows in (*train.items(), ("test_inferred_flipped", flipped)):
        probes[split] = rows[Stream(task.seed, "comparison", "probes", split).sample(len(rows), task.probe_size)]
        if split not in splits and len(rows):
            splits[split] = Split(ROLES[split], len(rows), inferred_baseline(tokens, rows), 1 / LABELS)
    for split, sample in samples.items():
        if split not in splits and sample.offered:
            probes[split] = _inferred_rows(tokens, facts, sample.rows())
            splits[split] = Split(ROLES[split], sample.offered, majority_baseline(counts[split]), 1 / LABELS)
    data = TaskData(
        vocabulary=tokens.vocabulary(),
        eos=tokens.special(EOS),
        prefixes=tokens.comparison_prefixes(),
        train=train,
        probes={split: probes[split] for split in ROLES if split in splits},
        splits={split: splits[split] for split in ROLES if split in splits},
    )
    if task.prompts is not None:
        return with_prompts(task, task.prompts, facts, tokens, data)
    return data if task.new_facts is None else with_new_entities(task, task.new_facts, facts, tokens, data)


def _check_size(task: ComparisonTask, pairs: int, atomic: int) -> None:
    if pairs > MAX_PAIRS:
        raise InputError(
            f"entities={task.entities} and attributes={task.attributes} give {pairs:.2g} pairs, more than the "
            f"{MAX_PAIRS:.0e} that can be drawn: {unless_given(task, 'lower entities or attributes', 'state fewer')}"
        )
    if min(task.probe_size, 2 * pairs) > MAX_ROWS:
        raise InputError(f"probe_size={task.probe_size} is more than the {MAX_ROWS} that fit in memory: lower it")
    rows = atomic + round(task.phi * task.id_ratio * atomic)
    if rows > MAX_ROWS:
        raise InputError(
            f"phi={task.phi:g} with entities={task.entities} and attributes={task.attributes} gives {rows} training "
            f"rows, more than the {MAX_ROWS} that fit in memory: "
            f"lower phi{unless_given(task, ', entities or attributes', ', or state fewer facts')}"
        )


def _draw_inferred(task: ComparisonTask, facts: AttributeFacts) -> tuple[dict[str, BottomK], dict[str, Indices]]:
    """One pass over all pairs of all attributes.

    Returns:
        A sample of each split that is drawn in this pass, its rows as codes: the training rows, and the probes of the
        other splits. And how often each label is right per attribute, (attributes, 3).
    """
    wanted = round(task.phi * facts.id_count)
    names = (*DRAWN, *EQUAL.values())
    samples = {split: BottomK(wanted if ROLES[split] == "train" else task.probe_size) for split in names}
    keys = {split: Stream(task.seed, "comparison", "keys", split) for split in names}
    counts = {split: np.zeros((facts.attributes, LABELS), np.int64) for split in names}

    def offer(split: str, attribute: int, first: Indices, second: Indices, equal: int) -> None:
        unequal = len(first) - equal
        counts[split][attribute] += (unequal, 2 * equal, unequal)  # over both orders
        samples[split].offer(keys[split].words(2 * len(first)), facts.both_orders(attribute, first, second))

    for attribute in range(facts.attributes):
        for split, first, second in _split_pairs(task, attribute, facts):
            equal = facts.compare(attribute, first, second) == 1
            offer(split, attribute, first, second, int(np.count_nonzero(equal)))
            if split in EQUAL:
                offer(EQUAL[split], attribute, first[equal], second[equal], int(np.count_nonzero(equal)))

    available = samples["train_inferred"].offered
    if wanted > available:
        most = math.floor(100 * available / facts.id_count) / 100
        more = unless_given(task, "raise entities", "state more facts")
        raise InputError(
            f"phi={task.phi:g} asks for {wanted} inferred facts, but this draw left {available} for training: "
            f"lower phi to at most {most:g}, lower test_ratio or {more}"
        )
    if not wanted:
        raise InputError(f"phi={task.phi:g} asks for no inferred fact at all: raise phi")
    for split, advice in ADVICE.items():
        if not samples[split].offered:
            more = unless_given(task, "raise entities", "state more facts")
            raise InputError(f"this draw left {split} empty: {advice.format(task=task, more=more)}")
    return samples, counts


def _split_pairs(task: ComparisonTask, attribute: int, facts: AttributeFacts) -> Iterator[tuple[str, Indices, Indices]]:
    """All unordered pairs by one attribute, in chunks: a split, the first entities, the second entities."""
    in_domain, out_of_domain = np.flatnonzero(facts.id[attribute]), np.flatnonzero(facts.ood[attribute])
    coins = Stream(task.seed, "comparison", "held out", attribute)
    for first, second in pairs_within(in_domain):
        held_out = coins.bernoulli(task.test_ratio, len(first))
        yield "test_inferred_iid", first[held_out], second[held_out]
        yield "train_inferred", first[~held_out], second[~held_out]
    for first, second in pairs_within(out_of_domain):
        yield "test_inferred_ood", first, second
    for first, second in pairs_between(in_domain, out_of_domain):
        yield "test_inferred_mixed", first, second


def _dropped_orders(facts: AttributeFacts, codes: Indices) -> Indices:
    """The other orders of the rows `codes`, as far as they are not among these rows themselves, ascending."""
    attribute, first, second = facts.decoded(codes)
    return np.setdiff1d(facts.code(attribute, second, first), codes, assume_unique=True)


def _atomic_rows(tokens: Tokens, facts: AttributeFacts, chosen: npt.NDArray[np.bool_]) -> Rows:
    attribute, entity = np.nonzero(chosen)
    return Rows.of_columns([entity, tokens.attribute(attribute)], tokens.value(facts.values[chosen]))


def _inferred_rows(tokens: Tokens, facts: AttributeFacts, codes: Indices) -> Rows:
    attribute, first, second = facts.decoded(codes)
    answers = tokens.label(attribute, facts.compare(attribute, first, second))
    return Rows.of_columns(
        [tokens.attribute(attribute), tokens.special("<q>"), first, tokens.special("<mask>"), second], answers
    )


TASK = TaskDefinition[ComparisonTask](
    build,
    row="`<attr_3> <q> <e_17> <mask> <e_5>` → smaller, equal, greater",
    held_out="pairs of known entities (ID); pairs of entities that were never compared by this attribute (OOD)",
    from_facts=("attributes", build_from),
)
