"""From a sweep to its points: deterministic, named for files, validated before anything is trained."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grokcore.errors import InputError
from grokcore.runs.groups import group_key
from grokcore.spec import load_spec
from grokcore.storage import sha256
from grokcore.sweeps import Point, expand, load_sweep
from grokcore.sweeps.spec import Choice, LogUniform, Uniform, draw

ARCHITECTURES = {"kind": "grid", "field": "model.architecture", "values": ["gpt2", "llama", "mamba"]}
VALUES = {"kind": "grid", "field": "task.values", "values": [3, 4]}


def points(*axes: dict[str, Any], **fields: Any) -> list[Point]:
    return expand(load_sweep(json.dumps({"name": "test", "base": "smoke", "axes": axes, **fields})))


def names(*axes: dict[str, Any], **fields: Any) -> list[str]:
    return [point.name for point in points(*axes, **fields)]


def test_grids_are_crossed_and_named_by_their_fields() -> None:
    assert names(ARCHITECTURES, VALUES) == [
        f"model.architecture={architecture},task.values={values}"
        for architecture in ("gpt2", "llama", "mamba")
        for values in (3, 4)
    ]


def test_a_point_is_what_load_spec_makes_of_its_overrides() -> None:
    for point in points(ARCHITECTURES, VALUES, overrides=["training.max_steps=7"], seeds="2..3"):
        overrides = [f"{field}={value}" for field, value in point.settings.items()]
        expected = load_spec("smoke", ["training.max_steps=7", *overrides, "seed=2"])
        assert point.spec.run_id == expected.run_id
        assert point.spec.training.max_steps == 7
        assert [spec.seed for spec in point.specs] == [2, 3]


def test_an_architecture_gets_its_own_defaults_and_not_those_of_the_base() -> None:
    """GPT-2 ties its embeddings by default and LLaMA does not; a comparison must not tie LLaMA's in silence."""
    gpt2, llama, _ = points(ARCHITECTURES)
    assert (gpt2.spec.model.tie_embeddings, llama.spec.model.tie_embeddings) == (True, False)


def test_points_start_from_runs_that_are_identified_by_their_weights(smoke_run: Path) -> None:
    starts = {
        "drawn": [],
        "transferred": [f"model.start_from.model={smoke_run}"],
        "continued": [f"model.start_from.model={smoke_run}", "model.start_from.parts=all"],
    }
    drawn, *others = points({"kind": "points", "points": starts}, seeds="2..3")
    assert drawn.spec.model.start_from is None
    for point in others:
        assert point.spec.model.start_from is not None
        assert point.spec.model.start_from.sha256 == sha256(smoke_run / "model" / "model.safetensors")
    assert len({spec.run_id for point in (drawn, *others) for spec in point.specs}) == 6
    with pytest.raises(InputError, match=r"point transferred: model\.start_from: /gone is neither"):
        points({"kind": "points", "points": {"transferred": ["model.start_from.model=/gone"]}})


def test_named_points_set_several_fields() -> None:
    axis = {
        "kind": "points",
        "name": "entities",
        "points": {str(n): [f"task.entities={n}", f"task.attributes={80 // n}"] for n in (20, 40)},
    }
    found = points(axis)
    assert [point.name for point in found] == ["entities=20", "entities=40"]
    assert [point.spec.task.entities * point.spec.task.attributes for point in found] == [80, 80]


def test_listed_points_stand_beside_the_others() -> None:
    listed = {"kind": "list", "points": {"deep": ["model.layers=3"], "wide": ["model.width=64"]}}
    assert names(VALUES, listed) == ["task.values=3", "task.values=4", "deep", "wide"]
    assert names(listed) == ["deep", "wide"]


def test_without_axes_the_base_is_the_only_point() -> None:
    (point,) = points()
    assert point.name == "base"
    assert point.spec.run_id == load_spec("smoke").run_id


def test_random_draws_are_the_same_for_everything_they_are_crossed_with() -> None:
    axis = {
        "kind": "random",
        "draws": 4,
        "seed": 3,
        "fields": {
            "training.learning_rate": {"kind": "log_uniform", "low": 1e-4, "high": 1e-2},
            "training.weight_decay": {"kind": "choice", "options": [0, 0.1, 1]},
        },
    }
    found = points(VALUES, axis)
    assert len(found) == 8
    drawn = [(point.spec.training.learning_rate, point.spec.training.weight_decay) for point in found]
    assert drawn[:4] == drawn[4:]
    assert len(set(drawn[:4])) == 4
    assert all(1e-4 <= rate <= 1e-2 and decay in (0, 0.1, 1) for rate, decay in drawn)
    assert found[0].name.endswith(f"training.learning_rate={drawn[0][0]:g},training.weight_decay={drawn[0][1]:g}"), (
        "as the run can be had"
    )
    other = points(VALUES, {**axis, "seed": 4})
    assert [point.name for point in other] != [point.name for point in found]


@given(share=st.floats(0, 1, exclude_max=True))
def test_every_draw_lies_in_its_range(share: float) -> None:
    for distribution in (Uniform(kind="uniform", low=-2, high=3), LogUniform(kind="log_uniform", low=1e-5, high=2)):
        assert distribution.holds(distribution.at(share))
    assert Choice(kind="choice", options=(1, None, "a")).at(share) in (1, None, "a")


def test_draws_follow_their_distribution() -> None:
    rates = [draw(LogUniform(kind="log_uniform", low=1e-4, high=1e-2), 0, f"rate/{n}") for n in range(400)]
    below = sum(rate < 1e-3 for rate in rates if isinstance(rate, float))
    assert 160 < below < 240


@settings(deadline=None, max_examples=25)
@given(
    layers=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    rates=st.lists(st.sampled_from([1e-5, 1e-3, 0.1, 1]), min_size=1, max_size=3),
    betas=st.lists(st.sampled_from([[0.9, 0.98], [0.9, 0.999], [0.5, 0.9]]), min_size=1, max_size=2),
    seeds=st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True),
)
def test_expansion_is_deterministic_and_its_names_unique_short_and_safe(
    layers: list[int], rates: list[float], betas: list[list[float]], seeds: list[int]
) -> None:
    axes = [
        {"kind": "grid", "field": "model.layers", "values": layers},
        {"kind": "grid", "field": "training.learning_rate", "values": rates},
        {"kind": "grid", "field": "training.betas", "values": betas},
    ]
    found, again = points(*axes, seeds=seeds), points(*axes, seeds=seeds)
    assert found == again
    assert len(found) == len(set(layers)) * len(set(rates)) * len({tuple(pair) for pair in betas})
    called = [point.name for point in found]
    assert len(set(called)) == len(called)
    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+=,-]{0,99}", name) for name in called)
    assert len({spec.run_id for point in found for spec in point.specs}) == len(found) * len(seeds)
    for point in found:
        assert point.spec.model.layers == point.settings["model.layers"]
        assert point.spec.training.learning_rate == point.settings["training.learning_rate"]


def test_fields_that_end_alike_are_named_in_full() -> None:
    axes = [
        {"kind": "grid", "field": "model.seed", "values": [1]},
        {"kind": "grid", "field": "task.seed", "values": [1, 2]},
    ]
    assert names(*axes) == ["model.seed=1,task.seed=1", "model.seed=1,task.seed=2"]


def test_every_seed_is_trained_on_every_draw_of_the_data() -> None:
    (point,) = expand(load_sweep(json.dumps({"name": "t", "base": "smoke", "seeds": "0..1", "data_seeds": "3,5,7"})))
    assert [(spec.task.seed, spec.seed) for spec in point.specs] == [(d, s) for d in (3, 5, 7) for s in (0, 1)]
    assert len({spec.run_id for spec in point.specs}) == 6
    assert len({spec.dataset_id for spec in point.specs}) == len(point.draws) == 3
    assert len({group_key(spec) for spec in point.specs}) == 1, "one group of a comparison"
    assert point.run_name(point.specs[-1]) == "smoke, seed 1 of draw 7"


def test_without_data_seeds_the_draw_is_that_of_the_experiment() -> None:
    (point,) = expand(load_sweep(json.dumps({"name": "t", "base": "smoke", "overrides": ["task.seed=4"]})))
    assert point.data_seeds == (4,)
    assert point.run_name(point.spec) == "smoke, seed 0"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"axes": [{"kind": "grid", "field": "task.seed", "values": [1]}], "data_seeds": "0..1"},
            "task.seed is set by",
        ),
        ({"data_seeds": [1, 1]}, "seed 1 is listed twice"),
        ({"seeds": "0..9", "data_seeds": "0..20"}, "210 runs, more than most_runs=200"),
    ],
)
def test_draws_of_the_data_that_cannot_be_are_one_line(fields: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        expand(load_sweep(json.dumps({"name": "t", "base": "smoke", **fields})))


def test_a_point_that_is_the_same_experiment_is_run_once_and_said_so() -> None:
    said: list[str] = []
    listed = {"kind": "list", "points": {"the-same": ["task.values=3"]}}
    sweep = load_sweep(json.dumps({"name": "test", "base": "smoke", "axes": [VALUES, listed]}))
    assert [point.name for point in expand(sweep, notify=said.append)] == ["task.values=3", "task.values=4"]
    assert said == ["the-same is the same experiment as task.values=3: run once"]


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        (
            [{**VALUES, "values": [3, 1]}],
            "sweep test, point task.values=1: task.values: input should be greater than or",
        ),
        (
            [{**VALUES, "field": "task.value"}],
            "point task.value=3: task.value: there is no such field (did you mean values?)",
        ),
        (
            [{**ARCHITECTURES, "values": ["gpt3"]}],
            "point model.architecture=gpt3: model.architecture: 'gpt3' is not known",
        ),
        ([{**VALUES, "field": "seed"}], "point seed=3: seed=3: seeds are given by the field seeds"),
        ([{**VALUES, "field": "name"}], "runs are named by the fields in which they differ"),
        ([VALUES, VALUES], "task.values is set by two axes: leave it to one of them"),
        (
            [{**VALUES, "field": "training.max_steps"}],
            "training.max_steps=3 and training.max_steps=4 differ only in fields that no run depends on",
        ),
        (
            [{**VALUES, "field": "evaluation.interval"}],
            "differ only in fields that no run depends on (evaluation.interval)",
        ),
        ([{**VALUES, "values": list(range(2, 300))}], "are 298 runs, more than most_runs=200"),
        (
            [{**VALUES, "values": list(range(2, 2000)), "field": f"task.{name}"} for name in "abcdef"],
            "more than most_runs=200",
        ),
        (
            [{"kind": "points", "points": {"a": ["task.values"]}}],
            "point a: override 'task.values' must read field=value",
        ),
        (
            [
                {"kind": "points", "points": {"one": ["task.values=3"], "ONE": ["task.values=4"]}},
            ],
            "two points would be called ONE (task.values=3; task.values=4)",
        ),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_point(axes: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(InputError) as caught:
        points(*axes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_seeds_that_would_all_be_the_same_run_are_refused() -> None:
    with pytest.raises(InputError, match=r"point base: model\.seed and training\.seed are both set"):
        points(overrides=["model.seed=1", "training.seed=2"], seeds="0..1")


TUNING = {
    "search": {"training.learning_rate": {"kind": "log_uniform", "low": 1e-4, "high": 1e-2}},
    "trials": 2,
    "steps": 5,
}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"split": "test_inferred_ood"},
            "tuning.split: test_inferred_ood is what the comparison is about; allowed for",
        ),
        ({"split": "id_atomic"}, "tuning.split: id_atomic cannot be tuned on"),
        ({"seeds": [0, 5]}, "tuning.seeds and seeds share 0: tune on other seeds than the comparison reports"),
        ({"search": {"training.rate": TUNING["search"]["training.learning_rate"]}}, "training.rate: there is no such"),  # type: ignore[index]
        (
            {"search": {"training.weight_decay": {"kind": "uniform", "low": -1, "high": 1}}},
            "tuning.search, point task.values=3: training.weight_decay: input should be greater than or equal to 0",
        ),
        (
            {"search": {"task.values": {"kind": "choice", "options": [3]}}},
            "tuning.search: task.values is varied by an axis",
        ),
        ({"trials": 150}, "2 points of 151 seeds and trials are 302 runs"),
        (
            {
                "search": {"training.weight_decay": {"kind": "uniform", "low": 0, "high": 1}},
                "also": {"task.values=9": {}},
            },
            "tuning.also: there is no point task.values=9; points are task.values=3",
        ),
        ({"search": {}}, "tuning.search"),
        (
            {"search": {"training.learning_rate": {"kind": "log_uniform", "low": 1, "high": 0.1}}},
            "low=1 must be less than high=0.1",
        ),
    ],
)
def test_a_wrong_search_is_found_before_its_first_trial(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as caught:
        points(VALUES, tuning={**TUNING, **change})
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_search_is_judged_by_the_split_whose_distribution_is_that_of_training() -> None:
    sweep = load_sweep(json.dumps({"name": "test", "base": "smoke", "tuning": TUNING}))
    assert sweep.tuning is not None
    assert sweep.tuning.split_on(load_spec("smoke").task) == "test_inferred_iid"
    assert sweep.tuning.split_on(load_spec("modular").task) == "train", "its one held-out split is what is reported"
    by_time = sweep.tuning.model_copy(update={"measure": "time"})
    assert by_time.split_on(load_spec("modular").task) == "test", "the time that is reported may be searched for"


def test_only_some_points_are_run_under_the_names_that_they_have_among_all() -> None:
    values = {"kind": "grid", "field": "task.values", "values": [3, 4, 5]}
    all_points = points(values)
    assert points(values, only=["task.values=5", "task.values=3"]) == [all_points[0], all_points[2]]
    with pytest.raises(InputError, match=r"only: there is no point task\.values=6; points are task\.values=3, "):
        points(values, only=["task.values=6"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"baseline": "task.values=6"}, "baseline: there is no point task.values=6; points are task.values=3, "),
        (
            {"baseline": "task.values=3", "controls": {"task.values=4": ["adamw"]}},
            "controls: there is no point adamw; points are",
        ),
        ({"controls": {"task.values=4": ["task.values=3"]}}, "controls need a baseline"),
    ],
)
def test_a_baseline_and_controls_are_points_of_the_sweep(names: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        points(VALUES, **names)
    assert points(VALUES, baseline="task.values=3", controls={"task.values=4": ["task.values=3"]})


def test_a_point_is_searched_in_fields_of_its_own_besides_those_of_all() -> None:
    own = {"task.values=4": {"training.betas": {"kind": "choice", "options": [[0.9, 0.98]]}}}
    sweep = load_sweep(
        json.dumps({"name": "test", "base": "smoke", "axes": [VALUES], "tuning": {**TUNING, "also": own}})
    )
    assert sweep.tuning is not None
    assert [list(sweep.tuning.search_of(point.name)) for point in expand(sweep)] == [
        ["training.learning_rate"],
        ["training.learning_rate", "training.betas"],
    ]
