"""Prefix sharing in training: where it happens, where it does not and says why, and that it changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import grokcore
from grokcore.data import open_dataset
from grokcore.data.supervision import supervise
from grokcore.models import build_model
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import load_spec
from grokcore.training.batches import Examples

CPU = torch.device("cpu")


def examples(data: Path, *overrides: str, prefixes: tuple[tuple[int, ...], ...] | None = None) -> Examples:
    spec, dataset = load_spec("smoke", list(overrides)), open_dataset(data)
    model = build_model(spec.model, vocabulary_size=dataset.info.vocabulary_size, sequence_length=7, seed=0)
    return Examples.for_model(
        model,
        supervise(dataset.train(), dataset.info.eos, spec.training.loss_on),
        dataset.info.prefixes if prefixes is None else prefixes,
        batch_size=spec.training.batch_size,
        device=CPU,
    )


@pytest.mark.parametrize("loss_on", ["answer", "answer_and_eos"])
def test_a_batch_holds_what_follows_the_prefixes(smoke_data: Path, loss_on: str) -> None:
    shared = examples(smoke_data, f"training.loss_on={loss_on}")
    whole = examples(smoke_data, f"training.loss_on={loss_on}", "model.implementation=transformers")
    rows = torch.tensor([3, 0, len(shared) - 1, len(shared) - 1])

    batch, expected = shared[rows], whole[rows]

    assert shared.prefix_sharing == "2 prefixes of 2 tokens"
    assert batch.inputs.shape[1] == expected.inputs.shape[1] - 2
    assert batch.prefixes is not None
    assert expected.prefixes is None
    assert torch.equal(batch.targets, expected.targets)
    for own, prefix, row, end in zip(
        batch.inputs, batch.prefixes.of, expected.inputs, expected.positions.amax(1) + 1, strict=True
    ):
        beginning = batch.prefixes.table[prefix] if prefix < 2 else own[:0]
        assert torch.equal(torch.cat((beginning, own))[:end], row[:end])


@pytest.mark.parametrize(
    ("overrides", "prefixes", "reason"),
    [
        (["model.dropout=0.1"], None, "no: dropout 0.1 makes a prefix differ from example to example"),
        (["model.implementation=transformers"], None, "no: implementation: transformers computes every sequence whole"),
        (["training.batch_size=2"], None, "no: a batch of 2 gains nothing by it"),
        ([], (), "no: the task declares no prefixes"),
    ],
)
def test_where_nothing_is_shared_the_reason_is_said(
    smoke_data: Path, overrides: list[str], prefixes: tuple[tuple[int, ...], ...] | None, reason: str
) -> None:
    told = examples(smoke_data, *overrides, prefixes=prefixes)

    assert told.prefix_sharing == reason
    assert told[torch.tensor([0, 1])].prefixes is None


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "rwkv", "mamba"])
def test_implementations_train_the_same_curve(tmp_path: Path, smoke_data: Path, architecture: str) -> None:
    """The whole loop, with shared prefixes against whole sequences of transformers, over 30 steps in fp32."""
    curves = []
    for implementation in ("fast", "transformers"):
        model = [f"model.architecture={architecture}", f"model.implementation={implementation}", "model.layers=2"]
        spec = load_spec("smoke", [*model, "training.max_steps=30"])
        grokcore.train_model(spec, smoke_data, tmp_path / implementation)
        curves.append(read_journal(tmp_path / implementation / "metrics.jsonl"))
        sharing = read_manifest(tmp_path / implementation).execution["prefix_sharing"]
        assert sharing.startswith("no") == (implementation == "transformers")
    assert [line["step"] for line in curves[0]] == [line["step"] for line in curves[1]]
    for ours, expected in zip(*curves, strict=True):
        for name, split in expected["splits"].items():
            assert ours["splits"][name]["loss"] == pytest.approx(split["loss"], rel=2e-3)
        if expected["step"]:
            assert ours["gradient_norm"] == pytest.approx(expected["gradient_norm"], rel=2e-2)
        assert ours["flops"] == expected["flops"]
