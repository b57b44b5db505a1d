"""Several seeds of one spec at once, each an ordinary run."""

from grokcore.training.seeds.train import directory_of, train_seeds

__all__ = ["directory_of", "train_seeds"]
