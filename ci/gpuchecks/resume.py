"""Runs that were resumed against uninterrupted ones: journals and weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from ci.gpuchecks.setting import Setting
from ci.gpuchecks.steps import small_spec
from ci.gpuchecks.trajectories import are_equal, distance
from grokcore.data import generate_dataset
from grokcore.models import ARCHITECTURES
from grokcore.runs.journal import JOURNAL, read_journal
from grokcore.training import train_model

STEPS = 40
BUDGETS = ("evaluation.interval=20", "evaluation.growth=1000", "training.checkpoint_interval=20")
"""Runs that end at half of the steps and at all of them are evaluated and saved at the same steps."""


def compare_resumed(setting: Setting) -> None:
    data = setting.work / "smoke"
    generate_dataset(small_spec("gpt2").task, data)
    for architecture in ["gpt2", "mamba"] if setting.rehearse else ARCHITECTURES:
        for precision in ("fp32", "bf16") if setting.rehearse else ("fp32", "fp16"):
            settings = [f"training.device={setting.device}", f"training.precision={precision}", *BUDGETS]
            with setting.scratch() as folder:
                for run, ends in {"whole": [STEPS], "parts": [STEPS // 2, STEPS]}.items():
                    for steps in ends:
                        spec = small_spec(
                            architecture, *settings, *_dropout(architecture), f"training.max_steps={steps}"
                        )
                        train_model(spec, data, folder / run)
                row = _compared(folder)
            setting.add(architecture=architecture, precision=precision, **row)
            if not row["equal"]:
                setting.problem(f"{architecture} in {precision}: the resumed run is {row['distance']} away")


def _dropout(architecture: str) -> list[str]:
    """Return dropout, where there is one: random numbers are a part of what a checkpoint holds."""
    return ["model.dropout=0.1"] if "dropout" in type(small_spec(architecture).model).model_fields else []


def _compared(folder: Path) -> dict[str, Any]:
    whole, parts = (load_file(folder / run / "model" / "model.safetensors") for run in ("whole", "parts"))
    one, other = (_without_clock(folder / run) for run in ("whole", "parts"))
    return {
        "equal": one == other and are_equal(parts, whole),
        "equal_journal": one == other,
        "distance": distance(parts, whole),
    }


def _without_clock(run: Path) -> list[dict[str, Any]]:
    lines = read_journal(run / JOURNAL)
    return [{name: value for name, value in line.items() if name != "clock"} for line in lines]
