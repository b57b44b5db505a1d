"""Ablation against reruns in which one output is replaced, and on models whose parts do nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from grokcore.interpret import ablation
from tests.interpret.test_tracing import MODELS, subject_of


def drops(subject: Any) -> dict[tuple[int, str, str], float]:
    return {(one.layer, one.case, one.metric): one.value for one in ablation.measure(subject)}


@pytest.mark.parametrize("name", MODELS)
def test_every_part_of_every_block_is_ablated_by_its_mean_alone(name: str) -> None:
    subject, case = subject_of(MODELS[name])
    model, tokens = subject.model, subject.tokens(case)
    architecture = MODELS[name]["architecture"]
    mixers = ["token mixer"] if architecture.startswith("mamba") else ["token mixer", "channel mixer"]
    for number, parts in enumerate(ablation.parts_of(subject, case)):
        heads = [part.name for part in parts if part.name.startswith("head")]
        assert [part.name for part in parts] == [*mixers, *heads]
        assert bool(heads) == (architecture not in ("rwkv", "mamba"))
        logits = ablation.ablated(subject, case, number, parts)
        for part, found in zip(parts[: len(mixers)], logits, strict=False):

            def by_mean(seen: int, mixer: str, x: Any, output: Any, part=part, number=number) -> Any:  # type: ignore[no-untyped-def]
                if (seen, mixer) == (number, part.mixer):
                    return output.mean(0).expand_as(output)
                return None

            with model.mixers(by_mean):
                expected = subject.logits(tokens)
            torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-3)


def test_a_head_is_ablated_beside_the_others() -> None:
    subject, case = subject_of({"architecture": "gpt2", "heads": 2})
    (parts, *_) = ablation.parts_of(subject, case)
    token_mixer, _, first, second = parts
    torch.testing.assert_close(first.output + second.output, token_mixer.output, atol=1e-4, rtol=1e-4)

    def first_by_mean(number: int, mixer: str, x: Any, output: Any) -> Any:
        return second.output + first.output.mean(0) if (number, mixer) == (0, "token") else None

    with subject.model.mixers(first_by_mean):
        expected = subject.logits(subject.tokens(case))
    found = dict(zip([part.name for part in parts], ablation.ablated(subject, case, 0, parts), strict=True))
    torch.testing.assert_close(found["head 0"][0], expected, rtol=1e-4, atol=1e-3)
    assert not torch.allclose(found["head 1"][0], expected, rtol=1e-2)


def test_changes_take_another_questions_output_or_are_random_and_as_long() -> None:
    subject, case = subject_of({"architecture": "gpt2"})
    part = ablation.parts_of(subject, case)[1][0]
    mean, resampled, random = ablation._changes(part, case, 1, seed=0)
    replaced = part.output + resampled
    same = (replaced[:, None] - part.output[None]).abs().amax((2, 3)) < 1e-4  # (taken by, taken from)
    tokens = case.tokens
    equal = (tokens[:, None] == tokens[None]).all(2)
    assert same.any(1).all()
    assert not (same.numpy() & ~equal & np.eye(len(case), dtype=bool)).any()
    torch.testing.assert_close(random.norm(dim=-1), mean.norm(dim=-1))
    cosine = torch.nn.functional.cosine_similarity(random, mean, dim=-1)
    assert abs(float(cosine.mean())) < 0.05


def test_a_part_that_tells_questions_nothing_costs_nothing() -> None:
    subject, _ = subject_of({"architecture": "gpt2", "heads": 2})
    with torch.no_grad():  # head 1 of block 0 and the MLP of block 1 add the same to every question
        subject.model.blocks[0].token_mixer.output.weight[:, 16:] = 0
        subject.model.blocks[1].channel_mixer.output.weight.zero_()
    silent = {(0, "head 1"), (1, "channel mixer")}
    subject, _ = relabeled(subject)

    found = drops(subject)

    for (layer, part, metric), value in found.items():
        if (layer, part) in silent:
            assert value == pytest.approx(0, abs=1e-4), (layer, part, metric)
    assert found[1, "token mixer", "accuracy_drop"] > 0.2
    assert found[1, "token mixer", "logit_difference_drop"] > 0


def relabeled(subject: Any) -> Any:
    """Take what the model answers for right."""
    (case,) = subject.cases
    case.answers[:] = subject.logits(subject.tokens(case)).argmax(-1).numpy()
    return subject, case


def test_numbers_have_intervals_and_are_the_same_twice() -> None:
    subject, case = subject_of({"architecture": "gpt2", "heads": 2})
    numbers = list(ablation.measure(subject))
    assert numbers == list(ablation.measure(subject))
    assert {one.metric for one in numbers} == {
        f"{metric}{suffix}" for metric in ("accuracy_drop", "logit_difference_drop") for suffix in ablation.SUFFIXES
    }
    assert all(one.lower <= one.value + 1e-9 and one.value <= one.upper + 1e-9 for one in numbers)
    assert all(one.n == len(case) for one in numbers)
    few = pytest.MonkeyPatch()
    few.setattr(ablation, "_TOKENS", 1)
    try:
        for one, other in zip(ablation.measure(subject), numbers, strict=True):
            assert one.value == pytest.approx(other.value, abs=1e-3)
    finally:
        few.undo()
