"""The hook on mixers and whole sequences, for every architecture and composition."""

from __future__ import annotations

import pytest
import torch

from tests.models.test_every_variant import every_position, model_of, random_tokens
from tests.models.variants import every_variant


@every_variant
@torch.no_grad()
def test_every_mixer_of_every_block_that_runs_is_seen_and_leaves_no_trace(variant: str) -> None:
    model, tokens = model_of(variant).eval(), random_tokens()
    before, seen = model(tokens, every_position(tokens)), []
    with model.mixers(lambda *given: seen.append(given)):
        model(tokens, every_position(tokens))

    parts = ["token"] if "mamba" in model.architecture else ["token", "channel"]
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


@pytest.mark.parametrize("architecture", ["gpt2", "rwkv", "mamba"])
@torch.no_grad()
def test_modules_see_all_tokens_of_whole_sequences_and_else_those_asked_for_in_the_last_block(architecture) -> None:
    model, tokens = model_of(architecture).eval(), random_tokens()
    asked = torch.full((len(tokens), 1), tokens.shape[1] - 1)
    rows: list[int] = []
    handle = model.blocks[-1].register_forward_hook(lambda module, args, output: rows.append(len(output)))
    plain = model(tokens, asked)
    with model.whole_sequences():
        whole = model(tokens, asked)
    handle.remove()
    assert rows == [len(tokens), tokens.numel()]
    torch.testing.assert_close(plain, whole, atol=1e-5, rtol=1e-5)


def test_a_second_hook_is_refused() -> None:
    model = model_of("gpt2")
    with (
        model.mixers(lambda *given: None),
        pytest.raises(ValueError, match="hook is on this model's mixers"),
        model.mixers(lambda *given: None),
    ):
        pass
