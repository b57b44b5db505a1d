"""The closed forms of the linear-attention family against their recurrences, prefixes and selected tokens included."""

import pytest
import torch

from grokcore.models import build_model
from grokcore.models.fast.layout import Layout
from grokcore.spec import GLA, RWKV6, DeltaNet, LinearAttention, Mamba2, RetNet
from tests.models.fast.naive_recurrences import BY_RECURRENCE

WIDTH, PREFIXES = 24, 3
SPECS = [
    LinearAttention(width=WIDTH, heads=3),
    RetNet(width=WIDTH, heads=3),
    GLA(width=WIDTH, heads=3),
    DeltaNet(width=WIDTH, heads=3),
    Mamba2(width=WIDTH, heads=6, state_size=5),
    RWKV6(width=WIDTH, heads=3, layers=1),
]
with_every_mixer = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.architecture)


def mixer_of(spec, *, spread=0.5):
    """A mixer with random weights, all of them far from where they begin."""
    model = build_model(spec, vocabulary_size=7, sequence_length=200, seed=0).double()
    block = model.blocks[0]
    mixer = getattr(block, "time_mixing", None) or block.token_mixer
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.add_(spread * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return mixer


def call(mixer, x, layout, selected):
    """RWKV's time mixing takes flat rows, since what follows it looks one token back."""
    if hasattr(mixer, "receptance"):
        return mixer(x, layout, None if selected is None else selected.rows)
    return mixer(x, layout, selected)


def random_rows(*shape, seed=2):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64, requires_grad=True)


def with_gradients(y, *inputs):
    """`y`, and the gradients of a random projection of it."""
    generator = torch.Generator().manual_seed(3)
    grad = torch.randn(y.shape, generator=generator, dtype=torch.float64)
    return y.detach(), *torch.autograd.grad(y, inputs, grad, allow_unused=True, materialize_grads=True)


def assert_same(one, other, tolerance=1e-11, *, least=1e-3):
    """Compare tensors relative to the largest number of each, which counts as `least` where it is smaller."""
    for ours, expected in zip(one, other, strict=True):
        scale = max(expected.abs().max().item(), least)
        assert (ours - expected).abs().max().item() < tolerance * scale


@pytest.mark.parametrize("tokens", [1, 2, 5, 10, 20])
@with_every_mixer
def test_the_closed_form_is_the_recurrence(spec, tokens):
    mixer, x = mixer_of(spec), random_rows(4, tokens, WIDTH)
    weights = list(mixer.parameters())

    ours = call(mixer, x.flatten(0, 1), Layout(4, tokens, x.device), None).unflatten(0, (4, tokens))

    expected = BY_RECURRENCE[spec.architecture](mixer, x)
    expected_gradients = with_gradients(expected, x, *weights)
    # What RWKV-6 reads of a single token is its value times a number, which the norm cancels but for its epsilon. What
    # is left of some gradients is small beside the terms that cancel, which are as large as the other gradients.
    cancels = (spec.architecture, tokens) == ("rwkv6", 1)
    least = max(one.abs().max().item() for one in expected_gradients) if cancels else 1e-3
    assert_same(with_gradients(ours, x, *weights), expected_gradients, least=least)


@pytest.mark.parametrize(("prefix_tokens", "tokens"), [(1, 3), (5, 2), (7, 12)])
@pytest.mark.parametrize("some", [False, True])
@with_every_mixer
def test_examples_go_on_from_a_prefix_that_was_computed_once(spec, some, prefix_tokens, tokens):
    """Of the examples some begin with none of the prefixes; of all or of some tokens."""
    mixer = mixer_of(spec)
    of = torch.tensor([PREFIXES, 0, 2, 0])
    prefixes, own = random_rows(PREFIXES, prefix_tokens, WIDTH), random_rows(len(of), tokens, WIDTH, seed=4)
    layout = Layout(len(of), tokens, of.device, PREFIXES, prefix_tokens, of)
    selected = layout.select(torch.arange(2 * len(of)).view(-1, 2) % tokens) if some else None

    shared = call(mixer, torch.cat((prefixes.flatten(0, 1), own.flatten(0, 1))), layout, selected)

    rows = []
    for example, prefix in enumerate(of.tolist()):
        begin = [prefixes[prefix]] if prefix < PREFIXES else []
        whole = torch.cat([*begin, own[example]])[None]
        rows.append(BY_RECURRENCE[spec.architecture](mixer, whole)[0, -tokens:])
    expected = torch.cat(rows)
    if selected is None:
        shared = shared[layout.shared_rows :]
    else:
        expected = expected[selected.rows - layout.shared_rows]
    inputs = (prefixes, own, *mixer.parameters())
    assert_same(with_gradients(shared, *inputs), with_gradients(expected, *inputs))


@with_every_mixer
def test_prefixes_mix_among_themselves(spec):
    """What the next block reads of them."""
    mixer, prefixes, own = mixer_of(spec), random_rows(PREFIXES, 4, WIDTH), random_rows(2, 3, WIDTH)
    layout = Layout(2, 3, own.device, PREFIXES, 4, torch.tensor([0, 1]))

    ours = call(mixer, torch.cat((prefixes.flatten(0, 1), own.flatten(0, 1))), layout, None)[: layout.shared_rows]

    assert_same([ours.unflatten(0, (PREFIXES, 4))], [BY_RECURRENCE[spec.architecture](mixer, prefixes)])


@pytest.mark.parametrize("spread", [0.0, 30.0])
@with_every_mixer
def test_gates_that_forget_all_or_nothing_keep_values_and_gradients_finite(spec, spread):
    mixer = mixer_of(spec, spread=spread).float()
    x = random_rows(3 * 40, WIDTH).float().detach().requires_grad_()

    y = call(mixer, x, Layout(3, 40, x.device), None)
    y.sum().backward()

    assert y.isfinite().all()
    assert x.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in mixer.parameters())


@with_every_mixer
def test_low_precision_reaches_the_products_with_weights_only(spec):
    """What decays is summed up in fp32 under autocast."""
    mixer = mixer_of(spec, spread=0.1)
    x = random_rows(8 * 40, WIDTH).detach()
    layout = Layout(8, 40, x.device)
    exact = call(mixer, x, layout, None)
    mixer.float()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = call(mixer, x.float(), layout, None)

    # On average: a head that happens to read next to nothing is all rounding once it is normalized.
    assert ((rough.double() - exact).square().mean() / exact.square().mean()).sqrt().item() < 0.02
