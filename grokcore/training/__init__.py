"""Training: the loop, its schedule, sampler, optimisers, losses and checkpoints."""

import os

# OpenMP's threads spin while they wait for each other, which starves them where other work shares the cores, small
# models above all. OpenMP reads this when torch is first loaded, so it stands before that.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from grokcore.training.train import TrainResult, train_model

__all__ = ["TrainResult", "train_model"]
