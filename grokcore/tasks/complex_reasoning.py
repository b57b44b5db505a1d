"""Complex reasoning: comparing entities of which no value is known (Wang et al., arXiv 2405.15071, section 5).

Entities, attributes and values are those of the comparison task, but no value of an out-of-domain (OOD) entity is ever
stated: all that training tells of it is how it compares with some in-domain (ID) entities. Rows of the default data:

    question                                       answer
    <q> <e_3> <attr_1> <mask> </q> <a>             <8>         </a>   ID: v(e_3) = 8
    <q> <e_102> <attr_1> <mask> </q> <a>           <8>         </a>   ID: v(e_102) = 8
    <attr_1> <q> <e_100> <mask> <e_3> </q> <a>     <attr_1_0>  </a>   stated: e_100 < e_3
    <attr_1> <q> <e_102> <mask> <e_48> </q> <a>    <attr_1_0>  </a>   stated: e_102 < e_48
    <attr_1> <q> <e_100> <mask> <e_48> </q> <a>    <attr_1_0>  </a>   follows by chaining: e_100 < e_48

Per attribute, a random share of the entities is OOD, the others are ID:

    id_atomic                 the atomic facts of ID entities, and of no other                 train
    train_inferred            ID-ID pairs that are stated: train_ratio of those not held out   train
    train_inferred_mixed      ID-OOD pairs that are stated: train_ratio of all                 train
    test_inferred_iid         ID-ID pairs, held out with probability test_ratio                held out
    test_inferred_ood         OOD-OOD pairs that follow by chaining, and only through values   held out
    test_inferred_ood_stated  OOD-OOD pairs that follow from stated comparisons alone          diagnostic

x < y follows by chaining where x < a (or x = a) and b < y (or b = y) are stated, a and b are ID and the atomic facts
say v(a) <= v(b), one of the three strictly; x = y where x = a and b = y are stated and v(a) = v(b). A pair that follows
from the stated comparisons alone, through entities of any kind and no value, is left out of test_inferred_ood, which
has equally many rows for each label that occurs at all. The original has no test_inferred_ood_stated.

A pair is unordered and never of an entity with itself. Where it is stated or held out, so are both its orders. `<a>`
stands in the question, since it is always the same.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.spec import ComplexReasoningTask
from grokcore.tasks.attribute_facts import LABELS, AttributeFacts, Tokens, draw_facts, split_facts
from grokcore.tasks.base import EOS, MAX_ROWS, Role, Rows, Split, TaskData, majority_baseline
from grokcore.tasks.facts import FactTable
from grokcore.tasks.pairs import pairs_between, pairs_within
from grokcore.tasks.random import BottomK, Indices, Stream
from grokcore.tasks.reachability import follows_by_chaining, follows_from_comparisons

ROLES: dict[str, Role] = {
    "id_atomic": "train",
    "train_inferred": "train",
    "train_inferred_mixed": "train",
    "test_inferred_iid": "held_out",
    "test_inferred_ood": "held_out",
    "test_inferred_ood_stated": "diagnostic",
}
Pairs = tuple[Indices, Indices]


def build(task: ComplexReasoningTask) -> TaskData:
    """The facts and splits of `task`; with the same seed, raising `train_ratio` only adds training rows.

    Raises:
        InputError: a split came out empty, or the data are too many.
    """
    facts = draw_facts(
        task.seed,
        "complex_reasoning",
        entities=task.entities,
        attributes=task.attributes,
        values=task.values,
        in_domain=task.in_domain_entities,
    )
    tokens = Tokens.numbered(entities=task.entities, attributes=task.attributes, values=task.values)
    return _build(task, facts, tokens)


def build_from(task: ComplexReasoningTask, table: FactTable) -> TaskData:
    """The splits of `task` over a user's own facts, not all of which need be known.

    Raises:
        InputError: as `build`.
    """
    facts = split_facts(task.seed, "complex_reasoning", table, task.id_ratio)
    return _build(task, facts, Tokens.named(table))


def _build(task: ComplexReasoningTask, facts: AttributeFacts, tokens: Tokens) -> TaskData:
    _check_size(task, facts)
    held_out = BottomK(task.probe_size)
    keys = Stream(task.seed, "complex_reasoning", "keys", "test_inferred_iid")
    held_out_counts = np.zeros((facts.attributes, LABELS), np.int64)
    stated: dict[str, list[Indices]] = {"train_inferred": [], "train_inferred_mixed": []}
    chained: list[Indices] = []
    alone: list[Indices] = []
    for attribute in range(facts.attributes):
        kept, within, between = _draw_pairs(task, facts, attribute)
        codes = facts.both_orders(attribute, *kept)
        held_out.offer(keys.words(len(codes)), codes)
        labels = facts.compare(*facts.decoded(codes))
        held_out_counts[attribute] = np.bincount(labels, minlength=LABELS)
        stated["train_inferred"].append(facts.both_orders(attribute, *within))
        stated["train_inferred_mixed"].append(facts.both_orders(attribute, *between))
        found = _derive(facts, attribute, within, between)
        chained.append(found[0])
        alone.append(found[1])

    full = {name: np.sort(np.concatenate(codes)) for name, codes in stated.items()}
    full["test_inferred_ood"] = _balanced(task, facts, np.sort(np.concatenate(chained)))
    full["test_inferred_ood_stated"] = np.sort(np.concatenate(alone))
    for split, codes in (*full.items(), ("test_inferred_iid", held_out.rows())):
        if not len(codes) and ROLES[split] != "diagnostic":
            ratio = "test_ratio" if split == "test_inferred_iid" else "train_ratio"
            raise InputError(f"this draw left {split} empty: raise {ratio}={getattr(task, ratio):g} or entities")

    atomic = _atomic_rows(tokens, facts)
    train = {"id_atomic": atomic, **{split: _inferred_rows(tokens, facts, full[split]) for split in stated}}
    probes = {"id_atomic": _probes(task, "id_atomic", atomic)}
    splits = {"id_atomic": Split("train", len(atomic), facts.majority_baseline(facts.id), facts.chance(facts.id))}
    for split, role in ROLES.items():
        if split == "test_inferred_iid":
            probes[split] = _inferred_rows(tokens, facts, held_out.rows())
            splits[split] = Split(role, held_out.offered, majority_baseline(held_out_counts), 1 / LABELS)
        elif split in full and len(full[split]):
            rows = train[split] if split in train else _inferred_rows(tokens, facts, full[split])
            probes[split] = _probes(task, split, rows)
            splits[split] = Split(role, len(rows), _baseline(facts, full[split]), 1 / LABELS)
    return TaskData(tokens.vocabulary(), tokens.special(EOS), tokens.comparison_prefixes(), train, probes, splits)


def _check_size(task: ComplexReasoningTask, facts: AttributeFacts) -> None:
    id_, ood = np.count_nonzero(facts.id, axis=1).astype(float), np.count_nonzero(facts.ood, axis=1)
    rows = float(np.sum(id_ * (id_ + 2 * ood)))
    if rows > MAX_ROWS * 10 or rows * task.train_ratio > MAX_ROWS:
        raise InputError(
            f"entities={facts.entities} and attributes={facts.attributes} give {rows:.2g} comparisons with in-domain "
            f"entities, of which train_ratio={task.train_ratio:g} are stated: lower one of these"
        )


def _draw_pairs(task: ComplexReasoningTask, facts: AttributeFacts, attribute: int) -> tuple[Pairs, Pairs, Pairs]:
    """The pairs by one attribute that are held out, stated among ID entities, and stated between ID and OOD ones."""
    in_domain, out_of_domain = np.flatnonzero(facts.id[attribute]), np.flatnonzero(facts.ood[attribute])
    coins = Stream(task.seed, "complex_reasoning", "held out", attribute)
    telling = Stream(task.seed, "complex_reasoning", "stated", attribute)
    kept, within, between = [], [], []
    for first, second in pairs_within(in_domain):
        held_out = coins.bernoulli(task.test_ratio, len(first))
        told = telling.bernoulli(task.train_ratio, len(first)) & ~held_out
        kept.append((first[held_out], second[held_out]))
        within.append((first[told], second[told]))
    telling = Stream(task.seed, "complex_reasoning", "stated mixed", attribute)
    for first, second in pairs_between(in_domain, out_of_domain):
        told = telling.bernoulli(task.train_ratio, len(first))
        between.append((first[told], second[told]))
    return _joined(kept), _joined(within), _joined(between)


def _joined(pairs: list[Pairs]) -> Pairs:
    nothing = np.empty(0, np.int64)
    return np.concatenate([nothing, *(a for a, _ in pairs)]), np.concatenate([nothing, *(b for _, b in pairs)])


def _derive(facts: AttributeFacts, attribute: int, within: Pairs, between: Pairs) -> Pairs:
    """Codes of the OOD-OOD comparisons that follow only through values, and of those that follow without any."""
    values, unknown = facts.values[attribute], np.flatnonzero(facts.ood[attribute])
    smaller, equal = follows_by_chaining(values, unknown, between)
    stated = (np.concatenate([within[0], between[0]]), np.concatenate([within[1], between[1]]))
    smaller_alone, equal_alone = follows_from_comparisons(values, unknown, stated)

    def codes(below: npt.NDArray[np.bool_], level: npt.NDArray[np.bool_]) -> Indices:
        first, second = np.nonzero(below | below.T | level)
        return facts.code(attribute, unknown[first], unknown[second])

    return codes(smaller & ~smaller_alone, equal & ~equal_alone), codes(smaller_alone, equal_alone)


def _balanced(task: ComplexReasoningTask, facts: AttributeFacts, codes: Indices) -> Indices:
    """As many comparisons of each label as there are of the rarest one that occurs."""
    labels = facts.compare(*facts.decoded(codes))
    by_label = [codes[labels == label] for label in range(LABELS)]
    fewest = min((len(members) for members in by_label if len(members)), default=0)
    chosen = [
        members[Stream(task.seed, "complex_reasoning", "balance", label).sample(len(members), fewest)]
        for label, members in enumerate(by_label)
    ]
    return np.sort(np.concatenate(chosen))


def _probes(task: ComplexReasoningTask, split: str, rows: Rows) -> Rows:
    return rows[Stream(task.seed, "complex_reasoning", "probes", split).sample(len(rows), task.probe_size)]


def _atomic_rows(tokens: Tokens, facts: AttributeFacts) -> Rows:
    attribute, entity = np.nonzero(facts.id)
    q, *rest = _frame(tokens)
    return Rows.of_columns([q, entity, tokens.attribute(attribute), *rest], tokens.value(facts.values[facts.id]))


def _inferred_rows(tokens: Tokens, facts: AttributeFacts, codes: Indices) -> Rows:
    attribute, first, second = facts.decoded(codes)
    q, mask, *rest = _frame(tokens)
    answers = tokens.label(attribute, facts.compare(attribute, first, second))
    return Rows.of_columns([tokens.attribute(attribute), q, first, mask, second, *rest], answers)


def _frame(tokens: Tokens) -> list[int]:
    """What stands around every question."""
    return [tokens.special(token) for token in ("<q>", "<mask>", "</q>", "<a>")]


def _baseline(facts: AttributeFacts, codes: Indices) -> float:
    """Best constant guess per attribute: the label that is right most often."""
    attribute, first, second = facts.decoded(codes)
    labels = attribute * LABELS + facts.compare(attribute, first, second)
    return majority_baseline(np.bincount(labels, minlength=facts.attributes * LABELS).reshape(-1, LABELS))
