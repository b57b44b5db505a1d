"""Seeds whose weights are stacked: each ends where its single run ends, up to rounding."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from grokcore.errors import InputError, StoppedError
from grokcore.spec import load_spec
from grokcore.storage import read_json
from grokcore.training.seeds import train_seeds
from tests.support.checks import without_clock
from tests.support.extended import extended

EARLY, LATE = 1e-5, 1e-4
"""Relative, of every loss and norm up to 20 and up to 60 steps in fp32: products of a stack are summed in another
order, and training amplifies what that changes."""


def train(data: Path, out: Path, strategy: Any, *overrides: str, seeds: int = 3, **options: Any) -> None:
    specs = [load_spec("smoke", [*overrides, f"seed={seed}"]) for seed in range(seeds)]
    train_seeds(specs, data, out, strategy=strategy, **options)


def numbers(value: Any) -> Iterator[float]:
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
        if isinstance(item, (dict, list)):
            yield from numbers(item)
        elif item is not None:
            yield item


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["training.loss_on=answer_and_eos", "training.gradient_accumulation=4", "training.gradient_clip=.5"],
        extended(["training.optimizer=sgd", "training.learning_rate=.03", "training.weight_decay=.1"]),
        extended(["training.projection=norm_ball", "training.projection_bound=10.2"]),
        ["training.loss=stablemax", "training.loss_temperature=2"],
        extended(["training.loss=cross_entropy_fp64", "training.label_smoothing=.1"]),
        extended(["model.architecture=llama"]),
        ["model.architecture=rwkv", "model.layers=2"],
        extended(["model.architecture=mamba"]),
    ],
    ids=lambda overrides: " ".join(overrides) or "as it is",
)
def test_each_seed_trains_as_it_does_alone(overrides: list[str], smoke_data: Path, tmp_path: Path) -> None:
    for strategy in ("stacked", "sequence"):
        train(smoke_data, tmp_path / strategy, strategy, *overrides)

    for seed in range(3):
        ours, alone = (without_clock(tmp_path / strategy / f"seed-{seed}") for strategy in ("stacked", "sequence"))
        assert [line["step"] for line in ours] == [line["step"] for line in alone]
        for line, expected in zip(ours, alone, strict=True):
            near = EARLY if line["step"] <= 20 else LATE
            for name, split in expected["splits"].items():
                assert line["splits"][name]["loss"] == pytest.approx(split["loss"], rel=near)
            assert line["weight_norm"] == pytest.approx(expected["weight_norm"], rel=near)
            if expected["step"]:
                assert line["gradient_norm"] == pytest.approx(expected["gradient_norm"], rel=near)
        model = tmp_path / "stacked" / f"seed-{seed}" / "model"
        assert {file.name for file in model.iterdir()} >= {"config.json", "model.safetensors", "tokenizer.json"}
    last = [without_clock(tmp_path / "stacked" / f"seed-{seed}")[-1]["train"] for seed in range(3)]
    assert len({next(numbers(measures)) for measures in last}) == 3


def test_seeds_that_were_stopped_go_on_as_if_they_had_not_been(smoke_data: Path, tmp_path: Path) -> None:
    train(smoke_data, tmp_path / "whole", "stacked")

    def stop_at_20(seed: int, line: dict[str, Any]) -> None:
        if (seed, line["step"]) == (1, 20):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(StoppedError, match="3 of 3 seeds unfinished"):
        train(smoke_data, tmp_path / "parts", "stacked", on_evaluation=stop_at_20)
    train(smoke_data, tmp_path / "parts", "stacked")

    for seed in range(3):
        assert without_clock(tmp_path / "parts" / f"seed-{seed}") == without_clock(tmp_path / "whole" / f"seed-{seed}")


def test_seeds_at_different_steps_form_groups(smoke_data: Path, tmp_path: Path) -> None:
    train(smoke_data, tmp_path, "stacked", "training.max_steps=25", seeds=1)

    train(smoke_data, tmp_path, "stacked")

    for seed in range(3):
        assert without_clock(tmp_path / f"seed-{seed}")[-1]["step"] == 60
        assert read_json(tmp_path / f"seed-{seed}" / "manifest.json")["exit_reason"] == "budget_steps"


def test_a_seed_that_cannot_go_on_leaves_the_others_alone(smoke_data: Path, tmp_path: Path) -> None:
    (tmp_path / "seed-1" / "spec.yaml").mkdir(parents=True)
    ends: dict[int, Any] = {}

    with pytest.raises(InputError, match=r"1 of 3 seeds failed \(1\)"):
        train(smoke_data, tmp_path, "stacked", on_end=ends.__setitem__)

    assert isinstance(ends[1], InputError)
    assert [ends[seed].step for seed in (0, 2)] == [60, 60]


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("model.dropout=.1", "dropout"),
        ("model.implementation=transformers", "model.implementation=transformers"),
    ],
)
def test_what_cannot_be_stacked_is_refused_in_one_line(
    override: str, named: str, smoke_data: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=named):
        train(smoke_data, tmp_path, "stacked", override)
