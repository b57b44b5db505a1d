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
from grokcore.interpret.tracing import patched
from grokcore.models import ARCHITECTURES, SequenceModel, build_model
from grokcore.spec.models import ModelSpec

ROWS, LENGTH, VOCABULARY = 200, 4, 23
ROLES = ("a", "b", "c", "d")
COMPOSED: dict[str, dict[str, Any]] = {
    "shared": {"architecture": "gpt2", "sharing": {"kind": "blocks"}},
    "re-entry": {"architecture": "gpt2", "sharing": {"kind": "blocks", "reentry": 4.0}},
    "shared mlp": {"architecture": "llama", "sharing": {"kind": "mlp"}},
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
    kind = Counterfactual("b", ("b",), rows, others[rows], expected[rows], expected[rows], ("b",))
    answer = Target("answer", "d", answers, np.arange(VOCABULARY))
    case = Case("test", ROLES, tokens, answers, (answer,), {"b": kind}, total=ROWS)
    return Subject(None, None, AnalysisSpec(), [case], model, 0, lambda: model), case  # type: ignore[arg-type]


def answered(model: SequenceModel, tokens: np.ndarray) -> np.ndarray:
    positions = torch.full((len(tokens), 1), LENGTH - 1)
    with torch.no_grad():
        return model(torch.from_numpy(tokens), positions)[:, 0].argmax(-1).numpy()


@pytest.mark.parametrize("name", MODELS)
def test_patching_acts_where_the_question_differs_and_where_the_answer_is_read(name: str) -> None:
    subject, case = subject_of(MODELS[name])
    result = patched(subject, case, case.counterfactuals["b"])
    assert len(result.own) == len(case.counterfactuals["b"].rows)
    at_input, at_output = result.difference[0], result.difference[-1]
    np.testing.assert_allclose(at_input[1], result.other, atol=1e-4)  # the changed token is the other question
    np.testing.assert_allclose(at_output[3], result.other, atol=1e-4)  # the answer's stream is the other answer
    for unchanged in (at_input[0], at_input[2], at_input[3], at_output[0], at_output[1], at_output[2]):
        np.testing.assert_allclose(unchanged, result.own, atol=1e-4)
    np.testing.assert_allclose(
        result.difference[:, 0].T, np.tile(result.own[:, None], len(result.difference)), atol=1e-4
    )
    assert result.flip[0, 1].all()
    assert not result.flip[0, 0].any()


def test_sites_agree_with_patching_one_row_by_hand() -> None:
    subject, case = subject_of({"architecture": "gpt2"})
    kind = case.counterfactuals["b"]
    result = patched(subject, case, kind)
    for row, layer, position in ((0, 1, 1), (3, 1, 3), (2, 2, 3)):
        donor = subject.streams(torch.from_numpy(kind.tokens[row : row + 1]))[layer, 0, position]

        def replace(seen: int, hidden: torch.Tensor, layer=layer, position=position, donor=donor):  # type: ignore[no-untyped-def]
            if seen == layer:
                hidden = hidden.clone()
                hidden[0, position] = donor
                return hidden
            return None

        own = int(kind.rows[row])
        with subject.model.residual_stream(replace):
            logits = subject.logits(torch.from_numpy(case.tokens[own : own + 1]))[0]
        by_hand = logits[kind.expected[row]] - logits[case.answers[own]]
        assert result.difference[layer, position, row] == pytest.approx(float(by_hand), abs=1e-4)


def test_the_same_answer_is_judged_by_specificity_alone() -> None:
    subject, case = subject_of({"architecture": "gpt2"})
    rows = case.counterfactuals["b"].rows
    same = Counterfactual("same", ("b",), rows, case.tokens[rows], case.answers[rows], case.answers[rows], ("b",))
    case.counterfactuals["same"] = same  # type: ignore[index]
    numbers = [one for one in measure_tracing(subject) if one.case == "same"]
    assert {one.metric for one in numbers} == {"specificity"}
    assert all(one.value == 1.0 for one in numbers)


def test_nothing_answered_rightly_is_told_with_n_0() -> None:
    subject, case = subject_of({"architecture": "gpt2"})
    case.answers[:] = (case.answers + 1) % VOCABULARY
    (number,) = measure_tracing(subject)
    assert number.n == 0
    assert np.isnan(number.value)
