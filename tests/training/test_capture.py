"""The whole training step on a GPU, seen without one: nothing mixes devices, number formats are those asked for, and
nothing waits for the device, so that a CUDA graph can hold it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from grokcore.models.fast.decayed_attention import BLOCK, LONG
from grokcore.models.precision import autocast
from grokcore.training.fake_cuda import CUDA, LOWER, PROMOTED, fake_cuda, policy
from tests.models.variants import ARCHITECTURES, VARIANTS, every_variant
from tests.support.extended import mostly_extended
from tests.training.fake_step import checked, findings, trainer_of
from tests.training.methods import METHODS
from tests.training.test_step import gpu

COMBINED = [
    ["training.loss_on=answer_and_eos", "training.gradient_clip=null"],
    ["training.gradient_accumulation=4", "training.gradient_clip=.5", "training.label_smoothing=.1"],
    ["training.optimizer=adam"],
    ["training.optimizer=sgd", "training.betas=[0,.9]"],
    ["training.optimizer=sgd", "training.weight_decay=.1"],
    ["training.projection=norm_ball", "training.projection_bound=9"],
    ["training.on_nonfinite=skip", "training.projection=norm_ball", "training.projection_bound=9"],
    ["model.dropout=.2"],
    ["training.schedule=cosine", "training.schedule_steps=50", "training.warmup_steps=5"],
    ["training.loss=cross_entropy_fp64", "training.loss_temperature=2", "training.label_smoothing=.1"],
    [f"model.start_from={{model: weak, width: 16, sha256: {64 * '0'}}}"],
]
"""What a step does besides, each in one run."""

every_precision = pytest.mark.parametrize("precision", mostly_extended(["fp32", "bf16", "fp16"], {"fp16"}))


@every_precision
@every_variant
def test_a_step_of_any_model_runs_on_a_gpu(variant: str, precision: str, smoke_data: Path) -> None:
    assert findings(smoke_data, *VARIANTS[variant], precision=precision) == []


@every_precision
@pytest.mark.parametrize("overrides", COMBINED, ids=" ".join)
def test_whatever_a_step_does_runs_on_a_gpu(overrides: list[str], precision: str, smoke_data: Path) -> None:
    assert findings(smoke_data, *overrides, precision=precision) == []


@every_precision
@pytest.mark.parametrize("method", METHODS)
def test_a_step_of_any_method_runs_on_a_gpu(method: str, precision: str, smoke_data: Path) -> None:
    assert findings(smoke_data, *METHODS[method], precision=precision) == []


@every_precision
@pytest.mark.parametrize("architecture", mostly_extended(["gpt2", "llama", "rwkv", "mamba", "mamba2"], {"mamba"}))
def test_a_step_of_the_models_of_transformers_runs_on_a_gpu(
    architecture: str, precision: str, smoke_data: Path
) -> None:
    overrides = [*ARCHITECTURES[architecture], "model.implementation=transformers"]
    assert findings(smoke_data, *overrides, precision=precision) == []


@pytest.mark.parametrize("precision", mostly_extended(["fp32", "bf16"], {"bf16"}))
@pytest.mark.parametrize("variant", mostly_extended(VARIANTS, {"gpt2"}))
def test_a_step_of_stacked_seeds_runs_on_a_gpu(variant: str, precision: str, smoke_data: Path) -> None:
    assert findings(smoke_data, *VARIANTS[variant], precision=precision, seeds=2) == []


@pytest.mark.parametrize("precision", mostly_extended(["fp32", "bf16"], {"bf16"}))
@pytest.mark.parametrize("method", mostly_extended(METHODS, {"grokfast with muon", "row norm"}))
def test_stacked_seeds_of_any_method_run_on_a_gpu(method: str, precision: str, smoke_data: Path) -> None:
    assert findings(smoke_data, *METHODS[method], precision=precision, seeds=2) == []


@pytest.mark.parametrize("variant", mostly_extended(VARIANTS, {"llama", "mamba2"}))
def test_whole_sequences_are_read_on_a_gpu(variant: str, smoke_data: Path) -> None:
    """Without shared prefixes, with one supervised position of each and with all of them."""
    found: list[str] = []
    with fake_cuda():
        model = trainer_of(smoke_data, *VARIANTS[variant], "training.precision=fp32").model
        tokens = torch.zeros(4, 6, dtype=torch.int64, device=CUDA)
        everywhere = torch.arange(6, device=CUDA).expand(4, -1)
        with checked("fp32", found):
            for positions in (everywhere[:, -1:], everywhere):
                model(tokens, positions).sum().backward()
    assert found == []


@pytest.mark.parametrize("variant", mostly_extended(["gla", "rwkv6", "deltanet", "rwkv", "mamba", "mamba2"], {"gla"}))
def test_long_sequences_are_read_on_a_gpu(variant: str, smoke_data: Path) -> None:
    """Beyond the lengths from which decays are summed in fp64 and taken in blocks."""
    found: list[str] = []
    tokens = 40
    assert tokens > LONG > BLOCK
    with fake_cuda():
        model = trainer_of(smoke_data, *VARIANTS[variant]).model
        everywhere = torch.arange(tokens, device=CUDA).expand(3, -1)
        with checked("fp16", found):
            for positions in (everywhere[:, -1:], everywhere):
                with autocast("fp16", CUDA):
                    logits = model(torch.zeros_like(everywhere), positions)
                logits.sum().backward()
    assert found == []


@gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_real_gpu_objects_to_nothing_either(variant: str, precision: str, smoke_data: Path) -> None:
    """With torch's own autocast, and with the operators that it has for CUDA alone."""
    assert findings(smoke_data, *VARIANTS[variant], precision=precision, device=nullcontext) == []


def test_autocast_follows_the_lists_of_the_installed_torch() -> None:
    """On the fake device, which has to cast by itself: products in the precision asked for, norms and sums in fp32."""
    assert {"linear", "matmul", "bmm", "addmm"} <= policy(LOWER)
    assert {"index_put", "addcmul"} <= policy(PROMOTED)
    known = torch._C._dispatch_get_registrations_for_dispatch_key("AutocastCUDA")
    assert policy(LOWER) | policy(PROMOTED) <= {name.removeprefix("aten::").partition(".")[0] for name in known}
    with fake_cuda():
        weight = torch.nn.Parameter(torch.zeros(3, 3, device="cuda"))
        with torch.autocast("cuda", torch.float16):
            product = torch.nn.functional.linear(torch.zeros(2, 3, device="cuda"), weight)
            results = [product, product @ product.mT, product.softmax(1), product.sum(), product.exp()]
            promoted = torch.addcmul(product, product, torch.zeros(3, device="cuda"))
            inexact = torch.zeros(3, 3, device="cuda", dtype=torch.float64) @ torch.zeros(3, device="cuda").double()
        full = torch.nn.functional.linear(torch.zeros(2, 3, device="cuda"), weight)
        results[2].sum().backward()
        assert [result.dtype for result in results] == [torch.float16] * 2 + [torch.float32] * 3
        assert (promoted.dtype, inexact.dtype, full.dtype) == (torch.float32, torch.float64, torch.float32)
        assert weight.grad is not None
        assert weight.grad.dtype == torch.float32
    assert torch.zeros(1).sum().device.type == "cpu"
