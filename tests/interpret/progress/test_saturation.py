"""Softmax collapse and margins, on logits made by hand."""

from __future__ import annotations

import math

import pytest
import torch

from grokcore.interpret.progress.saturation import measure, saturation
from tests.interpret.progress.conftest import SubjectOf
from tests.models.variants import every_variant


def test_rows_collapse_once_fp32_absorbs_the_other_terms() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [30.0, 0.0, 1.0], [30.0, 0.0, 1.0]])
    found = saturation(logits, torch.tensor([0, 0, 1]))
    assert found["margin"].tolist() == [2, 29, -30]
    assert found["collapsed"].tolist() == [False, True, True]
    assert found["zero_loss"].tolist() == [False, True, False], "a wrong answer keeps its gradient"
    assert not found["collapsed_fp64"].any()
    assert not found["zero_loss_fp64"].any()
    assert found["loss"][0].item() == pytest.approx(math.log(1 + math.exp(-2) + math.exp(-3)))
    assert found["logit_std"][0].item() == pytest.approx((14 / 9) ** 0.5)


def test_fp64_collapses_later_at_about_37_of_margin() -> None:
    found = saturation(torch.tensor([[40.0, 0.0], [20.0, 0.0]]), torch.tensor([0, 0]))
    assert found["collapsed_fp64"].tolist() == [True, False]
    assert found["collapsed"].tolist() == [True, True]


@every_variant
def test_every_variant_is_measured_on_all_its_training_rows(variant: str, subject_of: SubjectOf) -> None:
    subject = subject_of(variant)
    numbers = {number.metric: number for number in measure(subject)}
    vocabulary = subject.model.vocabulary_size
    assert numbers["loss"].value == pytest.approx(math.log(vocabulary), rel=0.3)
    assert numbers["collapsed"].value == 0
    assert {number.n for number in numbers.values()} == {len(subject.train.inputs)}
    assert list(numbers.values()) == list(measure(subject))


def test_the_temperature_of_the_loss_divides_the_logits(subject_of: SubjectOf) -> None:
    plain, cold = (
        {number.metric: number.value for number in measure(subject_of("gpt2", *overrides))}
        for overrides in ((), ("training.loss_temperature=0.5",))
    )
    assert cold["logit_std"] == pytest.approx(2 * plain["logit_std"], rel=1e-5)
