"""Restricted and excluded loss on planted logits, and against the formulas written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from grokcore.interpret.progress import fourier
from grokcore.interpret.progress.fourier import Pairs, gini, key_frequencies, measure, pairs_of, power
from grokcore.interpret.subject import Subject
from tests.interpret.progress.conftest import SubjectOf
from tests.models.variants import every_variant

P = 11
ALL = ("+", "-", "*", "/")


def modular(operation: str = "+", modulus: int = P) -> list[str]:
    return [f"task={{kind: modular, modulus: {modulus}, operation: '{operation}', train_ratio: 0.5}}"]


def group(subject: Subject) -> Pairs:
    pairs = pairs_of(subject)
    assert pairs is not None
    return pairs


def planted(pairs: Pairs, frequencies: dict[int, float]) -> Tensor:
    """Logits sum_k A_k cos(2 pi k (s - e(c)) / n) (n^2, p) of what the group computes exactly; -20 where c has no e."""
    n, s = len(pairs.elements), torch.from_numpy(pairs.s)
    logits = torch.full((n * n, P), -20.0, dtype=torch.float64)
    differences = (s[:, None] - torch.arange(n)).double()
    logits[:, pairs.elements] = sum(size * (2 * math.pi * k * differences / n).cos() for k, size in frequencies.items())
    return logits


def with_logits(monkeypatch: pytest.MonkeyPatch, logits: Tensor) -> None:
    monkeypatch.setattr(fourier, "logits_at", lambda model, tokens, positions: logits[:, None])


@pytest.mark.parametrize("operation", ALL)
def test_planted_frequencies_are_found_and_carry_the_whole_loss(
    operation: str, subject_of: SubjectOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of("gpt2", *modular(operation))
    pairs = group(subject)
    with_logits(monkeypatch, planted(pairs, {2: 6.0, 3: 5.0}))

    found = {(one.metric, one.split, one.target): one.value for one in measure(subject)}

    loss = found["loss", "", ""]
    assert found["key_frequencies", "", ""] == 2
    assert [k for k in range(1, 6) if found["logit_power", "", str(k)] > 1e-9] == [2, 3]
    assert found["key_variance", "", ""] == pytest.approx(1)
    for split in ("", "train", "test"):
        assert found["restricted_loss", split, ""] == pytest.approx(loss, rel=1e-6)
        assert found["excluded_loss", split, ""] == pytest.approx(math.log(len(pairs.elements)), rel=1e-6)
        assert found["restricted_loss_random", split, ""] == pytest.approx(math.log(len(pairs.elements)), rel=1e-6)
        assert found["excluded_loss_random", split, ""] == pytest.approx(loss, rel=1e-6)


def test_a_table_of_answers_is_not_periodic(subject_of: SubjectOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memorized rows have loss 0, but their periodic part solves little, and is not relied upon."""
    subject = subject_of("gpt2", *modular())
    pairs = group(subject)
    logits = 0.1 * torch.randn(P * P, P, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits[pairs.splits["train"], pairs.answers[pairs.splits["train"]]] += 20
    with_logits(monkeypatch, logits - logits.mean(0))
    found = {(one.metric, one.split): one.value for one in measure(subject)}
    assert found["loss", "train"] < 1e-3
    assert found["loss", "test"] > 2
    assert found["key_variance", ""] < 0.7


@pytest.mark.parametrize("operation", ALL)
def test_the_formulas_as_the_design_writes_them(operation: str, subject_of: SubjectOf) -> None:
    subject = subject_of("gpt2", *modular(operation))
    pairs = group(subject)
    n, answers = len(pairs.elements), torch.from_numpy(pairs.answers)
    positions = torch.full((n * n, 1), 3)
    with torch.no_grad():
        logits = subject.model(torch.from_numpy(pairs.tokens), positions)[:, 0, :P].double()
    logits = 50 * logits  # new weights give logits near 0, of which any loss is ln p
    angles = 2 * math.pi * torch.arange(1, n // 2 + 1)[:, None].double() * torch.from_numpy(pairs.s) / n
    u, v = math.sqrt(2) / n * angles.cos(), math.sqrt(2) / n * angles.sin()  # (n // 2, n^2)
    if n % 2 == 0:
        u[-1], v[-1] = u[-1] / math.sqrt(2), 0
    powers = (u @ logits).square().sum(1) + (v @ logits).square().sum(1)
    by_s = fourier._by_s(logits, pairs)
    assert torch.allclose(power(by_s), powers)
    key = key_frequencies(powers, 0.5)
    chosen = [int(k) - 1 for k in key]
    part = u[chosen].t() @ (u[chosen] @ logits) + v[chosen].t() @ (v[chosen] @ logits)
    mean = logits.mean(0)

    restricted = fourier.restricted_losses(by_s, mean, torch.from_numpy(pairs.elements), key)[pairs.s]
    excluded = fourier.excluded_losses(logits, by_s, torch.from_numpy(pairs.s), answers, key)

    assert torch.allclose(restricted, cross_entropy(mean + part, answers, reduction="none"))
    assert torch.allclose(excluded, cross_entropy(logits - part, answers, reduction="none"))


@pytest.mark.parametrize("operation", ALL)
def test_pairs_are_the_equations_of_the_task(operation: str, subject_of: SubjectOf) -> None:
    subject = subject_of("gpt2", *modular(operation))
    pairs = group(subject)
    answers = {tuple(tokens): answer for tokens, answer in zip(pairs.tokens.tolist(), pairs.answers, strict=True)}
    rows = subject.dataset.train()
    held_out = subject.dataset.probes()["test"]
    in_group = set(pairs.elements.tolist())
    seen = 0
    for tokens, answer in zip(rows.tokens.tolist(), rows.answers, strict=True):
        if tokens[0] in in_group and tokens[2] in in_group:
            assert answers[tuple(tokens)] == answer
            seen += 1
    assert pairs.splits["train"].sum() == seen > 0
    test = {tuple(tokens) for tokens in pairs.tokens[pairs.splits["test"]].tolist()}
    assert {tuple(row) for row in held_out.tokens.tolist() if row[0] in in_group and row[2] in in_group} == test


def test_key_frequencies_are_the_smallest_set_with_the_share() -> None:
    assert key_frequencies(torch.tensor([1.0, 50.0, 9.0, 40.0]), 0.9).tolist() == [2, 4]
    assert key_frequencies(torch.tensor([1.0, 50.0, 9.0, 40.0]), 0.91).tolist() == [2, 3, 4]


def test_the_gini_coefficient_is_0_of_equal_values_and_near_1_of_a_single_one() -> None:
    assert gini(torch.ones(8)) == pytest.approx(0)
    assert gini(torch.tensor([0.0, 0.0, 0.0, 5.0])) == pytest.approx(0.75)
    values = np.random.default_rng(0).random(20)
    pairwise = np.abs(values[:, None] - values).sum() / (2 * len(values) * values.sum())
    assert gini(torch.from_numpy(values)) == pytest.approx(pairwise)


def test_key_frequencies_are_those_of_the_last_step(subject_of: SubjectOf, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = subject_of("gpt2", *modular())
    last = subject_of("gpt2", *modular()).model
    subject.last = lambda: last
    tables = {last: planted(group(subject), {4: 6.0}), subject.model: planted(group(subject), {1: 6.0})}
    monkeypatch.setattr(fourier, "logits_at", lambda model, tokens, positions: tables[model][:, None])
    found = {(one.metric, one.split): one.value for one in measure(subject)}
    assert found["key_power", ""] == pytest.approx(0, abs=1e-9), "it was all of frequency 4 at the last step"
    assert found["excluded_loss", ""] == pytest.approx(found["loss", ""])


@pytest.mark.parametrize("modulus", [10, 12])
def test_an_even_group_has_a_frequency_without_sine_and_products_need_a_prime(
    modulus: int, subject_of: SubjectOf
) -> None:
    found = [one for one in measure(subject_of("gpt2", *modular("+", modulus))) if one.metric == "logit_power"]
    assert [one.target for one in found] == [str(k) for k in range(1, modulus // 2 + 1)]
    assert sum(one.value for one in found) == pytest.approx(1)
    assert not list(measure(subject_of("gpt2", *modular("*", modulus))))


@every_variant
def test_every_variant_is_measured_the_same_twice(variant: str, subject_of: SubjectOf) -> None:
    subjects = [subject_of(variant, *modular("-", 23)) for _ in range(2)]
    for subject in subjects:  # mixers that start as zero give all pairs the same logits
        generator = torch.Generator().manual_seed(0)
        for weight in subject.model.parameters():
            weight.data.add_(0.05 * torch.randn(weight.shape, generator=generator))
    numbers, again = (list(measure(subject)) for subject in subjects)
    assert repr(numbers) == repr(again)
    headlines = [(one.metric, one.split) for one in numbers if one.layer is None and not one.position]
    assert len(headlines) == len(set(headlines)) == 5 * 3 + 5
    assert all(math.isfinite(one.value) for one in numbers if not one.metric.endswith("loss_random"))
