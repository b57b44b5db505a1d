"""Faults that a GPU, or a CUDA graph, would meet in a training step, planted one by one: each is found, and named."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from grokcore.models.fast.layers import MLP
from grokcore.models.fast.layout import Layout
from grokcore.training.batches import Examples
from grokcore.training.losses import LOSSES
from grokcore.training.optimizers.groups import LearningRates
from grokcore.training.step import Step
from grokcore.training.update import Update
from tests.training.fake_step import findings

Patch = pytest.MonkeyPatch


def after(patch: Patch, owner: Any, name: str, change: Callable[..., Any]) -> None:
    """Let `change(result, *arguments)` replace what a function or method returns."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *arguments, **options: change(original(*arguments, **options), *arguments))


def in_measure(patch: Patch, fault: Callable[[Tensor], Any]) -> None:
    """Plant a fault where the norm of the gradients is known."""

    def faulty(norm: Tensor, *_: Any) -> Tensor:
        fault(norm)
        return norm

    after(patch, Update, "measure", faulty)


def in_loss(patch: Patch, fault: Callable[[Tensor, Tensor], Any]) -> None:
    """Plant a fault where logits and targets are known."""
    loss = LOSSES["cross_entropy"]

    def faulty(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
        fault(logits, targets)
        return loss(logits, targets, smoothing)

    patch.setitem(LOSSES, "cross_entropy", faulty)


def targets_on_the_cpu(patch: Patch) -> None:
    def left(_: None, examples: Examples, *arguments: Any, **options: Any) -> None:
        examples.targets = examples.targets.cpu()

    after(patch, Examples, "__init__", left)


def a_number_on_the_cpu(patch: Patch) -> None:
    """torch lets scalars on the CPU take part in anything; a graph would hold this one's value."""
    after(patch, Update, "measure", lambda norm, *_: norm * torch.tensor(1.0))


def an_item(patch: Patch) -> None:
    in_measure(patch, lambda norm: norm.item())


def an_item_whose_error_is_caught(patch: Patch) -> None:
    def caught(norm: Tensor) -> None:
        with suppress(RuntimeError):
            norm.item()

    in_measure(patch, caught)


def a_list(patch: Patch) -> None:
    in_measure(patch, lambda norm: norm.expand(2).tolist())


def a_boolean(patch: Patch) -> None:
    in_measure(patch, lambda norm: 1 if norm > 1 else 0)


def an_array(patch: Patch) -> None:
    in_measure(patch, lambda norm: np.asarray(norm.detach()))


def a_copy_to_the_cpu(patch: Patch) -> None:
    in_measure(patch, lambda norm: norm.to("cpu", non_blocking=True))


def a_table_from_the_host(patch: Patch) -> None:
    after(patch, Update, "measure", lambda norm, *_: norm * torch.tensor([2.0, 3.0], device=norm.device).amax())


def nonzero(patch: Patch) -> None:
    in_loss(patch, lambda logits, targets: logits.amax(1).nonzero())


def a_boolean_index(patch: Patch) -> None:
    after(patch, Step, "_backward", lambda _, step, rows: step._parameters[0].grad[step._parameters[0].grad > 0])


def a_learning_rate_as_a_number(patch: Patch) -> None:
    init = LearningRates.__init__
    patch.setattr(LearningRates, "__init__", lambda self, optimizer, device=None: init(self, optimizer, None))


def a_step_count_as_a_number(patch: Patch) -> None:
    after(patch, Step, "_backward", lambda _, step, rows: step._parameters[0].grad.mul_(1 / (1 + step._state.step)))


def fp32_in_a_product(patch: Patch) -> None:
    forward = MLP.forward

    def in_fp32(self: MLP, x: Tensor) -> Tensor:
        with torch.autocast("cuda", enabled=False):
            return forward(self, x.float())

    patch.setattr(MLP, "forward", in_fp32)


def bf16_in_a_product(patch: Patch) -> None:
    patch.setattr("grokcore.training.step.autocast", lambda *_: torch.autocast("cuda", torch.bfloat16))


def weights_in_fp16(patch: Patch) -> None:
    original = torch._fused_adamw_

    def halved(weights: list[Tensor], *arguments: Any, **options: Any) -> None:
        original([weight.half() for weight in weights], *arguments, **options)

    patch.setattr("grokcore.training.optimizers.adamw.AdamW.kernel", staticmethod(halved))


def a_generator_of_the_cpu(patch: Patch) -> None:
    def drop(x: Tensor, probability: float = 0.5, *_: Any, **__: Any) -> Tensor:
        return x * torch.empty_like(x).bernoulli_(1 - probability, generator=torch.Generator())

    patch.setattr(torch.nn.functional, "dropout", drop)


def a_mask_on_the_cpu(patch: Patch) -> None:
    masked = Layout.masked.func
    patch.setattr(Layout, "masked", property(lambda self: masked(self).cpu()))


def positions_on_the_cpu(patch: Patch) -> None:
    own = Layout.position_ids.func
    patch.setattr(Layout, "position_ids", property(lambda self: own(self).cpu()))


def a_size_that_depends_on_data(patch: Patch) -> None:
    in_loss(patch, lambda logits, targets: targets.unique())


@pytest.mark.parametrize(
    ("plant", "message"),
    [
        (targets_on_the_cpu, "index_select works on the host, at training/batches.py"),
        (a_number_on_the_cpu, "mul works on the host"),
        (an_item, "_local_scalar_dense waits for the device, at training/update.py"),
        (an_item_whose_error_is_caught, "_local_scalar_dense waits for the device, at training/update.py"),
        (a_list, "_local_scalar_dense waits for the device, at training/update.py"),
        (a_boolean, "_local_scalar_dense waits for the device, at training/update.py"),
        (an_array, "numpy"),
        (a_copy_to_the_cpu, "_to_copy works on the host, at training/update.py"),
        (a_table_from_the_host, "works on the host, at training/update.py"),
        (nonzero, "nonzero waits for the device, at training/losses/"),
        (a_boolean_index, "index waits for the device, at training/step.py"),
        (a_size_that_depends_on_data, "unique2 waits for the device, at training/losses/"),
        (a_learning_rate_as_a_number, "is another number in the next step"),
        (a_step_count_as_a_number, "is another number in the next step"),
        (fp32_in_a_product, "multiplies torch.float32, not torch.float16, at models/fast/layers.py"),
        (bf16_in_a_product, "multiplies torch.bfloat16, not torch.float16, at models/fast/"),
        (weights_in_fp16, "_fused_adamw_ is given other numbers than float32"),
        (a_generator_of_the_cpu, "draws from a generator that no graph advances"),
        (a_mask_on_the_cpu, "works on the host, at models/fast/"),
        (positions_on_the_cpu, "works on the host, at models/fast/"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_planted_fault_is_found(plant: Callable[[Patch], None], message: str, smoke_data: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        plant(patch)
        found = findings(smoke_data, "model.dropout=.1", precision="fp16")
    assert any(message in line for line in found), found
