"""Circuits, on rows whose verdict is known."""

from __future__ import annotations

import math

import pytest

from grokcore.interpret import circuit, path_similarity
from grokcore.interpret.number import Number
from grokcore.interpret.result import table_of

ROLES, LAYERS = ("h", "r1", "r2"), 3


def rows_of(*numbers):
    return table_of(numbers).to_pylist()


def traced(step, values, case="h", metric="recovered", lower=None, split="test"):
    """Rows of a map; `values` are {(layer, role): value}, 0 elsewhere."""
    for layer in range(LAYERS + 1):
        for role in ROLES:
            value = values.get((layer, role), 0.0)
            yield step, "tracing", Number(metric, value, 50, split, case, layer, role, "", lower or value, value)


def headlines(step, accuracy, flip, case="semantic", n=50, split="test"):
    yield step, "tracing", Number("accuracy", accuracy, 100, split)
    yield step, "tracing", Number("flip", flip, n, split, case, target="layer 1, r1")


def test_a_circuit_is_what_recovers_enough_for_certain():
    path = {(0, "h"): 1.0, (1, "r1"): 0.8, (2, "r1"): 0.3, (2, "r2"): 0.19, (3, "r2"): 1.0}
    unsure = {(1, "h"): 0.9}
    rows = rows_of(
        *traced(5, path),
        *traced(5, path, metric="flip"),
        *traced(6, unsure, lower=0.05),
        *traced(6, unsure, metric="flip"),
    )

    sites = [(site.layer, site.position) for site in circuit.circuit_sites(rows, 5)]

    assert sites == [(0, "h"), (1, "r1"), (2, "r1"), (3, "r2")]
    assert [site.flip for site in circuit.circuit_sites(rows, 5)] == [1.0, 0.8, 0.3, 1.0]
    assert circuit.circuit_sites(rows, 6) == []


def test_a_bridge_is_resolved_where_it_nearly_reaches_its_maximum():
    flips = {(1, "r1"): 0.5, (2, "r1"): 0.9, (3, "r1"): 1.0, (1, "r2"): 1.0}
    gains = [
        (5, "lens", Number("lens_gain", value, 50, "test", "", layer, "r1", target, value - margin, value))
        for target, margin in (("bridge", 0.1), ("answer", 0.1), ("noise", 0.9))
        for layer, value in ((0, 0.1), (1, 0.95), (2, 1.0), (3, 3.0))
    ]
    rows = rows_of(*traced(5, flips, case="semantic", metric="flip"), *gains)

    assert circuit.resolve_layers(rows, 5, LAYERS) == {("test", "semantic"): 2, ("test", "bridge"): 1}
    rows = rows_of(*traced(5, {(1, "r1"): 0.09}, case="semantic", metric="flip"))
    assert circuit.resolve_layers(rows, 5, LAYERS) == {}


def test_accuracy_without_its_circuit_at_three_steps_in_a_row_is_fake():
    flips = [1.0, 0.4, 0.4, 0.4, 0.4, 1.0]
    rows = rows_of(*(number for step, flip in enumerate(flips) for number in headlines(step, 0.95, flip)))
    points = circuit.behavior_vs_circuit(rows, "composition")

    assert [(point.step, point.accuracy, point.flip) for point in points] == [
        (step, 0.95, flip) for step, flip in enumerate(flips)
    ]
    assert circuit.fake_grok(points) == [3, 4]
    assert circuit.fake_grok(points, threshold=0.96) == []
    assert circuit.circuit_without_accuracy(points) == []
    assert circuit.verdicts(rows, "composition") == [
        "test: accuracy 0.95, semantic flips 1.00 at layer 1, r1; fake grok at step 3"
    ]
    marked = {(step, one.metric): one.value for step, one in circuit.circuit_numbers(rows, "composition", LAYERS)}
    assert [marked[step, "fake_grok"] for step in range(6)] == [0, 0, 0, 1, 1, 0]


def test_a_low_flip_of_operands_is_no_fake_but_distributed():
    operands = [
        *traced(0, {(0, "h"): 1.0}, case="e1"),
        *(number for step in range(3) for number in headlines(step, 0.95, 0.4, case="e1")),
    ]
    rows = rows_of(*operands)
    points = circuit.behavior_vs_circuit(rows, "comparison")

    assert circuit.fake_grok(points) == []
    assert circuit.distributed(points) == [2]
    assert "no site carries it at step 2" in circuit.verdicts(rows, "comparison")[0]
    metrics = {one.metric for _, one in circuit.circuit_numbers(rows, "comparison", LAYERS)}
    assert metrics == {"distributed", "circuit_without_accuracy"}


def test_a_step_that_decides_nothing_breaks_the_row():
    flips = [(0.4, 50), (0.4, 50), (0.4, 5), (0.4, 50), (0.4, 50)]
    rows = rows_of(*(number for step, (flip, n) in enumerate(flips) for number in headlines(step, 0.95, flip, n=n)))

    assert circuit.fake_grok(circuit.behavior_vs_circuit(rows, "composition")) == []


def test_a_circuit_without_accuracy_is_told_apart():
    rows = rows_of(*(number for step in range(4) for number in headlines(step, 0.4, 0.95)))
    points = circuit.behavior_vs_circuit(rows, "composition")

    assert circuit.circuit_without_accuracy(points) == [2, 3]
    assert circuit.fake_grok(points) == []


def test_flips_of_few_rows_and_of_other_kinds_decide_nothing():
    few = rows_of(*(number for step in range(3) for number in headlines(step, 0.95, 0.0, n=9)))
    others = rows_of(*(number for step in range(3) for number in headlines(step, 0.95, 0.0, case="r2")))

    assert [point.flip for point in circuit.behavior_vs_circuit(few, "composition")] == [None] * 3
    assert circuit.verdicts(few, "composition") == ["test: accuracy 0.95, too few rows for a flip"]
    assert circuit.behavior_vs_circuit(others, "composition") == []
    assert circuit.behavior_vs_circuit(few, "in_context") == []


def test_a_kind_that_changes_the_last_token_alone_decides_nothing():
    def rows(place):
        at_input = traced(0, {(0, place): 1.0}, case="e2")
        return rows_of(*at_input, *headlines(0, 0.95, 1.0, case="e2"))

    assert circuit.behavior_vs_circuit(rows("r2"), "comparison") == []
    assert [point.flip for point in circuit.behavior_vs_circuit(rows("h"), "comparison")] == [1.0]


def test_paths_are_compared_where_models_can_differ():
    a = {(0, "r1"): 1.0, (1, "r1"): 0.8, (1, "r2"): 0.1, (2, "r1"): 0.2, (2, "r2"): 0.7, (3, "r2"): 1.0}
    paths = circuit.paths(rows_of(*traced(0, a), *traced(0, {(0, "r2"): 1.0, (1, "r2"): 1.0}, case="r2")), 0, LAYERS)

    assert {key[2:] for key in paths} == {(layer, role) for layer in (1, 2) for role in ("r1", "r2")}
    assert {key[1] for key in paths} == {"h"}
    same, opposite = (
        path_similarity(paths, paths),
        path_similarity(paths, {key: -value for key, value in paths.items()}),
    )
    assert (same.value, same.lower, same.upper, same.n) == pytest.approx((1, 1, 1, 4))
    assert opposite.value == pytest.approx(-1)
    noisy = {key: value + 0.3 * (-1) ** place for place, (key, value) in enumerate(paths.items())}
    between = path_similarity(paths, noisy)
    assert between.lower < between.value < between.upper <= 1
    assert between == path_similarity(paths, noisy)
    few = dict(list(paths.items())[:2])
    assert math.isnan(path_similarity(few, paths).value)
    assert path_similarity(few, paths).n == 2


def test_every_later_step_says_how_alike_its_path_is_to_that_of_the_memorized_model():
    """Each split by itself; steps before the model had memorized say nothing."""
    path = {(0, "h"): 1.0, (1, "h"): 0.8, (1, "r1"): 0.1, (2, "r1"): 0.7, (2, "r2"): 0.3, (3, "r2"): 1.0}
    other = {**path, (1, "h"): 0.0, (2, "r1"): 0.0, (2, "r2"): 1.0}
    rows = rows_of(
        *(row for step in (2, 5) for row in traced(step, path)),
        *traced(9, other),
        *(row for step in (5, 9) for row in traced(step, path, split="other")),
    )

    found = [
        (step, one.split, one.value)
        for step, one in circuit.circuit_numbers(rows, "composition", LAYERS, memorized=5)
        if one.metric == "path_similarity"
    ]

    assert [(step, split) for step, split, _ in found] == [(9, "test"), (9, "other")]
    assert found[0][2] < 0.5
    assert found[1][2] == pytest.approx(1)
    assert not list(circuit.circuit_numbers(rows, "composition", LAYERS))
