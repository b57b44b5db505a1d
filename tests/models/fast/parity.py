"""The fast implementation beside transformers', with the same random weights, far from any initialization."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from grokcore.models import SequenceModel, SharedPrefixes, build_model
from grokcore.models.fast.conversion import to_transformers
from grokcore.models.fast.kernels import library
from grokcore.models.fast.layout import Layout

VOCABULARY, LONGEST = 40, 9
PREFIXES, PREFIX_TOKENS, EXAMPLES, TOKENS = 3, 2, 10, 4

needs_kernels = pytest.mark.skipif(library.load_kernels() is None, reason="no C compiler here: apt-get install gcc")
with_and_without_kernels = pytest.mark.parametrize(
    "kernels", [pytest.param("native", marks=needs_kernels), "torch"], indirect=True
)


def pair(spec, *, noise=0.1, dtype=torch.float64):
    """(fast, transformers): the same model twice."""
    models = []
    for implementation in ("fast", "transformers"):
        chosen = spec.model_copy(update={"implementation": implementation})
        models.append(build_model(chosen, vocabulary_size=VOCABULARY, sequence_length=LONGEST, seed=0).to(dtype))
    fast, theirs = models
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(noise * torch.randn(parameter.shape, generator=generator, dtype=dtype))
    fast.load_transformers(dict(theirs.network.named_parameters()))
    return fast, theirs


@dataclass
class Questions:
    """The same examples, whole and taken apart into a shared prefix and their own tokens."""

    tokens: Tensor
    positions: Tensor
    own: Tensor
    own_positions: Tensor
    prefixes: SharedPrefixes
    targets: Tensor


def questions(*, examples=16, prefixes=3, prefix_tokens=2, own_tokens=4, supervised=2, seed=0):
    """Random examples, of which some begin with none of the prefixes."""
    generator = torch.Generator().manual_seed(seed)

    def draw(high, *shape):
        return torch.randint(0, high, shape, generator=generator)

    table, of = draw(VOCABULARY, prefixes, prefix_tokens), draw(prefixes + 1, examples)
    of[:2] = torch.tensor([prefixes, 0])
    own = draw(VOCABULARY, examples, own_tokens)
    own_positions = torch.stack([torch.randperm(own_tokens, generator=generator)[:supervised] for _ in range(examples)])
    tokens = draw(VOCABULARY, examples, prefix_tokens + own_tokens)
    for row, prefix in enumerate(of.tolist()):
        if prefix < prefixes:
            tokens[row] = torch.cat((table[prefix], own[row]))
        else:
            tokens[row, :own_tokens] = own[row]
    positions = own_positions + torch.where(of < prefixes, prefix_tokens, 0)[:, None]
    return Questions(
        tokens, positions, own, own_positions, SharedPrefixes(table, of), draw(VOCABULARY, examples, supervised)
    )


def logits_and_gradients(model: SequenceModel, tokens, positions, targets, prefixes=None):
    """Logits, and the gradient of the loss by every weight's name in transformers."""
    model.zero_grad()
    logits = model(tokens, positions, prefixes)
    cross_entropy(logits.flatten(0, 1), targets.flatten()).backward()
    gradients = {
        # What a single token does not depend on, the decay of older ones above all, has no gradient at all.
        name: torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for name, parameter in model.named_parameters()
    }
    if hasattr(model, "parts"):
        return logits.detach(), to_transformers(gradients, model.parts.names)
    return logits.detach(), {name.removeprefix("network."): gradient for name, gradient in gradients.items()}


def assert_close(one, other, tolerance):
    """Compares two results of `logits_and_gradients`, naming the weight that differs; scales by the largest entry."""
    torch.testing.assert_close(one[0], other[0], rtol=tolerance, atol=tolerance)
    assert one[1].keys() == other[1].keys()
    for name, expected in other[1].items():
        largest = max(expected.abs().max().item(), 1e-3)
        difference = (one[1][name] - expected).abs().max().item() / largest
        assert difference < tolerance, f"{name}: relative difference {difference:.1e}"


def assert_prefixes_are_shared(fast, expected, asked, tolerance):
    """A prefix that examples share hands on its state to each, as `expected` computes from whole sequences."""
    shared = logits_and_gradients(fast, asked.own, asked.own_positions, asked.targets, asked.prefixes)

    assert_close(shared, expected(fast, asked.tokens, asked.positions, asked.targets), tolerance)


def assert_sequences_agree(fast, expected, length, tolerance):
    """Sequences of so many tokens are computed as `expected` computes them, at every position."""
    tokens = questions(own_tokens=LONGEST - 2).tokens[:, :length]
    positions = torch.arange(len(tokens))[:, None] % length

    ours = logits_and_gradients(fast, tokens, positions, tokens[:, :1])

    assert_close(ours, expected(fast, tokens, positions, tokens[:, :1]), tolerance)


def layout(*, shared):
    if not shared:
        return Layout(EXAMPLES, TOKENS, torch.device("cpu"))
    of = torch.arange(EXAMPLES) % (PREFIXES + 1)
    return Layout(EXAMPLES, TOKENS, torch.device("cpu"), PREFIXES, PREFIX_TOKENS, of)


def values_and_gradients(function, *inputs):
    """What a function of tensors returns, one tensor or several, and the gradients of its inputs."""
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    outputs = function(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    weights = torch.linspace(-1, 1, outputs[0].numel(), dtype=outputs[0].dtype).view_as(outputs[0])
    sum((number + 1) * (weights * output).sum() for number, output in enumerate(outputs)).backward()
    return [*(output.detach() for output in outputs), *(tensor.grad for tensor in inputs)]


def assert_each_close(ours, theirs, tolerance):
    """Each tensor equals its counterpart, relative to the largest entry."""
    for one, other in zip(ours, theirs, strict=True):
        assert ((one.double() - other).abs().max() / other.abs().max()).item() < tolerance
