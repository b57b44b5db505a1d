"""The hook on mixers, whole sequences, and mixers applied by themselves, for every architecture and composition."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from grokcore.models import SequenceModel
from grokcore.models.fast.causal_convolution import causal_convolution
from grokcore.models.fast.deltanet import DeltaNet
from grokcore.models.fast.gla import GatedLinearAttention
from grokcore.models.fast.layout import Layout, by_heads, joined
from grokcore.models.fast.mamba2 import StateSpaceDuality
from grokcore.models.fast.retnet import Retention
from grokcore.models.fast.rwkv6 import TimeMixing
from tests.models.test_every_variant import every_position, model_of, random_tokens
from tests.models.variants import every_variant


def seen_by(model, tokens):
    """What the hook is given, in order: (number, part, input, output)."""
    seen = []
    with model.mixers(lambda *given: seen.append(given)):
        model(tokens, every_position(tokens))
    return seen


@every_variant
@torch.no_grad()
def test_every_mixer_of_every_block_that_runs_is_seen_and_leaves_no_trace(variant: str) -> None:
    model, tokens = model_of(variant).eval(), random_tokens()
    before = model(tokens, every_position(tokens))

    seen = seen_by(model, tokens)

    parts = ["token", "channel"] if "mamba" not in model.architecture else ["token"]
    assert [(number, part) for number, part, *_ in seen] == [(n, part) for n in range(model.layers) for part in parts]
    assert {x.shape for _, _, *both in seen for x in both} == {(*tokens.shape, seen[0][2].shape[-1])}
    assert torch.equal(model(tokens, every_position(tokens)), before)
    assert not any(module._forward_hooks for module in model.modules())


@every_variant
@torch.no_grad()
def test_an_output_replaced_by_itself_changes_nothing_and_another_one_does(variant: str) -> None:
    model, tokens = model_of(variant).eval(), random_tokens()
    with model.whole_sequences():
        before = model(tokens, every_position(tokens))
    with model.mixers(lambda number, part, x, output: output.clone()):
        assert torch.equal(model(tokens, every_position(tokens)), before)
    for last in range(model.layers):
        with model.mixers(lambda number, part, x, output, at=last: output + 1 if number == at else None):
            assert not torch.allclose(model(tokens, every_position(tokens)), before)


@every_variant
@torch.no_grad()
def test_without_its_mixers_a_block_leaves_the_stream(variant: str) -> None:
    if "memory" in variant or "sequence" in variant or "re-entry" in variant:
        pytest.skip("memory and re-entry change the stream beside the mixers")
    model, tokens = model_of(variant).eval(), random_tokens()
    streams = []
    with (
        model.residual_stream(lambda layer, hidden: streams.append(hidden.clone())),
        model.mixers(lambda number, part, x, output: torch.zeros_like(output)),
    ):
        model(tokens, every_position(tokens))
    assert len(streams) == model.layers + 1
    # RWKV norms the embeddings once, on the way into the first block.
    first = 1 if model.parts.entrance else 0
    assert all(torch.equal(stream, streams[first]) for stream in streams[first:])


@every_variant
@torch.no_grad()
def test_a_token_mixer_by_itself_computes_what_the_hook_sees(variant: str) -> None:
    model, tokens = model_of(variant).eval(), random_tokens()
    for number, part, x, output in seen_by(model, tokens):
        if part == "token":
            torch.testing.assert_close(model.mix_tokens(number, x), output)


@every_variant
@torch.no_grad()
def test_attention_weights_are_causal(variant: str) -> None:
    model, tokens = model_of(variant).eval(), random_tokens()
    for number, part, x, _ in seen_by(model, tokens):
        if part == "token":
            weights = model.attention_weights(number, x)
            assert weights.shape[2:] == (tokens.shape[1], tokens.shape[1])
            assert not weights.triu(1).any()
            assert weights.diagonal(dim1=2, dim2=3).any()
            if model.architecture in {"gpt2", "llama", "linear_attention", "rwkv"}:
                torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


def redrawn(model: SequenceModel) -> SequenceModel:
    """Draw all weights of the token mixers anew: some start at 0, such as RWKV-6's outputs."""
    generator = torch.Generator().manual_seed(0)
    for block in model.blocks:
        for parameter in getattr(block, model._mixer_names[0]).parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def normed(mixer: nn.Module, mixed_bhtc: Tensor) -> Tensor:
    """What is left of heads behind their norm, (N, H * C)."""
    by_head = mixed_bhtc.transpose(1, 2)
    if isinstance(mixer, Retention | TimeMixing):
        result = functional.layer_norm(by_head, by_head.shape[-1:], eps=mixer.epsilon).flatten(2)
        return result * mixer.norm_weight + mixer.norm_bias if isinstance(mixer, TimeMixing) else result
    return functional.rms_norm(by_head, by_head.shape[-1:], mixer.norm_weight, mixer.epsilon).flatten(2)


def values_and_rest(mixer: nn.Module, x: Tensor, layout: Layout) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The values of a mixer (N, C), and what it makes of heads (B, H, T, C) that have mixed them."""
    match mixer:
        case Retention():
            value, gate = mixer.key_value(x)[:, mixer.width :], mixer.query_gate(x)[:, mixer.width :]
            return value, lambda mixed: functional.silu(gate) * normed(mixer, mixed).flatten(0, 1)
        case GatedLinearAttention():
            value, gate = mixer.key_value(x)[:, mixer.keys :], mixer.query_gate(x)[:, mixer.keys :]
            return value, lambda mixed: functional.silu(gate) * normed(mixer, mixed).flatten(0, 1)
        case DeltaNet():
            convolved = causal_convolution(mixer.query_key_value(x), mixer.convolution, None, layout)
            return convolved.chunk(3, dim=1)[2], lambda mixed: normed(mixer, mixed).flatten(0, 1)
        case TimeMixing():
            _, for_gate, _, for_value, _ = mixer._shifted(x, layout)
            gate = functional.silu(mixer.gate(for_gate))
            return mixer.value(for_value), lambda mixed: gate * normed(mixer, mixed).flatten(0, 1)
        case StateSpaceDuality():
            z, rest = mixer.input(x).split(mixer.input_sizes, dim=1)
            convolved = causal_convolution(
                rest[:, : -mixer.heads], mixer.convolution_weight, mixer.convolution_bias, layout
            )

            def gated(mixed: Tensor) -> Tensor:
                grouped = (joined(mixed).flatten(0, 1) * functional.silu(z)).unflatten(1, (mixer.groups, -1))
                return functional.rms_norm(grouped, grouped.shape[2:], eps=mixer.epsilon).flatten(1) * mixer.norm_weight

            return convolved[:, : mixer.sizes[0]], gated
        case _:  # softmax and linear attention
            return mixer.query_key_value(x).chunk(3, dim=-1)[2], lambda mixed: joined(mixed).flatten(0, 1)


@pytest.mark.parametrize(
    "architecture", ["gpt2", "llama", "linear_attention", "retnet", "gla", "deltanet", "rwkv6", "mamba2"]
)
@torch.no_grad()
def test_values_mixed_by_the_attention_weights_are_the_mixers_output(architecture: str) -> None:
    model, tokens = redrawn(model_of(architecture).eval()), random_tokens()
    for number, part, x, output in seen_by(model, tokens):
        if part == "token":
            mixer, layout = model._token_mixer(number), Layout(*tokens.shape, x.device)
            value, rest = values_and_rest(mixer, x.flatten(0, 1), layout)
            mixed = model.attention_weights(number, x) @ by_heads(layout.of_examples(value), mixer.heads)
            assert output.abs().max() > 1e-3
            torch.testing.assert_close(mixer.output(rest(mixed)).view_as(output), output, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_mambas_channels_mix_their_inputs_by_weights_of_their_own() -> None:
    model, tokens = redrawn(model_of("mamba").eval()), random_tokens()
    for number, _, x, output in seen_by(model, tokens):
        mixer, layout = model._token_mixer(number), Layout(*tokens.shape, x.device)
        u, z = mixer.input(x.flatten(0, 1)).chunk(2, dim=1)
        u = causal_convolution(u, mixer.convolution_weight, mixer.convolution_bias, layout)
        weights_bctt = mixer.channel_weights(u, layout)
        y = (weights_bctt @ layout.of_examples(u).transpose(1, 2)[..., None]).squeeze(-1).transpose(1, 2)
        torch.testing.assert_close(mixer.output(y.flatten(0, 1) * functional.silu(z)).view_as(output), output)
        expected = weights_bctt.abs().mean(1, keepdim=True)
        torch.testing.assert_close(model.attention_weights(number, x), expected)


@torch.no_grad()
def test_rwkv_weighs_by_the_keys_that_its_mixer_computes() -> None:
    model, tokens = model_of("rwkv").eval(), random_tokens()
    generator = torch.Generator().manual_seed(0)
    for block in model.blocks:
        block.time_mixing.mix.copy_(torch.rand(block.time_mixing.mix.shape, generator=generator))
    for number, part, x, _ in seen_by(model, tokens):
        if part != "token":
            continue
        mixer, keys = model.blocks[number].time_mixing, []
        handle = mixer.key.register_forward_hook(lambda module, args, output, kept=keys: kept.append(output))
        model.mix_tokens(number, x)
        handle.remove()
        key_btd = keys[0].unflatten(0, tokens.shape)
        weights = model.attention_weights(number, x)
        for t in range(tokens.shape[1]):
            ages = torch.arange(t - 1, -1, -1)[:, None]
            scores = torch.cat((key_btd[:, :t] - ages * mixer.decay.exp(), key_btd[:, t : t + 1] + mixer.bonus), dim=1)
            torch.testing.assert_close(weights[:, 0, t, : t + 1], scores.softmax(1).mean(-1))


@every_variant
@torch.no_grad()
def test_whole_sequences_give_modules_every_token(variant: str) -> None:
    model, tokens = model_of(variant).eval(), random_tokens()
    last = torch.full((len(tokens), 1), tokens.shape[1] - 1)
    rows: list[int] = []
    handle = model.blocks[-1].register_forward_hook(lambda module, args, output: rows.append(len(output)))
    before = model(tokens, last)
    with model.whole_sequences():
        whole = model(tokens, last)
    handle.remove()
    assert rows[len(rows) // 2 - 1] == len(tokens)
    assert rows[-1] == tokens.numel()
    torch.testing.assert_close(whole, before, rtol=1e-4, atol=1e-5)


def test_a_second_hook_is_refused() -> None:
    model = model_of("gpt2")
    with (
        model.mixers(lambda *given: None),
        pytest.raises(ValueError, match="hook is on this model's mixers"),
        model.mixers(lambda *given: None),
    ):
        pass


@every_variant
@torch.no_grad()
def test_outputs_of_heads_add_up_to_the_mixers(variant: str) -> None:
    model, tokens = model_of(variant).eval(), random_tokens()
    for number, part, x, output in seen_by(model, tokens):
        if part == "token":
            outputs = model.head_outputs(number, x)
            if model.architecture in ("rwkv", "mamba"):
                assert outputs is None
                continue
            assert outputs.shape[1] > 1
            bias = model._token_mixer(number).output.bias
            torch.testing.assert_close(outputs.sum(1) + (0 if bias is None else bias), output)


@torch.no_grad()
def test_the_output_of_a_head_is_what_it_alone_mixes() -> None:
    model, tokens = model_of("gpt2").eval(), random_tokens()
    (number, _, x, _), *_ = seen_by(model, tokens)
    mixer = model.blocks[number].token_mixer
    size = mixer.width // mixer.heads
    values = mixer.query_key_value(x)[..., 2 * mixer.width :]

    outputs = model.head_outputs(number, x)

    weights = model.attention_weights(number, x)
    for head in range(mixer.heads):
        channels = slice(head * size, (head + 1) * size)
        expected = weights[:, head] @ values[..., channels] @ mixer.output.weight[:, channels].T
        torch.testing.assert_close(outputs[:, head], expected)
