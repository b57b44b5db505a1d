"""Seeds that train side by side with their weights stacked, against the same seeds one after another."""

from __future__ import annotations

from ci.gpuchecks.setting import Setting
from ci.gpuchecks.steps import small_spec
from grokcore.data import generate_dataset
from grokcore.runs.journal import JOURNAL, read_journal
from grokcore.training.seeds import directory_of, train_seeds

SEEDS, STEPS = 3, 20
FAR = {"fp32": 1e-4, "bf16": 0.1}
"""Relative distance of a loss that another order of summation does not explain after so few steps."""


def compare_stacked(setting: Setting) -> None:
    data = setting.work / "smoke"
    generate_dataset(small_spec("gpt2").task, data)
    for architecture in ["gpt2"] if setting.rehearse else ["gpt2", "llama", "rwkv", "mamba"]:
        for precision, far in FAR.items():
            settings = [f"training.device={setting.device}", f"training.precision={precision}"]
            spec = small_spec(architecture, *settings, f"training.max_steps={STEPS}")
            specs = [spec.model_copy(update={"seed": seed}) for seed in range(SEEDS)]
            with setting.scratch() as folder:
                train_seeds(specs, data, folder / "stacked", strategy="stacked")
                train_seeds(specs, data, folder / "sequence", strategy="sequence")
                apart = 0.0
                for seed in range(SEEDS):
                    stacked, alone = (
                        read_journal(folder / how / directory_of(seed) / JOURNAL)[-1] for how in ("stacked", "sequence")
                    )
                    for name, split in alone["splits"].items():
                        apart = max(apart, abs(stacked["splits"][name]["loss"] / split["loss"] - 1))
            setting.add(
                architecture=architecture, precision=precision, seeds=SEEDS, steps=STEPS, largest_distance_of_loss=apart
            )
            if apart > far:
                setting.problem(f"{architecture} in {precision}: stacked seeds are {apart:.2g} away, more than {far:g}")
