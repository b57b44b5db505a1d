"""DeepSpeed's configuration for a spec, made without torch and DeepSpeed."""

from __future__ import annotations

from typing import Any

from grokcore.spec import TrainingSpec

LOSS_SCALE_POWER, LOSS_SCALE_WINDOW = 16, 2000
"""Dynamic loss scaling begins at 2**16 and doubles after 2000 steps, as in `torch.amp.GradScaler`."""


def deepspeed_config(training: TrainingSpec, *, processes: int) -> dict[str, Any]:
    """Return the configuration for `deepspeed.initialize`.

    It does not name an optimizer: DeepSpeed takes ours, whose parameter groups and arithmetic are those of the native
    engine, and whose learning rate is set before each step.

    Args:
        training: with `precision` resolved; its batch_size is that of all processes together.
        processes: number of processes that train together, each on one device.
    """
    parts = processes * training.gradient_accumulation
    config: dict[str, Any] = {
        "train_batch_size": training.batch_size,
        "train_micro_batch_size_per_gpu": training.batch_size // parts,
        "gradient_accumulation_steps": training.gradient_accumulation,
        "gradient_clipping": training.gradient_clip or 0.0,
        "zero_optimization": {"stage": training.zero_stage},
        "zero_allow_untested_optimizer": True,
        "steps_per_print": None,
        "wall_clock_breakdown": False,
    }
    if training.precision == "fp16":
        config["fp16"] = {
            "enabled": True,
            "loss_scale": 0,  # dynamic
            "initial_scale_power": LOSS_SCALE_POWER,
            "loss_scale_window": LOSS_SCALE_WINDOW,
            "hysteresis": 1,
            "min_loss_scale": 1,
        }
    elif training.precision == "bf16":
        config["bf16"] = {"enabled": True}
    return config
