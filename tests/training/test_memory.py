"""The estimate of GPU memory, against real tensors and against what the allocator of the CPU has given out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.autograd import DeviceType

from grokcore.data import Dataset, open_dataset
from grokcore.models.fast.kernels import library
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.training.fake_cuda import CUDA, fake_cuda
from grokcore.training.memory import BLOCK, LiveBytes, estimate_memory, step_memory
from grokcore.training.source import drawn_model
from grokcore.training.trainer import Trainer
from tests.models.variants import VARIANTS
from tests.support.extended import mostly_extended
from tests.training.test_step import gpu

CPU = torch.device("cpu")
SAME_KERNELS = ("gpt2", "rwkv", "gpt2 in cycle")
"""Variants without RMS norm, convolution or triangular systems, for which a GPU has kernels of its own."""


@pytest.fixture(autouse=True)
def without_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the CPU compute with torch's operators, as a GPU does."""
    monkeypatch.setattr(library, "load_kernels", lambda: None)


def given(data: Path, *overrides: str) -> tuple[ExperimentSpec, Dataset]:
    spec = load_spec("smoke", ["training.precision=fp32", "training.cuda_graph=false", *overrides])
    return spec, open_dataset(data, expected_id=spec.dataset_id)


@pytest.mark.parametrize("variant", mostly_extended(VARIANTS, {"gpt2", "llama", "mamba2"}))
def test_fake_tensors_hold_as_many_bytes_as_real_ones(variant: str, smoke_data: Path) -> None:
    """All but the learning rate, which is 4 bytes longer on a CPU, where kernels of the two devices are the same."""
    spec, dataset = given(smoke_data, *VARIANTS[variant])
    real = step_memory(spec, dataset, CPU)
    with fake_cuda():
        fake = step_memory(spec, dataset, CUDA)
    assert (fake.weights, fake.optimizer_state, fake.examples) == (real.weights, real.optimizer_state, real.examples)
    assert fake.peak == pytest.approx(real.peak, rel=0.12)
    if variant in SAME_KERNELS:
        assert real.peak - fake.peak == 4


def test_the_allocator_gives_out_what_is_counted(smoke_data: Path) -> None:
    """What kernels take for themselves, too: up to a tenth of the whole."""
    spec, dataset = given(smoke_data, "model.width=64", "training.batch_size=256")
    trainer = Trainer(spec, dataset, drawn_model(spec, dataset), device=CPU)
    trainer.take_step()
    with torch.profiler.profile(profile_memory=True) as profile:
        trainer.take_step()
    now = most = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]" and event.device_type() == DeviceType.CPU:
            now += event.nbytes()
            most = max(most, now)
    with LiveBytes(CPU, block=1) as live:
        trainer.take_step()
    assert live.peak == pytest.approx(most, rel=0.1)


@gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize("architecture", ["gpt2", "llama", "rwkv", "mamba"])
def test_a_real_gpu_holds_what_is_estimated(architecture: str, precision: str, smoke_data: Path) -> None:
    """Beside workspaces, which the first step makes."""
    sizes = [*VARIANTS[architecture], "model.width=256", "training.batch_size=512", f"training.precision={precision}"]
    spec, dataset = given(smoke_data, *sizes)
    with fake_cuda():
        fake = step_memory(spec, dataset, CUDA, block=BLOCK)
    step_memory(spec, dataset, CUDA)
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    step_memory(spec, dataset, CUDA)
    assert fake.peak == pytest.approx(torch.cuda.max_memory_allocated() - before, rel=0.12)


def test_a_spec_is_estimated_for_a_gpu(smoke_data: Path) -> None:
    """In the precision that a GPU takes, with the native engine, and in whole blocks of the allocator."""
    full, half = (
        estimate_memory(load_spec("smoke", [f"training.precision={precision}", "training.engine=deepspeed"]))
        for precision in ("fp32", "auto")
    )
    assert half.activations < full.activations
    assert (half.weights, half.gradients, half.optimizer_state) == (full.weights, full.weights, full.optimizer_state)
    assert [size % BLOCK for size in vars(half).values()] == [0] * 5


def test_tensors_that_are_gone_do_not_count() -> None:
    with LiveBytes(CPU, block=1) as live:
        kept = torch.zeros(10)
        for _ in range(3):
            torch.zeros(100)
        view = kept.view(2, 5)
    assert (live.now, live.peak) == (40, 440)
    assert view.shape == (2, 5)
