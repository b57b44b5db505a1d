"""Roles and logical parameters: complete for every architecture, and the same whatever stores the weights."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from grokcore.models import SequenceModel
from grokcore.models.roles import layouts
from grokcore.spec.training import Role
from tests.models.tiny_models import ARCHITECTURES, SPECS, tiny_model

VECTORS = {"vector", "state"}


def logical(model: SequenceModel, role: str) -> list[Tensor]:
    """The logical parameters of one role, matrices as (outputs, inputs), in an order that depends on values alone."""
    found = layouts(model)
    pieces = [
        piece.t() if found[name].outputs else piece
        for name, tensor in model.named_parameters()
        if found[name].role == role
        for piece in found[name].split(tensor.detach())
    ]
    flat = [piece if role not in VECTORS else piece.flatten() for piece in pieces]
    return sorted(flat, key=lambda piece: (piece.shape, piece.flatten()[:4].tolist(), piece.sum().item()))


@pytest.mark.parametrize("role", get_args(Role))
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_implementations_have_the_same_logical_parameters(architecture: Any, role: str) -> None:
    """With random values in place of gains and biases, which are all alike in a new model."""
    theirs = tiny_model(architecture, implementation="transformers", tie_embeddings=False)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in theirs.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
    ours = tiny_model(architecture, implementation="fast", tie_embeddings=False)
    network: Any = theirs
    ours.load_transformers(dict(network.network.named_parameters()))  # type: ignore[operator]

    pairs = list(zip(logical(ours, role), logical(theirs, role), strict=True))

    assert pairs or role in ("position", "state")
    assert all(torch.equal(mine, other) for mine, other in pairs)


@pytest.mark.parametrize("architecture", SPECS.values())
def test_every_matrix_is_one_and_its_parts_fill_it(architecture: Any) -> None:
    model = tiny_model(architecture, implementation="fast")
    found = layouts(model)
    assert found.keys() == dict(model.named_parameters()).keys()
    for name, tensor in model.named_parameters():
        layout = found[name]
        assert sum(layout.parts) == (tensor.shape[layout.outputs] if tensor.ndim else 1), name
        if layout.role == "matrix":
            assert tensor.ndim == 2, name
            assert all(min(piece.shape) > 0 for piece in layout.split(tensor)), name
    roles = [layout.role for layout in found.values()]
    assert roles.count("embedding") == 1
    assert roles.count("matrix") >= 4


def test_query_key_and_value_are_three_matrices() -> None:
    model = tiny_model(SPECS["gpt2"], implementation="fast")
    found = layouts(model)["blocks.0.token_mixer.query_key_value.weight"]
    assert (found.role, found.parts, found.outputs) == ("matrix", (32, 32, 32), 0)
    stacked = torch.zeros(5, 96, 32)
    assert [piece.shape for piece in found.split(stacked, stacked=True)] == [(5, 32, 32)] * 3


def test_a_tied_head_is_an_embedding_and_an_untied_one_a_head() -> None:
    for tied, roles in ((True, ["embedding"]), (False, ["embedding", "head"])):
        model = tiny_model(SPECS["llama"], implementation="fast", tie_embeddings=tied)
        found = [layout.role for layout in layouts(model).values()]
        assert [role for role in found if role in ("embedding", "head")] == roles
