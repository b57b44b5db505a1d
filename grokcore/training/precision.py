"""Loss scaling: what fp16 needs so that small gradients are not lost."""

from __future__ import annotations

import torch
from torch import Tensor

INITIAL_SCALE, GROWTH, BACKOFF, GROWTH_INTERVAL = 2.0**16, 2.0, 0.5, 2000
"""The constants of `torch.amp.GradScaler`."""

MIN_SCALE = 2.0**-14
"""The smallest normal number of fp16, and the last scale: a run whose gradients still overflow here has diverged.
`GradScaler` halves on to 0, which turns finite gradients into NaN; DeepSpeed ends at 1, fairseq at 1e-4.
"""


def loss_scaler(precision: str, device: torch.device) -> LossScaler | None:
    """Return a loss scaler if `precision` needs one: only fp16 does."""
    return LossScaler(device) if precision == "fp16" else None


class LossScaler:
    """Dynamic loss scaling (arXiv 1710.03740, section 3.2) that decides on the device whether a step is skipped.

    The arithmetic is that of `torch.amp.GradScaler`, which reads the decision from the device: a sync point in every
    step, which a CUDA graph cannot hold. Here the decision stays a tensor, and every change of a weight is multiplied
    with it.

    Attributes:
        scale: 0-d float32, what the loss is multiplied by.
        found_inf: 0-d float32, 1 if a gradient of the current step is not finite, so that it is skipped, else 0.
    """

    def __init__(self, device: torch.device) -> None:
        self.scale = torch.tensor(INITIAL_SCALE, device=device)
        self.found_inf = torch.tensor(0.0, device=device)
        self._since_change = torch.tensor(0, dtype=torch.int32, device=device)

    def unscale_(self, gradients: list[Tensor]) -> None:
        """Divide `gradients` by the scale, in place, and note whether one of them is not finite."""
        self.found_inf.zero_()
        torch._amp_foreach_non_finite_check_and_unscale_(
            gradients, self.found_inf, self.scale.double().reciprocal().float()
        )

    def update(self) -> None:
        """Halve the scale after a skipped step, down to `MIN_SCALE`; double it after `GROWTH_INTERVAL` other steps."""
        torch._amp_update_scale_(self.scale, self._since_change, self.found_inf, GROWTH, BACKOFF, GROWTH_INTERVAL)
        self.scale.clamp_min_(MIN_SCALE)

    def tensors(self) -> dict[str, Tensor]:
        """Return its state under `torch.amp.GradScaler`'s names."""
        return {"scale": self.scale, "_growth_tracker": self._since_change}
