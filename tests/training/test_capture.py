"""What a CUDA graph can hold: a step of any model that needs nothing of the host, shown without a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from grokcore.data import open_dataset
from grokcore.models import build_model
from grokcore.spec import load_spec
from grokcore.training.seeds.stacked import StackedStep
from grokcore.training.trainer import Trainer
from tests.models.variants import ARCHITECTURES, VARIANTS, every_variant
from tests.training.methods import METHODS
from tests.training.stand_in_cuda import CUDA, host_work, moved, stand_in_cuda


def trainer_of(data: Path, *overrides: str) -> Trainer:
    """On the stand-in; the recording itself needs a GPU, what would be recorded is called as it is."""
    spec = load_spec("smoke", ["training.cuda_graph=false", *overrides])
    dataset = open_dataset(data, expected_id=spec.dataset_id)
    model: Any = build_model(
        spec.model,
        vocabulary_size=dataset.info.vocabulary_size,
        sequence_length=dataset.info.sequence_length + 2,
        seed=spec.init_seed,
        eos=dataset.info.eos,
    )
    return Trainer(spec, dataset, moved(model), device=CUDA)


def asked_of_host(data: Path, *overrides: str) -> list[str]:
    with stand_in_cuda():
        trainer = trainer_of(data, *overrides)
        trainer.sampler(0)
        with host_work() as found:
            trainer.take_step()
    return found


def asked_by_stacked_seeds(data: Path, *overrides: str) -> list[str]:
    with stand_in_cuda():
        trainers = [trainer_of(data, *overrides, f"seed={seed}") for seed in (0, 1)]
        step = StackedStep(trainers, notify=lambda line: None)
        for trainer in trainers:
            trainer.sampler(0)
        with host_work() as found:
            step()
    return found


@every_variant
def test_a_step_of_any_model_stays_on_the_device(variant: str, smoke_data: Path) -> None:
    """It copies nothing from the host, which would be from pageable memory, and asks for no number."""
    assert asked_of_host(smoke_data, *VARIANTS[variant]) == []


@pytest.mark.parametrize(
    "overrides",
    [
        ["training.loss_on=answer_and_eos", "training.gradient_clip=null"],
        ["training.gradient_accumulation=4", "training.gradient_clip=.5", "training.label_smoothing=.1"],
        ["training.optimizer=adam"],
        ["training.optimizer=sgd", "training.betas=[0,.9]"],
        ["training.optimizer=sgd", "training.weight_decay=.1"],
        ["training.projection=norm_ball", "training.projection_bound=9"],
        ["training.on_nonfinite=skip", "training.projection=norm_ball", "training.projection_bound=9"],
        ["training.precision=fp16"],
        ["training.precision=bf16", "model.dropout=.2"],
        ["training.schedule=cosine", "training.schedule_steps=50", "training.warmup_steps=5"],
        ["training.loss=cross_entropy_fp64", "training.loss_temperature=2", "training.label_smoothing=.1"],
        ["training.precision=fp16", f"model.start_from={{model: weak, width: 16, sha256: {64 * '0'}}}"],
    ],
    ids=" ".join,
)
def test_whatever_a_step_does_stays_on_the_device(overrides: list[str], smoke_data: Path) -> None:
    assert asked_of_host(smoke_data, *overrides) == []


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("method", METHODS)
def test_a_step_of_any_method_stays_on_the_device(method: str, precision: str, smoke_data: Path) -> None:
    assert asked_of_host(smoke_data, *METHODS[method], f"training.precision={precision}") == []


@pytest.mark.parametrize("method", METHODS)
def test_stacked_seeds_of_any_method_stay_on_the_device(method: str, smoke_data: Path) -> None:
    assert asked_by_stacked_seeds(smoke_data, *METHODS[method]) == []


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "rwkv", "mamba", "mamba2"])
def test_a_step_of_the_models_of_transformers_stays_on_the_device(architecture: str, smoke_data: Path) -> None:
    overrides = [*ARCHITECTURES[architecture], "model.implementation=transformers"]
    assert asked_of_host(smoke_data, *overrides) == []


@every_variant
def test_a_step_of_stacked_seeds_stays_on_the_device(variant: str, smoke_data: Path) -> None:
    assert asked_by_stacked_seeds(smoke_data, *VARIANTS[variant]) == []


@every_variant
def test_whole_sequences_are_read_on_the_device(variant: str, smoke_data: Path) -> None:
    """Without shared prefixes, with one supervised position of each and with all of them."""
    with stand_in_cuda():
        model = trainer_of(smoke_data, *VARIANTS[variant]).model
        tokens = torch.zeros(4, 6, dtype=torch.int64, device=CUDA)
        everywhere = torch.arange(6, device=CUDA).expand(4, -1)
        with host_work() as found:
            for positions in (everywhere[:, -1:], everywhere):
                model(tokens, positions).sum().backward()
    assert found == []


def test_what_spoils_a_recording_is_found() -> None:
    """A tensor made on the host, a mask whose ones are counted, and a number that is asked for."""
    with stand_in_cuda():
        there = torch.zeros(3, device=CUDA)
        with host_work() as found:
            there + torch.ones(3).to(CUDA)
        with host_work(), pytest.raises(NotImplementedError):
            there[there > 0]
        with host_work(), pytest.raises(RuntimeError, match="meta"):
            there.sum().item()
    assert [line.partition(",")[0] for line in found] == [
        "aten::ones works on the host",
        "aten::_to_copy works on the host",
    ]
