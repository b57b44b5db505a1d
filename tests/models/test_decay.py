import re
from dataclasses import replace

import pytest

from grokcore.models import ARCHITECTURES as REGISTRY
from grokcore.models import decay_groups
from tests.models.tiny_models import ARCHITECTURES, IMPLEMENTATIONS, tiny_model

NOT_DECAYED = {
    "gpt2": {
        "ln_1.weight",
        "ln_1.bias",
        "attn.c_attn.bias",
        "attn.c_proj.bias",
        "ln_2.weight",
        "ln_2.bias",
        "mlp.c_fc.bias",
        "mlp.c_proj.bias",
        "ln_f.weight",
        "ln_f.bias",
    },
    "llama": {"input_layernorm.weight", "post_attention_layernorm.weight", "norm.weight"},
    "rwkv": {
        *(f"{norm}.{kind}" for norm in ("pre_ln", "ln1", "ln2", "ln_out") for kind in ("weight", "bias")),
        "attention.time_decay",
        "attention.time_first",
        "attention.time_mix_key",
        "attention.time_mix_value",
        "attention.time_mix_receptance",
        "feed_forward.time_mix_key",
        "feed_forward.time_mix_receptance",
    },
    "mamba": {"norm.weight", "mixer.A_log", "mixer.D", "mixer.conv1d.bias", "mixer.dt_proj.bias", "norm_f.weight"},
    "mamba2": {"norm.weight", "mixer.A_log", "mixer.D", "mixer.conv1d.bias", "mixer.dt_bias", "mixer.norm.weight"}
    | {"norm_f.weight"},
}
DECAYED = {
    "gpt2": {"wte.weight", "wpe.weight", "attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight"}
    | {"mlp.c_proj.weight"},
    "llama": {"embed_tokens.weight", *(f"self_attn.{name}_proj.weight" for name in "qkvo")}
    | {f"mlp.{name}_proj.weight" for name in ("gate", "up", "down")},
    "rwkv": {"embeddings.weight", *(f"attention.{name}.weight" for name in ("key", "value", "receptance", "output"))}
    | {f"feed_forward.{name}.weight" for name in ("key", "value", "receptance")},
    "mamba": {"embeddings.weight", "mixer.conv1d.weight"}
    | {f"mixer.{name}_proj.weight" for name in ("in", "x", "dt", "out")},
    "mamba2": {"embeddings.weight", "mixer.conv1d.weight", "mixer.in_proj.weight", "mixer.out_proj.weight"},
}
DECAYED_BY_THE_PUBLISHED_RULE_TOO = {
    "gpt2": set(),
    "llama": NOT_DECAYED["llama"],
    "rwkv": {name for name in NOT_DECAYED["rwkv"] if "time_" in name},
    "mamba": {"norm.weight", "norm_f.weight", "mixer.A_log", "mixer.D"},
    "mamba2": {"norm.weight", "norm_f.weight", "mixer.norm.weight", "mixer.A_log", "mixer.D"},
}
HEADS = dict.fromkeys(("gpt2", "llama", "mamba", "mamba2"), "lm_head.weight") | {"rwkv": "head.weight"}


def short_names(model, group):
    """The names of transformers without the path to their block or base model."""
    names = model.transformers_names()
    return {
        re.sub(r"^((transformer|model|rwkv|backbone)\.)?(\w+\.\d+\.)?", "", theirs)
        for name, _ in group
        for theirs in names[name]
    }


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_explicit_decays_matrices_and_nothing_else(architecture, implementation, tied):
    kind = architecture().architecture
    head = set() if tied else {HEADS[kind]}
    model = tiny_model(architecture, implementation=implementation, tie_embeddings=tied)

    decayed, not_decayed = decay_groups(model, "explicit")

    assert short_names(model, decayed) == DECAYED[kind] | head
    assert short_names(model, not_decayed) == NOT_DECAYED[kind]


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_published_spares_by_substring_and_so_decays_more(architecture, implementation):
    kind = architecture().architecture
    model = tiny_model(architecture, implementation=implementation, tie_embeddings=True)

    decayed, not_decayed = decay_groups(model, "published")

    more = DECAYED_BY_THE_PUBLISHED_RULE_TOO[kind]
    assert short_names(model, decayed) == DECAYED[kind] | more
    assert short_names(model, not_decayed) == NOT_DECAYED[kind] - more


@pytest.mark.parametrize("rule", ["explicit", "published"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_parameter_is_in_one_group_once(architecture, implementation, tied, rule):
    model = tiny_model(architecture, implementation=implementation, tie_embeddings=tied)

    decayed, not_decayed = decay_groups(model, rule)

    grouped = [parameter for _, parameter in decayed + not_decayed]
    assert len(grouped) == len({id(parameter) for parameter in grouped})
    assert {id(parameter) for parameter in grouped} == {id(parameter) for parameter in model.parameters()}
    assert dict(decayed + not_decayed).keys() == dict(model.named_parameters()).keys()


def test_a_parameter_that_nobody_marked_is_an_error_and_never_guessed(monkeypatch):
    model, gpt2 = tiny_model(ARCHITECTURES[0]), REGISTRY["gpt2"]
    parameters = dict(gpt2.transformers.parameters)
    del parameters["transformer.wpe.weight"]
    unmarked = replace(gpt2.transformers, parameters=parameters)
    monkeypatch.setitem(REGISTRY, "gpt2", replace(gpt2, transformers=unmarked))

    with pytest.raises(LookupError, match=r"transformer\.wpe\.weight is not among the parameters of gpt2"):
        decay_groups(model, "explicit")
