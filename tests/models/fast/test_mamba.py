"""Mamba-1 against its own recurrence, written out token by token: transformers computes parts of that in fp32."""

import pytest
import torch
from torch.nn.functional import cross_entropy, silu, softplus

from grokcore.models.fast.causal_convolution import causal_convolution, plain_causal_convolution
from grokcore.models.fast.conversion import to_transformers
from grokcore.models.fast.layout import Layout
from grokcore.models.fast.mamba import plain_selective_scan, selective_scan
from grokcore.spec import Mamba
from tests.models.fast.parity import (
    EXAMPLES,
    LONGEST,
    TOKENS,
    assert_each_close,
    assert_prefixes_are_shared,
    assert_sequences_agree,
    layout,
    needs_kernels,
    pair,
    questions,
    values_and_gradients,
    with_and_without_kernels,
)

EXACT = 1e-12


def random_model(layers=2):
    """All weights random, and decays from a memory of all tokens to one of the last alone."""
    fast, _ = pair(Mamba(width=24, layers=layers), noise=0.3)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for block in fast.blocks:
            block.token_mixer.a_log.uniform_(-3, 2, generator=generator)
            block.token_mixer.delta.bias.uniform_(-3, 2, generator=generator)
    return fast


def by_recurrence(fast, tokens, positions, targets):
    """Logits and gradients as `logits_and_gradients` returns them (arXiv 2312.00752, algorithm 2)."""
    weights = to_transformers(dict(fast.named_parameters()), fast.parts.names)
    weights = {name: weight.requires_grad_() for name, weight in weights.items()}
    config = fast.config

    def norm(x, name):
        return x * (x.square().mean(-1, keepdim=True) + config.layer_norm_epsilon).rsqrt() * weights[f"{name}.weight"]

    streams = list(weights["backbone.embeddings.weight"][tokens].unbind(1))
    for number in range(fast.layers):
        name = f"backbone.layers.{number}"
        of = {key.removeprefix(f"{name}.mixer."): weight for key, weight in weights.items() if key.startswith(name)}
        taps = of["conv1d.weight"][:, 0]
        window = [streams[0].new_zeros(len(tokens), len(taps)) for _ in range(taps.shape[1])]
        state = streams[0].new_zeros(len(tokens), *of["A_log"].shape)
        for t, hidden in enumerate(streams):
            x, z = (norm(hidden, f"{name}.norm") @ of["in_proj.weight"].T).chunk(2, dim=-1)
            window = [*window[1:], x]
            u = sum(taps[:, k] * one for k, one in enumerate(window)) + of.get("conv1d.bias", 0)
            u = silu(u)
            rank, states = config.time_step_rank, config.state_size
            low_rank, b, c = (u @ of["x_proj.weight"].T).split([rank, states, states], dim=-1)
            delta = softplus(low_rank @ of["dt_proj.weight"].T + of["dt_proj.bias"])[..., None]
            state = torch.exp(delta * -of["A_log"].exp()) * state + delta * u[..., None] * b[:, None]
            y = (state * c[:, None]).sum(-1) + of["D"] * u
            streams[t] = hidden + (y * silu(z)) @ of["out_proj.weight"].T
    hidden = torch.stack(streams, dim=1)[torch.arange(len(tokens))[:, None], positions]
    logits = norm(hidden, "backbone.norm_f") @ weights.get("lm_head.weight", weights["backbone.embeddings.weight"]).T
    loss = cross_entropy(logits.flatten(0, 1), targets.flatten())
    gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True)
    return logits.detach(), dict(zip(weights, gradients, strict=True))


@with_and_without_kernels
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("supervised", [1, 2])
@pytest.mark.parametrize(("prefix_tokens", "own_tokens"), [(1, 2), (2, 3), (2, 6), (5, 4)])
def test_shared_prefixes_hand_on_their_state(prefix_tokens, own_tokens, supervised, layers):
    fast = random_model(layers)
    asked = questions(examples=24, prefix_tokens=prefix_tokens, own_tokens=own_tokens, supervised=supervised)
    assert_prefixes_are_shared(fast, by_recurrence, asked, EXACT)


@with_and_without_kernels
@pytest.mark.parametrize("length", range(1, LONGEST))
def test_sequences_of_any_length_are_those_of_the_recurrence(length):
    """Shorter than the convolution, too."""
    assert_sequences_agree(random_model(), by_recurrence, length, EXACT)


@needs_kernels
@pytest.mark.parametrize(("shared", "channels", "taps"), [(True, 40, 4), (True, 7, 2), (False, 33, 4), (False, 16, 3)])
def test_the_convolution_kernel_equals_its_twin(shared, channels, taps):
    where = layout(shared=shared)
    torch.manual_seed(0)
    inputs = [
        torch.randn(*shape).double() for shape in ((len(where.visible_rows), channels), (channels, taps), (channels,))
    ]

    kernel = values_and_gradients(lambda *tensors: causal_convolution(*tensors, where), *inputs)

    plain = values_and_gradients(lambda *tensors: plain_causal_convolution(*tensors, where), *inputs)
    assert_each_close(kernel, plain, EXACT)


def scan_inputs(where, channels, states, selected=None):
    """(u, delta, delta_bias, a, b_c, d, z) in fp64."""
    torch.manual_seed(0)
    rows = len(where.visible_rows)
    asked = rows if selected is None else selected.positions.numel()
    shapes = ((rows, channels), (rows, channels), (channels,), (channels, states), (rows, 2 * states), (channels,))
    inputs = [torch.randn(*shape).double() for shape in (*shapes, (asked, channels))]
    inputs[3] = -inputs[3].exp()
    return inputs


@needs_kernels
@pytest.mark.parametrize("some", [True, False])
@pytest.mark.parametrize(
    ("shared", "channels", "states"), [(True, 40, 16), (True, 7, 3), (False, 65, 16), (False, 32, 8)]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, EXACT), (torch.float32, 5e-6)])
def test_the_scan_kernel_equals_its_twin(shared, channels, states, some, dtype, tolerance):
    where = layout(shared=shared)
    selected = where.select(torch.arange(2 * EXAMPLES).view(EXAMPLES, 2) % TOKENS) if some else None
    inputs = scan_inputs(where, channels, states, selected)

    kernel = values_and_gradients(
        lambda *tensors: selective_scan(*tensors, where, selected), *(tensor.to(dtype) for tensor in inputs)
    )

    plain = values_and_gradients(lambda *tensors: plain_selective_scan(*tensors, where, selected), *inputs)
    assert_each_close(kernel, plain, tolerance)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU here: try another machine")
@pytest.mark.parametrize("some", [True, False])
def test_the_kernel_of_mamba_ssm_equals_the_plain_scan(some, monkeypatch):
    pytest.importorskip("mamba_ssm")
    monkeypatch.setenv("GROKCORE_GPU_KERNELS", "on")
    where = Layout(EXAMPLES, 80, torch.device("cuda"))
    selected = where.select(torch.arange(2 * EXAMPLES, device="cuda").view(EXAMPLES, 2)) if some else None
    inputs = [tensor.float().cuda() for tensor in scan_inputs(where, 64, 16, selected)]

    kernel = values_and_gradients(lambda *tensors: selective_scan(*tensors, where, selected), *inputs)

    plain = values_and_gradients(lambda *tensors: plain_selective_scan(*tensors, where, selected), *inputs)
    assert_each_close(kernel, plain, 1e-4)


@with_and_without_kernels
@pytest.mark.parametrize("size", [-200.0, 200.0])
def test_a_step_of_any_size_keeps_the_state_finite(size):
    """softplus(-200) is as good as 0: nothing is added; softplus(200) is 200: all that was before is forgotten."""
    where = Layout(1, 3, torch.device("cpu"))
    u, delta, z = torch.ones(3, 1), torch.full((3, 1), size), torch.full((3, 1), 50.0)

    y = selective_scan(u, delta, torch.zeros(1), -torch.ones(1, 2), torch.ones(3, 4), torch.zeros(1), z, where, None)

    torch.testing.assert_close(y / 50, torch.full((3, 1), 0.0 if size < 0 else 400.0))


@with_and_without_kernels
def test_what_is_not_a_number_stays_visible():
    where = Layout(1, 2, torch.device("cpu"))
    for poisoned in range(7):
        inputs = scan_inputs(where, 3, 2)
        inputs[poisoned][0] = torch.nan
        y = selective_scan(*(tensor.float() for tensor in inputs), where, None)
        assert y[:, 0].isnan().any(), f"input {poisoned}"


@needs_kernels
def test_threads_change_no_bit():
    where, threads = layout(shared=True), torch.get_num_threads()
    inputs = [tensor.float() for tensor in scan_inputs(where, 80, 16)]
    weight, bias = torch.rand(80, 4), torch.rand(80)

    def results():
        scanned = values_and_gradients(lambda *tensors: selective_scan(*tensors, where, None), *inputs)
        return scanned + values_and_gradients(
            lambda *tensors: causal_convolution(*tensors, where), inputs[0], weight, bias
        )

    try:
        torch.set_num_threads(1)
        alone = results()
        torch.set_num_threads(3)
        together = results()
    finally:
        torch.set_num_threads(threads)

    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
