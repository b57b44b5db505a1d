"""Complex reasoning: comparing entities of which no value is known (Wang et al., arXiv 2405.15071, section 5).

Entities, attributes and values are those of the comparison task, but no value of an out-of-domain (OOD) entity is ever
stated: training only shows how it compares with some in-domain (ID) entities. Rows of the default data:

    question                                       answer
    <q> <e_186> <attr_1> <mask> </q> <a>           <2>         </a>   ID: v(e_186) = 2
    <q> <e_72> <attr_1> <mask> </q> <a>            <2>         </a>   ID: v(e_72) = 2
    <attr_1> <q> <e_132> <mask> <e_186> </q> <a>   <attr_1_0>  </a>   stated: e_132 < e_186
    <attr_1> <q> <e_72> <mask> <e_17> </q> <a>     <attr_1_0>  </a>   stated: e_72 < e_17
    <attr_1> <q> <e_132> <mask> <e_17> </q> <a>    <attr_1_0>  </a>   follows by chaining: e_132 < e_17

Per attribute, a random share of the entities is OOD, the others are ID:

    id_atomic                 the atomic facts of ID entities, and of no other                 train
    train_inferred            stated ID-ID comparisons: train_ratio of those not held out      train
    train_inferred_mixed      stated ID-OOD comparisons: train_ratio of all                    train
    test_inferred_iid         ID-ID pairs, held out with probability test_ratio                held out
    test_inferred_ood         OOD-OOD pairs that follow by chaining, and only through values   held out
    test_inferred_ood_stated  OOD-OOD pairs that follow from stated comparisons alone          diagnostic

x < y follows by chaining where x < a (or x = a) and b < y (or b = y) are stated, a and b are ID and the atomic facts
say v(a) <= v(b), one of the three strictly; x = y where x = a and b = y are stated and v(a) = v(b). A pair that follows
from the stated comparisons alone, through entities of any kind and no value, is left out of test_inferred_ood, which
has equally many rows for each label that occurs at all. The original has no test_inferred_ood_stated.

A pair is unordered and never of an entity with itself. Where it is held out, so are both its orders. What is stated is
drawn by `stated`: as rows, which are comparisons in one order, a share r of those of all attributes together, as the
public code does (2r - r^2 of the pairs, nearly all in one order); or as pairs, each with both its orders, which tells
half as much of an OOD entity in as many rows. The other order of a stated row is in no split unless it is stated too.
`<a>` stands in the question, since it is always the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.spec import ComplexReasoningTask
from grokcore.tasks.attribute_facts import LABELS, AttributeFacts, Tokens, draw_facts, split_facts
from grokcore.tasks.base import EOS, MAX_ROWS, Role, Rows, Split, TaskData, TaskDefinition, majority_baseline
from grokcore.tasks.facts import FactTable, unless_given
from grokcore.tasks.random import BottomK, Indices, Stream, pairs_between, pairs_within
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
_NOTHING = np.empty(0, np.int64)


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
    for attribute in range(facts.attributes):
        codes = facts.both_orders(attribute, *_held_out_pairs(task, facts, attribute))
        held_out.offer(keys.words(len(codes)), codes)
        labels = facts.compare(*facts.decoded(codes))
        held_out_counts[attribute] = np.bincount(labels, minlength=LABELS)
    full = _stated_rows(task, facts) if task.stated == "rows" else _stated_pairs(task, facts)
    stated = tuple(full)
    derived = [
        _derive(facts, attribute, *_of_attribute(facts, attribute, full)) for attribute in range(facts.attributes)
    ]
    full["test_inferred_ood"] = _balanced(task, facts, np.sort(np.concatenate([chained for chained, _ in derived])))
    full["test_inferred_ood_stated"] = np.sort(np.concatenate([alone for _, alone in derived]))
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
            f"entities, of which train_ratio={task.train_ratio:g} are stated: "
            f"{unless_given(task, 'lower one of these', 'lower train_ratio or state fewer facts')}"
        )


def _in_domain_pairs(
    task: ComplexReasoningTask, facts: AttributeFacts, attribute: int
) -> Iterator[tuple[Indices, Indices, npt.NDArray[np.bool_]]]:
    """All pairs of ID entities by one attribute, in chunks, and whether each is held out."""
    coins = Stream(task.seed, "complex_reasoning", "held out", attribute)
    for first, second in pairs_within(np.flatnonzero(facts.id[attribute])):
        yield first, second, coins.bernoulli(task.test_ratio, len(first))


def _mixed_pairs(facts: AttributeFacts, attribute: int) -> Iterator[Pairs]:
    """All pairs of an ID with an OOD entity by one attribute, in chunks."""
    return pairs_between(np.flatnonzero(facts.id[attribute]), np.flatnonzero(facts.ood[attribute]))


def _held_out_pairs(task: ComplexReasoningTask, facts: AttributeFacts, attribute: int) -> Pairs:
    pairs = _in_domain_pairs(task, facts, attribute)
    return _joined([(first[held_out], second[held_out]) for first, second, held_out in pairs])


def _stated_rows(task: ComplexReasoningTask, facts: AttributeFacts) -> dict[str, Indices]:
    """Codes, ascending: `train_ratio` of the rows, ordered pairs of all attributes at once."""
    unheld: dict[str, Callable[[int], Iterable[Pairs]]] = {
        "train_inferred": lambda attribute: (
            (first[~held_out], second[~held_out])
            for first, second, held_out in _in_domain_pairs(task, facts, attribute)
        ),
        "train_inferred_mixed": lambda attribute: _mixed_pairs(facts, attribute),
    }
    stated = {}
    for split, pairs in unheld.items():
        attributes = range(facts.attributes)
        rows = sum(2 * len(first) for attribute in attributes for first, _ in pairs(attribute))
        sample = BottomK(round(task.train_ratio * rows))
        keys = Stream(task.seed, "complex_reasoning", "keys", split)
        for attribute in attributes:
            for first, second in pairs(attribute):
                sample.offer(keys.words(2 * len(first)), facts.both_orders(attribute, first, second))
        stated[split] = sample.rows()
    return stated


def _stated_pairs(task: ComplexReasoningTask, facts: AttributeFacts) -> dict[str, Indices]:
    """Codes, ascending: both orders of pairs that are drawn with a probability of `train_ratio` each."""
    stated: dict[str, list[Indices]] = {"train_inferred": [], "train_inferred_mixed": []}
    for attribute in range(facts.attributes):
        telling = Stream(task.seed, "complex_reasoning", "stated", attribute)
        for first, second, held_out in _in_domain_pairs(task, facts, attribute):
            told = telling.bernoulli(task.train_ratio, len(first)) & ~held_out
            stated["train_inferred"].append(facts.both_orders(attribute, first[told], second[told]))
        telling = Stream(task.seed, "complex_reasoning", "stated mixed", attribute)
        for first, second in _mixed_pairs(facts, attribute):
            told = telling.bernoulli(task.train_ratio, len(first))
            stated["train_inferred_mixed"].append(facts.both_orders(attribute, first[told], second[told]))
    return {split: np.sort(np.concatenate([_NOTHING, *codes])) for split, codes in stated.items()}


def _of_attribute(facts: AttributeFacts, attribute: int, stated: Mapping[str, Indices]) -> tuple[Pairs, Pairs]:
    """Stated pairs of one attribute: of ID entities, and of an ID entity, which comes first, and an OOD one."""
    bounds = facts.code(np.array([attribute, attribute + 1]), np.array(0), np.array(0))
    pairs = []
    for codes in (stated["train_inferred"], stated["train_inferred_mixed"]):
        _, first, second = facts.decoded(codes[slice(*np.searchsorted(codes, bounds))])
        known = facts.id[attribute, first]
        pairs.append((np.where(known, first, second), np.where(known, second, first)))
    return pairs[0], pairs[1]


def _joined(pairs: list[Pairs]) -> Pairs:
    return np.concatenate([_NOTHING, *(a for a, _ in pairs)]), np.concatenate([_NOTHING, *(b for _, b in pairs)])


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
    """Return the tokens around every question."""
    return [tokens.special(token) for token in ("<q>", "<mask>", "</q>", "<a>")]


def _baseline(facts: AttributeFacts, codes: Indices) -> float:
    """Best constant guess per attribute: the label that is right most often."""
    attribute, first, second = facts.decoded(codes)
    labels = attribute * LABELS + facts.compare(attribute, first, second)
    return majority_baseline(np.bincount(labels, minlength=facts.attributes * LABELS).reshape(-1, LABELS))


TASK = TaskDefinition[ComplexReasoningTask](
    build,
    row="as comparison",
    held_out="pairs of known values (ID); pairs of entities without stated values, whose order follows only by "
    "chaining stated comparisons and known values (OOD)",
    from_facts=("attributes", build_from),
)
