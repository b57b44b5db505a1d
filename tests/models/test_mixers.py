"""The hook on mixers, whole sequences, and mixers applied by themselves, for every architecture and composition."""

from __future__ import annotations

import pytest
import torch

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


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "linear_attention", "rwkv"])
@torch.no_grad()
def test_attention_weights_are_causal_and_sum_to_1(architecture: str) -> None:
    model, tokens = model_of(architecture).eval(), random_tokens()
    for number, part, x, _ in seen_by(model, tokens):
        if part == "token":
            weights = model.attention_weights(number, x)
            torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
            assert not weights.triu(1).any()


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "linear_attention"])
@torch.no_grad()
def test_values_averaged_by_the_attention_weights_are_the_mixers_output(architecture: str) -> None:
    model, tokens = model_of(architecture).eval(), random_tokens()
    for number, part, x, output in seen_by(model, tokens):
        if part == "token":
            mixer = model.blocks[number].token_mixer
            value = mixer.query_key_value(x).chunk(3, dim=-1)[2].unflatten(-1, (mixer.heads, -1)).transpose(1, 2)
            mixed = (model.attention_weights(number, x) @ value).transpose(1, 2).flatten(2)
            torch.testing.assert_close(mixer.output(mixed), output, rtol=1e-4, atol=1e-6)


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
