import math

import pytest
import torch

from grokcore.errors import InputError
from grokcore.models import build_model
from grokcore.spec import GPT2, RWKV, LinearAttention, LLaMA, Mamba, validate
from tests.models.tiny_models import POSITIONS, VOCABULARY, tiny_model

LARGE = {"implementation": "transformers", "width": 256, "layers": 4}
"""Large enough for a standard deviation to be known to a few percent."""
TINY = {"width": 16, "layers": 2, "heads": 2}


def std(weight):
    return weight.std().item()


def is_orthogonal(weight, gain):
    """Rows or columns, whichever are fewer, are orthogonal with the norm `gain`."""
    gram = weight @ weight.T if len(weight) <= weight.shape[1] else weight.T @ weight
    return torch.allclose(gram, gain**2 * torch.eye(len(gram)), atol=1e-4 * gain**2)


def base(architecture, **fields):
    return tiny_model(architecture, **fields).network.base_model


@pytest.mark.parametrize(("init", "positions"), [("published", 0.02), ("original", 0.01)])
def test_gpt2(init, positions):
    model = build_model(GPT2(**LARGE, init=init), vocabulary_size=300, sequence_length=40, seed=0).network.base_model
    residual = 0.02 / math.sqrt(2 * 4)

    assert std(model.wpe.weight) == pytest.approx(positions, rel=0.03)
    assert std(model.wte.weight) == pytest.approx(0.02, rel=0.03)
    for block in model.h:
        assert std(block.attn.c_attn.weight) == pytest.approx(0.02, rel=0.03)
        assert std(block.mlp.c_fc.weight) == pytest.approx(0.02, rel=0.03)
        assert std(block.attn.c_proj.weight) == pytest.approx(residual, rel=0.03)
        assert std(block.mlp.c_proj.weight) == pytest.approx(residual, rel=0.03)
        assert not block.attn.c_attn.bias.any()
        assert torch.equal(block.ln_1.weight, torch.ones(256))


def test_gpt2_can_start_as_the_modules_of_pytorch_do():
    model = build_model(
        GPT2(**LARGE, init="pytorch", tie_embeddings=False), vocabulary_size=300, sequence_length=40, seed=0
    ).network
    block = model.base_model.h[0]
    attention = torch.nn.MultiheadAttention(256, 4)
    into, out = torch.nn.Linear(256, 1024), torch.nn.Linear(1024, 256)
    drawn_and_default = [
        (model.base_model.wte.weight, torch.nn.Embedding(300, 256).weight),
        (model.base_model.wpe.weight, torch.nn.Embedding(40, 256).weight),
        (block.attn.c_attn.weight, attention.in_proj_weight),
        (block.attn.c_proj.weight, attention.out_proj.weight),
        (block.mlp.c_fc.weight, into.weight),
        (block.mlp.c_fc.bias, into.bias),
        (block.mlp.c_proj.weight, out.weight),
        (block.mlp.c_proj.bias, out.bias),
        (model.lm_head.weight, torch.nn.Linear(256, 300).weight),
    ]
    for drawn, default in drawn_and_default:
        assert std(drawn) == pytest.approx(std(default), rel=0.1)
        assert drawn.abs().max().item() == pytest.approx(default.abs().max().item(), rel=0.25)
    for drawn, default in (
        (block.attn.c_attn.bias, attention.in_proj_bias),
        (block.attn.c_proj.bias, attention.out_proj.bias),
        (block.ln_1.weight, torch.nn.LayerNorm(256).weight),
    ):
        assert torch.equal(drawn, default)


def test_both_implementations_start_as_the_modules_of_pytorch_do():
    fast, hugging_face = (
        build_model(
            GPT2(**TINY, implementation=implementation, init="pytorch"), vocabulary_size=30, sequence_length=5, seed=0
        )
        for implementation in ("fast", "transformers")
    )
    tokens, last = torch.arange(10).reshape(2, 5), torch.full((2, 1), 4)
    assert torch.allclose(fast(tokens, last), hugging_face(tokens, last), atol=1e-4)


@pytest.mark.parametrize("architecture", [LLaMA, LinearAttention])
def test_only_gpt2_starts_as_the_modules_of_pytorch_do(architecture):
    with pytest.raises(InputError, match="init=pytorch is known for gpt2, not for"):
        validate(architecture, {"init": "pytorch"})


def test_llama_has_one_initialization():
    published, original = (tiny_model(LLaMA, init=init) for init in ("published", "original"))

    assert all(map(torch.equal, published.parameters(), original.parameters()))
    assert std(base(LLaMA, **LARGE).layers[0].mlp.up_proj.weight) == pytest.approx(0.02, rel=0.03)


ZIGZAG = torch.tensor([0.0, 0.5, -0.5] * 11)[:32]
ZERO_IN_THE_ORIGINAL = [
    "attention.key",
    "attention.receptance",
    "attention.output",
    "feed_forward.receptance",
    "feed_forward.value",
]


def test_rwkv_original_starts_time_first_at_log_03_plus_zigzag():
    for block in base(RWKV, init="original").blocks:
        torch.testing.assert_close(block.attention.time_first, math.log(0.3) + ZIGZAG)


def test_rwkv_published_keeps_the_ones_of_transformers():
    for block in base(RWKV, init="published").blocks:
        assert torch.equal(block.attention.time_first, torch.ones(32))


@pytest.mark.parametrize("init", ["published", "original"])
def test_rwkv_decay_and_mixing_rates_are_the_originals(init):
    channel = torch.arange(32)
    for layer, block in enumerate(base(RWKV, init=init).blocks):
        rising, falling = layer / (2 - 1), 1 - layer / 2
        mix = (channel / 32)[None, None]
        attention, feed_forward = block.attention, block.feed_forward

        torch.testing.assert_close(attention.time_decay, -5 + 8 * (channel / 31) ** (0.7 + 1.3 * rising))
        torch.testing.assert_close(attention.time_mix_key, mix**falling)
        torch.testing.assert_close(attention.time_mix_value, mix**falling + 0.3 * rising)
        torch.testing.assert_close(attention.time_mix_receptance, mix ** (falling / 2))
        torch.testing.assert_close(feed_forward.time_mix_key, mix**falling)
        torch.testing.assert_close(feed_forward.time_mix_receptance, mix**falling)


@pytest.mark.parametrize(("init", "zero"), [("published", False), ("original", True)])
def test_rwkv_original_starts_the_matrices_that_write_at_zero(init, zero):
    for block in base(RWKV, init=init).blocks:
        for name in ZERO_IN_THE_ORIGINAL:
            assert bool(block.get_submodule(name).weight.any()) != zero, name


@pytest.mark.parametrize("vocabulary", [VOCABULARY, 20, 32, 128])
def test_rwkv_original_draws_the_others_orthogonally_whatever_the_vocabulary_is(vocabulary):
    """At 32 and 128 a matrix of a block has the shape of the head, which transformers scales by .5."""
    spec = RWKV(implementation="transformers", layers=2, width=32, init="original")
    network = build_model(spec, vocabulary_size=vocabulary, sequence_length=POSITIONS, seed=0).network

    assert is_orthogonal(network.rwkv.embeddings.weight, 1e-4 * math.sqrt(max(vocabulary, 32)))
    assert is_orthogonal(network.head.weight, 0.5 * math.sqrt(max(vocabulary / 32, 1)))
    for block in network.rwkv.blocks:
        assert is_orthogonal(block.attention.value.weight, 1.0)
        assert is_orthogonal(block.feed_forward.key.weight, 2.0)


def test_rwkv_original_with_tied_embeddings_keeps_those_of_the_embedding():
    embeddings = base(RWKV, init="original", tie_embeddings=True).embeddings.weight

    assert is_orthogonal(embeddings, 1e-4 * math.sqrt(VOCABULARY))


def test_rwkv_is_never_rescaled_for_evaluation():
    assert tiny_model(RWKV).network.config.rescale_every == 0


@pytest.mark.parametrize("init", ["published", "original"])
def test_mamba_state_space_is_the_originals(init):
    for block in base(Mamba, **LARGE, init=init).layers:
        mixer = block.mixer
        step = torch.nn.functional.softplus(mixer.dt_proj.bias)

        torch.testing.assert_close(mixer.A_log, torch.arange(1.0, 17).log().expand(512, 16))
        assert torch.equal(mixer.D, torch.ones(512))
        assert step.min() >= 1e-3 * 0.999
        assert step.max() <= 0.1 * 1.001
        assert step.log().mean().item() == pytest.approx(math.log(1e-2), abs=0.2)
        assert 0.24 < mixer.dt_proj.weight.abs().max().item() <= 16**-0.5


def uniform_bound(weight):
    return weight.abs().max().item()


def test_mamba_original_draws_linear_layers_as_torch_does_and_scales_the_projection_out():
    model = build_model(Mamba(**LARGE, init="original"), vocabulary_size=300, sequence_length=7, seed=0).network
    d, inner, layers = 256, 512, 4

    assert std(model.backbone.embeddings.weight) == pytest.approx(0.02, rel=0.03)
    for block in model.backbone.layers:
        mixer = block.mixer
        assert uniform_bound(mixer.in_proj.weight) == pytest.approx(d**-0.5, rel=0.01)
        assert uniform_bound(mixer.x_proj.weight) == pytest.approx(inner**-0.5, rel=0.01)
        assert uniform_bound(mixer.out_proj.weight) == pytest.approx(inner**-0.5 / layers**0.5, rel=0.01)
        assert uniform_bound(mixer.conv1d.weight) == pytest.approx(4**-0.5, rel=0.01)
        assert uniform_bound(mixer.conv1d.bias) == pytest.approx(4**-0.5, rel=0.05)


def test_mamba_original_draws_an_untied_head_as_torch_does():
    model = build_model(
        Mamba(**LARGE, init="original", tie_embeddings=False), vocabulary_size=300, sequence_length=7, seed=0
    )

    assert uniform_bound(model.network.lm_head.weight) == pytest.approx(256**-0.5, rel=0.01)
    assert std(model.network.backbone.embeddings.weight) == pytest.approx(0.02, rel=0.03)


def test_mamba_published_keeps_the_normal_weights_of_transformers():
    model = base(Mamba, **LARGE)

    assert std(model.embeddings.weight) == pytest.approx(0.1, rel=0.03)
    assert std(model.layers[0].mixer.in_proj.weight) == pytest.approx(0.1, rel=0.03)
    assert uniform_bound(model.layers[0].mixer.out_proj.weight) == pytest.approx(512**-0.5, rel=0.01)
    assert not model.layers[0].mixer.conv1d.bias.any()
