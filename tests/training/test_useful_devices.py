"""More devices than a training can use are remarked on, with the number that it can."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.data import open_dataset
from grokcore.spec import load_spec
from grokcore.training.costs import SMALL_STEP, device_remarks, flops_of_model, useful_devices

WIDE = ["model.width=8192", "model.heads=64", "model.layers=48"]


@pytest.mark.parametrize(
    ("overrides", "useful"),
    [
        ([], 1),
        ([*WIDE, "training.batch_size=4"], 4),
        ([*WIDE, "training.batch_size=4", "training.gradient_accumulation=2"], 2),
        ([*WIDE, "training.batch_size=14"], 14),
    ],
)
def test_the_number_follows_the_model_and_the_batch(overrides: list[str], useful: int, smoke_data: Path) -> None:
    info = open_dataset(smoke_data).info
    spec = load_spec("smoke", overrides)
    assert useful_devices(spec, info) == useful
    assert device_remarks(spec, info, useful) == []
    (remark,) = device_remarks(spec, info, 2 * useful)
    assert remark.startswith(f"{2 * useful} devices share a step of {spec.training.batch_size} examples and ")
    assert f"use {useful}" in remark


def test_no_more_devices_than_examples_or_than_there_is_work_for(smoke_data: Path) -> None:
    info = open_dataset(smoke_data).info
    rows = sum(split.rows for split in info.splits.values() if split.role == "train")
    large = load_spec("smoke", [*WIDE, f"training.batch_size={64 * rows}"])
    assert useful_devices(large, info) <= rows
    for batch in (64, 256, 1024):
        spec = load_spec(
            "smoke", ["model.width=256", "model.heads=4", "model.layers=4", f"training.batch_size={batch}"]
        )
        assert useful_devices(spec, info) <= max(1, flops_of_model(spec, info) / SMALL_STEP)
