"""A finished run is measured anew, and its curves become times to grok."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

import grokcore
from grokcore.data import open_dataset
from grokcore.errors import InputError
from grokcore.evaluation import Evaluation, Probes
from grokcore.evaluation.contradictions import differences
from grokcore.evaluation.judging import assemble
from grokcore.models import load_model
from grokcore.runs import read_journal
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.storage import read_json


def test_the_evaluation_agrees_with_the_journals_last_line(smoke_run: Path) -> None:
    evaluation = Evaluation.model_validate(read_json(smoke_run / "evaluation.json"))
    last = read_journal(smoke_run / "metrics.jsonl")[-1]
    assert evaluation.step == last["step"]
    for name, split in last["splits"].items():
        assert evaluation.splits[name].accuracy == pytest.approx(split["accuracy"])
        assert evaluation.splits[name].loss == pytest.approx(split["loss"], rel=1e-5)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_is_measured_in_the_precision_it_was_trained_in(precision: str, smoke_data: Path, tmp_path: Path) -> None:
    spec = load_spec("smoke", [f"training.precision={precision}"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    evaluation = grokcore.evaluate_model(tmp_path / "run")
    last = read_journal(tmp_path / "run" / "metrics.jsonl")[-1]
    assert evaluation.precision == precision
    assert {name: split.accuracy for name, split in evaluation.splits.items()} == {
        name: split["accuracy"] for name, split in last["splits"].items()
    }
    assert {name: split.loss for name, split in evaluation.splits.items()} == pytest.approx(
        {name: split["loss"] for name, split in last["splits"].items()}, rel=1e-5
    )
    assert not [remark for remark in evaluation.remarks if "journal" in remark]


def test_where_journal_and_measurement_differ_it_is_said() -> None:
    def splits(ood: float | None) -> dict[str, Any]:
        return {"iid": {"accuracy": 1.0}, "ood": {"accuracy": ood}}

    last = {"splits": splits(0.914)}
    assert differences(last, splits(0.914), "bf16 on cpu", "bf16 on cuda") == []
    (said,) = differences(last, splits(0.912), "bf16 on cpu", "bf16 on cuda")
    assert said.endswith("in bf16 on cpu, and then in bf16 on cuda; ood 0.912 and not 0.914")
    (said,) = differences(last, splits(0.914), "fp32 on cpu", "fp16 on cuda")
    assert said.endswith("in fp32 on cpu, and then in fp16 on cuda; they agree")
    assert differences(last, splits(None), "fp32 on cpu", "fp32 on cpu") == []


@pytest.mark.parametrize("loss_on", ["answer", "answer_and_eos"])
def test_teacher_forced_accuracy_equals_greedy_generation(
    loss_on: str, smoke_spec: ExperimentSpec, smoke_data: Path, tmp_path: Path
) -> None:
    """The reference measures by `generate`; here one forward pass must give the same verdict on every example."""
    spec = load_spec("smoke", [f"training.loss_on={loss_on}", "training.max_steps=25"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    model, dataset = load_model(tmp_path / "run" / "model"), open_dataset(smoke_data)
    _, splits = Probes(dataset, loss_on=spec.training.loss_on, device=torch.device("cpu")).measure(model)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model", local_files_only=True)
    new_tokens = 2 if loss_on == "answer_and_eos" else 1
    accuracies = set()
    for name, rows in dataset.probes().items():
        hits = 0
        for tokens, length, answer in zip(rows.tokens, rows.lengths, rows.answers, strict=True):
            question = torch.from_numpy(tokens[:length].astype("int64"))[None]
            generated = theirs.generate(
                question,
                attention_mask=torch.ones_like(question),
                max_new_tokens=new_tokens,
                min_new_tokens=new_tokens,
                do_sample=False,
                eos_token_id=None,
                pad_token_id=0,
            )
            expected = [int(answer), dataset.info.eos][:new_tokens]
            hits += generated[0, length:].tolist() == expected
        assert splits[name]["accuracy"] == pytest.approx(hits / len(rows.answers))
        accuracies.add(splits[name]["accuracy"])
    assert len(accuracies) > 1, "a model that is always right or always wrong shows nothing"


def test_batching_does_not_change_the_measurement(smoke_run: Path, smoke_data: Path) -> None:
    model, dataset = load_model(smoke_run / "model"), open_dataset(smoke_data)
    whole, parts = (
        Probes(dataset, loss_on="answer", device=torch.device("cpu"), batch_size=size).measure(model)[1]
        for size in (4096, 7)
    )
    for name in whole:
        assert whole[name]["accuracy"] == parts[name]["accuracy"]
        assert whole[name]["loss"] == pytest.approx(parts[name]["loss"], rel=1e-5)


def test_implementations_measure_the_same_with_and_without_shared_prefixes(smoke_run: Path, smoke_data: Path) -> None:
    dataset = open_dataset(smoke_data)
    fast, theirs = (load_model(smoke_run / "model", implementation) for implementation in ("fast", "transformers"))
    probes = Probes(dataset, loss_on="answer_and_eos", device=torch.device("cpu"))
    assert (fast.shares_prefixes, theirs.shares_prefixes) == (True, False)
    for ours, expected in zip(probes.measure(fast), probes.measure(theirs), strict=True):
        assert flat(ours) == pytest.approx(flat(expected), rel=1e-4)


def flat(measured: Mapping[str, Any]) -> list[float]:
    return [value for item in measured.values() for value in (flat(item) if isinstance(item, dict) else [item])]


def test_training_splits_are_pooled_by_their_rows(smoke_run: Path, smoke_data: Path) -> None:
    model, dataset = load_model(smoke_run / "model"), open_dataset(smoke_data)
    pooled, splits = Probes(dataset, loss_on="answer", device=torch.device("cpu")).measure(model)
    rows = {name: split.rows for name, split in dataset.info.splits.items() if split.role == "train"}
    assert sum(rows.values()) == len(dataset.train())
    expected = sum(splits[name]["accuracy"] * count for name, count in rows.items()) / sum(rows.values())
    assert pooled["accuracy"] == pytest.approx(expected)


def journal(curve: list[tuple[int, float, float]]) -> list[dict[str, object]]:
    return [
        {
            "step": step,
            "examples": step * 64,
            "epoch": step / 10,
            "flops": step * 1e6,
            "train": {"accuracy": train, "loss": 0.1},
            "splits": {
                "test_inferred_ood": {"accuracy": ood, "loss": 0.1},
                "test_inferred_iid": {"accuracy": train, "loss": 0.1},
            },
            "clock": {"elapsed_seconds": step / 100, "cpu_seconds": step / 200},
        }
        for step, train, ood in curve
    ]


@pytest.mark.parametrize(
    ("ood", "verdict", "ratio"),
    [
        ([0.3, 0.3, 0.3, 0.4, 1, 1, 1, 1], "grokked", 5.0),
        ([0.3, 1, 1, 1, 1, 1, 1, 1], "generalized", 2.0),
        ([0.3, 0.3, 0.3, 0.4, 0.5, 0.5, 1, 1], "censored", None),
        ([0.3, 0.3, 1, 1, 1, 0.5, 0.5, 0.5], "collapsed", 3.0),
    ],
)
def test_verdicts(
    ood: list[float], verdict: str, ratio: float | None, smoke_data: Path, smoke_spec: ExperimentSpec
) -> None:
    dataset = open_dataset(smoke_data)
    spec = load_spec("smoke", ["evaluation.delay=2.5"])
    lines = journal([(100 * (index + 1), 1.0, accuracy) for index, accuracy in enumerate(ood)])
    splits = {name: {"accuracy": 1.0, "loss": 0.0} for name in dataset.info.splits}
    result = assemble(spec, dataset.info.splits, lines, {"accuracy": 1.0, "loss": 0.0}, splits, "budget_steps")
    held_out = result.held_out["test_inferred_ood"]
    assert (held_out.verdict, held_out.ratio) == (verdict, ratio)
    assert result.memorized.sustained is not None
    assert result.memorized.sustained.steps == 100
    assert result.censored_at == 800


def test_a_time_is_an_interval_on_every_axis(smoke_data: Path, smoke_spec: ExperimentSpec) -> None:
    dataset = open_dataset(smoke_data)
    lines = journal([(step, 1.0, float(step >= 500)) for step in range(100, 900, 100)])
    splits = {name: {"accuracy": 1.0, "loss": 0.0} for name in dataset.info.splits}
    result = assemble(smoke_spec, dataset.info.splits, lines, {"accuracy": 1.0, "loss": 0.0}, splits, "budget_steps")
    time = result.held_out["test_inferred_ood"].sustained
    assert time is not None
    assert time.model_dump() == {
        "steps": 500,
        "after": 400,
        "epochs": 50.0,
        "examples": 32_000,
        "flops": 5e8,
        "seconds": 5.0,
        "cpu_seconds": 2.5,
        "learning_rate_share": 1.0,
    }


def test_what_is_missing_is_named(smoke_run: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a run"):
        grokcore.evaluate_model(tmp_path)
    without_model = tmp_path / "run"
    shutil.copytree(smoke_run, without_model)
    shutil.rmtree(without_model / "model")
    with pytest.raises(InputError, match="has no model yet"):
        grokcore.evaluate_model(without_model)
    (without_model / "metrics.jsonl").write_text("")
    with pytest.raises(InputError, match=r"damaged: metrics\.jsonl does not have the SHA-256"):
        grokcore.evaluate_model(without_model)
    manifest = json.loads((without_model / "manifest.json").read_text())
    (without_model / "manifest.json").write_text(json.dumps({**manifest, "seal": None}))  # as while it trains
    with pytest.raises(InputError, match="no evaluation in its journal"):
        grokcore.evaluate_model(without_model)


def test_another_dataset_is_refused(smoke_run: Path, tmp_path: Path) -> None:
    spec = load_spec("smoke", ["task.seed=1"])
    grokcore.generate_dataset(spec.task, tmp_path / "other")
    with pytest.raises(InputError, match=spec.dataset_id):
        grokcore.evaluate_model(smoke_run, data=tmp_path / "other", out=tmp_path / "evaluation.json")
    assert not (tmp_path / "evaluation.json").exists()
