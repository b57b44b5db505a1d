import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from grokcore.models import (
    build_model,
    execution_choices,
    forward_flops,
    parameter_count,
    resolved_layers,
    step_flops,
)
from grokcore.spec import GPT2, RWKV, LLaMA, Mamba, Mamba2
from tests.models.tiny_models import (
    ARCHITECTURES,
    POSITIONS,
    VOCABULARY,
    last_position,
    random_tokens,
    tiny_model,
    tiny_spec,
)

SIZES = [
    *[(architecture, {"tie_embeddings": tied}) for architecture in ARCHITECTURES for tied in (True, False)],
    *[(architecture, {"mlp_width": 50}) for architecture in (GPT2, LLaMA, RWKV)],
    (Mamba, {"state_size": 4, "expand": 3, "conv_kernel": 3, "width": 40}),
    (Mamba2, {"state_size": 4, "expand": 3, "conv_kernel": 3, "width": 40, "heads": 6}),
    (LLaMA, {"width": 40}),
]


@pytest.mark.parametrize(("architecture", "fields"), SIZES)
def test_parameter_count_is_that_of_the_real_model(architecture, fields):
    model = tiny_model(architecture, **fields)
    embeddings = {model.network.get_input_embeddings().weight, model.network.get_output_embeddings().weight}
    if architecture is GPT2:
        embeddings.add(model.network.base_model.wpe.weight)

    count = parameter_count(tiny_spec(architecture, **fields), vocabulary_size=VOCABULARY, sequence_length=POSITIONS)

    assert count.total == sum(parameter.numel() for parameter in model.parameters())
    assert count.without_embeddings == count.total - sum(weight.numel() for weight in embeddings)


def counted_flops(model, tokens, *, backward):
    with FlopCounterMode(display=False) as counter:
        logits = model(tokens, last_position(tokens))
        if backward:
            logits.sum().backward()
    # Some versions of transformers multiply rotary angles by a matrix product.
    modules = counter.get_flop_counts()
    rotary = sum(sum(counts.values()) for name, counts in modules.items() if name.endswith("rotary_emb"))
    return counter.get_total_flops() - rotary


@pytest.mark.parametrize("architecture", [GPT2, LLaMA, RWKV])
@pytest.mark.parametrize("layers", [2, 3])
def test_forward_flops_are_those_of_the_matrix_products_that_torch_counts(architecture, layers):
    spec, tokens = tiny_spec(architecture, layers=layers), random_tokens()

    flops = forward_flops(spec, vocabulary_size=VOCABULARY, tokens=tokens.shape[1], supervised=1)

    assert counted_flops(tiny_model(architecture, layers=layers), tokens, backward=False) == len(tokens) * flops


@pytest.mark.parametrize("architecture", [GPT2, LLaMA, RWKV])
def test_a_training_step_is_three_forward_passes(architecture):
    spec, tokens = tiny_spec(architecture), random_tokens()

    flops = step_flops(spec, vocabulary_size=VOCABULARY, tokens=tokens.shape[1], supervised=1, batch_size=len(tokens))

    assert counted_flops(tiny_model(architecture), tokens, backward=True) == flops


def test_mamba_flops_are_near_what_torch_counts_without_the_elementwise_part_of_the_scan():
    tokens, fields = random_tokens(), {"width": 384}

    flops = forward_flops(tiny_spec(Mamba, **fields), vocabulary_size=VOCABULARY, tokens=5, supervised=1)

    counted = counted_flops(tiny_model(Mamba, **fields), tokens, backward=False)
    assert counted == pytest.approx(len(tokens) * flops, rel=0.1)


@pytest.mark.parametrize(("tokens", "supervised", "expected"), [(5, 1, 0.87e12), (6, 2, 1.05e12)])
def test_a_step_of_the_thesis_model_costs_what_the_study_says(tokens, supervised, expected):
    thesis = GPT2(layers=8, width=768, heads=12)

    flops = step_flops(thesis, vocabulary_size=1106, tokens=tokens, supervised=supervised, batch_size=512)

    assert flops == pytest.approx(expected, rel=0.01)


def test_matching_by_layers_keeps_the_number_of_layers():
    assert resolved_layers(Mamba(layers=8, width=768)) == 8


@pytest.mark.parametrize(
    ("spec", "layers"),
    [
        (GPT2(layers=8, width=768, heads=12, match="parameters"), 8),
        (LLaMA(layers=8, width=768, heads=12, match="parameters"), 8),
        (RWKV(layers=8, width=768, match="parameters"), 7),
        (Mamba(layers=8, width=768, match="parameters"), 15),
    ],
)
def test_matching_by_parameters_takes_as_many_layers_as_come_closest_to_a_gpt2(spec, layers):
    assert resolved_layers(spec) == layers


def test_fifteen_mamba_blocks_match_eight_of_gpt2():
    mamba = Mamba(layers=8, width=768, match="parameters")
    gpt2 = GPT2(layers=8, width=768, heads=12)

    blocks = [
        parameter_count(spec, vocabulary_size=1, sequence_length=1).without_embeddings / 1e6 for spec in (mamba, gpt2)
    ]

    assert blocks == pytest.approx([56.6, 56.7], abs=0.05)


def test_rwkv_never_resolves_to_the_single_layer_that_its_initialization_cannot_take():
    tiny = RWKV(layers=2, width=32, mlp_width=2048, match="parameters")

    assert resolved_layers(tiny) == 2


def test_the_built_model_has_the_resolved_number_of_layers():
    assert tiny_model(Mamba, match="parameters").layers == resolved_layers(tiny_spec(Mamba, match="parameters")) > 2


def test_accounting_needs_neither_torch_nor_transformers():
    program = (
        "import sys; from grokcore.models import ARCHITECTURES, resolved_layers, forward_flops, execution_choices\n"
        "from grokcore.spec import Mamba\n"
        "resolved_layers(Mamba()); forward_flops(Mamba(), vocabulary_size=9, tokens=5, supervised=1)\n"
        "execution_choices(Mamba(implementation='transformers'), 'cpu')\n"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


def test_the_manifest_learns_what_computes_the_mixing():
    choices = {
        architecture().architecture: execution_choices(tiny_spec(architecture), "cpu") for architecture in ARCHITECTURES
    }

    assert choices["gpt2"] == choices["llama"] == {"attention": "eager"}
    assert choices["rwkv"] == {"time_mixing_kernel": "torch"}
    assert choices["mamba"] == choices["mamba2"]
    assert choices["mamba"]["scan_kernel"] in ("torch", "mamba_ssm")
    assert execution_choices(GPT2(), "cpu")["kernels"] in ("native", "torch")
    assert execution_choices(GPT2(), "cuda") == {"kernels": "torch"}


@pytest.mark.parametrize("architecture", [GPT2, LLaMA])
def test_attention_is_computed_as_the_manifest_says(architecture, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("scaled_dot_product_attention was called")

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", forbidden)
    model = build_model(tiny_spec(architecture), vocabulary_size=VOCABULARY, sequence_length=POSITIONS, seed=0)

    model(random_tokens(), last_position(random_tokens()))
