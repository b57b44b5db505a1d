"""The rule of arXiv 2405.15071's causal tracing, one example at a time in transformers, against ours.

Its ranks are places in the sorted logits of final norm and head over a hidden state; its strength is the share of
examples whose prediction changes when one hidden state is replaced.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from grokcore.interpret import lens, tracing
from tests.interpret.planted.test_composition import Subject, made, subject_of, with_bridge

__all__ = ["made"]


@pytest.fixture(scope="module")
def subject(made: Any) -> Subject:
    """The planted bridge, with noise on every weight, so that no two logits are equal."""
    planted = with_bridge(*made)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in planted.model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 2e-4)
    return subject_of(made[0], planted, examples=60)


@pytest.fixture(scope="module")
def exported(subject: Subject, tmp_path_factory: pytest.TempPathFactory) -> Any:
    place: Path = tmp_path_factory.mktemp("exported")
    subject.model.save(place)
    return AutoModelForCausalLM.from_pretrained(place).eval()


def module_before(exported: Any, layer: int) -> torch.nn.Module:
    """The module whose output is the hidden state of a layer."""
    return exported.transformer.drop if layer == 0 else exported.transformer.h[layer - 1]


def hidden_states(exported: Any, tokens: list[int], replaced: tuple[int, int, Any] | None = None) -> tuple[Any, Any]:
    """Return the states (L + 1, T, D) before the final norm, and the logits (V,) after the last token."""
    seen: dict[int, Any] = {}
    handles = []
    for layer in range(exported.config.n_layer + 1):

        def hook(module: Any, args: Any, output: Any, layer: int = layer) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            if replaced is not None and replaced[0] == layer:
                hidden = hidden.clone()
                hidden[0, replaced[1]] = replaced[2]
            seen[layer] = hidden[0]
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        handles.append(module_before(exported, layer).register_forward_hook(hook))
    with torch.no_grad():
        logits = exported(torch.tensor([tokens])).logits[0, -1]
    for handle in handles:
        handle.remove()
    return torch.stack([seen[layer] for layer in sorted(seen)]), logits


@torch.no_grad()
def test_ranks_are_theirs(subject: Subject, exported: Any) -> None:
    (case,) = subject.cases
    names = [target.name for target in case.targets]
    numbers = {(one.target, one.metric, one.layer, one.position): one.value for one in lens.measure(subject)}
    reciprocal = np.zeros((len(names), exported.config.n_layer + 1, len(case.roles)))
    for row, tokens in enumerate(case.tokens.tolist()):
        states, _ = hidden_states(exported, tokens)
        ordered = exported.lm_head(exported.transformer.ln_f(states)).argsort(dim=-1, descending=True)
        for number, target in enumerate(case.targets):
            ranks = (ordered == int(target.ids[row])).int().argmax(-1)
            reciprocal[number] += (1 / (ranks + 1)).numpy()
    for (number, layer, position), total in np.ndenumerate(reciprocal):
        ours = numbers[names[number], "mrr", layer, case.roles[position]]
        assert ours == pytest.approx(total / len(case), abs=2e-3), (names[number], layer, case.roles[position])


@torch.no_grad()
def test_strengths_are_theirs(subject: Subject, exported: Any) -> None:
    (case,) = subject.cases
    numbers = {(one.case, one.metric, one.layer, one.position): one for one in tracing.measure(subject)}
    for kind in ("h", "semantic"):
        one = case.counterfactuals[kind]
        changes = np.zeros((exported.config.n_layer + 1, len(case.roles)))
        pairs = list(zip(case.tokens[one.rows].tolist(), one.tokens.tolist(), strict=True))
        for tokens, others in pairs:
            states, _ = hidden_states(exported, others)
            before = int(hidden_states(exported, tokens)[1].argmax())
            for layer, position in np.ndindex(changes.shape):
                _, logits = hidden_states(exported, tokens, (layer, position, states[layer, position]))
                changes[layer, position] += int(logits.argmax()) != before
        for (layer, position), count in np.ndenumerate(changes):
            ours = numbers[kind, "broken", layer, case.roles[position]]
            assert ours.n == len(pairs)  # all are answered rightly: there are none that only their rule counts
            assert ours.value == pytest.approx(count / len(pairs), abs=1e-9), (kind, layer, position)
