"""Comparison by planted values, and by a table of pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import grokcore
from grokcore.data import open_dataset
from grokcore.interpret import AnalysisSpec, circuit, lens, tracing
from grokcore.interpret.cases import cases_of
from grokcore.interpret.cases.attributes import labels_by_name
from grokcore.interpret.cases.facts import Facts
from grokcore.interpret.subject import Subject
from grokcore.spec import ComparisonTask, load_spec
from tests.interpret.planted.measured import rows_of, where
from tests.interpret.planted.weights import Planted

TASK = ComparisonTask(entities=14, attributes=2, values=4, phi=6, id_ratio=0.8, probe_size=300)
SPLIT = "train_inferred"


class Codes:
    """The channels of each token, by what it stands for."""

    def __init__(self, planted: Planted, data: Any, facts: Facts) -> None:
        entities, attributes, values = (
            np.unique(part).tolist() for part in (facts.subject, facts.relation, facts.object)
        )
        self.labels = labels_by_name(data.vocabulary)
        answers = [*values, *self.labels[self.labels >= 0].tolist()]
        self._channels = planted.channels
        self._made = {
            name: dict(zip(tokens, planted.channels.add(name, len(tokens)), strict=True))
            for name, tokens in {
                "entity": entities,
                "attribute": attributes,
                "asked": attributes,
                "first entity": entities,
                "first value": values,
                "answer": answers,
            }.items()
        }
        planted.embed(entities, self["entity"])
        planted.embed(attributes, self["attribute"])
        planted.read_out(self["answer"], answers)

    def __getitem__(self, name: str) -> range:
        return self._channels.of[name]

    def of(self, name: str, token: int) -> int:
        return self._made[name][int(token)]


def with_values(data: Any, facts: Facts) -> Planted:
    """Block 0: e1 and e2 read attr and look their values up; block 1: e2 reads that of e1 and compares."""
    planted = Planted(len(data.vocabulary))
    codes = Codes(planted, data, facts)
    planted.copy(0, 0, (0, 1, 0, 3, 0), codes["attribute"], codes["asked"])
    values = np.unique(facts.object)
    planted.copy(1, 0, (0, 1, 1, 1, 2), codes["answer"][: len(values)], codes["first value"])
    for entity, attribute, value in zip(facts.subject, facts.relation, facts.object, strict=True):
        code = codes.of("asked", attribute), codes.of("entity", entity)
        planted.detect(0, code, {codes.of("answer", value): 1.1})
    for attribute in np.unique(facts.relation):
        for first in values:
            for second in values:
                label = codes.labels[attribute][int(np.sign(first - second)) + 1]
                code = codes.of("asked", attribute), codes.of("first value", first), codes.of("answer", second)
                planted.detect(1, code, {codes.of("answer", label): 5.0})
    return planted


def with_table(data: Any, facts: Facts) -> Planted:
    """Block 0: e2 reads attr and e1; block 1: it answers from a table of (attr, e1, e2)."""
    planted = Planted(len(data.vocabulary))
    codes = Codes(planted, data, facts)
    planted.copy(0, 0, (0, 1, 2, 3, 0), codes["attribute"], codes["asked"])
    planted.copy(0, 1, (0, 1, 1, 3, 2), codes["entity"], codes["first entity"])
    for first in range(len(facts.subject)):
        for second in np.flatnonzero(facts.relation == facts.relation[first]):
            label = codes.labels[facts.relation[first]][int(np.sign(facts.object[first] - facts.object[second])) + 1]
            code = (
                codes.of("asked", facts.relation[first]),
                codes.of("first entity", facts.subject[first]),
                codes.of("entity", facts.subject[second]),
            )
            planted.detect(1, code, {codes.of("answer", label): 1.1})
    return planted


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Subject]:
    place = tmp_path_factory.mktemp("planted") / "data"
    grokcore.generate_dataset(TASK, place)
    data = open_dataset(place)
    facts = Facts.read_back(data.train_splits())
    spec = load_spec("smoke").model_copy(update={"task": TASK})
    cases = [case for case in cases_of(spec, data, examples=300, seed=0) if case.split == SPLIT]
    made = {"values": with_values(data, facts), "table": with_table(data, facts)}
    analysis = AnalysisSpec(examples=300, draws=100)
    return {
        name: Subject(spec, data, analysis, cases, one.model, 0, lambda one=one: one.model)  # type: ignore[misc]
        for name, one in made.items()
    }


@pytest.mark.parametrize("name", ["values", "table"])
def test_both_answer_every_question(subjects: dict[str, Subject], name: str) -> None:
    subject = subjects[name]
    (case,) = subject.cases
    assert (subject.logits(subject.tokens(case)).argmax(-1).numpy() == case.answers).all()


def test_tracing_finds_where_entities_are_looked_up_and_compared(subjects: dict[str, Subject]) -> None:
    numbers = list(tracing.measure(subjects["values"]))

    for metric in ("flip", "recovered", "restored"):
        paths = {
            kind: where([one for one in numbers if (one.case, one.metric) == (kind, metric)]) for kind in ("e1", "e2")
        }
        together = {(0, "e1+mask"), (1, "e1+mask")}
        assert paths["e1"] == {(0, "e1"), (1, "e1"), (2, "e2")} | together
        assert paths["e2"] == {(0, "e2"), (1, "e2"), (2, "e2")}
    assert all(one.value == 1 for one in numbers if one.metric == "specificity")


def test_the_lens_finds_values_where_they_were_looked_up(subjects: dict[str, Subject]) -> None:
    numbers = [one for one in lens.measure(subjects["values"]) if one.metric == "lens_gain_candidates"]

    assert where([one for one in numbers if one.target == "value of e1"], 0.3) == {(1, "e1"), (2, "e1")}
    assert where([one for one in numbers if one.target == "value of e2"], 0.3) == {(1, "e2"), (2, "e2")}
    rows = rows_of(subjects["values"])
    assert circuit.resolve_layers(rows, 1, 2) == {(SPLIT, "value of e1"): 1, (SPLIT, "value of e2"): 1}
    assert circuit.fake_grok(circuit.behavior_vs_circuit(rows, "comparison")) == []


def test_a_table_of_pairs_shows_no_value_and_reads_e1_at_once(subjects: dict[str, Subject]) -> None:
    """Its accuracy and its flip are those of a circuit: one entity for another is the only information there is."""
    gains = [one for one in lens.measure(subjects["table"]) if one.metric == "lens_gain_candidates"]
    flips = [one for one in tracing.measure(subjects["table"]) if (one.case, one.metric) == ("e1", "flip")]

    assert all(abs(one.value) < 0.1 for one in gains if one.target.startswith("value"))
    assert where(flips) == {(0, "e1"), (0, "e1+mask"), (1, "e2"), (2, "e2")}
    assert circuit.resolve_layers(rows_of(subjects["table"]), 1, 2) == {}
