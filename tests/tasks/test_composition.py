"""Composition: sizes, format, the graph behind it, and what it refuses."""

from itertools import pairwise, product

import numpy as np
import pytest

from grokcore.errors import InputError
from grokcore.spec import CompositionTask, dataset_id, validate
from grokcore.tasks import build_task
from grokcore.tasks.composition import Graph
from grokcore.tasks.facts import numbered
from tests.tasks.small_tasks import ALL, texts

TASK = CompositionTask(entities=30, relations=10, out_degree=6, phi=3, ood_ratio=0.2, test_ratio=0.1, probe_size=ALL)
PUBLISHED = CompositionTask(entities=2000, relations=200, out_degree=20, phi=7.2, probe_size=3000)


@pytest.fixture(scope="module")
def data():
    return build_task(TASK)


def graph_of(facts):
    """A graph of (head, relation, tail) triples that are ordered by head."""
    head, relation, tail = np.array(facts).T
    return Graph(head, relation, tail, numbered(4), numbered(3))


FACTS = [(0, 0, 1), (0, 1, 2), (1, 0, 1), (2, 0, 0), (2, 1, 3), (2, 2, 1)]
"""Out-degrees 2, 1, 3 and, for entity 3, none; 1 leads to itself."""


@pytest.mark.parametrize("hops", [2, 3, 4])
@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_paths_are_all_chains_of_facts_in_order_whatever_the_chunks(hops, chunk):
    graph = graph_of(FACTS)
    chains = [
        chain
        for chain in product(range(len(FACTS)), repeat=hops)
        if all(FACTS[a][2] == FACTS[b][0] for a, b in pairwise(chain))
    ]
    paths = np.concatenate(list(graph.paths(hops, chunk)))
    assert paths.tolist() == list(map(list, chains))
    beginnings = [chain[0] for chain in chains]
    assert graph.continuations(hops).tolist() == [beginnings.count(fact) for fact in range(len(FACTS))]
    codes = graph.coded(paths)
    assert len(set(codes.tolist())) == len(chains)
    assert graph.decoded(codes, hops).tolist() == paths.tolist()


def test_every_entity_has_its_out_degree_of_different_relations(data):
    facts = texts(data, data.train["id_atomic"]) + texts(data, data.train["ood_atomic"])
    by_head = {}
    for (head, relation), _ in facts:
        by_head.setdefault(head, set()).add(relation)
    assert len(facts) == 180
    assert {len(relations) for relations in by_head.values()} == {6}
    assert {relation for relations in by_head.values() for relation in relations} == {f"<r_{n}>" for n in range(10)}


def test_the_splits_together_are_all_two_step_paths(data):
    assert data.splits["ood_atomic"].rows == 36
    assert data.splits["train_inferred"].rows == (3 * 144)
    whole = build_task(TASK.model_copy(update={"phi": 1e-2}))
    inferred = {name: split.rows for name, split in whole.splits.items() if "test" in name}
    available = int(str(refusal(TASK, phi=5.9)).partition("left ")[2].partition(" ")[0])
    assert available + sum(inferred.values()) == 30 * 6 * 6
    coins = available + inferred["test_inferred_iid"]
    assert abs(inferred["test_inferred_iid"] - 0.1 * coins) < 5 * (coins * 0.1 * 0.9) ** 0.5


def refusal(task, **fields):
    with pytest.raises(InputError) as caught:
        build_task(task.model_copy(update=fields))
    assert "\n" not in str(caught.value)
    return caught.value


def test_longer_compositions_have_a_diagnostic_split_for_each_step():
    data = build_task(TASK.model_copy(update={"hops": 3}))
    assert [name for name, split in data.splits.items() if split.role == "diagnostic"] == [
        f"test_inferred_hop_{hop}_ood" for hop in (1, 2, 3)
    ]
    assert {len(question) for question, _ in texts(data, data.train["train_inferred"])} == {4}


def test_identity_rows_answer_each_bridge_with_itself_and_change_nothing_else(data):
    more = build_task(TASK.model_copy(update={"identity": True}))
    facts = [row for split in ("id_atomic", "ood_atomic") for row in texts(data, data.train[split])]
    bridges = {head for (head, _), _ in facts} & {tail for _, tail in facts}
    assert len(bridges) > 25
    for rows in (more.train["identity"], more.probes["identity"]):
        assert sorted(texts(more, rows)) == sorted(((bridge,), bridge) for bridge in bridges)
    split = more.splits["identity"]
    assert (split.role, split.rows, split.majority_baseline) == ("train", len(bridges), 1 / len(bridges))
    assert [*more.splits] == ["id_atomic", "ood_atomic", "identity", *[*data.splits][2:]]
    assert [*more.train] == [name for name, split in more.splits.items() if split.role == "train"]
    assert more.vocabulary == data.vocabulary
    for name, rows in {**data.train, **data.probes}.items():
        assert texts(more, {**more.train, **more.probes}[name]) == texts(data, rows)


def test_an_entity_that_no_fact_leads_to_or_on_from_is_no_bridge():
    assert graph_of(FACTS).bridges.tolist() == [0, 1, 2]
    assert graph_of([(0, 0, 1), (0, 1, 2), (1, 0, 3)]).bridges.tolist() == [1]


def test_tasks_without_identity_rows_keep_their_ids():
    assert dataset_id(TASK) == dataset_id(TASK.model_copy(update={"identity": False}))
    assert dataset_id(TASK) != dataset_id(TASK.model_copy(update={"identity": True}))


def test_chunks_do_not_change_the_data(data, monkeypatch):
    monkeypatch.setattr("grokcore.tasks.composition._CHUNK", 7)
    monkeypatch.setattr(Graph.paths, "__defaults__", (7,))
    again = build_task(TASK)
    for part, other in ((data.train, again.train), (data.probes, again.probes)):
        for name, rows in part.items():
            assert np.array_equal(rows.tokens, other[name].tokens)
    assert again.splits == data.splits


def test_the_published_configuration_has_its_sizes():
    data = build_task(PUBLISHED)
    rows = {name: split.rows for name, split in data.splits.items()}
    assert (rows["id_atomic"], rows["ood_atomic"], rows["train_inferred"]) == (38_000, 2_000, 273_600)
    assert abs(rows["test_inferred_iid"] - 0.005 * 722_000) < 400
    assert abs(rows["test_inferred_ood"] - 2_000) < 300
    assert abs(rows["test_inferred_hop_1_ood"] - 38_000) < 2_000
    assert len(data.vocabulary) == 2206
    assert data.prefixes == ()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"out_degree": 11}, "out_degree=11 is more than relations=10"),
        ({"ood_ratio": 0.001}, "ood_ratio=0.001 of 180 facts gives 180 in-domain and 0 out-of-domain facts"),
        ({"phi": 20}, r"phi=20 asks for 2880 inferred facts, but 144 in-domain facts give about \d+: lower phi to"),
        ({"phi": 1e-4}, "no inferred fact at all: raise phi"),
        ({"hops": 1}, "hops: .*greater than or equal to 2, got 1"),
    ],
)
def test_impossible_tasks_are_refused_with_the_field_to_change(fields, message):
    with pytest.raises(InputError, match=message):
        validate(CompositionTask, {**TASK.model_dump(), **fields})


def test_draws_that_leave_a_split_empty_and_data_that_cannot_fit_name_what_to_change():
    assert "left test_inferred_ood empty: raise ood_ratio=0.01" in str(refusal(TASK, ood_ratio=0.01))
    assert "left test_inferred_iid empty: raise test_ratio=1e-09" in str(refusal(TASK, test_ratio=1e-9))
    large = CompositionTask(entities=100_000, relations=500, out_degree=200, phi=1)
    assert "lower hops, entities or out_degree" in str(refusal(large, hops=4))
    assert "lower phi, entities or out_degree" in str(refusal(large, out_degree=100, phi=10.0))
    assert "lower one of them" in str(refusal(large, relations=10_000))
