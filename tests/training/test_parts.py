"""Sampler, optimizers, losses and projections, each against its definition."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import functional

from grokcore.data import Rows
from grokcore.data.supervision import supervise
from grokcore.models.roles import Layout
from grokcore.spec import TrainingSpec
from grokcore.training.batches import EpochSampler
from grokcore.training.filters import FILTERS
from grokcore.training.losses import LOSSES, loss_of
from grokcore.training.losses.stablemax import log_s
from grokcore.training.optimizers import OPTIMIZERS
from grokcore.training.projections import PROJECTIONS

CPU = torch.device("cpu")


@pytest.mark.parametrize(("rows", "batch_size"), [(100, 7), (100, 100), (10, 64), (64, 16)])
def test_each_epoch_sees_every_row_once_in_full_batches(rows: int, batch_size: int) -> None:
    sampler = EpochSampler(rows, batch_size, seed=1, device=CPU)
    batches = [sampler(step) for step in range(math.ceil(3 * rows / batch_size))]
    assert all(len(batch) == batch_size for batch in batches)
    stream = torch.cat(batches)[: 3 * rows].view(3, rows)
    assert all(epoch.sort().values.tolist() == list(range(rows)) for epoch in stream)
    assert not torch.equal(stream[0], stream[1])


def test_the_order_depends_on_seed_and_step_alone() -> None:
    sampler = EpochSampler(100, 32, seed=1, device=CPU)
    late = EpochSampler(100, 32, seed=1, device=CPU)(17)
    assert torch.equal([sampler(step) for step in range(18)][17], late)
    assert not torch.equal(EpochSampler(100, 32, seed=2, device=CPU)(17), late)


def group_of(weights: list[torch.nn.Parameter], weight_decay: float = 0.0, role: Any = None) -> dict[str, Any]:
    """A parameter group; matrices are of two logical parts where their rows allow it."""
    halves = [
        (size // 2,) * 2 if size % 2 == 0 else (size,) for size in (len(one) if one.ndim else 1 for one in weights)
    ]
    stored = [
        Layout("matrix" if one.ndim == 2 else "vector", True, parts) for one, parts in zip(weights, halves, strict=True)
    ]
    return {"params": weights, "layouts": stored, "weight_decay": weight_decay, "rate": 1.0, "role": role}


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weight_decay_is_decoupled_from_the_gradient(name: str) -> None:
    """Without a gradient the decayed weight shrinks by lr * decay a step, and the exempt one stays."""
    decayed, exempt = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    groups = [group_of([decayed], weight_decay=0.5), group_of([exempt])]
    optimizer = OPTIMIZERS[name](groups, TrainingSpec(learning_rate=0.1))
    for _ in range(3):
        decayed.grad, exempt.grad = torch.zeros(3), torch.zeros(3)
        optimizer.step()
    assert decayed.tolist() == pytest.approx([0.95**3] * 3)
    assert exempt.tolist() == [1.0] * 3


REFERENCES: dict[str, Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]] = {
    "adamw": lambda weights: torch.optim.AdamW(weights, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.3, fused=True),
    "adam": lambda weights: torch.optim.Adam(weights, betas=(0.9, 0.98), eps=1e-6, weight_decay=0.3, fused=True),
    "sgd": lambda weights: torch.optim.SGD(weights, momentum=0.9),
}
"""The implementation that each optimizer is compared with: torch's, or a naive one."""
WITHOUT_DECAY = {"sgd"}
"""Torch's has another weight decay: it is part of the gradient."""
ROUNDED = {"sgd"}
"""Equal up to rounding: torch multiplies and adds in another order without its kernel. The others are bit for bit."""


@pytest.mark.parametrize("name", REFERENCES)
def test_optimizers_take_the_steps_of_their_reference(name: str) -> None:
    decay = 0.0 if name in WITHOUT_DECAY else 0.3
    training = TrainingSpec(optimizer=name, betas=(0.9, 0.98), epsilon=1e-6)
    generator = torch.Generator().manual_seed(0)
    ours, theirs = ([torch.nn.Parameter(torch.ones(shape)) for shape in [(65, 33), (7,), ()]] for _ in range(2))
    optimizer = OPTIMIZERS[name]([group_of(ours, decay)], training)
    reference = REFERENCES[name](theirs)
    rate = optimizer.param_groups[0]["lr"] = torch.tensor(0.0, dtype=torch.float64)
    for step in range(10):
        rate.fill_(0.01 / (step + 1))
        reference.param_groups[0]["lr"] = 0.01 / (step + 1)
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=generator)
            other.grad = mine.grad.clone()
        optimizer.step()
        reference.step()
    tolerance = 1e-7 if name in ROUNDED else 0.0
    assert all(torch.allclose(*pair, rtol=tolerance, atol=tolerance) for pair in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("gradient_filter", FILTERS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_steps_in_place_and_can_skip_a_step(name: str, gradient_filter: str) -> None:
    """A recorded step knows weights and state by their addresses, and a skipped one changes neither."""
    generator = torch.Generator().manual_seed(0)
    weights = [torch.nn.Parameter(1 + torch.rand(shape, generator=generator)) for shape in [(66, 33), (7,), ()]]
    groups = [group_of(weights[:1], 0.1, "matrix"), group_of(weights[1:], 0.0, "vector")]
    optimizer = OPTIMIZERS[name](groups, TrainingSpec(gradient_filter=gradient_filter))

    def changing() -> list[torch.Tensor]:
        return [*weights, *(tensor for state in optimizer.state.values() for tensor in state.values())]

    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(0.01, dtype=torch.float64)
    optimizer.found_inf = torch.tensor(0.0)
    addresses = [tensor.data_ptr() for tensor in changing()]
    before = [weight.detach().clone() for weight in weights]
    for infinite in (False, True, False, True, False):  # odd, since two steps of Lion can cancel
        optimizer.found_inf.fill_(float(infinite))
        kept = [tensor.detach().clone() for tensor in changing()]
        for weight in weights:
            weight.grad = torch.randn(weight.shape, generator=generator)
            if infinite:
                weight.grad *= math.inf
        optimizer.step()
        if infinite:
            assert all(torch.equal(*pair) for pair in zip(changing(), kept, strict=True))
    moved = [(weight != old).float().mean() for weight, old in zip(weights, before, strict=True) if weight.ndim]
    assert min(moved) > 0.99  # a few change by less than their last digit
    assert all(tensor.isfinite().all() for tensor in changing())
    after = [tensor.detach().clone() for tensor in changing()]
    optimizer.found_inf.fill_(1.0)
    for weight in weights:
        weight.grad = torch.full_like(weight, math.nan)
    optimizer.step()
    assert all(torch.equal(*pair) for pair in zip(changing(), after, strict=True))
    assert [tensor.data_ptr() for tensor in changing()] == addresses


def test_cross_entropy_is_the_mean_negative_log_likelihood() -> None:
    logits, targets = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]), torch.tensor([2, 0])
    expected = (math.log(1 + math.exp(-1) + math.exp(-2)) + math.log(3)) / 2
    assert LOSSES["cross_entropy"](logits, targets, 0.0).item() == pytest.approx(expected)
    assert LOSSES["cross_entropy"](logits.bfloat16(), targets, 0.0).dtype == torch.float32


def stablemax_twin(logits: torch.Tensor, targets: torch.Tensor, smoothing: float) -> torch.Tensor:
    """StableMax as arXiv 2501.04697 writes it, with torch's definition of label smoothing."""
    s = torch.where(logits < 0, 1 / (1 - logits), logits + 1)
    log_p = (s / s.sum(1, keepdim=True)).log()
    target = (1 - smoothing) * functional.one_hot(targets, logits.shape[1]) + smoothing / logits.shape[1]
    return -(target * log_p).sum(1).mean()


NAIVE_LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]] = {
    "cross_entropy": lambda *arguments: functional.cross_entropy(*arguments[:2], label_smoothing=arguments[2]),
    "cross_entropy_fp64": lambda *arguments: functional.cross_entropy(*arguments[:2], label_smoothing=arguments[2]),
    "stablemax": stablemax_twin,
}
"""Each loss on fp64 logits, as a paper writes it."""


@pytest.mark.parametrize("temperature", [1.0, 0.5, 8.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("name", LOSSES)
def test_losses_and_their_gradients_equal_their_naive_twin_in_fp64(
    name: str, smoothing: float, temperature: float
) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = (4 * torch.randn(64, 33, generator=generator)).requires_grad_()
    exact = logits.detach().double().requires_grad_()
    targets = torch.randint(33, (64,), generator=generator)
    loss_of(TrainingSpec(loss=name, label_smoothing=smoothing, loss_temperature=temperature))(
        logits, targets
    ).backward()
    twin = NAIVE_LOSSES[name](exact / temperature, targets, smoothing)
    twin.backward()
    assert logits.grad is not None
    assert exact.grad is not None
    torch.testing.assert_close(logits.grad, exact.grad.float(), rtol=1e-5, atol=1e-8)
    assert LOSSES[name](logits.detach() / temperature, targets, smoothing).item() == pytest.approx(
        twin.item(), rel=1e-6
    )


@pytest.mark.parametrize("name", LOSSES)
def test_a_temperature_of_1_is_the_loss_bit_for_bit(name: str) -> None:
    logits, targets = 9 * torch.randn(64, 33), torch.arange(64) % 33
    training = TrainingSpec(loss=name, label_smoothing=0.1, loss_temperature=1.0)
    assert torch.equal(loss_of(training)(logits, targets), LOSSES[name](logits, targets, 0.1))


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_losses_are_fp32_numbers_with_finite_gradients_at_the_edges_of_every_format(
    dtype: torch.dtype, name: str
) -> None:
    """The published form of StableMax has a NaN gradient at a logit of exactly 1."""
    edges = torch.tensor([1.0, -1.0, 0.0, -0.0, 1 + 2**-7, 60_000.0, -60_000.0, 1e-7])
    logits = edges.to(dtype).expand(8, 8).clone().requires_grad_()
    for temperature in (1.0, 0.25):
        loss = loss_of(TrainingSpec(loss=name, loss_temperature=temperature))(logits, torch.arange(8))
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.dtype == torch.float32
        assert loss.isfinite()
        assert gradient.isfinite().all()


def test_in_fp64_the_gradient_of_a_learned_target_does_not_vanish() -> None:
    logits = torch.tensor([[25.0, 0.0]], requires_grad=True)
    gradients = {name: torch.autograd.grad(LOSSES[name](logits, torch.tensor([0]), 0.0), logits)[0] for name in LOSSES}
    assert gradients["cross_entropy"][0, 0] == 0
    assert gradients["cross_entropy_fp64"][0, 0].item() == pytest.approx(-math.exp(-25), rel=1e-6)


def test_stablemax_is_a_distribution_that_rises_with_its_logit() -> None:
    logits = torch.linspace(-50, 50, 1001, dtype=torch.float64)
    p = log_s(logits).softmax(0)
    assert p.sum().item() == pytest.approx(1.0, abs=1e-12)
    assert (p.diff() > 0).all()
    s = log_s(torch.tensor([-3.0, -1.0, 0.0, 1.0, 3.0])).exp()
    assert s.tolist() == pytest.approx([0.25, 0.5, 1.0, 2.0, 4.0])


def test_the_gradient_of_stablemax_is_that_of_its_formula() -> None:
    logits = torch.tensor([[1.0, -1.0, 0.5], [-7.0, 3.0, 1e-3]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: functional.cross_entropy(log_s(x), torch.tensor([0, 2])), (logits,))
    at_zero = torch.zeros(1, requires_grad=True)
    assert torch.autograd.grad(log_s(at_zero).sum(), at_zero)[0].item() == 1.0


def test_the_norm_ball_scales_all_weights_together_and_only_when_outside() -> None:
    weights = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]

    def project(bound: float, skipped: torch.Tensor | None = None) -> None:
        training = TrainingSpec(projection="norm_ball", projection_bound=bound)
        PROJECTIONS["norm_ball"](weights, [], training, skipped)

    project(10.0)
    assert weights[0].tolist() == [3.0, 0.0]
    project(1.0)
    assert weights[0].tolist() == pytest.approx([0.6, 0.0])
    assert weights[1].item() == pytest.approx(0.8)
    project(0.5, torch.tensor(1.0))
    assert weights[1].item() == pytest.approx(0.8)


def test_row_norm_clips_every_row_that_is_longer_and_no_other() -> None:
    """Rows are outputs, in either orientation; a vector is one row; logical vectors are clipped by themselves."""
    matrix, vector = torch.tensor([[3.0, 4.0], [0.3, 0.4]]), torch.tensor([3.0, 4.0, 0.0, 1.0])
    transposed, embedding = matrix.t().clone(), 10 * matrix
    stored = [
        Layout("matrix", True, (2,)),
        Layout("matrix", True, (2,), outputs=1),
        Layout("vector", False, (2, 2)),
        Layout("embedding", True, (2,)),
    ]
    for on, expected in (("matrices", [3.0, 4.0, 0.0, 1.0]), ("matrices_and_norms", [1.2, 1.6, 0.0, 1.0])):
        training = TrainingSpec(projection="row_norm", projection_bound=2.0, projection_on=on)
        weights = [one.clone() for one in (matrix, transposed, vector, embedding)]
        PROJECTIONS["row_norm"](weights, stored, training, torch.tensor(1.0))
        assert all(torch.equal(*pair) for pair in zip(weights, (matrix, transposed, vector, embedding), strict=True))
        PROJECTIONS["row_norm"](weights, stored, training, None)
        assert weights[0].flatten().tolist() == pytest.approx([1.2, 1.6, 0.3, 0.4])
        assert torch.equal(weights[1], weights[0].t())
        assert weights[2].tolist() == pytest.approx(expected)
        assert torch.equal(weights[3], embedding)
        once = [one.clone() for one in weights]
        PROJECTIONS["row_norm"](weights, stored, training, torch.tensor(0.0))
        assert all(torch.allclose(*pair, rtol=1e-6) for pair in zip(weights, once, strict=True))


def test_supervision_asks_for_the_answer_and_if_wanted_for_the_closing_token() -> None:
    rows = Rows(
        tokens=torch.tensor([[5, 6, 7], [8, 9, 0]], dtype=torch.int32).numpy(),
        lengths=torch.tensor([3, 2], dtype=torch.int32).numpy(),
        answers=torch.tensor([10, 11], dtype=torch.int32).numpy(),
    )
    answer = supervise(rows, 99, "answer")
    assert answer.inputs.tolist() == [[5, 6, 7], [8, 9, 0]]
    assert answer.positions.tolist() == [[2], [1]]
    assert answer.targets.tolist() == [[10], [11]]
    both = supervise(rows, 99, "answer_and_eos")
    assert both.inputs.tolist() == [[5, 6, 7, 10], [8, 9, 11, 0]]
    assert both.positions.tolist() == [[2, 3], [1, 2]]
    assert both.targets.tolist() == [[10, 99], [11, 99]]
