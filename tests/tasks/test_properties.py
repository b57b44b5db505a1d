"""What holds for any task of a kind, recomputed from its rows alone by code that is as plain as can be."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grokcore.errors import InputError
from grokcore.spec import ComparisonTask, ComplexReasoningTask, CompositionTask, InContextTask, ModularTask
from grokcore.tasks import build_task
from tests.tasks.small_tasks import ALL, texts

quickly = settings(max_examples=20, deadline=None, derandomize=True)
seeds = st.integers(0, 1000)


def built(kind, **fields):
    """All rows of every split as text, and the roles of the splits; a task that cannot be drawn is no example."""
    try:
        task = kind(**fields)
        data = build_task(task)
    except (InputError, ValueError):
        assume(False)
    rows = {name: texts(data, data.train.get(name, data.probes[name])) for name in data.splits}
    return rows, {name: split.role for name, split in data.splits.items()}


def label_of(first, second):
    return 0 if first < second else 1 if first == second else 2


def number(token):
    return int(token.strip("<>"))


@quickly
@given(seeds, st.integers(12, 40), st.integers(1, 3), st.integers(2, 6), st.floats(0.5, 8), st.sampled_from([0.6, 0.8]))
def test_comparison(seed, entities, attributes, values, phi, id_ratio):
    fields = {
        "seed": seed,
        "entities": entities,
        "attributes": attributes,
        "values": values,
        "id_ratio": id_ratio,
        "probe_size": ALL,
    }
    rows, roles = built(ComparisonTask, **fields, phi=phi)
    value = {question: number(answer) for split in ("id_atomic", "ood_atomic") for question, answer in rows[split]}
    ood = {question for question, _ in rows["ood_atomic"]}
    pairs = {}
    for split in rows:
        for question, answer in rows[split]:
            if split.endswith("_atomic"):
                continue
            attribute, _, first, _, second = question
            assert answer == f"{attribute[:-1]}_{label_of(value[first, attribute], value[second, attribute])}>"
            if split == "train_inferred":
                assert not {(first, attribute), (second, attribute)} & ood
            if roles[split] != "diagnostic":
                assert pairs.setdefault((attribute, frozenset((first, second))), split) == split
    fewer, _ = built(ComparisonTask, **fields, phi=phi / 2)
    assert set(fewer["train_inferred"]) <= set(rows["train_inferred"])
    assert {name: part for name, part in fewer.items() if name not in ("train_inferred", "test_inferred_flipped")} == {
        name: part for name, part in rows.items() if name not in ("train_inferred", "test_inferred_flipped")
    }


@quickly
@given(seeds, st.integers(2, 20), st.sampled_from("+-*/"), st.floats(0.1, 0.9))
def test_modular(seed, modulus, operation, train_ratio):
    rows, _ = built(ModularTask, seed=seed, modulus=modulus, operation=operation, train_ratio=train_ratio)
    seen = set()
    for question, answer in rows["train"] + rows["test"]:
        a, sign, b, equals = question
        assert (sign, equals) == (f"<{operation}>", "<=>")
        a, b, c = number(a), number(b), number(answer)
        assert 0 <= c < modulus
        found = {"+": a + b - c, "-": a - b - c, "*": a * b - c, "/": b * c - a}[operation]
        assert found % modulus == 0
        assert (a, b) not in seen
        seen.add((a, b))
    assert len(seen) == modulus * (modulus - (operation == "/"))


@quickly
@given(seeds, st.integers(4, 20), st.integers(2, 6), st.sampled_from([2, 2, 3]), st.floats(0.3, 3), st.floats(0.1, 0.4))
def test_composition(seed, entities, out_degree, hops, phi, ood_ratio):
    fields = {"seed": seed, "entities": entities, "relations": 8, "out_degree": out_degree, "hops": hops}
    fields |= {"ood_ratio": ood_ratio, "test_ratio": 0.2, "probe_size": ALL}
    rows, _ = built(CompositionTask, **fields, phi=phi)
    tail = {question: answer for split in ("id_atomic", "ood_atomic") for question, answer in rows[split]}
    assert len(tail) == entities * out_degree
    ood = {question for question, _ in rows["ood_atomic"]}
    seen = {}
    for split in rows:
        if split.endswith("_atomic"):
            continue
        for (head, *relations), answer in rows[split]:
            path = [head]
            for relation in relations:
                path.append(tail[path[-1], relation])
            assert path[-1] == answer
            out = [step in ood for step in zip(path, relations, strict=False)]
            expected = {
                "train_inferred": [False] * hops,
                "test_inferred_iid": [False] * hops,
                "test_inferred_ood": [True] * hops,
                **{f"test_inferred_hop_{k + 1}_ood": [hop == k for hop in range(hops)] for k in range(hops)},
            }
            assert out == expected[split]
            assert seen.setdefault((head, *relations), split) == split
    fewer, _ = built(CompositionTask, **fields, phi=phi / 2)
    assert set(fewer["train_inferred"]) <= set(rows["train_inferred"])
    assert fewer["test_inferred_iid"] == rows["test_inferred_iid"]


def closure(edges):
    """All (x, y, strictly) that follow from statements x <= y (or x < y) by going from one to the next."""
    known = {(x, y): strict for x, y, strict in edges if not strict} | {(x, y): True for x, y, s in edges if s}
    grown = True
    while grown:
        grown = False
        for (x, y), strict in list(known.items()):
            for (also, z), more in list(known.items()):
                if also == y and known.get((x, z), -1) < (strict or more):
                    known[x, z] = strict or more
                    grown = True
    return known


def concluded(statements, first, second):
    """The label of a pair that follows from (x, y, strictly) statements, or None."""
    up, down = statements.get((first, second)), statements.get((second, first))
    if up:
        return 0
    if down:
        return 2
    return 1 if up is not None and down is not None else None


def stated(rows):
    """What rows `<attr> <q> <x> <mask> <y> </q> <a> -> label` of one attribute say, as (x, y, strictly)."""
    found = []
    for (_, _, x, _, y, _, _), answer in rows:
        label = int(answer[-2])
        found += [(x, y, True)] if label == 0 else [(y, x, True)] if label == 2 else [(x, y, False), (y, x, False)]
    return found


@settings(quickly, max_examples=12)
@given(seeds, st.integers(14, 22), st.integers(2, 5), st.floats(0.1, 0.3), st.sampled_from(["rows", "pairs"]))
def test_complex_reasoning(seed, entities, values, train_ratio, stated_by):
    fields = {"seed": seed, "entities": entities, "attributes": 2, "values": values, "id_ratio": 0.7}
    fields |= {"stated": stated_by}
    fields |= {"test_ratio": 0.2, "probe_size": ALL}
    rows, _ = built(ComplexReasoningTask, **fields, train_ratio=train_ratio)
    value = {(question[1], question[2]): number(answer) for question, answer in rows["id_atomic"]}
    stated_pairs = {
        (attribute, frozenset((x, y)))
        for split in ("train_inferred", "train_inferred_mixed")
        for (attribute, _, x, _, y, _, _), _ in rows[split]
    }
    expected = set()
    for attribute in ("<attr_0>", "<attr_1>"):
        known = {entity: v for (entity, of), v in value.items() if of == attribute}

        def by_attribute(split, attribute=attribute):
            return [row for row in rows.get(split, []) if row[0][0] == attribute]

        for (_, _, x, _, y, _, _), answer in by_attribute("train_inferred") + by_attribute("test_inferred_iid"):
            assert int(answer[-2]) == label_of(known[x], known[y])
        for (_, _, x, _, y, _, _), _ in by_attribute("train_inferred_mixed"):
            assert (x in known) + (y in known) == 1
        mixed = stated(by_attribute("train_inferred_mixed"))
        order = [(a, b, known[a] < known[b]) for a in known for b in known if known[a] <= known[b] and a != b]
        through_values = closure([*mixed, *order])
        alone = closure([*mixed, *stated(by_attribute("train_inferred"))])
        unknown = {f"<e_{n}>" for n in range(entities)} - set(known)
        for x in unknown:
            for y in unknown - {x}:
                without, label = concluded(alone, x, y), concluded(through_values, x, y)
                row = ((attribute, "<q>", x, "<mask>", y, "</q>", "<a>"), f"{attribute[:-1]}_{without}>")
                assert (row in rows.get("test_inferred_ood_stated", [])) == (without is not None)
                if without is None and label is not None:
                    expected.add((row[0], f"{attribute[:-1]}_{label}>"))
    found = rows["test_inferred_ood"]
    assert set(found) <= expected
    assert not {(question[0], frozenset((question[2], question[4]))) for question, _ in found} & stated_pairs
    sizes = [sum(answer[-2] == label for _, answer in found) for label in "012"]
    available = [sum(answer[-2] == label for _, answer in expected) for label in "012"]
    fewest = min(count for count in available if count)
    assert sizes == [fewest if count else 0 for count in available]
    fewer, _ = built(ComplexReasoningTask, **fields, train_ratio=train_ratio * 0.9)
    for split in ("train_inferred", "train_inferred_mixed"):
        assert set(fewer[split]) <= set(rows[split])


@quickly
@given(seeds, st.sampled_from(["comparison", "recall"]), st.integers(8, 30), st.integers(2, 9), st.integers(2, 4))
def test_in_context(seed, variant, entities, values, context):
    fields = {"seed": seed, "variant": variant, "entities": entities, "values": values, "context": context}
    fields |= {"long_context": context + 2, "id_ratio": 0.7, "probe_size": 30}
    rows, _ = built(InContextTask, **fields, train_size=120)
    asked_in = {}
    for split in rows:
        for question, answer in rows[split]:
            end = question.index("<q>")
            facts = dict(zip(question[:end:2], question[1:end:2], strict=True))
            assert len(facts) == (context + 2 if split == "test_long" else context)
            asked = question[end + 1 :]
            assert len(set(asked)) == len(asked) == (2 if variant == "comparison" else 1)
            asked_in.setdefault(split, set()).update(asked)
            if variant == "recall":
                assert answer == facts[asked[0]]
            else:
                order = label_of(*(number(facts[entity]) for entity in asked))
                assert answer == ("<smaller>", "<equal>", "<greater>")[order]
    assert not asked_in["test_ood"] & (asked_in["train"] | asked_in["test_iid"] | asked_in["test_long"])
    more, _ = built(InContextTask, **fields, train_size=150)
    assert set(rows["train"]) < set(more["train"])


def test_the_closure_that_the_tests_use_is_one():
    """a < b = c < d: the naive twin itself, on something that can be read."""
    known = closure([("a", "b", True), ("b", "c", False), ("c", "b", False), ("c", "d", True)])
    assert [concluded(known, *pair) for pair in pairwise("abcd")] == [0, 1, 0]
    assert concluded(known, "d", "a") == 2
    assert concluded(known, "a", "e") is None
