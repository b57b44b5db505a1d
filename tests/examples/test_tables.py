"""Tables of real facts: ranks, ties, gaps, names, and the controls; no package is needed."""

from __future__ import annotations

from collections import Counter

import pytest

from examples.real.augment import drawn
from examples.real.augment import main as augment
from examples.real.tables import Table, comparison, composition, labels, ranks
from grokcore.data import read_facts, task_over
from grokcore.spec import CompositionTask
from grokcore.tasks import build_task

SKEWED = {f"city {number}": float(2**number) for number in range(40)}


def test_skewed_numbers_spread_evenly_over_the_ranks_in_their_order():
    found = ranks(SKEWED, 5)
    assert Counter(found.values()) == dict.fromkeys(range(5), 8)
    assert [found[name] for name in SKEWED] == sorted(found.values())


def test_ties_share_a_rank_even_where_most_things_tie():
    islands = {**{f"island {number}": 0.0 for number in range(30)}, **SKEWED}
    found = ranks(islands, 7)
    assert len({found[name] for name in islands if name.startswith("island")}) == 1
    for one in islands:
        for other in islands:
            assert islands[one] > islands[other] or found[one] <= found[other]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 100])
def test_ranks_stay_within_their_number(count):
    assert set(ranks(SKEWED, count).values()) <= set(range(count))


def test_what_is_unknown_is_no_fact():
    table = comparison({"weight": {"a": 1.0, "b": None, "c": float("nan"), "d": 3.0}}, 2, "here")
    assert table.facts == (("a", "weight", "0"), ("d", "weight", "1"))
    assert composition([("a", "next", "b"), ("b", "next", None)], "here").facts == (("a", "next", "b"),)


def test_a_question_with_two_answers_is_refused():
    with pytest.raises(ValueError, match=r"several objects of \('a', 'next'\)"):
        composition([("a", "next", "b"), ("a", "next", "c")], "here")


def test_of_two_things_of_one_name_neither_has_it():
    cities = {
        1: ("Valencia", "Valencia (ES)"),
        2: ("Valencia", "Valencia (VE)"),
        3: ("Monaco", "Monaco (MC)"),
        4: ("Rome",),
    }
    found = labels(cities, taken={"Monaco"})
    assert found == {1: "Valencia (ES)", 2: "Valencia (VE)", 3: "Monaco (MC)", 4: "Rome"}
    with pytest.raises(ValueError, match="no name of its own"):
        labels({1: ("Rome",), 2: ("Rome",)})


CHAIN = Table(
    ("subject", "relation", "object"),
    tuple(
        (f"é {number}", relation, f"é {(number * step + 1) % 50}")
        for number in range(50)
        for relation, step in (("to", 3), ("or", 7), ("by", 9))
    ),
    "here",
)


def test_the_shuffled_control_keeps_all_frequencies_and_breaks_the_pairs():
    control = CHAIN.shuffled(1)
    assert [fact[:2] for fact in control.facts] == [fact[:2] for fact in CHAIN.facts]
    assert Counter(fact[1:] for fact in control.facts) == Counter(fact[1:] for fact in CHAIN.facts)
    same = sum(one == other for one, other in zip(control.facts, CHAIN.facts, strict=True))
    assert same < 15
    assert control == CHAIN.shuffled(1) != CHAIN.shuffled(2)


def test_drawn_facts_lead_on_from_where_facts_lead_to_and_raise_phi(tmp_path):
    source, target = tmp_path / "facts.csv", tmp_path / "augmented.csv"
    CHAIN.write(source)
    augment([str(source), str(target), "--facts", "70"])
    facts = read_facts(target, "relations")
    assert int(facts.augmented.sum()) == 70
    tails = {fact[2] for fact in CHAIN.facts}
    assert {fact[0] for fact in drawn(CHAIN.facts, 70, 0).facts} <= tails
    splits = build_task(task_over(CompositionTask(phi=1, ood_ratio=0.2, test_ratio=0.1), facts), facts).splits
    assert splits["augmented_atomic"].rows == 70
    assert splits["augmented_inferred"].rows > 100
