"""Mixers whose memory decays, over 1,000 tokens in fp32, against their recurrences in fp64."""

from __future__ import annotations

import copy

import pytest
import torch

from grokcore.models import build_model
from grokcore.models.fast import decayed_attention
from grokcore.models.fast.decayed_attention import LONG, attend_decaying
from grokcore.models.fast.layout import Layout
from grokcore.spec import GLA, RWKV, RWKV6, Mamba, Mamba2, RetNet
from tests.models.fast.naive_recurrences import BY_RECURRENCE

TOKENS, HEADS, SIZE = 1000, 2, 8
CASES = {
    "heads": (HEADS, None, True),
    "grouped": (HEADS, 1, True),
    "channels": (16, None, True),
    "before": (16, None, False),
}


def rows(width: int, seed: int, tokens: int = TOKENS) -> torch.Tensor:
    return torch.randn(tokens, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def strong_gates(width: int, tokens: int = TOKENS) -> torch.Tensor:
    """Log decays of which every third forgets all, as strongly as one may, and the others next to nothing."""
    gates = -rows(width, 4, tokens).square() / 50
    gates[torch.rand(tokens, width, generator=torch.Generator().manual_seed(5)) < 1 / 3] = -50.0
    gates[-20:] = -rows(width, 6, 20).square() / 50  # the last tokens see far
    return gates


def inputs(case: str, tokens: int = TOKENS) -> tuple[list[torch.Tensor], dict[str, object]]:
    gates, groups, itself = CASES[case]
    keys = SIZE if groups else HEADS * SIZE
    tensors = [rows(width, seed, tokens) for seed, width in enumerate((keys, keys, HEADS * SIZE))]
    return [*tensors, strong_gates(gates, tokens)], {"groups": groups, "itself": itself}


def recurrence(case: str, tensors: list[torch.Tensor]) -> torch.Tensor:
    """Token after token in fp64."""
    q, k, v, g = (
        tensor.double().unflatten(1, (-1, size)) for tensor, size in zip(tensors, (SIZE, SIZE, SIZE, 1), strict=True)
    )
    g = g.flatten(1).unflatten(1, (HEADS, -1))
    state, read = torch.zeros(HEADS, SIZE, SIZE, dtype=torch.float64), []
    for t in range(len(q)):
        decayed = g[t].exp()[..., None] * state
        if case == "before":
            read.append((q[t][..., None] * state).sum(1).flatten())
        state = decayed + k[t][..., None] * v[t][:, None]
        if case != "before":
            read.append((q[t][..., None] * state).sum(1).flatten())
    return torch.stack(read)


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return ((found.double() - expected).abs().max() / expected.abs().max()).item()


@pytest.mark.parametrize("case", CASES)
def test_strong_gates_cost_no_digits_at_1000_tokens(case: str) -> None:
    tensors, options = inputs(case)
    rounded = [tensor.float() for tensor in tensors]
    layout = Layout(1, TOKENS, torch.device("cpu"))
    expected = recurrence(case, rounded)

    assert relative_error(attend_decaying(*rounded, HEADS, layout, None, **options), expected) < 3e-6

    selected = layout.select(torch.tensor([[TOKENS - 1, 500]]))
    asked = [selected.of(rounded[0]), *rounded[1:]]
    found = attend_decaying(*asked, HEADS, layout, selected, **options)
    assert relative_error(found, expected[[TOKENS - 1, 500]]) < 3e-6


@pytest.mark.parametrize("case", CASES)
def test_gradients_of_long_sequences_are_those_in_fp64(case: str) -> None:
    tensors, options = inputs(case, 200)
    layout = Layout(1, 200, torch.device("cpu"))
    projection = rows(HEADS * SIZE, 9, 200)
    gradients = []
    for dtype in (torch.float32, torch.float64):
        leaves = [tensor.float().to(dtype).requires_grad_() for tensor in tensors]
        mixed = attend_decaying(*leaves, HEADS, layout, None, **options)
        gradients.append(torch.autograd.grad(mixed, leaves, projection.to(dtype)))
    for found, expected in zip(*gradients, strict=True):
        assert relative_error(found, expected) < 1e-5


@pytest.mark.parametrize("case", CASES)
def test_short_sequences_are_computed_as_they_were(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, options = inputs(case, LONG)
    rounded = [tensor.float() for tensor in tensors]
    layout = Layout(1, LONG, torch.device("cpu"))
    short = attend_decaying(*rounded, HEADS, layout, None, **options)
    monkeypatch.setattr(decayed_attention, "LONG", 10**6)
    assert torch.equal(short, attend_decaying(*rounded, HEADS, layout, None, **options))


def test_the_summed_decays_of_a_prefix_count_for_the_length(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors, options = inputs("channels", 60)
    whole = Layout(1, 60, torch.device("cpu"))
    shared = Layout(1, 20, torch.device("cpu"), 1, 40, torch.tensor([0]))
    rounded = [tensor.float() for tensor in tensors]
    expected = attend_decaying(*rounded, HEADS, whole, None, **options)
    found = attend_decaying(*rounded, HEADS, shared, None, **options)
    assert relative_error(found, expected.double()) < 1e-6


SPECS = {
    "retnet": RetNet(width=16, heads=2, layers=1),
    "gla": GLA(width=16, heads=2, layers=1),
    "mamba2": Mamba2(width=16, heads=4, state_size=4, layers=1),
    "rwkv6": RWKV6(width=16, heads=2, layers=1),
    "rwkv": RWKV(width=16, layers=2),
    "mamba": Mamba(width=16, state_size=4, layers=1),
}


@pytest.mark.parametrize("name", SPECS)
def test_every_mixer_that_decays_agrees_with_fp64_at_1000_tokens(name: str) -> None:
    """Against the recurrence where it is written down, and for RWKV-4 and Mamba-1 against themselves in fp64."""
    model = build_model(SPECS[name], vocabulary_size=7, sequence_length=TOKENS, seed=0)
    block = model.blocks[0]
    mixer = getattr(block, "time_mixing", None) or block.token_mixer
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))
    x = rows(16, 2).float()
    layout = Layout(1, TOKENS, torch.device("cpu"))
    with torch.no_grad():
        found = mixer(x, layout, None)
        exact = copy.deepcopy(mixer).double()
        if name in BY_RECURRENCE:
            expected = BY_RECURRENCE[name](exact, x.double()[None])[0]
        else:
            expected = exact(x.double(), layout, None)
    assert ((found.double() - expected).square().mean() / expected.square().mean()).sqrt() < 2e-5
