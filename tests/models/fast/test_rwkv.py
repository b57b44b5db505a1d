"""RWKV-4 against its own recurrence, written out token by token: transformers computes that in fp32 alone."""

import pytest
import torch
from torch.nn.functional import cross_entropy, layer_norm

from grokcore.models.fast.conversion import to_transformers
from grokcore.models.fast.layers import gated, squared_relu
from grokcore.models.fast.layout import Layout
from grokcore.models.fast.rwkv import gated_wkv, plain_gated_wkv
from grokcore.models.fast.token_shift import plain_token_shift, token_shift
from grokcore.spec import RWKV
from tests.models.fast.parity import (
    LONGEST,
    assert_close,
    assert_each_close,
    assert_prefixes_are_shared,
    assert_sequences_agree,
    layout,
    logits_and_gradients,
    needs_kernels,
    pair,
    questions,
    values_and_gradients,
    with_and_without_kernels,
)

EXACT = 1e-12


def random_model(layers=2):
    """All weights random, and decays from a memory of all tokens to one of the last alone."""
    fast, _ = pair(RWKV(width=24, layers=layers), noise=0.3)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for block in fast.blocks:
            block.time_mixing.decay.uniform_(-4, 2, generator=generator)
            block.time_mixing.bonus.uniform_(-2, 2, generator=generator)
    return fast


def by_recurrence(fast, tokens, positions, targets):
    """Logits and gradients as `logits_and_gradients` returns them (arXiv 2305.13048, section 3.1 and appendix D)."""
    weights = to_transformers(dict(fast.named_parameters()), fast.parts.names)
    weights = {name: weight.requires_grad_() for name, weight in weights.items()}
    width, epsilon = fast.config.hidden_size, fast.config.layer_norm_epsilon

    def norm(x, name, epsilon=epsilon):
        return layer_norm(x, (width,), weights[f"{name}.weight"], weights[f"{name}.bias"], epsilon)

    streams = list(weights["rwkv.embeddings.weight"][tokens].unbind(1))
    streams = [norm(hidden, "rwkv.blocks.0.pre_ln") for hidden in streams]
    for number in range(fast.layers):
        name = f"rwkv.blocks.{number}"
        numerator = denominator = last_time = last_channel = torch.zeros_like(streams[0])

        def project(part, projection, now, before, name=name):
            mix = weights[f"{name}.{part}.time_mix_{projection}"][0, 0]
            return (mix * now + (1 - mix) * before) @ weights[f"{name}.{part}.{projection}.weight"].T

        decay = torch.exp(-torch.exp(weights[f"{name}.attention.time_decay"]))
        bonus = torch.exp(weights[f"{name}.attention.time_first"])
        for t, hidden in enumerate(streams):
            now = norm(hidden, f"{name}.ln1")
            k, v, r = (project("attention", which, now, last_time) for which in ("key", "value", "receptance"))
            wkv = (numerator + bonus * k.exp() * v) / (denominator + bonus * k.exp())
            numerator, denominator = decay * numerator + k.exp() * v, decay * denominator + k.exp()
            hidden = hidden + (r.sigmoid() * wkv) @ weights[f"{name}.attention.output.weight"].T
            last_time, now = now, norm(hidden, f"{name}.ln2")
            k, r = (project("feed_forward", which, now, last_channel) for which in ("key", "receptance"))
            value = k.relu() ** 2 @ weights[f"{name}.feed_forward.value.weight"].T
            streams[t], last_channel = hidden + r.sigmoid() * value, now
    hidden = torch.stack(streams, dim=1)[torch.arange(len(tokens))[:, None], positions]
    logits = norm(hidden, "rwkv.ln_out", 1e-5) @ weights["head.weight"].T
    loss = cross_entropy(logits.flatten(0, 1), targets.flatten())
    gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True)
    return logits.detach(), dict(zip(weights, gradients, strict=True))


@with_and_without_kernels
@pytest.mark.parametrize("layers", [2, 3])
@pytest.mark.parametrize("supervised", [1, 2])
@pytest.mark.parametrize(("prefix_tokens", "own_tokens"), [(1, 2), (2, 3), (2, 6), (5, 4)])
def test_shared_prefixes_hand_on_their_state(prefix_tokens, own_tokens, supervised, layers):
    fast = random_model(layers)
    asked = questions(examples=24, prefix_tokens=prefix_tokens, own_tokens=own_tokens, supervised=supervised)
    assert_prefixes_are_shared(fast, by_recurrence, asked, EXACT)


@with_and_without_kernels
@pytest.mark.parametrize("length", range(1, LONGEST))
def test_sequences_of_any_length_are_those_of_the_recurrence(length):
    assert_sequences_agree(random_model(), by_recurrence, length, EXACT)


@with_and_without_kernels
@pytest.mark.parametrize("position", range(3))
def test_the_first_own_token_follows_the_last_of_its_prefix_or_nothing(position):
    fast = random_model()
    asked = questions(own_tokens=3, supervised=1)
    own_positions = torch.full_like(asked.own_positions, position)
    positions = asked.positions - asked.own_positions + position

    shared = logits_and_gradients(fast, asked.own, own_positions, asked.targets, asked.prefixes)

    assert_close(shared, by_recurrence(fast, asked.tokens, positions, asked.targets), EXACT)


def some_rows(where, *, some):
    """Rows of prefixes and examples, one of them twice."""
    return torch.tensor([0, 3, 1, where.shared_rows, len(where.visible_rows) - 1, 3]) if some else None


layouts_rows_and_widths = pytest.mark.parametrize(
    ("shared", "some", "width"), [(True, True, 40), (True, False, 7), (False, True, 16), (False, False, 33)]
)


@needs_kernels
@layouts_rows_and_widths
@pytest.mark.parametrize("mixes", [1, 2, 3])
def test_the_token_shift_kernel_equals_its_twin(shared, some, width, mixes):
    where = layout(shared=shared)
    rows = some_rows(where, some=some)
    torch.manual_seed(0)
    x, mix = torch.randn(len(where.visible_rows), width).double(), torch.randn(mixes, width).double()

    kernel = values_and_gradients(lambda x, mix: token_shift(x, mix, where, rows), x, mix)

    torch.testing.assert_close(
        kernel,
        values_and_gradients(lambda x, mix: plain_token_shift(x, mix, where, rows), x, mix),
        rtol=EXACT,
        atol=EXACT,
    )


@needs_kernels
@layouts_rows_and_widths
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, EXACT), (torch.float32, 3e-6)])
def test_the_wkv_kernel_equals_its_twin(shared, some, width, dtype, tolerance):
    where = layout(shared=shared)
    rows = some_rows(where, some=some)
    inputs = wkv_inputs(where, rows, width)

    kernel = values_and_gradients(
        lambda *tensors: gated_wkv(*tensors, where, rows), *(tensor.to(dtype) for tensor in inputs)
    )

    expected = values_and_gradients(lambda *tensors: plain_gated_wkv(*tensors, where, rows), *inputs)
    assert_each_close(kernel, expected, tolerance)


def wkv_inputs(where, rows, width):
    """(decay, bonus, key, value, gate) in fp64."""
    torch.manual_seed(0)
    tokens = len(where.visible_rows)
    decay, bonus = 3 * torch.rand(width).double(), torch.randn(width).double()
    key, value = 3 * torch.randn(tokens, width).double(), torch.randn(tokens, width).double()
    return decay, bonus, key, value, torch.randn(tokens if rows is None else len(rows), width).double()


@with_and_without_kernels
def test_keys_that_would_overflow_weigh_as_they_should():
    where = Layout(1, 3, torch.device("cpu"))
    key = torch.tensor([[1000.0], [999.0], [-1000.0]])
    value = torch.tensor([[1.0], [2.0], [4.0]])
    decay, bonus, gate = torch.tensor([0.5]), torch.tensor([1.0]), torch.full((3, 1), 200.0)

    wkv = gated_wkv(decay, bonus, key, value, gate, where)

    # The second token's bonus makes up for its key; of the two, the third sees the first 1 ahead, less one decay.
    share = torch.tensor(0.5).sigmoid()
    expected = torch.stack((torch.tensor(1.0), torch.tensor(1.5), share * 1 + (1 - share) * 2))
    torch.testing.assert_close(wkv[:, 0], expected)


@with_and_without_kernels
def test_what_is_not_a_number_stays_visible():
    where = Layout(1, 2, torch.device("cpu"))
    poisoned, fine = torch.tensor([[torch.nan], [0.0]]), torch.zeros(2, 1)
    ones = torch.ones(1)

    for inputs in ((poisoned, fine, fine), (fine, poisoned, fine)):
        assert gated_wkv(ones, ones, *inputs, where).isnan().all()
    assert gated_wkv(ones, ones, fine, fine, poisoned, where).isnan().tolist() == [[True], [False]]
    assert token_shift(poisoned, ones[None], where)[0].isnan().all()
    assert squared_relu(poisoned).isnan().tolist() == gated(fine, poisoned).isnan().tolist() == [[True], [False]]


@needs_kernels
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, EXACT), (torch.float32, 2e-6)])
def test_the_kernels_of_channel_mixing_equal_torch(dtype, tolerance):
    torch.manual_seed(0)
    x, gate = 3 * torch.randn(5, 37).double(), 20 * torch.randn(5, 37).double()

    squared = values_and_gradients(squared_relu, x.to(dtype))
    through_gate = values_and_gradients(gated, gate.to(dtype), x.to(dtype))

    expected = (
        values_and_gradients(lambda x: x.relu() ** 2, x),
        values_and_gradients(lambda gate, x: gate.sigmoid() * x, gate, x),
    )
    for ours, theirs in zip((*squared, *through_gate), (*expected[0], *expected[1]), strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=tolerance, atol=tolerance)


@needs_kernels
def test_threads_change_no_bit():
    where, threads = layout(shared=True), torch.get_num_threads()
    inputs = [tensor.float() for tensor in wkv_inputs(where, None, 80)]
    mix = torch.rand(3, 80)

    def results():
        averaged = values_and_gradients(lambda *tensors: gated_wkv(*tensors, where), *inputs)
        return averaged + values_and_gradients(lambda x, mix: token_shift(x, mix, where), inputs[2], mix)

    try:
        torch.set_num_threads(1)
        alone = results()
        torch.set_num_threads(3)
        together = results()
    finally:
        torch.set_num_threads(threads)

    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
