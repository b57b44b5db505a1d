"""Adam (arXiv 1412.6980), its weight decay added to the gradient as an L2 penalty."""

from __future__ import annotations

import torch

from grokcore.training.optimizers.adamw import AdamW


class Adam(AdamW):
    """As AdamW, but the decay passes through the moments, so that weights with large gradients are decayed less."""

    kernel = staticmethod(torch._fused_adam_)


OPTIMIZER = Adam
