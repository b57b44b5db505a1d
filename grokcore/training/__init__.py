"""Training: the loop, its schedule, sampler, optimisers, losses and checkpoints."""

from grokcore.training.train import TrainResult, train_model

__all__ = ["TrainResult", "train_model"]
