"""The interface of optimizers to the training step."""

from __future__ import annotations

import torch
from torch import Tensor


class Optimizer(torch.optim.Optimizer):
    """An optimizer whose step a CUDA graph can hold and loss scaling can skip.

    All of its state is there from the start, and changes in place. `step` takes the learning rate of a group as a
    number or as a 0-d tensor, which the next replay reads anew, and never reads a value from the device.

    Attributes:
        found_inf: 0-d float32; where it is 1, `step` changes neither a weight nor the state. None never skips.
    """

    found_inf: Tensor | None = None

    def prepare(self) -> None:
        """Make the initial state for the weights that the groups hold now, and drop any other.

        DeepSpeed replaces the model's weights in the groups by its own.
        """
        raise NotImplementedError
