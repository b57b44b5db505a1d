"""Ids: what changes them, what must not, and that they never drift."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest

from grokcore.spec import ExperimentSpec, load_spec, read_spec, resolve
from grokcore.spec.base import Spec, added_later, identity_of, with_neutral_fields


def changed(*overrides: str) -> ExperimentSpec:
    return load_spec("smoke", overrides)


@pytest.mark.parametrize(
    "override",
    [
        "name=other",
        "description=other",
        "training.max_steps=99",
        "training.max_seconds=5",
        "training.stop_on_grok.split=test_inferred_ood",
        "training.checkpoint_interval=7",
        "training.checkpoint_keep=5",
        "training.device=cpu",
        "training.cuda_graph=false",
        "evaluation.threshold=.5",
    ],
)
def test_names_budgets_and_places_leave_the_run_id_alone(override: str) -> None:
    assert changed(override).run_id == changed().run_id


@pytest.mark.parametrize(
    "override",
    [
        "seed=1",
        "task.seed=1",
        "task.phi=6",
        "model.width=16",
        "model.seed=3",
        "model.init=original",
        "model.architecture=llama",
        "training.learning_rate=2e-3",
        "training.batch_size=32",
        "training.loss_on=answer_and_eos",
        "training.precision=bf16",
        "training.seed=3",
    ],
)
def test_whatever_changes_the_curve_changes_the_run_id(override: str) -> None:
    assert changed(override).run_id != changed().run_id


def test_the_dataset_id_depends_on_the_task_alone() -> None:
    assert changed("model.width=16", "training.learning_rate=1", "seed=9").dataset_id == changed().dataset_id
    assert changed("task.values=4").dataset_id != changed().dataset_id


def test_the_evaluation_has_its_own_id() -> None:
    assert changed("evaluation.threshold=.5").evaluation_id != changed().evaluation_id
    assert changed("model.width=16").evaluation_id == changed().evaluation_id


def test_ids_are_frozen() -> None:
    """Datasets, runs and checkpoints in stores are found by these; a change needs a new version of what changed it."""
    spec = changed()
    assert (spec.dataset_id, spec.run_id) == ("eb1ee975d245e724", "67395e6188a5337f")


DATASETS = {
    "comparison-delay": "bfaf44cebc3ca2aa",
    "comparison-small": "0eb7aaa10effa780",
    "composition": "fb77e8f0f1d33664",
    "composition-small": "6dc2ab72fff80a2b",
    "demo": "935bd958c256ad9b",
    "in-context-recall": "19570c45bcac3f87",
    "modular": "9cb73ad9b11ca4c6",
    "smoke": "eb1ee975d245e724",
    "thesis": "6ca3fb4bd4eb6118",
}


@pytest.mark.parametrize("preset", DATASETS)
def test_dataset_ids_of_presets_are_frozen(preset: str) -> None:
    assert load_spec(preset).dataset_id == DATASETS[preset]


RUNS = {
    "gpt2": "48da2175bf8e0288",
    "llama": "2bb992235608974b",
    "rwkv": "d99ded8a81e47ce6",
    "mamba": "5aff7734a1efc381",
    "linear_attention": "49f305e3772e5044",
    "mamba2": "1f0acdcb7dd880b8",
}
FORMER_RUNS = {
    "retnet": "6e6a04b9adca7864",
    "gla": "9ce6e90e7f74b36f",
    "deltanet": "aac7ff2305cefd2e",
    "rwkv6": "a6b36c4cab4695b8",
}
"""Of architectures that have computed something else since."""


@pytest.mark.parametrize("architecture", RUNS)
def test_run_ids_of_architectures_are_frozen(architecture: str) -> None:
    spec = changed(f"model.architecture={architecture}", "model.layers=2")
    assert spec.run_id == RUNS[architecture]


@pytest.mark.parametrize("architecture", FORMER_RUNS)
def test_an_architecture_that_computes_something_else_has_other_run_ids(architecture: str) -> None:
    spec = changed(f"model.architecture={architecture}", "model.layers=2")
    assert spec.run_id != FORMER_RUNS[architecture]


@pytest.mark.parametrize(
    ("override", "run_id"),
    [
        ("model.sharing={kind: blocks, repeat: 2}", "89e9edce5c436d5a"),
        ("model.memory.kind=slots", "12bb13799137e03e"),
        ("model.recurrence={kind: fixed, loops: 2}", "33168ee61c43628d"),
    ],
)
def test_run_ids_of_composed_models_are_frozen(override: str, run_id: str) -> None:
    assert changed(override).run_id == run_id


def test_complex_reasoning_by_pairs_has_the_id_that_it_had_before_rows() -> None:
    assert load_spec("complex-reasoning", ["task.stated=pairs"]).dataset_id == "2f1bf142300ef587"
    assert load_spec("complex-reasoning").dataset_id != "2f1bf142300ef587"


def test_comparisons_in_context_whose_order_is_random_have_other_ids_than_those_before() -> None:
    assert load_spec("in-context").dataset_id != "d95bcccafce7a951"


def test_the_spec_of_a_run_is_read_as_it_was_meant_when_it_was_written(tmp_path: Path) -> None:
    spec = load_spec("complex-reasoning", ["task.stated=pairs"])
    document = spec.model_dump(mode="json")
    del document["task"]["stated"]
    (tmp_path / "spec.yaml").write_text(json.dumps(document))
    assert read_spec(tmp_path / "spec.yaml") == spec
    assert load_spec(str(tmp_path / "spec.yaml")).task.stated == "rows"


def test_an_unresolved_precision_has_no_run_id() -> None:
    spec = changed("training.precision=auto")
    with pytest.raises(ValueError, match="resolve the spec first"):
        _ = spec.run_id
    assert len(resolve(spec).run_id) == 16


def test_seeds_pair_across_architectures_and_can_be_set_one_by_one() -> None:
    gpt2, mamba = changed("seed=5"), changed("seed=5", "model.architecture=mamba")
    assert (gpt2.init_seed, gpt2.order_seed) == (mamba.init_seed, mamba.order_seed)
    assert gpt2.init_seed != gpt2.order_seed
    assert changed("model.seed=3").init_seed == 3
    assert changed("training.seed=3").order_seed == 3


def test_a_spec_written_and_read_again_is_the_same() -> None:
    spec = load_spec("demo", ["model.architecture=mamba"])
    assert load_spec(spec.model_dump_json()) == spec


def test_fields_added_later_are_hashed_only_where_they_differ() -> None:
    class Old(Spec):
        kind: Literal["x"] = "x"

    class New(Old):
        added: int = added_later(0, description="x")

    assert identity_of(New()) == identity_of(Old())
    assert identity_of(New(added=1)) == {"kind": "x", "added": 1}


def test_a_field_added_later_may_have_a_default_that_differs_from_what_was_done_before() -> None:
    class New(Spec):
        added: int = added_later(0, default=1, description="x")

    assert identity_of(New(added=0)) == {}
    assert identity_of(New()) == {"added": 1}
    assert with_neutral_fields(New, {}) == {"added": 0}
    assert with_neutral_fields(New, {"added": 3}) == {"added": 3}


def test_the_stable_threshold_keeps_the_ids_of_when_it_was_fixed() -> None:
    """Written down from the version in which it was always .95; only the rules below .95 became others."""

    def rules(*overrides: str) -> str:
        return load_spec("modular", overrides).evaluation_id

    assert rules() == rules("evaluation.stable_threshold=.95") == "9d0f2f422f3c043d"
    assert rules("evaluation.threshold=.95") == "374814800d30f876"
    assert rules("evaluation.stable_threshold=.8") == "c9ac4359a556952b"
    assert rules("evaluation.threshold=.9") == rules("evaluation.threshold=.9", "evaluation.stable_threshold=.9")
    assert rules("evaluation.threshold=.9") != "af23ec49434efae0"

    def run(*overrides: str) -> str:
        waiting = ["training.schedule=phase", "training.drop_on=[{phase: memorized}]"]
        computed = ["training.precision=fp32", "training.engine=native"]
        return load_spec("modular", [*waiting, *computed, *overrides]).run_id

    assert run() == "685827e694133b56"
    assert run("evaluation.threshold=.9") == "d3f89e2b383f1870"
    assert run("evaluation.stable_threshold=.8") == "f01d9e7d19b0b5d2"


def test_a_phase_keeps_the_id_of_its_former_name() -> None:
    """Written down from the version in which the phase `sustained` was called `grokked`."""
    specs = [
        load_spec(
            "smoke", ["training.schedule=phase", f"training.drop_on=[{{phase: {phase}, split: test_inferred_iid}}]"]
        )
        for phase in ("grokked", "sustained")
    ]
    assert [spec.training.drop_on[0].phase for spec in specs] == ["sustained", "sustained"]
    assert {spec.run_id for spec in specs} == {"d1d0d6b5142ee0af"}
