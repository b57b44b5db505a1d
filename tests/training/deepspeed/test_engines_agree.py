"""DeepSpeed's curves are those of the native engine, in every precision, however its work is divided.

Tolerances, relative: what was measured on a CPU over 20 steps at two processes, times 10 or more. In fp32 losses
differed by 1e-8 and weight norms by 4e-8: sums in another order. With bf16 and fp16 DeepSpeed rounds gradients, and all
weights, which the native engine does only for matrix products: 1e-4 for GPT-2 in bf16, 4e-3 for RWKV's decay rates.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import grokcore
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import load_spec, resolve
from tests.support.extended import mostly_extended
from tests.training.deepspeed.conftest import BASE, DEEPSPEED, SHORT, TRAININGS, Group, train_together

Native = Callable[[str], list[dict[str, Any]]]

FP32, BF16, FP16 = 1e-6, 1e-2, 1e-4


def assert_same_curves(ours: list[dict[str, Any]], theirs: list[dict[str, Any]], tolerance: float) -> None:
    assert [line["step"] for line in ours] == [line["step"] for line in theirs]
    assert len(ours) > 5
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["train"]["loss"] == pytest.approx(other["train"]["loss"], rel=tolerance)
        assert mine["weight_norm"] == pytest.approx(other["weight_norm"], rel=tolerance)
        assert mine["learning_rate"] == other["learning_rate"]
        assert mine["steps_skipped"] == other["steps_skipped"]
        assert mine["loss_scale"] == other["loss_scale"]
        if mine["step"]:
            assert mine["gradient_norm"] == pytest.approx(other["gradient_norm"], rel=min(30 * tolerance, 0.1))
        for split, measure in mine["splits"].items():
            assert measure["loss"] == pytest.approx(other["splits"][split]["loss"], rel=tolerance)


@pytest.mark.parametrize("name", mostly_extended(TRAININGS, SHORT))
def test_two_processes_with_half_the_batch_each_train_as_one_native_process_does(
    request: pytest.FixtureRequest, native: Native, name: str
) -> None:
    group: Group = request.getfixturevalue("two" if name in SHORT else "two_extended")
    assert_same_curves(group.lines(name), native(name), BF16 if "bf16" in name else FP32)


def test_training_got_somewhere(two: Group) -> None:
    """Curves that agree because nothing happens would prove nothing."""
    first, last = two.lines("fp32")[0], two.lines("fp32")[-1]
    assert last["train"]["loss"] < 0.9 * first["train"]["loss"]
    assert two.lines("unclipped")[-1]["train"]["loss"] != pytest.approx(last["train"]["loss"], rel=FP32)


def test_process_0_alone_reports(two: Group) -> None:
    leader, other = two.outcomes
    for name in SHORT:
        assert leader[name]["step"] == other[name]["step"] == 20
        assert leader[name]["remarks"].count("line") == len(two.lines(name))
        assert other[name]["remarks"] == []


def test_the_manifest_says_what_the_engine_was_and_how_it_was_divided(two: Group) -> None:
    manifest = read_manifest(two.out / "fp32, ZeRO 2")
    assert manifest.choices["engine"] == "deepspeed"
    assert manifest.execution["processes"] == "2"
    assert manifest.execution["zero_stage"] == "2"
    assert manifest.hardware["processes"] == 2
    assert manifest.versions["deepspeed"]
    assert manifest.run_id == load_spec("smoke", [*DEEPSPEED, "training.zero_stage=2"]).run_id


def test_the_model_that_is_left_is_that_of_the_fp32_weights(two: Group) -> None:
    from safetensors.torch import load_file

    model = load_file(two.out / "bf16, ZeRO 2" / "model" / "model.safetensors")
    squares = sum(float(weight.double().square().sum()) for weight in model.values())
    assert {str(weight.dtype) for weight in model.values()} == {"torch.float32"}
    assert math.sqrt(squares) == pytest.approx(two.lines("bf16, ZeRO 2")[-1]["weight_norm"], rel=1e-6)


@pytest.mark.extended
def test_all_processes_start_from_the_weights_that_the_leader_has_read(tmp_path: Path, smoke_data: Path) -> None:
    """Resumed after the source is gone, too."""
    weak, source = tmp_path / "weak", ["model.start_from.model=" + str(tmp_path / "weak")]
    grokcore.train_model(load_spec("smoke", [*BASE, "model.width=16"]), smoke_data, weak)
    starts = {"fp32, ZeRO 1": ["training.zero_stage=1"], "bf16": ["training.precision=bf16"]}
    plan = {name: {"data": str(smoke_data), "overrides": [*DEEPSPEED, *source, *starts[name]]} for name in starts}
    two = train_together(tmp_path / "two", plan, 2)
    for name, overrides in starts.items():
        spec = load_spec("smoke", [*BASE, *source, *(text for text in overrides if "zero_stage" not in text)])
        grokcore.train_model(spec, smoke_data, tmp_path / "native" / name)
        native = read_journal(tmp_path / "native" / name / "metrics.jsonl")
        assert_same_curves(two.lines(name), native, BF16 if "bf16" in name else FP32)
    assert read_manifest(two.out / "bf16").source == read_manifest(tmp_path / "native" / "bf16").source

    resolved = resolve(load_spec("smoke", [*DEEPSPEED, *source, *starts["fp32, ZeRO 1"]])).model.start_from
    assert resolved is not None
    shutil.rmtree(weak)
    known = [f"model.start_from.sha256={resolved.sha256}", f"model.start_from.width={resolved.width}"]
    further = [*DEEPSPEED, *source, *known, *starts["fp32, ZeRO 1"], "training.max_steps=25"]
    plan = {"fp32, ZeRO 1": {"data": str(smoke_data), "overrides": further}}
    again = train_together(tmp_path / "two", plan, 2)
    assert again.lines("fp32, ZeRO 1")[-1]["step"] == 25
    assert read_manifest(again.out / "fp32, ZeRO 1").resumes == 1


FP16_TRAININGS = {
    "fp16": ["training.zero_stage=0"],
    "fp16, ZeRO 1": ["training.zero_stage=1"],
    "fp16, ZeRO 2, accumulated": ["training.zero_stage=2", "training.gradient_accumulation=2"],
}


@pytest.mark.extended
def test_fp16_scales_its_loss_and_leaves_out_steps_as_the_native_engine_does(tmp_path: Path, smoke_data: Path) -> None:
    """On a CPU, where the arithmetic is the same. DeepSpeed keeps gradients in fp16: some overflow at a lower scale."""
    half = ["training.precision=fp16", "model.width=16"]
    twins = {"native": [*BASE, *half], "native, accumulated": [*BASE, *half, "training.gradient_accumulation=2"]}
    ours = {name: [*DEEPSPEED, *half, *more] for name, more in FP16_TRAININGS.items()}
    plan = {
        f"{name}{suffix}": {"data": str(smoke_data), "loss_scale": scale, "overrides": overrides}
        for suffix, scale in (("", 2.0**10), (" overflowing", 2.0**26))
        for name, overrides in {**twins, **ours}.items()
    }
    alone = train_together(tmp_path, plan, 1, fp16_on_cpu=True)
    for name in ours:
        twin = "native, accumulated" if "accumulated" in name else "native"
        assert_same_curves(alone.lines(name), alone.lines(twin), FP16)
        lines, theirs = alone.lines(f"{name} overflowing"), alone.lines(f"{twin} overflowing")
        skipped = lines[-1]["steps_skipped"]
        assert 0 < skipped < 20
        assert theirs[-1]["steps_skipped"] <= skipped <= theirs[-1]["steps_skipped"] + 2
        for line in lines:
            assert line["loss_scale"] == 2.0**26 / 2 ** line["steps_skipped"]
        assert lines[1]["weight_norm"] == lines[0]["weight_norm"]  # the first steps were left out
        assert lines[-1]["train"]["loss"] < lines[0]["train"]["loss"]
