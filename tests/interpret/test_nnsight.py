"""Streams, lens and interchange against nnsight, on exported models in transformers, without any of our code."""

from __future__ import annotations

from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from grokcore.interpret.cases import Case, Counterfactual, Target
from grokcore.interpret.spec import AnalysisSpec
from grokcore.interpret.subject import Subject
from grokcore.interpret.tracing import patched
from tests.models.test_every_variant import model_of, random_tokens

nnsight = pytest.importorskip("nnsight", reason="a package of development")

PLACES = {
    "gpt2": ("transformer.h", "transformer.ln_f", "lm_head"),
    "llama": ("model.layers", "model.norm", "lm_head"),
    "rwkv": ("rwkv.blocks", "rwkv.ln_out", "head"),
    "mamba": ("backbone.layers", "backbone.norm_f", "lm_head"),
    "gpt2 in cycle": ("transformer.h", "transformer.ln_f", "lm_head"),
}
"""Of the blocks, the final norm and the head in transformers; a shared block is exported as often as it runs."""
WITHIN = {"rtol": 0, "atol": 1e-5}
ROLES = tuple("abcdef")


@pytest.fixture(scope="module", params=PLACES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Any]:
    """A model and its export."""
    model, place = model_of(request.param).eval(), tmp_path_factory.mktemp("exported")
    model.save(Path(place))
    return request.param, model, nnsight.NNsight(AutoModelForCausalLM.from_pretrained(place).eval())


def hidden_of(output: Any) -> Tensor:
    return output[0] if isinstance(output, tuple) else output


@torch.no_grad()
def their_streams(name: str, exported: Any, tokens: Tensor) -> Tensor:
    blocks = attrgetter(PLACES[name][0])(exported)
    seen = []
    with exported.trace(tokens):
        seen.append(blocks[0].input.save())
        for block in blocks:
            seen.append(block.output.save())  # noqa: PERF401
    return torch.stack([hidden_of(one) for one in seen])


@torch.no_grad()
def their_patched_logits(name: str, exported: Any, tokens: Tensor, layer: int, position: int, donor: Tensor) -> Tensor:
    blocks = attrgetter(PLACES[name][0])(exported)
    with exported.trace(tokens):
        if layer == 0:
            blocks[0].input[:, position] = donor
        elif isinstance(blocks[layer - 1].output, tuple):
            blocks[layer - 1].output[0][:, position] = donor
        else:
            blocks[layer - 1].output[:, position] = donor
        logits = exported.output.logits.save()
    return logits  # noqa: RET504 - a return inside would skip the trace


def subject_of(model: Any, tokens: Tensor) -> Subject:
    return Subject(None, None, AnalysisSpec(), [], model, 0, lambda: model)  # type: ignore[arg-type]


def test_streams_and_lens_agree(pair: tuple[str, Any, Any]) -> None:
    name, model, exported = pair
    tokens = random_tokens()

    ours, theirs = subject_of(model, tokens).streams(tokens), their_streams(name, exported, tokens)

    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, **WITHIN)
    norm, head = (attrgetter(place)(exported._module) for place in PLACES[name][1:])
    with torch.no_grad():
        torch.testing.assert_close(model.unembed(ours), head(norm(theirs)), **WITHIN)


def test_interchange_agrees_at_every_layer_and_position(pair: tuple[str, Any, Any]) -> None:
    name, model, exported = pair
    tokens, others = random_tokens(40), random_tokens(40, seed=1)
    subject = subject_of(model, tokens)
    answers, expected = (subject.logits(one).argmax(-1) for one in (tokens, others))
    rows = torch.nonzero(answers != expected)[:, 0]
    assert len(rows) > 8
    kind = Counterfactual("all", ROLES, *(one.numpy() for one in (rows, others[rows], expected[rows])))
    target = Target("answer", "f", answers.numpy(), np.arange(model.vocabulary_size))
    case = Case("test", ROLES, tokens.numpy(), answers.numpy(), (target,), {"all": kind})

    found = patched(subject, case, kind)

    tokens, others, answers, expected = (one[rows] for one in (tokens, others, answers, expected))
    donors = their_streams(name, exported, others)
    for layer, position in np.ndindex(found.difference.shape[:2]):
        logits = their_patched_logits(name, exported, tokens, layer, position, donors[layer, :, position])[:, -1]
        theirs = logits.gather(1, expected[:, None]) - logits.gather(1, answers[:, None])
        np.testing.assert_allclose(found.difference[layer, position], theirs[:, 0].numpy(), **WITHIN)
    assert np.ptp(found.difference.mean(-1)) > 0.01  # some sites matter more than others
