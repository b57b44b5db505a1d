"""The interface of optimizers to the training step."""

from __future__ import annotations

import torch
from torch import Tensor


class Optimizer(torch.optim.Optimizer):
    """An optimizer whose step a CUDA graph can hold and loss scaling can skip.

    All of its state is there from the start, and changes in place. `step` takes the learning rate of a group as a
    number or as a 0-d tensor, which the next replay then reads anew, and never asks the device for a value.

    Attributes:
        found_inf: 0-d float32; where it is 1, `step` changes neither a weight nor the state. None never skips.
    """

    found_inf: Tensor | None = None

    def prepare(self) -> None:
        """Make the initial state for the weights that the groups hold now, and drop any other.

        DeepSpeed puts weights of its own in the place of the model's.
        """
        raise NotImplementedError
