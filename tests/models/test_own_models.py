"""Architectures that transformers does not know: their weights, sizes and files are ours to answer for."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM

from grokcore.errors import InputError
from grokcore.models import build_model, decay_groups, forward_flops, load_model
from grokcore.models.fast.conversion import to_transformers
from grokcore.spec import GLA, GPT2, RWKV6, DeltaNet, LinearAttention, Mamba2, RetNet, load_spec
from tests.models.tiny_models import OWN, every_position, random_tokens, tiny_model

LARGE = {"layers": 4, "width": 256, "heads": 4}
"""Large enough for a standard deviation to be known to a few percent."""
with_every_kind = pytest.mark.parametrize("kind", OWN)


def own_model(kind, **fields):
    return tiny_model(kind, implementation="fast", **fields)


def large(kind, **fields):
    return build_model(kind(**LARGE, **fields), vocabulary_size=300, sequence_length=7, seed=0)


def std(weight):
    return weight.std().item()


def bound(weight):
    return weight.abs().max().item()


@with_every_kind
def test_transformers_is_refused_in_one_line(kind):
    name = kind().architecture
    with pytest.raises(InputError, match=f"transformers has no {name}: only implementation=fast") as raised:
        load_spec("smoke", [f"model.architecture={name}", "model.implementation=transformers"])
    assert "\n" not in str(raised.value)


@with_every_kind
def test_a_directory_says_whose_format_it_is(kind, tmp_path):
    own_model(kind).save(tmp_path)

    assert {file.name for file in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    config = json.loads((tmp_path / "config.json").read_text())
    assert (config["format"], config["model_type"]) == ("grokcore", kind().architecture)
    with pytest.raises(ValueError, match=kind().architecture):
        AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    with pytest.raises(InputError, match="load it as fast"):
        load_model(tmp_path, "transformers")


def change_weights(directory, change):
    weights = load_file(directory / "model.safetensors")
    change(weights)
    save_file(weights, directory / "model.safetensors")


def change_config(directory, change):
    config = json.loads((directory / "config.json").read_text())
    change(config)
    (directory / "config.json").write_text(json.dumps(config))


def without(*fields, **others):
    """Turns a config.json into one from before `fields` existed, with the values of then for others."""

    def change(config):
        for field in fields:
            del config[field]
        config.update(others)

    return change


@pytest.mark.parametrize(
    ("kind", "change", "computed_as"),
    [
        (
            RetNet,
            without("rotary_to_base", "hidden_act", norm_epsilon=1e-5),
            {"rotary_to_base": False, "hidden_act": "gelu_new", "norm_epsilon": 1e-5},
        ),
        (RWKV6, without("head_norm_epsilon"), {"head_norm_epsilon": 64e-5}),
    ],
)
def test_a_model_saved_before_a_change_is_computed_as_it_was_trained(kind, change, computed_as, tmp_path):
    # Layers of random weights: what begins at 0 would hide the difference.
    model = own_model(kind)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) / 3)
    tokens = random_tokens()
    model.save(tmp_path / "now")
    model.save(tmp_path / "before")
    change_config(tmp_path / "before", change)
    model.save(tmp_path / "explicit")
    change_config(tmp_path / "explicit", lambda config: config.update(computed_as))

    now, before, explicit = (
        load_model(tmp_path / name)(tokens, every_position(tokens)) for name in ("now", "before", "explicit")
    )

    assert torch.equal(now, model(tokens, every_position(tokens)))
    assert torch.equal(before, explicit)
    assert not torch.equal(before, now)


def test_the_epsilon_of_rwkv6s_heads_is_that_of_its_code_at_its_size_of_64():
    for heads, size in ((4, 64), (16, 16)):
        model = build_model(RWKV6(layers=1, width=256, heads=heads), vocabulary_size=9, sequence_length=4, seed=0)
        assert model.blocks[0].time_mixing.epsilon == pytest.approx(1e-5 * size)


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda at: change_weights(at, lambda weights: weights.pop("final_norm.weight")), "final_norm.weight"),
        (lambda at: change_weights(at, lambda weights: weights.update(extra=torch.zeros(1))), "extra"),
        (lambda at: change_config(at, lambda config: config.pop("heads")), "heads"),
        (lambda at: change_config(at, lambda config: config.update(hidden_size=64)), "shape"),
        (lambda at: change_config(at, lambda config: config.update(heads="many")), "no whole deltanet model"),
        (lambda at: (at / "model.safetensors").write_bytes(b"?"), "model.safetensors"),
    ],
)
def test_a_damaged_model_is_one_line_that_names_the_damage(damage, named, tmp_path):
    own_model(DeltaNet).save(tmp_path)
    damage(tmp_path)

    with pytest.raises(InputError) as raised:
        load_model(tmp_path)

    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("init", ["published", "original"])
def test_linear_attention_begins_with_the_weights_of_a_gpt2(init):
    """So that the mixer is all that differs between the two."""
    ours, gpt2 = (own_model(kind, init=init, seed=3) for kind in (LinearAttention, GPT2))

    weights, expected = (to_transformers(dict(model.named_parameters()), model.parts.names) for model in (ours, gpt2))
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    groups = [[name for name, _ in group] for group in decay_groups(ours, "published")]
    assert groups == [[name for name, _ in group] for group in decay_groups(gpt2, "published")]
    tokens = random_tokens()
    assert not torch.allclose(ours(tokens, every_position(tokens)), gpt2(tokens, every_position(tokens)))


@pytest.mark.parametrize("kind", [RetNet, GLA, DeltaNet])
def test_published_weights_are_normal(kind):
    for name, parameter in large(kind).named_parameters():
        if name.endswith("convolution"):  # as torch draws them: so small, a head would be below its norm's epsilon
            assert bound(parameter) == pytest.approx(0.5, rel=0.01)
        elif parameter.ndim > 1:
            assert std(parameter) == pytest.approx(0.02, rel=0.1), name
        else:
            assert torch.equal(parameter, torch.full_like(parameter, 0.0 if name.endswith("bias") else 1.0)), name


def xavier(inputs, outputs, gain=2**-2.5):
    return gain * math.sqrt(6 / (inputs + outputs))


def test_retnets_original_weights_are_those_of_torchscale():
    model = large(RetNet, init="original")
    for block in model.blocks:
        mixer = block.token_mixer
        query, gate = mixer.query_gate.weight.split((256, 512))
        key, value = mixer.key_value.weight.split((256, 512))
        for weight, outputs in ((query, 256), (gate, 512), (key, 256), (value, 512)):
            assert bound(weight) == pytest.approx(xavier(256, outputs), rel=0.01)
        assert bound(mixer.output.weight) == pytest.approx(xavier(512, 256, gain=1), rel=0.01)
        assert bound(block.channel_mixer.input.weight) == pytest.approx(256**-0.5, rel=0.01)
    assert std(model.embedding.weight) == pytest.approx(256**-0.5, rel=0.05)
    assert std(model.head.weight) == pytest.approx(256**-0.5, rel=0.05)


def test_the_original_weights_of_gla_and_deltanet_are_their_authors():
    for block in large(GLA, init="original").blocks:
        query, gate = block.token_mixer.query_gate.weight.split((128, 256))
        assert bound(query) == pytest.approx(xavier(256, 128), rel=0.01)
        assert bound(gate) == pytest.approx(xavier(256, 256), rel=0.01)
        assert not block.token_mixer.forget.bias.any()
        assert std(block.channel_mixer.gate_up.weight) == pytest.approx(0.02, rel=0.05)
    for block in large(DeltaNet, init="original").blocks:
        for part in block.token_mixer.query_key_value.weight.chunk(3):
            assert bound(part) == pytest.approx(xavier(256, 256), rel=0.01)
        assert bound(block.token_mixer.convolution) == pytest.approx(0.5, rel=0.01)


def test_rwkv6_begins_as_its_code_says():
    model = large(RWKV6)
    channel = torch.arange(256)
    for layer, block in enumerate(model.blocks):
        rising, falling = layer / 3, 1 - layer / 4
        time, share = block.time_mixing, (channel / 256) ** falling
        torch.testing.assert_close(time.common_shift, 1 - share)
        torch.testing.assert_close(time.shift[3], 1 - share - 0.3 * rising)
        torch.testing.assert_close(time.shift[0], 1 - (channel / 256) ** (falling / 2))
        torch.testing.assert_close(time.decay, -6 + 5 * (channel / 255) ** (0.7 + 1.3 * rising))
        torch.testing.assert_close(time.norm_weight, torch.full((256,), ((1 + layer) / 4) ** 0.7))
        torch.testing.assert_close(block.channel_mixing.mix, share.expand(2, 256))
        zeros = (time.output.weight, block.channel_mixing.value.weight, time.shift_down, time.decay_down)
        assert not any(weight.any() for weight in zeros)
        key = time.key.weight
        torch.testing.assert_close(key @ key.T, 0.01 * torch.eye(256), atol=1e-5, rtol=0)
    assert bound(model.embedding.weight) <= 1e-4


def test_mamba2s_original_draws_the_rates_of_heads_and_published_counts_them():
    original, published = (
        build_model(Mamba2(width=256, heads=32, init=init), vocabulary_size=300, sequence_length=7, seed=0)
        for init in ("original", "published")
    )
    for block in original.blocks:
        rates = block.token_mixer.a_log.exp()
        assert rates.min() >= 1
        assert rates.max() <= 16
        assert bound(block.token_mixer.output.weight) == pytest.approx(512**-0.5 / 2**0.5, rel=0.01)
    for block in published.blocks:
        torch.testing.assert_close(block.token_mixer.a_log.exp(), torch.arange(1.0, 33))


@pytest.mark.parametrize(
    ("kind", "per_entry"), [(LinearAttention, 4), (RetNet, 5), (GLA, 5), (DeltaNet, 6), (RWKV6, 5)]
)
def test_flops_are_the_products_that_torch_counts_and_the_recurrence(kind, per_entry):
    """Of each token: its projections, as counted; and so many operations for every number of the states."""
    model, tokens = own_model(kind), random_tokens()
    spec, entries = model_spec(kind), state_entries(model)
    with FlopCounterMode(display=False) as counter:
        model(tokens, every_position(tokens))
    # Products of token rows with matrices; what tokens do among themselves is batched, and counted by the recurrence.
    counted = counter.get_flop_counts()["Global"]
    products = sum(counted.get(op, 0) for op in (torch.ops.aten.mm, torch.ops.aten.addmm))
    low_rank = 2 * 5 * 32 * 32 * tokens.numel() * 2 if kind is RWKV6 else 0  # five of them at a time, in a batch
    convolution = 2 * 3 * 32 * 4 * tokens.numel() * 2 if kind is DeltaNet else 0

    flops = forward_flops(spec, vocabulary_size=40, tokens=5, supervised=5) * len(tokens)

    assert flops == products + low_rank + convolution + per_entry * entries * tokens.numel()


def model_spec(kind):
    return kind(layers=2, width=32)


def state_entries(model):
    """Of both blocks: channels of keys times channels of values, head by head, with 4 heads."""
    keys, values = {"retnet": (32, 64), "gla": (16, 32)}.get(model.architecture, (32, 32))
    return 2 * keys * values // 4
