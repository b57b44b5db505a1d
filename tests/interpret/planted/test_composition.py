"""Composition by a planted bridge, and by a table of chains: every analysis tells which it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import grokcore
from grokcore.data import open_dataset
from grokcore.interpret import AnalysisSpec, ablation, circuit, lens, mixing, tracing
from grokcore.interpret.cases import cases_of
from grokcore.interpret.cases.facts import Facts
from grokcore.interpret.subject import Subject
from grokcore.spec import CompositionTask, load_spec
from tests.interpret.planted.measured import rows_of, where
from tests.interpret.planted.weights import Planted

TASK = CompositionTask(entities=20, relations=5, out_degree=4, phi=2.5, ood_ratio=0.1, test_ratio=0.1, probe_size=300)
SPLIT = "train_inferred"


def vocabulary_of(data: Any) -> tuple[list[int], list[int]]:
    number = {token: place for place, token in enumerate(data.vocabulary)}
    return [number[f"<e_{e}>"] for e in range(TASK.entities)], [number[f"<r_{r}>"] for r in range(TASK.relations)]


def channels_of(planted: Planted, data: Any) -> dict[str, dict[int, int]]:
    """Name -> token -> its channel; entities and relations are embedded, and answers read out."""
    entities, relations = vocabulary_of(data)
    made = {}
    for name, tokens in (("entity", entities), ("relation", relations), ("previous", entities)):
        made[name] = dict(zip(tokens, planted.channels.add(name, len(tokens)), strict=True))
    made["relation before"] = dict(zip(relations, planted.channels.add("relation before", len(relations)), strict=True))
    made["answer"] = dict(zip(entities, planted.channels.add("answer", len(entities)), strict=True))
    planted.embed(entities, planted.channels.of["entity"])
    planted.embed(relations, planted.channels.of["relation"])
    planted.read_out(planted.channels.of["answer"], entities)
    return made


def with_bridge(data: Any, facts: Facts) -> Planted:
    """Block 0: r1 reads h, looks (h, r1) up and writes the bridge; block 1: r2 reads it, and looks (b, r2) up."""
    planted = Planted(len(data.vocabulary))
    channel, of = channels_of(planted, data), planted.channels.of
    planted.copy(0, 0, (0, 0, 2), of["entity"], of["previous"])
    planted.copy(1, 0, (0, 0, 1), of["answer"], of["previous"])
    for block in range(2):
        for subject, relation, tail in zip(facts.subject, facts.relation, facts.object, strict=True):
            code = channel["previous"][subject], channel["relation"][relation]
            planted.detect(block, code, {channel["answer"][tail]: 1.1})
    return planted


def with_table(data: Any, facts: Facts) -> Planted:
    """Block 0: r2 reads h and r1; block 1: it answers from a table of (h, r1, r2). There is no bridge anywhere."""
    planted = Planted(len(data.vocabulary))
    channel, of = channels_of(planted, data), planted.channels.of
    planted.copy(0, 0, (0, 1, 0), of["entity"], of["previous"])
    planted.copy(0, 1, (0, 1, 1), of["relation"], of["relation before"])
    for first in range(len(facts.subject)):
        for second in np.flatnonzero(facts.subject == facts.object[first]):
            code = (
                channel["previous"][facts.subject[first]],
                channel["relation before"][facts.relation[first]],
                channel["relation"][facts.relation[second]],
            )
            planted.detect(1, code, {channel["answer"][facts.object[second]]: 1.1})
    return planted


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Facts]:
    place = tmp_path_factory.mktemp("planted") / "data"
    grokcore.generate_dataset(TASK, place)
    data = open_dataset(place)
    return data, Facts.read_back(data.train_splits())


def subject_of(data: Any, planted: Planted, examples: int = 300) -> Subject:
    spec = load_spec("smoke").model_copy(update={"task": TASK})
    analysis = AnalysisSpec(examples=examples, draws=100)
    cases = [case for case in cases_of(spec, data, examples=examples, seed=0) if case.split == SPLIT]
    return Subject(spec, data, analysis, cases, planted.model, 0, lambda: planted.model)


@pytest.fixture(scope="module")
def bridge(made: tuple[Any, Facts]) -> Subject:
    return subject_of(made[0], with_bridge(*made))


@pytest.fixture(scope="module")
def table(made: tuple[Any, Facts]) -> Subject:
    return subject_of(made[0], with_table(*made))


def test_both_answer_every_question(bridge: Subject, table: Subject) -> None:
    for subject in (bridge, table):
        (case,) = subject.cases
        assert (subject.logits(subject.tokens(case)).argmax(-1).numpy() == case.answers).all()
        assert len(case.counterfactuals["semantic"].rows) >= 20


PATHS = {
    "h": {(0, "h"), (1, "r1"), (2, "r2")},
    "r1": {(0, "r1"), (1, "r1"), (2, "r2")},
    "r2": {(0, "r2"), (1, "r2"), (2, "r2")},
    "semantic": {(1, "r1"), (2, "r2")},
}


def test_tracing_finds_the_planted_path_site_by_site(bridge: Subject) -> None:
    numbers = list(tracing.measure(bridge))
    for kind, path in PATHS.items():
        for metric in ("flip",) if kind == "semantic" else ("flip", "recovered", "restored"):
            for one in numbers:
                if (one.case, one.metric) == (kind, metric) and one.layer is not None:
                    on_path = (one.layer, one.position) in path
                    assert one.value == pytest.approx(float(on_path), abs=0.1), one
    headlines = {(one.case, one.metric): one for one in numbers if one.layer is None}
    assert headlines["semantic", "flip"].value == 1
    assert headlines["semantic", "flip"].target == headlines["same bridge", "specificity"].target == "layer 1, r1"
    assert headlines["same bridge", "specificity"].value == 1


def test_the_circuit_of_the_planted_bridge_is_its_path(bridge: Subject) -> None:
    rows = rows_of(bridge)
    found = circuit.circuit_sites(rows, 1)
    for kind in ("h", "r1", "r2"):
        assert {(site.layer, site.position) for site in found if site.case == kind} == PATHS[kind]
    assert {(site.layer, site.position) for site in found if site.case == "semantic" and site.flip > 0.5} == PATHS[
        "semantic"
    ]
    assert circuit.resolve_layers(rows, 1, 2) == {(SPLIT, "semantic"): 1, (SPLIT, "bridge"): 1}
    points = circuit.behavior_vs_circuit(rows, "composition")
    assert {(point.accuracy, point.flip) for point in points} == {(1.0, 1.0)}
    assert circuit.fake_grok(points) == []


def test_the_lens_finds_the_bridge_where_it_was_written_and_its_shuffle_at_chance(bridge: Subject) -> None:
    numbers = [one for one in lens.measure(bridge) if one.target == "bridge"]
    of = {
        metric: [one for one in numbers if one.metric == metric] for metric in ("lens_gain", "mrr_candidates_shuffled")
    }
    assert where(of["lens_gain"]) == {(1, "r1"), (2, "r1")}
    for one in of["lens_gain"]:
        if one.layer is not None and (one.layer, one.position) not in where(of["lens_gain"]):
            assert abs(one.value) < 0.15, one
    candidates = len(bridge.cases[0].targets[1].candidates)
    chance = float(np.mean(1 / np.arange(1, candidates + 1)))
    (at_bridge,) = [one for one in of["mrr_candidates_shuffled"] if (one.layer, one.position) == (1, "r1")]
    # Where all but the bridge are equal, the others share the mean rank.
    assert at_bridge.value < chance + 0.1


def test_ablation_finds_the_parts_that_were_written(bridge: Subject) -> None:
    drops = {(one.layer, one.case): one.value for one in ablation.measure(bridge) if one.metric == "accuracy_drop"}
    for (layer, part), drop in drops.items():
        if part == "head 1":
            assert drop == 0, (layer, part)
        else:
            assert drop > 0.5, (layer, part)


def test_value_zeroing_finds_who_reads_whom(bridge: Subject) -> None:
    numbers = [one for one in mixing.measure(bridge) if one.metric == "value_zeroing"]
    maps = {(one.layer, one.position, one.target): one.value for one in numbers}
    assert maps[0, "r1", "h"] > 0.95
    assert maps[1, "r2", "r1"] > 0.95


def test_a_table_of_chains_is_exposed_as_fake(table: Subject) -> None:
    rows = rows_of(table)
    points = circuit.behavior_vs_circuit(rows, "composition")

    assert [point.accuracy for point in points] == [1.0] * 3
    assert all(point.flip is not None and point.flip < 0.1 for point in points)
    assert circuit.fake_grok(points) == [3]
    assert "fake grok at step 3" in circuit.verdicts(rows, "composition")[0]
    assert (SPLIT, "bridge") not in circuit.resolve_layers(rows, 1, 2)
    assert (SPLIT, "semantic") not in circuit.resolve_layers(rows, 1, 2)


def test_a_table_flips_where_it_is_read_but_not_where_a_bridge_would_be(table: Subject) -> None:
    numbers = [one for one in tracing.measure(table) if one.metric == "flip"]

    assert where([one for one in numbers if one.case == "semantic"]) == {(1, "r2"), (2, "r2")}
    assert where([one for one in numbers if one.case == "h"]) == {(0, "h"), (1, "r2"), (2, "r2")}
