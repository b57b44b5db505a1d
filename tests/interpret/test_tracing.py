"""Causal tracing of untrained models, where exact values are known, for every architecture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from grokcore.interpret.cases import Case, Counterfactual, Target
from grokcore.interpret.spec import AnalysisSpec
from grokcore.interpret.subject import Subject
from grokcore.interpret.tracing import measure as measure_tracing
from grokcore.interpret.tracing import patched, sites_of
from grokcore.models import ARCHITECTURES, SequenceModel, build_model
from grokcore.spec.models import ModelSpec
from tests.interpret import naive_gpt2

ROWS, LENGTH, VOCABULARY = 200, 4, 23
ROLES = ("a", "b", "c", "d")
COMPOSED: dict[str, dict[str, Any]] = {
    "shared": {"architecture": "gpt2", "sharing": {"kind": "blocks"}},
    "re-entry": {"architecture": "gpt2", "sharing": {"kind": "blocks", "reentry": 4.0}},
    "shared mlp": {"architecture": "llama", "sharing": {"kind": "mlp"}},
    "loops": {"architecture": "rwkv6", "recurrence": {"kind": "random", "least": 1, "most": 3, "evaluation": 2}},
    "adaptive loops": {"architecture": "mamba", "recurrence": {"kind": "adaptive", "most": 3, "tolerance": 0.5}},
    "memory": {"architecture": "gla", "memory": {"kind": "slots", "slots": 6}},
}
MODELS = {name: {"architecture": name} for name in ARCHITECTURES} | COMPOSED


def subject_of(fields: dict[str, Any], changed: int = 1) -> tuple[Subject, Case]:
    """A random model with large weights, and questions it is always right on, since its answers are taken for right."""
    spec = TypeAdapter(ModelSpec).validate_python({"layers": 2, "width": 32, **fields})
    model = build_model(spec, vocabulary_size=VOCABULARY, sequence_length=LENGTH + 2, seed=1).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2 and not parameter.any():  # what starts as nothing, such as RWKV-6's outputs
                torch.nn.init.normal_(parameter, std=0.02, generator=torch.Generator().manual_seed(0))
            if parameter.ndim == 2:
                parameter.mul_(6)
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, VOCABULARY, (ROWS, LENGTH))
    others = tokens.copy()
    others[:, changed] = (others[:, changed] + 1 + generator.integers(0, VOCABULARY - 1, ROWS)) % VOCABULARY
    answers, expected = (answered(model, one) for one in (tokens, others))
    rows = np.flatnonzero(answers != expected)
    assert len(rows) > 4, "the model must tell questions apart"
    kind = Counterfactual("b", (ROLES[changed],), rows, others[rows], expected[rows])
    answer = Target("answer", "d", answers, np.arange(VOCABULARY))
    case = Case("test", ROLES, tokens, answers, (answer,), {"b": kind}, joint=(("b", "c"),))
    return Subject(None, None, AnalysisSpec(), [case], model, 0, lambda: model), case  # type: ignore[arg-type]


def answered(model: SequenceModel, tokens: np.ndarray) -> np.ndarray:
    positions = torch.full((len(tokens), 1), LENGTH - 1)
    with torch.no_grad():
        return model(torch.from_numpy(tokens), positions)[:, 0].argmax(-1).numpy()


def interchanged(subject: Subject, tokens: np.ndarray, donors: np.ndarray, layer: int, roles: tuple[str, ...]) -> Any:
    """Logits (N, V) of questions with the streams of donors at one site, by the hook alone."""
    streams = subject.streams(torch.from_numpy(donors))[layer]
    at = [ROLES.index(role) for role in roles]

    def replace(seen: int, hidden: torch.Tensor) -> torch.Tensor | None:
        if seen == layer:
            hidden = hidden.clone()
            hidden[:, at] = streams[:, at]
        return hidden

    with subject.model.residual_stream(replace):
        return subject.logits(torch.from_numpy(tokens)).numpy()


@pytest.mark.parametrize(("name", "changed"), [*((name, 1) for name in MODELS), ("gpt2", 3), ("adaptive loops", 3)])
def test_every_site_agrees_with_replacing_its_streams_alone(name: str, changed: int) -> None:
    subject, case = subject_of(MODELS[name], changed)
    kind = case.counterfactuals["b"]
    tokens, answers = case.tokens[kind.rows], case.answers[kind.rows]
    result = patched(subject, case, kind)
    assert len(result.own) == len(kind.rows)

    def difference(logits: np.ndarray) -> np.ndarray:
        at = np.arange(len(logits))
        return logits[at, kind.answers] - logits[at, answers]

    for layer in range(subject.model.layers + 1):
        for number, site in enumerate(sites_of(case)):
            logits = interchanged(subject, tokens, kind.tokens, layer, site.roles)
            np.testing.assert_allclose(result.difference[layer, number], difference(logits), atol=1e-4)
            assert (result.flip[layer, number] == (logits.argmax(-1) == kind.answers)).all()
            assert (result.broken[layer, number] == (logits.argmax(-1) != answers)).all()
            logits = interchanged(subject, kind.tokens, tokens, layer, site.roles)
            np.testing.assert_allclose(result.reverse[layer, number], difference(logits), atol=1e-4)


GPT2 = {
    "plain": {},
    "in cycle": {"sharing": {"kind": "blocks"}},
    "in sequence": {"sharing": {"kind": "blocks", "order": "sequence"}},
    "one MLP": {"sharing": {"kind": "mlp"}},
    "re-entry": {"sharing": {"kind": "blocks", "reentry": 4.0}},
    "fixed loops": {"recurrence": {"kind": "fixed", "loops": 2}},
    "adaptive loops": {"recurrence": {"kind": "adaptive", "most": 3, "tolerance": 0.9}},
    "slots": {"memory": {"kind": "slots", "slots": 6}},
    "memory MLP": {"memory": {"kind": "mlp", "width": 12}, "recurrence": {"kind": "fixed", "loops": 2, "reentry": 2.0}},
}


@pytest.mark.parametrize("name", GPT2)
def test_sites_agree_with_rerunning_blocks_by_hand_one_question_at_a_time(name: str) -> None:
    subject, case = subject_of({"architecture": "gpt2", "heads": 2, **GPT2[name]})
    kind, model = case.counterfactuals["b"], subject.model
    result = patched(subject, case, kind)
    for row in (0, 3):
        own, other = int(case.answers[kind.rows[row]]), int(kind.answers[row])
        questions = case.tokens[kind.rows[row]].tolist(), kind.tokens[row].tolist()
        streams = [naive_gpt2.run(model, question)[1] for question in questions]
        for layer, number in np.ndindex(result.difference.shape[:2]):
            positions = tuple(ROLES.index(role) for role in sites_of(case)[number].roles)
            for values, receiver in ((result.difference, 0), (result.reverse, 1)):
                logits, _ = naive_gpt2.run(model, questions[receiver], (layer, positions, streams[1 - receiver]))
                by_hand = float(logits[other] - logits[own])
                assert values[layer, number, row] == pytest.approx(by_hand, abs=2e-4), (layer, number)
                if receiver == 0:
                    assert result.flip[layer, number, row] == (int(logits.argmax()) == other)


def test_adaptive_loops_hold_some_tokens_back_and_not_others() -> None:
    subject, case = subject_of({"architecture": "gpt2", "heads": 2, **GPT2["adaptive loops"]})
    streams = subject.streams(subject.tokens(case))
    held = (streams[4] == streams[2]).all(-1)
    assert 0.05 < float(held.double().mean()) < 0.95


def test_the_same_answer_is_judged_by_specificity_alone() -> None:
    subject, case = subject_of({"architecture": "gpt2"})
    rows = case.counterfactuals["b"].rows
    same = Counterfactual("same", ("b",), rows, case.tokens[rows], case.answers[rows])
    case.counterfactuals["same"] = same  # type: ignore[index]
    numbers = [one for one in measure_tracing(subject) if one.case == "same"]
    assert {one.metric for one in numbers} == {"specificity"}
    assert all(one.value == 1.0 for one in numbers)


def test_nothing_answered_rightly_is_told_with_n_0() -> None:
    subject, case = subject_of({"architecture": "gpt2"})
    case.answers[:] = (case.answers + 1) % VOCABULARY
    accuracy, number = measure_tracing(subject)
    assert accuracy.value == 0
    assert number.n == 0
    assert np.isnan(number.value)
