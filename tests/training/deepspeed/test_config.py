"""The configuration that DeepSpeed is given, and how it is shown."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from grokcore.cli import main
from grokcore.spec import load_spec
from grokcore.training.engines.deepspeed_config import deepspeed_config


def config(*overrides: str, processes: int = 1) -> dict[str, object]:
    return deepspeed_config(load_spec("thesis", overrides).training, processes=processes)


def test_the_batch_of_the_spec_is_that_of_all_processes_and_parts_together() -> None:
    made = config("training.gradient_accumulation=4", processes=8)
    assert made["train_batch_size"] == 512
    assert made["train_micro_batch_size_per_gpu"] == 16
    assert made["gradient_accumulation_steps"] == 4


def test_the_thesis_is_fp16_with_a_dynamic_loss_scale_as_the_native_engine_has_it() -> None:
    from grokcore.training import precision

    made = config()
    fp16 = made["fp16"]
    assert isinstance(fp16, dict)
    assert fp16["enabled"] is True
    assert fp16["loss_scale"] == 0
    assert 2.0 ** fp16["initial_scale_power"] == precision.INITIAL_SCALE
    assert fp16["loss_scale_window"] == precision.GROWTH_INTERVAL
    assert fp16["hysteresis"] == 1
    assert "bf16" not in made


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("training.precision=bf16", "bf16", {"enabled": True}),
        ("training.zero_stage=2", "zero_optimization", {"stage": 2}),
        ("training.gradient_clip=null", "gradient_clipping", 0.0),
        ("training.gradient_clip=.5", "gradient_clipping", 0.5),
    ],
)
def test_what_the_spec_says_is_in_it(override: str, key: str, value: object) -> None:
    assert config(override)[key] == value


def test_in_fp32_it_asks_for_no_other_format() -> None:
    assert not {"fp16", "bf16"} & config("training.precision=fp32").keys()


def test_the_optimizer_is_ours_so_that_nothing_is_compiled() -> None:
    assert not {"optimizer", "scheduler"} & config().keys()


def test_deepspeed_takes_it(tmp_path: object) -> None:
    """Its own validation, for every precision and stage."""
    from deepspeed.runtime.config import DeepSpeedConfig

    for precision in ("fp32", "bf16", "fp16"):
        for stage in (0, 1, 2):
            made = config(f"training.precision={precision}", f"training.zero_stage={stage}")
            taken = DeepSpeedConfig(made)
            assert taken.zero_optimization_stage == stage
            assert taken.float16_config.enabled == (precision == "fp16")


def test_it_is_printed_as_json_without_torch_or_deepspeed() -> None:
    program = (
        "import sys; from grokcore.cli import main; main(['spec', 'thesis', '--deepspeed', '--processes', '4'])\n"
        "assert not {'torch', 'deepspeed'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == config(processes=4)


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["smoke", "--deepspeed"], "training.engine=deepspeed"),
        (["thesis", "--deepspeed", "--processes", "3"], "multiple of 3"),
        (["thesis", "--deepspeed", "--processes", "0"], "at least 1"),
        (["thesis", "--processes", "2"], "--deepspeed"),
    ],
)
def test_where_there_is_none_one_line_says_why(
    capsys: pytest.CaptureFixture[str], arguments: list[str], advice: str
) -> None:
    assert main(["spec", *arguments]) == 2
    error = capsys.readouterr().err
    assert advice in error
    assert error.count("\n") == 1
