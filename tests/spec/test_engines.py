"""Which engine a spec is trained with, and what of it is refused where it cannot be."""

from __future__ import annotations

import importlib.util
from importlib.resources import files
from typing import Any

import pytest
import yaml

from grokcore.errors import InputError
from grokcore.spec import check_hardware, hardware, load_spec, preset_names, resolve

AUTO = ["training.engine=auto", "training.precision=auto"]


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)


def gpus(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(hardware, "has_cuda", lambda: count > 0)
    monkeypatch.setattr(hardware, "visible_gpus", lambda: count)


@pytest.mark.parametrize(("count", "engine"), [(0, "native"), (1, "native"), (2, "deepspeed"), (8, "deepspeed")])
def test_auto_is_native_on_one_device_and_deepspeed_on_several(
    monkeypatch: pytest.MonkeyPatch, count: int, engine: str
) -> None:
    gpus(monkeypatch, count)
    assert resolve(load_spec("smoke", AUTO)).training.engine == engine


def test_auto_is_deepspeed_in_a_group_of_processes_wherever_they_run(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 0)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert resolve(load_spec("smoke", AUTO)).training.engine == "deepspeed"


def test_what_is_named_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 4)
    assert resolve(load_spec("smoke")) == load_spec("smoke")
    assert resolve(load_spec("smoke", ["training.engine=deepspeed"]), devices=1).training.engine == "deepspeed"


def test_an_id_needs_an_engine_and_the_native_one_gives_the_ids_of_before() -> None:
    with pytest.raises(ValueError, match="engine"):
        _ = load_spec("smoke", ["training.engine=auto"]).run_id
    native, other = load_spec("smoke").run_id, load_spec("smoke", ["training.engine=deepspeed"]).run_id
    assert native == "67395e6188a5337f"  # as before there was a choice
    divided = load_spec("smoke", ["training.engine=deepspeed", "training.zero_stage=1"]).run_id
    assert len({native, other, divided}) == 3


def test_the_presets_of_the_thesis_name_its_conditions() -> None:
    for name in preset_names():
        training = load_spec(name).training
        if name == "thesis-fast":
            assert (training.engine, training.precision) == ("native", "fp16")
        elif name.startswith("thesis"):
            assert (training.engine, training.precision) == ("deepspeed", "fp16")
        else:
            assert training.engine != "auto"


@pytest.mark.parametrize(
    ("overrides", "processes", "advice"),
    [
        (["training.precision=fp16"], 1, "training.precision=bf16"),
        (["training.precision=fp16", "training.engine=native"], 1, "training.precision=bf16"),
        (["training.engine=native"], 2, "training.engine=deepspeed"),
        (["training.batch_size=64"], 3, "multiple of 3"),
        (["training.batch_size=64", "training.gradient_accumulation=4"], 32, "multiple of 128"),
        (["training.device=cuda"], 1, "training.device=auto"),
    ],
)
def test_what_cannot_be_trained_is_refused_with_what_can(
    monkeypatch: pytest.MonkeyPatch, overrides: list[str], processes: int, advice: str
) -> None:
    gpus(monkeypatch, 0)
    spec = load_spec("smoke", ["training.engine=deepspeed", *overrides])
    with pytest.raises(InputError) as refused:
        check_hardware(spec, processes=processes)
    assert advice in str(refused.value)
    assert "\n" not in str(refused.value)


def test_without_deepspeed_one_line_says_all_that_has_to_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus(monkeypatch, 0)
    find = importlib.util.find_spec

    def absent(name: str, *arguments: Any) -> Any:
        return None if name == "deepspeed" else find(name, *arguments)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    with pytest.raises(InputError, match=r"--set training\.engine=native --set training\.precision=bf16"):
        check_hardware(load_spec("thesis"))
    with pytest.raises(InputError, match=r"grokcore\[deepspeed\].* --set training\.engine=native"):
        check_hardware(load_spec("smoke", ["training.engine=deepspeed"]))


@pytest.mark.parametrize(
    ("overrides", "advice"),
    [
        (["training.engine=native", "training.zero_stage=1"], "engine=deepspeed"),
        (["training.zero_stage=3"], "less than or equal to 2"),
        (
            ["training.zero_stage=2", "training.projection=norm_ball", "training.projection_bound=5"],
            "zero_stage=0",
        ),
    ],
)
def test_zero_divides_only_what_it_can(overrides: list[str], advice: str) -> None:
    with pytest.raises(InputError, match=advice):
        load_spec("smoke", ["training.engine=deepspeed", *overrides])


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_is_given_a_gpu_exactly_if_its_description_says_that_it_needs_one(name: str) -> None:
    document = yaml.safe_load((files("grokcore.presets") / f"{name}.yaml").read_text())
    needs_one = "needs a GPU" in " ".join(document["description"].split())
    assert hardware.gpus_for(load_spec(name), "auto") == ("1" if needs_one else "0")
