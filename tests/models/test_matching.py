"""`match`: which size is built, against a search over all sizes; and what sharing, loops and memory count for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from grokcore.models import build_model, built_spec, forward_flops, match_description, parameter_count
from grokcore.models.sizes import TOKENS
from grokcore.spec import GPT2, RWKV, ExperimentSpec, LLaMA, Mamba
from grokcore.spec.base import identity_of

PARTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "cycle": {"sharing": {"kind": "blocks", "repeat": 3}},
    "sequence with slots": {"sharing": {"kind": "blocks", "order": "sequence"}, "memory": {"kind": "slots"}},
    "one MLP": {"sharing": {"kind": "mlp"}},
    "one memory": {"memory": {"kind": "slots", "slots": 7, "per": "model"}},
    "memory of neighbours": {"memory": {"kind": "mlp", "width": 20, "pairs": "neighbours"}},
    "random loops": {"recurrence": {"kind": "random", "least": 2, "most": 4, "evaluation": 3}},
    "adaptive loops": {"recurrence": {"kind": "adaptive", "most": 3}},
}
parts = pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)


def sizes(spec: Any) -> tuple[int, float]:
    """Parameters and operations of the blocks: of a vocabulary and positions as good as none."""
    blocks = parameter_count(spec, vocabulary_size=0, sequence_length=0).without_embeddings
    bare = parameter_count(type(spec)(width=spec.width, layers=2), vocabulary_size=0, sequence_length=0)
    each = parameter_count(type(spec)(width=spec.width, layers=3), vocabulary_size=0, sequence_length=0)
    outer = bare.without_embeddings - 2 * (each.without_embeddings - bare.without_embeddings)
    return blocks - outer, forward_flops(spec, vocabulary_size=0, tokens=TOKENS, supervised=1)


@parts
@pytest.mark.parametrize("measure", [0, 1], ids=["parameters", "flops"])
@pytest.mark.parametrize("architecture", [GPT2, LLaMA, RWKV, Mamba])
def test_the_depth_that_comes_closest_is_built(architecture: Any, measure: int, parts: dict[str, Any]) -> None:
    if architecture is Mamba and parts.get("sharing") == {"kind": "mlp"}:
        pytest.skip("Mamba's blocks have no MLP")
    fields = {"layers": 6, "width": 64, **parts}
    reference = sizes(GPT2(layers=6, width=64))[measure]
    least = 2 if architecture is RWKV or parts.get("sharing") == {"kind": "mlp"} else 1
    every = {
        layers: abs(sizes(architecture(**{**fields, "layers": layers}))[measure] - reference)
        for layers in range(least, 40)
    }

    built = built_spec(architecture(**fields, match=("parameters", "flops")[measure]))

    assert every[built.layers] == min(every.values())
    assert built.width == 64


@parts
@pytest.mark.parametrize("measure", [0, 1], ids=["parameters", "flops"])
@pytest.mark.parametrize("architecture", [LLaMA, Mamba])
def test_the_width_that_comes_closest_is_built(architecture: Any, measure: int, parts: dict[str, Any]) -> None:
    if architecture is Mamba and parts.get("sharing") == {"kind": "mlp"}:
        pytest.skip("Mamba's blocks have no MLP")
    fields = {"layers": 3, "width": 64, **parts}
    reference = sizes(GPT2(layers=3, width=64))[measure]
    every = {
        width: abs(sizes(architecture(**{**fields, "width": width}))[measure] - reference) for width in range(8, 200, 8)
    }

    built = built_spec(architecture(**fields, match=("parameters", "flops")[measure], match_by="width"))

    assert every[built.width] == min(every.values())
    assert built.layers == 3


@parts
def test_the_size_built_is_the_size_counted(parts: dict[str, Any]) -> None:
    spec = LLaMA(layers=3, width=32, match="parameters", match_by="width", **parts)
    model = build_model(spec, vocabulary_size=11, sequence_length=7, seed=0)

    count = parameter_count(spec, vocabulary_size=11, sequence_length=7)

    assert count.total == sum(parameter.numel() for parameter in model.parameters())
    assert model.embedding.weight.shape == (11, built_spec(spec).width)


@parts
@pytest.mark.parametrize("reentry", [None, 1.0])
def test_operations_are_those_of_the_matrix_products_that_torch_counts(
    parts: dict[str, Any], reentry: float | None
) -> None:
    if reentry is not None:
        loops = parts.get("recurrence") or {"kind": "fixed", "loops": 3}
        parts = {**parts, "sharing": None, "recurrence": {**loops, "reentry": reentry}}
    spec = GPT2(layers=2, width=32, **parts)
    model = build_model(spec, vocabulary_size=40, sequence_length=7, seed=0).eval()
    tokens, positions = torch.zeros(3, 5, dtype=torch.int64), torch.tensor([[4]] * 3)

    flops = forward_flops(spec, vocabulary_size=40, tokens=5, supervised=1)

    hidden: list[Any] = []
    with FlopCounterMode(display=False) as counter, model.residual_stream(lambda layer, stream: hidden.append(stream)):
        model(tokens, positions)  # with a hook, nothing is left out
    assert counter.get_total_flops() == 3 * (flops - attention_left_out(spec, model.layers))


def attention_left_out(spec: Any, passes: int) -> int:
    """On a CPU scores and values are computed by a kernel of ours, which torch does not count."""
    from grokcore.models.fast.kernels import library

    return 0 if library.load_kernels() is None else 4 * 5 * 5 * spec.width * passes


def test_a_random_number_of_loops_counts_as_its_mean() -> None:
    random, two, four = (
        forward_flops(GPT2(recurrence=loops), vocabulary_size=0, tokens=5, supervised=1)
        for loops in (
            {"kind": "random", "least": 2, "most": 4},
            {"kind": "fixed", "loops": 2},
            {"kind": "fixed", "loops": 4},
        )
    )
    assert random == (two + four) / 2


def test_what_match_chose_is_said_in_one_line() -> None:
    assert match_description(Mamba(layers=8, width=768)) is None
    assert match_description(Mamba(layers=8, width=768, match="parameters")) == (
        "model.match=parameters: 15 layers of Mamba, blocks of 56.6 M parameters, -0.2% against the 56.7 of a GPT-2 of "
        "8 layers and width 768"
    )
    words = match_description(GPT2(layers=1, width=64, match="flops", match_by="width", sharing={"kind": "blocks"}))
    assert words is not None
    assert words.startswith("model.match=flops: width 48 of GPT-2, blocks of ")


def test_a_model_without_parts_is_identified_as_before_there_were_any() -> None:
    assert not {"sharing", "recurrence", "memory", "match_by"} & identity_of(GPT2()).keys()
    assert identity_of(GPT2(sharing={"kind": "mlp"}))["sharing"] == {"kind": "mlp"}
    training = {"precision": "fp32", "engine": "native"}
    changed = ExperimentSpec(model=GPT2(recurrence={"kind": "random"}), training=training)
    assert len({changed.run_id, ExperimentSpec(training=training).run_id}) == 2
