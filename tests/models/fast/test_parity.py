import pytest
import torch

from grokcore.spec import GPT2, RWKV, LLaMA, Mamba, Mamba2
from tests.models.fast.parity import (
    LONGEST,
    assert_close,
    logits_and_gradients,
    pair,
    questions,
    with_and_without_kernels,
)

EXACT, IN_FP32 = 1e-12, 2e-5
"""transformers computes GPT-2 in the model's type throughout, and in the others norms, angles or states in fp32."""
ARCHITECTURES = [
    pytest.param(GPT2(width=32, heads=4), EXACT, id="gpt2"),
    pytest.param(LLaMA(width=32, heads=4), IN_FP32, id="llama"),
    pytest.param(RWKV(width=32), IN_FP32, id="rwkv"),
    pytest.param(Mamba(width=32), IN_FP32, id="mamba"),
    pytest.param(Mamba2(width=32, state_size=16), IN_FP32, id="mamba2"),
]


@with_and_without_kernels
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("layers", [2, 3, 5])
@pytest.mark.parametrize(("spec", "tolerance"), ARCHITECTURES)
def test_logits_and_gradients_are_those_of_transformers(spec, tolerance, layers, tied):
    fast, theirs = pair(spec.model_copy(update={"layers": layers, "tie_embeddings": tied}))
    asked = questions()

    ours = logits_and_gradients(fast, asked.tokens, asked.positions, asked.targets)
    expected = logits_and_gradients(theirs, asked.tokens, asked.positions, asked.targets)

    assert_close(ours, expected, tolerance)


@pytest.mark.parametrize(("spec", "tolerance"), [pytest.param(*case.values, id=case.id) for case in ARCHITECTURES])
def test_one_layer_is_both_first_and_last(spec, tolerance):
    if spec.architecture == "rwkv":
        pytest.skip("RWKV-4's initialization needs two layers")
    fast, theirs = pair(spec.model_copy(update={"layers": 1}))
    asked = questions()

    ours = logits_and_gradients(fast, asked.own, asked.own_positions, asked.targets, asked.prefixes)
    expected = logits_and_gradients(theirs, asked.tokens, asked.positions, asked.targets)

    assert_close(ours, expected, tolerance)


@with_and_without_kernels
@pytest.mark.parametrize("supervised", [1, 2])
@pytest.mark.parametrize(("prefix_tokens", "own_tokens"), [(1, 2), (2, 3), (2, 4), (5, 2)])
@pytest.mark.parametrize(("spec", "tolerance"), ARCHITECTURES)
def test_sharing_prefixes_changes_nothing(spec, tolerance, prefix_tokens, own_tokens, supervised):
    fast, _ = pair(spec.model_copy(update={"layers": 2}))
    asked = questions(prefix_tokens=prefix_tokens, own_tokens=own_tokens, supervised=supervised)

    shared = logits_and_gradients(fast, asked.own, asked.own_positions, asked.targets, asked.prefixes)
    unshared = logits_and_gradients(fast, asked.tokens, asked.positions, asked.targets)

    assert_close(shared, unshared, EXACT)


@pytest.mark.parametrize(("spec", "tolerance"), ARCHITECTURES)
def test_fp32_is_as_exact_as_fp32_can_be(spec, tolerance):
    exact, _ = pair(spec, dtype=torch.float64)
    single, _ = pair(spec, dtype=torch.float64)
    single.float()
    asked = questions()

    ours = logits_and_gradients(single, asked.own, asked.own_positions, asked.targets, asked.prefixes)
    expected = logits_and_gradients(exact, asked.own, asked.own_positions, asked.targets, asked.prefixes)

    in_double = ours[0].double(), {name: gradient.double() for name, gradient in ours[1].items()}
    assert_close(in_double, expected, 1e-4)


@pytest.mark.parametrize("length", [1, 2, LONGEST])
@pytest.mark.parametrize(("spec", "tolerance"), ARCHITECTURES)
def test_sequences_of_any_length(spec, tolerance, length):
    fast, theirs = pair(spec)
    tokens = questions(own_tokens=LONGEST - 2).tokens[:, :length]
    positions = torch.full((len(tokens), 1), length - 1)
    targets = tokens[:, :1]

    ours = logits_and_gradients(fast, tokens, positions, targets)
    expected = logits_and_gradients(theirs, tokens, positions, targets)

    assert_close(ours, expected, tolerance)


@pytest.mark.parametrize(("spec", "tolerance"), ARCHITECTURES)
def test_bf16_autocast_is_near(spec, tolerance):
    fast, _ = pair(spec, noise=0.02)
    fast.float()
    asked = questions()
    exact = logits_and_gradients(fast, asked.own, asked.own_positions, asked.targets, asked.prefixes)

    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = logits_and_gradients(fast, asked.own, asked.own_positions, asked.targets, asked.prefixes)

    largest = exact[0].abs().max()
    assert ((rough[0].float() - exact[0]).abs().max() / largest).item() < 0.05
    assert all(gradient.isfinite().all() for gradient in rough[1].values())


@pytest.mark.parametrize(("spec", "tolerance"), ARCHITECTURES)
def test_stacked_weights_compute_what_each_model_computes(spec, tolerance):
    models = [pair(spec, noise=noise)[0] for noise in (0.05, 0.1, 0.2)]
    asked = questions()
    parameters, buffers = torch.func.stack_module_state(models)

    def forward(weights, buffers):
        return torch.func.functional_call(
            models[0], (weights, buffers), (asked.own, asked.own_positions, asked.prefixes)
        )

    stacked = torch.vmap(forward)(parameters, buffers)

    alone = torch.stack([model(asked.own, asked.own_positions, asked.prefixes) for model in models])
    torch.testing.assert_close(stacked, alone, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("spec", [GPT2(width=32, heads=4, dropout=0.1), LLaMA(width=32, heads=4, dropout=0.1)])
def test_dropout_forbids_sharing(spec):
    fast, _ = pair(spec)

    assert not fast.shares_prefixes
    assert pair(spec.model_copy(update={"dropout": 0.0}))[0].shares_prefixes
