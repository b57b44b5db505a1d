"""Token embeddings that are products: trained, saved and counted as such, in every architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from grokcore.models import build_model, load_model, parameter_count
from grokcore.models.roles import layouts
from tests.models.tiny_models import POSITIONS, SPECS, VOCABULARY, WIDTH, last_position, random_tokens, tiny_spec

RANK = 6
FACTORS = {"embedding.factor": (VOCABULARY, RANK), "embedding.projection": (RANK, WIDTH)}

variants = pytest.mark.parametrize("tied", [True, False])
architectures = pytest.mark.parametrize("architecture", SPECS.values())


def spec_of(architecture: Any, **fields: Any) -> Any:
    start = {"model": "weak", "width": RANK}
    return tiny_spec(architecture, **{"implementation": "fast", "start_from": start, **fields})


def model_of(architecture: Any, **fields: Any) -> Any:
    spec = spec_of(architecture, **fields)
    return build_model(spec, vocabulary_size=VOCABULARY, sequence_length=POSITIONS, seed=0)


@variants
@architectures
def test_both_factors_are_trained_and_have_the_role_of_an_embedding(architecture: Any, tied: bool) -> None:
    model = model_of(architecture, tie_embeddings=tied)
    tokens = random_tokens(16)
    cross_entropy(model(tokens, last_position(tokens))[:, 0], tokens[:, 0]).backward()
    weights, found = dict(model.named_parameters()), layouts(model)
    for name, shape in FACTORS.items():
        assert weights[name].shape == shape
        assert (found[name].role, found[name].decayed) == ("embedding", True)
        assert weights[name].grad is not None
        assert weights[name].grad.any()
    assert ("head.weight" in weights) == (not tied)
    size = parameter_count(
        spec_of(architecture, tie_embeddings=tied), vocabulary_size=VOCABULARY, sequence_length=POSITIONS
    )
    assert size.total == sum(weight.numel() for weight in weights.values())


@variants
@architectures
def test_the_saved_model_is_the_same_with_one_matrix(architecture: Any, tied: bool, tmp_path: Path) -> None:
    model = model_of(architecture, tie_embeddings=tied).eval()
    model.save(tmp_path)
    loaded = load_model(tmp_path).eval()
    tokens = random_tokens()
    assert loaded.get_parameter("embedding.weight").shape == (VOCABULARY, WIDTH)
    assert torch.equal(loaded(tokens, last_position(tokens)), model(tokens, last_position(tokens)))


def test_the_product_is_computed_in_fp32_under_autocast() -> None:
    embedding = model_of(SPECS["gpt2"]).embedding
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (embedding.factor @ embedding.projection).dtype == torch.bfloat16
        inside = embedding.weight
    assert inside.dtype == torch.float32
    assert torch.equal(inside, embedding.factor @ embedding.projection)


def test_everything_else_is_drawn_as_without_a_source() -> None:
    plain, product = (dict(model_of(SPECS["gpt2"], start_from=start).named_parameters()) for start in STARTS)
    assert all(torch.equal(plain[name], weight) for name, weight in product.items() if name not in FACTORS)
    assert plain.keys() - product.keys() == {"embedding.weight"}


STARTS = [None, {"model": "weak", "width": RANK}]
