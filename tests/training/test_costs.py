"""FLOPs of a step: those of methods agree with their formulas, and a run without a method has none."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import grokcore
from grokcore.acceleration import costs
from grokcore.acceleration.costs import newton_schulz_flops
from grokcore.acceleration.orthogonalize import newton_schulz
from grokcore.data import open_dataset
from grokcore.models import SequenceModel, build_model
from grokcore.models.roles import layouts
from grokcore.runs import read_journal
from grokcore.runs.manifest import read_manifest
from grokcore.spec import load_spec
from grokcore.spec.training import GradientFilterName, LossName, OptimizerName, ProjectionName
from grokcore.training.costs import StepFlops, step_flops_of
from tests.models.tiny_models import ARCHITECTURES, tiny_model


def flops(data: Path, *overrides: str) -> tuple[StepFlops, SequenceModel]:
    spec, info = load_spec("smoke", overrides), open_dataset(data).info
    model = build_model(
        spec.model, vocabulary_size=info.vocabulary_size, sequence_length=info.sequence_length, seed=0, eos=info.eos
    )
    return step_flops_of(spec, info, model), model


@pytest.mark.parametrize("shape", [(8, 24), (24, 8), (16, 16)])
@pytest.mark.parametrize("iterations", [0, 1, 5])
def test_newton_schulz_costs_the_matrix_products_that_it_computes(shape: tuple[int, int], iterations: int) -> None:
    m, n = sorted(shape)
    with FlopCounterMode(display=False) as counter:
        newton_schulz(torch.randn(1, m, n), iterations)
    assert newton_schulz_flops(*shape, iterations) == counter.get_total_flops() + 3 * m * n


def test_every_method_has_its_operations() -> None:
    for table, names in (
        (costs.OF_OPTIMIZER, OptimizerName),
        (costs.OF_FILTER, GradientFilterName),
        (costs.OF_PROJECTION, ProjectionName),
        (costs.OF_LOSS, LossName),
    ):
        assert set(table) == set(get_args(names))  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "overrides", [(), ("training.optimizer=sgd",), ("training.optimizer=lion",), ("training.loss=cross_entropy_fp64",)]
)
def test_what_does_no_more_than_adamw_costs_the_model_alone(smoke_data: Path, overrides: tuple[str, ...]) -> None:
    found, _ = flops(smoke_data, *overrides)
    assert found.of_method == 0
    assert found.total == found.of_model == flops(smoke_data)[0].total


def test_elementwise_methods_cost_operations_per_weight(smoke_data: Path) -> None:
    plain, model = flops(smoke_data)
    weights = sum(weight.numel() for weight in model.parameters())
    of_role = {
        role: sum(w.numel() for name, w in model.named_parameters() if layouts(model)[name].role == role)
        for role in ("matrix", "vector")
    }
    vocabulary = open_dataset(smoke_data).info.vocabulary_size
    rows = "training.projection=row_norm", "training.projection_bound=2"
    for overrides, expected in (
        (("training.gradient_filter=grokfast",), 5 * weights),
        (("training.gradient_filter=orthograd",), 11 * weights),
        (("training.gradient_filter=normalize",), 3 * weights),
        (rows, 3 * of_role["matrix"]),
        ((*rows, "training.projection_on=matrices_and_norms"), 3 * (of_role["matrix"] + of_role["vector"])),
        (("training.projection=norm_ball", "training.projection_bound=2"), 3 * weights),
        (("training.loss=stablemax",), 3 * 4 * vocabulary * load_spec("smoke").training.batch_size),
        (("training.loss_temperature=2",), 3 * vocabulary * load_spec("smoke").training.batch_size),
    ):
        found, _ = flops(smoke_data, *overrides)
        assert (found.of_model, found.of_method) == (plain.of_model, expected)


def test_muon_costs_the_same_however_its_matrices_are_stored(smoke_data: Path) -> None:
    width, layers = 32, 2
    found, _ = flops(smoke_data, "training.optimizer=muon", f"model.width={width}", f"model.layers={layers}")
    attention = 4 * newton_schulz_flops(width, width, 5)
    mlp = 2 * newton_schulz_flops(width, 4 * width, 5)
    assert found.of_method == layers * (attention + mlp), "query, key and value count as three matrices"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_implementations_cost_the_same(smoke_data: Path, architecture: str) -> None:
    info = open_dataset(smoke_data).info
    spec = load_spec("smoke", ["training.optimizer=muon", "training.gradient_filter=grokfast"])
    models = [tiny_model(architecture, implementation=name) for name in ("fast", "transformers")]  # type: ignore[arg-type]
    first, second = (step_flops_of(spec, info, model).of_method for model in models)
    assert first == second > 0


def test_a_run_is_charged_with_its_method(smoke_data: Path, tmp_path: Path) -> None:
    overrides = ["training.optimizer=muon", "training.max_steps=4"]
    grokcore.train_model(load_spec("smoke", overrides), smoke_data, tmp_path)
    expected, _ = flops(smoke_data, *overrides)
    model = read_manifest(tmp_path).model
    assert (model.flops_of_model, model.flops_of_method) == (expected.of_model, expected.of_method)
    assert model.flops_per_step == expected.total > expected.of_model
    assert read_journal(tmp_path / "metrics.jsonl")[-1]["flops"] == 4 * expected.total
